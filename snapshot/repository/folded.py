"""A run's timeline, folded: the headers of many snapshots in one object.

Only the run's writer makes these, after the commits they fold, and nothing depends on
them: a header that no fold holds is read from its own key. A fold is never changed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable

from snapshot.repository import layout
from snapshot.repository.header import Header
from snapshot.repository.storage import Storage


def fold_key(run: str, number: int) -> str:
    return f"{layout.timeline_folder(run)}/{number}"


def encode_fold(headers: Iterable[Header]) -> bytes:
    """Headers, one behind the other."""
    text = json.dumps([header.as_json() for header in headers], separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def read_folds(storage: Storage, run: str, numbers: Iterable[int]) -> dict[int, list[Header]]:
    """The folds of a run that can be read; the headers of the others are read from their own keys."""
    wanted = list(numbers)
    found: dict[int, list[Header]] = {}
    for number, data in zip(wanted, storage.get_many([(fold_key(run, n), None) for n in wanted]), strict=True):
        try:
            found[number] = [Header.from_json(one) for one in json.loads(gzip.decompress(data or b""))]
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            found[number] = []
    return found


class Folding:
    """Which of a run's headers are still to be folded."""

    def __init__(self) -> None:
        self._open: dict[int, Header] = {}

    def add(self, header: Header) -> tuple[int, list[Header]] | None:
        """One more commit; the fold that is complete with it, as its number and headers."""
        done = None
        first = next(iter(self._open), header.id)
        if layout.fold_of(header.id) != layout.fold_of(first):
            done = layout.fold_of(first), list(self._open.values())
            self._open = {}
        self._open[header.id] = header
        return done

    def remove(self, number: int) -> None:
        """A commit was taken back."""
        self._open.pop(number, None)
