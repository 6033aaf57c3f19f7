"""One committed snapshot, read on demand: its table first, then only what is asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from snapshot.errors import Damaged
from snapshot.model import Leaf, Variable, parse_dtype
from snapshot.repository import layout
from snapshot.repository.entry import StoredLeaf
from snapshot.repository.header import Header
from snapshot.repository.pieces import Pieces
from snapshot.repository.storage import Storage
from snapshot.repository.table import InPack, InRow, Piece, Place, Table

Array = np.ndarray[Any, np.dtype[Any]]

#: Pieces up to this size are read with their neighbours, which are likely to be wanted next.
_WINDOWED = 256 * 1024


class Committed:
    """A snapshot on disk; implements :class:`snapshot.repository.entry.StoredEntry`.

    Creating one reads nothing. Values are compared with their hashes: Damaged names the
    variable, and the others stay readable.
    """

    def __init__(self, storage: Storage, pieces: Pieces, header: Header) -> None:
        self.header = header
        self._storage = storage
        self._pieces = pieces

    def __repr__(self) -> str:
        return f"<stored snapshot #{self.header.run}.{self.header.id}>"

    @cached_property
    def table(self) -> Table:
        """Everything but the values. Raises Damaged when it cannot be read."""
        return read_table(self._storage, self.header)

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {stored.number: position for position, stored in enumerate(self.table.leaves)}

    @property
    def leaves(self) -> tuple[StoredLeaf, ...]:
        return self.table.leaves

    @property
    def plain(self) -> tuple[Variable, ...]:
        return self.table.plain

    @property
    def names(self) -> dict[str, str]:
        return dict(self.table.names)

    @property
    def report(self) -> dict[str, str]:
        return dict(self.table.report)

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self.table.records)

    @property
    def pickled(self) -> tuple[str, ...]:
        return tuple(self.table.pickles)

    def record(self, group: str) -> bytes:
        """The record bytes of a group; KeyError when there are none."""
        return self._piece(self.table.records[group], f"the records of {group}")

    def pickle(self, group: str, *, trust: bool) -> bytes:
        """The pickle of a group; KeyError when there is none, PermissionError without trust."""
        piece = self.table.pickles[group]
        if not trust:
            raise PermissionError(
                f"{group} in {self._storage} is kept as a pickle, which can run any code when it is loaded: "
                "open the repository with trust if you know who wrote it."
            )
        return self._piece(piece, f"the pickle of {group}")

    def stored(self, number: int) -> StoredLeaf:
        """The leaf with that number; KeyError when there is none."""
        return self.table.leaves[self._positions[number]]

    def places(self, number: int) -> tuple[Place, ...]:
        """Where each block of a leaf lies."""
        return self.table.places[self._positions[number]]

    def block(self, number: int, index: int) -> bytes:
        """One block of one leaf, its hash checked."""
        return bytes(self.blocks(number, [index])[0])

    def read_into(self, number: int, index: int, out: memoryview) -> None:
        """Fill ``out``, of the block's size, with one block of one leaf; its hash is checked. Raises Damaged."""
        stored, place = self.stored(number), self.places(number)[index]
        if isinstance(place, InPack) and place.length <= _WINDOWED:
            out[:] = self.blocks(number, [index])[0]
            return
        key, start = _beginning(stored.leaf, place)
        if not self._storage.read_into(key, start, out):
            raise Damaged(self._damage(f"variable {stored.path!r}", key, None))
        if layout.digest_of(out) != stored.leaf.blocks[index]:
            raise Damaged(self._damage(f"variable {stored.path!r}", key, out))

    def blocks(self, number: int, indices: list[int]) -> list[memoryview]:
        """Several blocks of one leaf, their hashes checked."""
        stored, places = self.stored(number), self.places(number)
        where = layout.cut_of(stored.leaf)
        requests = [_request(stored.leaf, places[index], where.span(index)) for index in indices]
        found = self._fetch(requests)
        for index, (key, _), data in zip(indices, requests, found, strict=True):
            if data is None or layout.digest_of(data) != stored.leaf.blocks[index]:
                raise Damaged(self._damage(f"variable {stored.path!r}", key, data))
        return [data for data in found if data is not None]

    def contents(self, number: int) -> Array:
        """All of one leaf as a fresh writable array of ``leaf.dtype`` and ``leaf.shape``."""
        leaf = self.stored(number).leaf
        if leaf.view is not None:
            base = self._bytes(leaf.view.base)
            view = np.ndarray(leaf.shape, parse_dtype(leaf.dtype), base, leaf.view.offset, leaf.view.strides)
            return view.copy()
        memory = np.ndarray(leaf.stored_shape, parse_dtype(leaf.dtype), self._bytes(number))
        return memory.T if leaf.order == "F" else memory

    def _bytes(self, number: int) -> Array:
        leaf = self.stored(number).leaf
        where = layout.cut_of(leaf)
        # NumPy refuses an empty buffer for an array without elements
        out = np.empty(max(1, leaf.nbytes), np.uint8)
        for index in range(len(leaf.blocks)):
            first, last = where.span(index)
            self.read_into(number, index, out[first:last].data)
        return out

    def _piece(self, piece: Piece, what: str) -> bytes:
        data = self._pieces.read(piece.place)
        if data is None or layout.digest_of(data) != piece.digest:
            raise Damaged(self._damage(what, layout.pack_chunk_key(piece.place.pack), data))
        return bytes(data)

    def _fetch(self, requests: list[tuple[str, Any]]) -> list[memoryview | None]:
        if all(isinstance(where, InPack) for _, where in requests):
            return [self._pieces.read(where) for _, where in requests]
        return self._storage.get_many(requests)

    def _damage(self, what: str, key: str, data: memoryview | None) -> str:
        found = "is missing" if data is None else f"does not match its hash ({len(data)} bytes were read)"
        return (
            f"{what} of snapshot #{self.header.run}.{self.header.id} in {self._storage} is damaged: "
            f"{key} {found}. Everything else can still be read; take this one from another snapshot."
        )


def _request(leaf: Leaf, place: Place, span: tuple[int, int]) -> tuple[str, Any]:
    if isinstance(place, InRow):
        key = layout.chunk_key(place.array, leaf, layout.cut_of(leaf), place.row, place.number)
        return key, (0, span[1] - span[0])
    return layout.pack_chunk_key(place.pack), place


def _beginning(leaf: Leaf, place: Place) -> tuple[str, int]:
    """The key that holds a block, and its first byte there."""
    if isinstance(place, InPack):
        return layout.pack_chunk_key(place.pack), place.offset
    return layout.chunk_key(place.array, leaf, layout.cut_of(leaf), place.row, place.number), 0


def read_table(storage: Storage, header: Header) -> Table:
    """The table of a snapshot. Raises Damaged when it is missing or not what was written."""
    key = layout.table_key(*header.key)
    data = storage.get(key)
    try:
        if data is None or layout.digest_of(data) != header.table:
            raise ValueError("it is missing" if data is None else "it does not match its hash")
        return Table.decode(data)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"The table of snapshot #{header.run}.{header.id} in {storage} cannot be read ({key}): {error}. "
            "Other snapshots are not affected."
        ) from error
