"""Computes, behind the commits of a run, the numbers that :mod:`.kept_statistics` keeps."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import lru_cache, partial
from math import nan
from typing import Any, NamedTuple

from snapshot.errors import SnapshotError
from snapshot.history import Array
from snapshot.repository import layout
from snapshot.repository.entry import StoredLeaf
from snapshot.repository.header import Header
from snapshot.repository.kept_statistics import NONE, Collecting, form_text, identity, row_of
from snapshot.repository.storage import Storage
from snapshot.repository.stored_history import Run, StoredHistory
from snapshot.repository.table import Place, Table, block_out
from snapshot.statistics import as_numbers, describe, is_numeric, update_size

#: Smaller arrays are described in no time, many at once, when somebody looks at them.
LEAST_BYTES = 4 * 1024
#: Of larger ones two would take too much memory behind the user's back.
MOST_BYTES = 256 * 1024 * 1024
#: Changes that wait to be described; of more the numbers are computed when they are wanted.
_MOST_WAITING = 16 * 1024
_HARMLESS = (SnapshotError, OSError, TypeError, ValueError, LookupError, MemoryError)


class _Large(NamedTuple):
    """An array of a commit: where it lies."""

    stored: StoredLeaf
    places: tuple[Place, ...]

    def is_like(self, other: _Large) -> bool:
        """Whether the contents are equal."""
        return bool(self._about == other._about)

    @property
    def _about(self) -> Any:
        leaf = self.stored.leaf
        return leaf.blocks, leaf.shape, leaf.dtype, leaf.order, self.stored.dtype

    def run(self) -> Run:
        leaf, sources = self.stored.leaf, dict[str, int]()
        form = {
            "dtype": self.stored.dtype, "bytes": leaf.dtype, "shape": leaf.shape, "order": leaf.order,
            "role": self.stored.role.value,
        }  # fmt: skip
        blocks = [block_out(digest, at, sources) for digest, at in zip(leaf.blocks, self.places, strict=True)]
        return Run(form, blocks, list(sources))


class Statistician:
    """Of one run. Reads values back from the disk, and only from a disk: elsewhere that costs too much.

    No error is of any consequence: what is not described is computed when it is looked at.
    """

    def __init__(self, storage: Storage, run: str) -> None:
        self._storage = storage
        self._run = run
        self._last: tuple[int, dict[str, _Large]] = 0, {}
        self._table: Table | None = None  #: that of the last
        self._waiting: deque[tuple[int, _Large, _Large | None]] = deque(maxlen=_MOST_WAITING)
        self._collecting = Collecting()

    def committed(self, header: Header, table: Table) -> None:
        """Remember what a commit changed; nothing is read yet."""
        if self._storage.folder is None:
            return
        number, before = self._last
        known = before if number and number == header.parent else {}
        if known and table is self._table:
            self._last = header.id, before
            return
        self._table = table
        large = {
            stored.path: _Large(stored, places)
            for stored, places in zip(table.leaves, table.places, strict=True)
            if stored.path and stored.leaf.view is None and LEAST_BYTES < stored.leaf.nbytes <= MOST_BYTES
        }
        self._last = header.id, large
        for path, one in large.items():
            earlier = known.get(path)
            if (earlier is None or not one.is_like(earlier)) and _is_described(one.stored.dtype):
                self._waiting.append((header.id, one, earlier))

    def work(self) -> bool:
        """Describe one content; False when nothing waits."""
        try:
            change = self._waiting.popleft()
        except IndexError:
            return False
        with suppress(*_HARMLESS):
            self._describe(*change)
        return True

    def _describe(self, number: int, after: _Large, before: _Large | None) -> None:
        for key, parts in self._collecting.begin(self._run, number):
            # a folder that was deleted under a running kernel does not come back for this
            if self._storage.get(layout.ROOT_KEY) is not None:
                self._storage.put([(key, partial(list, parts))])
                self._storage.delete(*layout.folds_within(key))
        history = StoredHistory(after.stored.path, self._storage, ())
        new = history.number(after.run())
        value = _numbers(history, new)
        if value is None:
            return
        numbers, identity_before, update = describe(value), NONE, nan
        if before is not None and before.stored.leaf.shape == after.stored.leaf.shape:
            old = history.number(before.run())
            earlier = _numbers(history, old)
            if earlier is not None:
                identity_before, update = _identity(history, old), update_size(earlier, value)
        self._collecting.add(history.path, row_of(_identity(history, new), identity_before, numbers, update))


def _numbers(history: StoredHistory, content: int) -> Array | None:
    array, dtype = history.array(content), history.forms[history.form_of[content]].dtype
    return None if array is None else as_numbers(array, dtype if isinstance(dtype, str) else "")


def _identity(history: StoredHistory, content: int) -> bytes:
    return identity(form_text(history.forms[history.form_of[content]]), history.keys[content])


@lru_cache(maxsize=256)
def _is_described(dtype: str) -> bool:
    return is_numeric(dtype)
