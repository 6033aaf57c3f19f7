"""What stays of snapshots that a collection removes: whom they descended from, which labels they had.

A child of a removed snapshot descends from its parent, and a label that moved to it does
not go back to an older snapshot. Both must be known after its header is gone, so a
collection writes them down before it deletes anything; what it names no longer counts.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from snapshot.timeline import SnapshotKey, link

#: A label, or none, and when it was given.
Claim = tuple[str | None, datetime]


@dataclass(frozen=True)
class Removed:
    """One removed snapshot; ``time`` is when it was dropped."""

    run: str
    id: int
    parent: int | str | None
    notebook: str
    time: datetime
    claims: tuple[Claim, ...] = ()

    @property
    def key(self) -> SnapshotKey:
        return self.run, self.id

    @property
    def parent_key(self) -> SnapshotKey | None:
        return link(self.run, self.parent)


def encode_removed(removed: Iterable[Removed]) -> bytes:
    """A record as it is stored."""
    document = [
        [one.run, one.id, one.parent, one.notebook, one.time.isoformat(), [[a, b.isoformat()] for a, b in one.claims]]
        for one in removed
    ]
    return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), compresslevel=6, mtime=0)


def decode_removed(data: bytes | memoryview | None) -> list[Removed]:
    """Read :func:`encode_removed` back; nothing where it is damaged, which costs links and no values."""
    try:
        document: list[Any] = json.loads(gzip.decompress(data or b""))
        return [
            Removed(
                run,
                number,
                parent,
                notebook,
                datetime.fromisoformat(time),
                tuple((label, datetime.fromisoformat(since)) for label, since in claims),
            )
            for run, number, parent, notebook, time, claims in document
        ]
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
        return []
