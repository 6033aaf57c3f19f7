"""What a snapshot says about itself without its table: the attributes of its group."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from snapshot.repository import layout, nodes
from snapshot.timeline import SnapshotKey, link


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
        about = self.as_json()
        return nodes.group({"snapshot": {**about, "hash": _hash_of(about)}})

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Header:
        """Read :meth:`encode` back. Raises ValueError, KeyError, TypeError or AttributeError on anything else."""
        return cls.from_json(json.loads(bytes(data))["attributes"]["snapshot"])

    @classmethod
    def decode_of(cls, key: SnapshotKey, data: bytes | memoryview) -> Header:
        """As :meth:`decode`, and ValueError too when it is not about the snapshot that it lies beside."""
        header = cls.decode(data)
        if header.key != key:
            raise ValueError(f"it says it is of #{header.run}.{header.id}")
        return header

    @staticmethod
    def check(data: bytes | memoryview) -> None:
        """ValueError when it does not match its hash. Headers had none once, so one without is right.

        All of it is hashed, the label included: one that is given later is a note of its own.
        """
        document = json.loads(bytes(data))
        about = document["attributes"]["snapshot"]
        if (document["zarr_format"], document["node_type"]) != (3, "group"):
            raise ValueError("it is no group of zarr any more")
        if about.pop("hash", None) not in (None, _hash_of(about)):
            raise ValueError("it does not match its hash")

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
        """The header that :meth:`as_json` gave. Raises KeyError, ValueError, TypeError or AttributeError."""
        link(about["run"], about["parent"])  # one that names no snapshot would fail whoever follows it
        return cls(
            run=about["run"],
            id=about["id"],
            label=about["label"],
            step=about["step"],
            time=aware(about["time"]),
            parent=about["parent"],
            note=about["note"],
            notebook=about["notebook"],
            table=bytes.fromhex(about["table"]),
            nbytes=about["nbytes"],
        )


def _hash_of(about: dict[str, Any]) -> str:
    """Of the values, however they are written: another program may have set them out anew."""
    return layout.digest_of(json.dumps(about, sort_keys=True, separators=(",", ":")).encode()).hex()


def aware(text: str) -> datetime:
    """A time that can be put in order with others; ValueError when it has no time zone."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time
