"""One committed snapshot, read on demand: its table first, then only what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from snapshot.errors import Damaged, NotTrusted
from snapshot.model import Variable, parse_dtype
from snapshot.pausing import collector_paused
from snapshot.repository import layout
from snapshot.repository.entry import Doubt, StoredLeaf
from snapshot.repository.fetching import Fetcher, Otherwise, damage
from snapshot.repository.header import Header
from snapshot.repository.pieces import Pieces
from snapshot.repository.storage import Storage
from snapshot.repository.table import Piece, Place, Table, decode_document

Array = np.ndarray[Any, np.dtype[Any]]
T = TypeVar("T")


class Committed:
    """A snapshot on disk; implements :class:`snapshot.repository.entry.StoredEntry`.

    Creating one reads nothing. Values are compared with their hashes: Damaged names the
    variable, and the others stay readable.
    """

    def __init__(
        self, storage: Storage, pieces: Pieces, header: Header, otherwise: Otherwise = lambda digest, where: ()
    ) -> None:
        self.header = header
        self._otherwise = otherwise
        self._storage = storage
        self._pieces = pieces

    def __repr__(self) -> str:
        return f"<stored snapshot #{self.header.run}.{self.header.id}>"

    @cached_property
    def fetcher(self) -> Fetcher:
        """What reads its blocks; made when it is needed, since a timeline has thousands of snapshots."""
        return Fetcher(self._storage, self._pieces, self._otherwise)

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
        joined = self.table.joined
        streams = set(joined.values())
        return (*(name for name in self.table.pickles if name not in streams), *joined)

    @property
    def joined(self) -> dict[str, str]:
        return dict(self.table.joined)

    def record(self, group: str) -> bytes:
        """The record bytes of a group; KeyError when there are none."""
        return self._piece(self.table.records[group], f"the records of {group}")

    def pickle(self, group: str, *, trust: bool, doubt: Doubt | None = None) -> bytes:
        """The pickle of a group; KeyError when there is none, NotTrusted without trust if ``doubt`` has any."""
        stream = self.table.joined.get(group, group)
        data = self._piece(self.table.pickles[stream], f"the pickle of {group}")
        if trust:
            return data
        reason = "nobody vouches for it"
        if doubt is not None:
            reason = doubt(*self.header.key, stream, data, self.table.signatures.get(stream, ""))
        if reason:
            raise NotTrusted(
                f"{group} is kept as a pickle, which can run any code when it is loaded, and {reason}. "
                f"If you know who wrote it: %snapshot open {self._storage} --trust, or trust=True in Python."
            )
        return data

    def stored(self, number: int) -> StoredLeaf:
        """The leaf with that number; KeyError when there is none."""
        return self.table.leaves[self._positions[number]]

    def places(self, number: int) -> tuple[Place, ...]:
        """Where each block of a leaf lies."""
        return self.table.places[self._positions[number]]

    def block(self, number: int, index: int) -> bytes:
        """One block of one leaf, its hash checked."""
        stored = self.stored(number)
        part = self.fetcher.part(stored.leaf, self.places(number)[index], index)
        return bytes(self.fetcher.parts([part], self.described(stored))[0])

    def blocks(self, number: int, indices: Sequence[int]) -> Iterator[memoryview]:
        """Several blocks of one leaf, as many at a time as the storage takes; their hashes checked."""
        stored, places, size = self.stored(number), self.places(number), self._storage.at_once
        for start in range(0, len(indices), size):
            wanted = [self.fetcher.part(stored.leaf, places[index], index) for index in indices[start : start + size]]
            yield from self.fetcher.parts(wanted, self.described(stored))

    def read_into(self, number: int, index: int, out: memoryview) -> None:
        """Fill ``out``, of the block's size, with one block of one leaf; its hash is checked. Raises Damaged."""
        stored = self.stored(number)
        self.fetcher.read_into(stored.leaf, self.places(number)[index], index, out, self.described(stored))

    @property
    def is_near(self) -> bool:
        """Whether it lies in a folder."""
        return self._storage.folder is not None

    def described(self, stored: StoredLeaf) -> str:
        """A variable of this snapshot, for messages."""
        return f"variable {stored.path!r} of snapshot #{self.header.run}.{self.header.id}"

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
        spans = [where.span(index) for index in range(len(leaf.blocks))]
        if self._storage.at_once > 1:
            for (first, last), data in zip(spans, self.blocks(number, range(len(spans))), strict=True):
                out[first:last] = data
            return out
        for index, (first, last) in enumerate(spans):
            self.read_into(number, index, out[first:last].data)
        return out

    def _piece(self, piece: Piece, what: str) -> bytes:
        data = self._pieces.read(piece.place)
        if data is None or layout.digest_of(data) != piece.digest:
            key = layout.pack_chunk_key(piece.place.pack)
            other = self.fetcher.elsewhere(piece.digest, (key, piece.place.offset), piece.place.length)
            if other is None:
                what = f"{what} of snapshot #{self.header.run}.{self.header.id}"
                raise Damaged(damage(what, key, data, self._storage))
            data = other
        return bytes(data)


def read_table(storage: Storage, header: Header) -> Table:
    """The table of a snapshot. Raises Damaged when it is missing or not what was written."""
    return _read_table(storage, header, Table.decode)


def read_document(storage: Storage, header: Header) -> dict[str, Any]:
    """A table as the plain data that it is made of, in a fraction of the time. Raises Damaged."""
    return _read_table(storage, header, decode_document)


@collector_paused()
def _read_table(storage: Storage, header: Header, decode: Callable[[memoryview], T]) -> T:
    key = layout.table_key(*header.key)
    data = storage.get(key)
    try:
        if data is None or layout.digest_of(data) != header.table:
            raise ValueError("it is missing" if data is None else "it does not match its hash")
        return decode(data)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"The table of snapshot #{header.run}.{header.id} in {storage} cannot be read ({key}): {error}. "
            "Other snapshots are not affected."
        ) from error
