"""What is already on disk, by content: why an unchanged variable costs nothing."""

from __future__ import annotations

from collections import Counter

from snapshot.model import Leaf
from snapshot.repository import layout
from snapshot.repository.entry import StoredLeaf
from snapshot.repository.table import InPack, InRow, Place, Table

_RowKey = tuple[str, int, bytes]


class Known:
    """Digests of committed contents -> where they lie.

    Blocks of rows are shared within one variable at the same position, so that the rows
    of its array stay as complete as they can be for readers with plain zarr. Beyond
    that only whole contents are shared: a copy of a variable under another name refers
    to the row of the first. Pieces of packs are shared by anything.

    Each place is counted by the tables that refer to it: one that no table refers to any
    more, because its snapshots were dropped, is as good as gone.
    """

    def __init__(self, base: Known | None = None) -> None:
        self._base = base
        self._rows: dict[_RowKey, InRow] = {}
        self._whole: dict[bytes, tuple[InRow, ...]] = {}
        self._pieces: dict[bytes, InPack] = {}
        #: Tables that refer to a place; of a draft, the places that it writes itself.
        self._uses: Counter[Place] = Counter()

    def draft(self) -> Known:
        """What is known, whose additions are kept apart until :meth:`accept`."""
        return Known(base=self)

    def accept(self, draft: Known, table: Table) -> None:
        """Take over what ``draft``, and any drafts it was made from, added: ``table`` is committed."""
        line = [draft]
        while line[-1]._base is not None and line[-1]._base is not self:
            line.append(line[-1]._base)
        for one in reversed(line):
            self._rows.update(one._rows)
            self._whole.update(one._whole)
            self._pieces.update(one._pieces)
        self._uses.update(table.referred())

    def learn(self, table: Table) -> None:
        """Everything a committed table refers to may be referred to again."""
        for stored, places in zip(table.leaves, table.places, strict=True):
            self.add_leaf(stored, places)
        for piece in (*table.records.values(), *table.pickles.values()):
            self._pieces[piece.digest] = piece.place
        self._uses.update(table.referred())

    def forget(self, table: Table) -> None:
        """A table that was learned or accepted no longer counts."""
        for place in table.referred():
            self._uses[place] -= 1
            if self._uses[place] <= 0:
                del self._uses[place]

    def clear(self) -> None:
        """Forget everything; drafts keep what they write themselves."""
        for known in (self._rows, self._whole, self._pieces, self._uses):
            known.clear()

    def holds(self, place: Place) -> bool:
        """Whether a snapshot that counts refers to a place, or this draft writes it."""
        return place in self._uses or (self._base is not None and self._base.holds(place))

    def add_written(self, place: Place) -> None:
        """This draft writes a place itself."""
        self._uses[place] = 1

    def piece(self, digest: bytes) -> InPack | None:
        """Where some bytes lie in a pack, None when they are to be written."""
        found = self._pieces.get(digest)
        if found is not None and self.holds(found):
            return found
        return self._base.piece(digest) if self._base is not None else None

    def add_piece(self, digest: bytes, place: InPack) -> None:
        self._pieces[digest] = place

    def rows(self, stored: StoredLeaf) -> list[InRow | None]:
        """Where each block of a leaf lies, None for those to be written."""
        leaf = stored.leaf
        home = _home(stored)
        blocks = [self._row((home, index, digest)) for index, digest in enumerate(leaf.blocks)]
        if None in blocks and (whole := self._copy(_whole_key(leaf))):
            return list(whole)
        return blocks

    def _row(self, key: _RowKey) -> InRow | None:
        found = self._rows.get(key)
        if found is not None and self.holds(found):
            return found
        return self._base._row(key) if self._base is not None else None

    def _copy(self, key: bytes) -> tuple[InRow, ...] | None:
        found = self._whole.get(key)
        if found is not None and all(map(self.holds, found)):
            return found
        return self._base._copy(key) if self._base is not None else None

    def add_leaf(self, stored: StoredLeaf, places: tuple[Place, ...]) -> None:
        """Remember where the blocks of a leaf lie."""
        in_rows = tuple(place for place in places if isinstance(place, InRow))
        if len(in_rows) < len(places):
            for digest, place in zip(stored.leaf.blocks, places, strict=True):
                if isinstance(place, InPack):
                    self._pieces[digest] = place
        elif in_rows:
            home = _home(stored)
            self._whole[_whole_key(stored.leaf)] = in_rows
            for index, (digest, place) in enumerate(zip(stored.leaf.blocks, in_rows, strict=True)):
                self._rows[home, index, digest] = place


def _home(stored: StoredLeaf) -> str:
    return f"{layout.slug(stored.path)}/{layout.form(stored.leaf)}"


def _whole_key(leaf: Leaf) -> bytes:
    return layout.digest_of(layout.form(leaf).encode() + b"".join(leaf.blocks))
