"""What a writer may refer to instead of writing it again: contents of snapshots that count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from snapshot.errors import Damaged
from snapshot.repository import layout
from snapshot.repository.header import Header
from snapshot.repository.known import Known
from snapshot.repository.reader import read_table
from snapshot.repository.removed import decode_removed
from snapshot.repository.storage import Storage
from snapshot.repository.table import Table
from snapshot.timeline import SnapshotKey

#: Of more dropped snapshots than this the tables are not read one by one; everything is forgotten instead.
_ONE_BY_ONE = 64


class Reusable:
    """The contents that a writer knows, the snapshots they come from, and which of those were dropped.

    :meth:`look` is the writer's half of the protocol in :mod:`snapshot.repository.collector`.
    """

    def __init__(self, storage: Storage) -> None:
        self.known = Known()
        self.sources: set[SnapshotKey] = set()
        self.dropped: set[SnapshotKey] = set()
        self.found_tombstones = False  #: ever
        self.last: Table | None = None  #: what was accepted last, while all it refers to counts
        self._storage = storage
        self._seen: set[str] = set()

    def accept(self, key: SnapshotKey, draft: Known, table: Table) -> None:
        """A snapshot was committed whose new contents are in ``draft``."""
        with self._all_or_nothing():
            self.known.accept(draft, table)
            self.sources.add(key)
            self.last = table

    def learn(self, header: Header) -> None:
        """The contents of a committed snapshot, unless it was dropped or is known."""
        if header.key in self.sources or header.key in self.dropped:
            return
        if self._storage.get(layout.old_dropped_key(*header.key)) is not None:
            return
        try:
            table = read_table(self._storage, header)
        except Damaged:
            return  # its contents are written again, which is the best that can be done for them
        with self._all_or_nothing():
            self.known.learn(table)
            self.sources.add(header.key)

    def forget(self, key: SnapshotKey, data: memoryview | None) -> None:
        """A source counts no longer; when its table is gone, any content may be one that only it held."""
        if key not in self.sources:
            return
        self.last = None
        table = _decoded(data)
        with self._all_or_nothing():
            self.sources.discard(key)
            if table is None:
                self.clear()
            else:
                self.known.forget(table)

    def clear(self) -> None:
        """Know nothing; what was dropped is still remembered."""
        self.last = None
        self.known.clear()
        self.sources.clear()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            # counts that an interrupt left half done would vouch for what is not there
            self.clear()
            raise

    def look(self) -> tuple[bool, bool]:
        """Look at the notes: (whether something was forgotten, whether a collection began since the last look)."""
        fresh = self._unseen()
        if not fresh:
            return False, False
        collecting = any(map(layout.is_collection, fresh))
        if collecting:
            # a tombstone that came and went during the listing may be missing in it; now it is
            # either there, or its snapshot is gone
            fresh |= self._unseen()
        notes = [note for note in map(layout.read_note_name, fresh) if note is not None]
        self.found_tombstones |= any(note[2] != "label" for note in notes)
        records = [(f"{layout.NOTES}/{name}", None) for name in fresh if layout.is_collection(name)]
        removed = {one.key for data in self._storage.get_many(records) for one in decode_removed(data)}
        self.dropped |= removed.union(note[:2] for note in notes if note[2] == "dropped")
        gone = self.dropped.union(note[:2] for note in notes if note[2] == "undone")
        gone = self.sources & (gone | self._missing() if collecting else gone)
        # an interrupt before this lets the next look see the same
        self._seen |= fresh
        if len(gone) > _ONE_BY_ONE:
            self.clear()
        for key in gone & self.sources:
            self.forget(key, self._storage.get(layout.table_key(*key)))
        return bool(gone), collecting

    def _unseen(self) -> set[str]:
        return set(self._storage.children(layout.NOTES)) - self._seen

    def _missing(self) -> set[SnapshotKey]:
        there = {
            (run, int(name))
            for run in {run for run, _ in self.sources}
            for name in self._storage.children(layout.snapshots_folder(run))
            if name.isdecimal()
        }
        return self.sources - there


def _decoded(data: memoryview | None) -> Table | None:
    try:
        return Table.decode(data or b"")
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
