"""The newest snapshots of a repository, without looking at the others."""

from __future__ import annotations

from collections.abc import Iterator

from snapshot.repository import layout
from snapshot.repository.header import Header
from snapshot.repository.storage import Storage
from snapshot.timeline import SnapshotKey

#: How many of the newest runs, by name, are looked at; names given by us begin with the time.
_RUNS = 3
#: How many ids behind a run's newest fold are tried.
_BEHIND = 2 * min(layout.FOLDS)


def newest(storage: Storage, count: int) -> list[Header]:
    """Up to ``count`` headers, the newest of those that count last.

    A guess that costs the same for ten snapshots and for ten thousand: a run that skipped
    many ids may have newer ones than are found.
    """
    notes = [note for note in map(layout.read_note_name, storage.children(layout.NOTES)) if note is not None]
    dropped = {(run, number) for run, number, what in notes if what == "dropped"}
    runs = sorted(layout.runs_among(storage.children("runs")))[-_RUNS:]
    keys = [key for run in runs for key in _candidates(storage, run, count) if key not in dropped]
    found = storage.get_many([(layout.commit_key(*key), None) for key in keys])
    there = [(key, data) for key, data in zip(keys, found, strict=True) if data is not None]
    headers = [header for key, data in there for header in _decoded(key, data)]
    return sorted(headers, key=lambda one: (one.time, one.run, one.id))[-count:]


def _candidates(storage: Storage, run: str, count: int) -> list[SnapshotKey]:
    folds = filter(None, map(layout.read_fold_name, storage.children(layout.timeline_folder(run))))
    end = max((layout.numbers_of_fold(*fold).stop for fold in folds), default=None)
    if end is None:
        numbers = sorted(int(name) for name in storage.children(layout.snapshots_folder(run)) if name.isdecimal())
        return [(run, number) for number in numbers[-_BEHIND:]]
    return [(run, number) for number in range(max(1, end - count), end + _BEHIND)]


def _decoded(key: SnapshotKey, data: memoryview) -> Iterator[Header]:
    try:
        yield Header.decode_of(key, data)
    except (ValueError, KeyError, TypeError, AttributeError):
        return
