"""Where else a block lies: equal contents may be stored at several places, of which one is damaged."""

from __future__ import annotations

from collections.abc import Iterator

from snapshot.errors import Damaged, RepositoryError
from snapshot.forking import forked_lock
from snapshot.repository import layout
from snapshot.repository.catalogue import Catalogue
from snapshot.repository.fetching import Where, beginning
from snapshot.repository.reader import read_table
from snapshot.repository.storage import Storage
from snapshot.repository.table import Table
from snapshot.timeline import SnapshotKey


class Elsewhere:
    """Every place of every block of a repository.

    Looked for only when a block cannot be read where it should be: it takes all tables
    once, and from then on those that are new.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = forked_lock()
        self._looked_at: set[SnapshotKey] = set()
        self._places: dict[bytes, dict[Where, None]] = {}

    def find(self, digest: bytes, but: Where) -> Iterator[Where]:
        """The keys that hold a block, and its first byte there, except for one."""
        with self._lock:
            try:
                self._look()
            except RepositoryError:
                return  # what is known is all there is
            found = [place for place in self._places.get(digest, ()) if place != but]
        yield from found

    def _look(self) -> None:
        headers, _ = Catalogue(self._storage, warn=False).read()
        for header in headers:
            if header.key not in self._looked_at:
                try:
                    self._add(read_table(self._storage, header))
                except Damaged:
                    continue
                self._looked_at.add(header.key)

    def _add(self, table: Table) -> None:
        for stored, places in zip(table.leaves, table.places, strict=True):
            for digest, place in zip(stored.leaf.blocks, places, strict=True):
                self._places.setdefault(digest, {})[beginning(stored.leaf, place)] = None
        for piece in (*table.records.values(), *table.pickles.values()):
            where = layout.pack_chunk_key(piece.place.pack), piece.place.offset
            self._places.setdefault(piece.digest, {})[where] = None
