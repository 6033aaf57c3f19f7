"""What a snapshot says about itself without its table: the attributes of its group."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from snapshot.repository import nodes


@dataclass(frozen=True, slots=True)
class Header:
    """One committed snapshot. ``time`` is aware; ``table`` is the hash of the table's bytes."""

    run: str
    id: int
    label: str | None
    step: int
    time: datetime
    parent: int | str | None
    note: str
    notebook: str
    table: bytes
    nbytes: int

    @property
    def key(self) -> tuple[str, int]:
        return self.run, self.id

    def encode(self) -> bytes:
        """The zarr group that commits the snapshot."""
        return nodes.group({"snapshot": self.as_json()})

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Header:
        """Read :meth:`encode` back. Raises ValueError, KeyError or TypeError on anything else."""
        return cls.from_json(json.loads(bytes(data))["attributes"]["snapshot"])

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "run": self.run,
            "id": self.id,
            "label": self.label,
            "step": int(self.step),
            "time": self.time.isoformat(),
            "parent": self.parent,
            "note": self.note,
            "notebook": self.notebook,
            "table": self.table.hex(),
            "nbytes": self.nbytes,
        }

    @classmethod
    def from_json(cls, about: dict[str, Any]) -> Header:
        """The header that :meth:`as_json` gave. Raises KeyError, ValueError or TypeError."""
        return cls(
            run=about["run"],
            id=about["id"],
            label=about["label"],
            step=about["step"],
            time=datetime.fromisoformat(about["time"]),
            parent=about["parent"],
            note=about["note"],
            notebook=about["notebook"],
            table=bytes.fromhex(about["table"]),
            nbytes=about["nbytes"],
        )
