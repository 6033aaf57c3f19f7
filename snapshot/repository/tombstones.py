"""Notes that a snapshot was dropped, or a commit taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from snapshot.repository import layout
from snapshot.repository.storage import Storage
from snapshot.timeline import SnapshotKey


class Tombstone(NamedTuple):
    """``note`` is its key; of a commit that was taken back it is ``undone`` and the table itself."""

    key: SnapshotKey
    note: str
    undone: bool = False

    @property
    def reference(self) -> str:
        """The snapshot, for people."""
        return f"#{self.key[0]}.{self.key[1]}"

    @property
    def table(self) -> str:
        """The key of the table of what was dropped."""
        return self.note if self.undone else layout.table_key(*self.key)

    @property
    def rest(self) -> list[str]:
        """The other keys of the snapshot."""
        return [
            layout.commit_key(*self.key),
            layout.label_key(*self.key),
            f"{layout.snapshot_folder(*self.key)}/label",
        ]

    @property
    def in_folder(self) -> bool:
        """Whether it lies in the snapshot's own folder, as in format 1."""
        return self.note == layout.old_dropped_key(*self.key)


def tombstones(storage: Storage) -> list[Tombstone]:
    """All there are."""
    names = storage.children(layout.NOTES)
    found = [(name, layout.read_note_name(name)) for name in names]
    return [
        Tombstone((note[0], note[1]), f"{layout.NOTES}/{name}", note[2] == "undone")
        for name, note in found
        if note is not None and note[2] != "label"
    ] + [
        one
        for run, old in old_among(storage, layout.runs_among(storage.children("runs"))).items()
        if old
        for one in _old(storage, run)
    ]


def old_among(storage: Storage, runs: Sequence[str]) -> dict[str, bool]:
    """Which runs are of format 1; those that have not said so yet, or cannot be understood, are left out."""
    found = storage.get_many([(layout.run_key(run), None) for run in runs])
    said = {run: _format(data) for run, data in zip(runs, found, strict=True) if data is not None}
    return {run: number < 2 for run, number in said.items() if number is not None}


def _format(data: memoryview) -> int | None:
    try:
        return int(json.loads(bytes(data))["attributes"].get("format", 1))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _old(storage: Storage, run: str) -> Iterator[Tombstone]:
    for key in storage.keys(layout.snapshots_folder(run)):
        found = layout.read_snapshot_key(key)
        if found is not None and found[2] == "dropped":
            yield Tombstone((found[0], found[1]), key)


def dropped_since(storage: Storage, found: list[Tombstone]) -> Iterator[tuple[Tombstone, datetime | None]]:
    """When each was dropped, None where that cannot be read; those that somebody else is done with are left out."""
    dropped = [one for one in found if not one.undone]
    for one, data in zip(dropped, storage.get_many([(one.note, None) for one in dropped]), strict=True):
        if data is not None:
            yield one, _time_of(data)
    yield from ((one, datetime.now(UTC)) for one in found if one.undone)


def _time_of(data: memoryview) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(bytes(data))["time"])
    except (ValueError, KeyError, TypeError):
        return None
