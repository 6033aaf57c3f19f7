"""One commit, planned: which keys are written, and the table that refers to them. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any

from snapshot.cutting import Cut
from snapshot.model import parse_dtype
from snapshot.repository import layout, nodes
from snapshot.repository.entry import Entry, StoredLeaf
from snapshot.repository.known import Known
from snapshot.repository.table import InPack, InRow, Piece, Place, Table

Bytes = bytes | memoryview


class Rows:
    """The next free row of every array of one run. A row given out is never given again.

    ``described`` are the keys that tell zarr of the folders around them, as far as they were committed.
    """

    def __init__(self, existing: Callable[[str], int]) -> None:
        self.described: set[str] = set()
        self._next: dict[str, int] = {}
        self._existing = existing

    def take(self, array: str) -> int:
        if array not in self._next:
            self._next[array] = self._existing(array)
        row = self._next[array]
        self._next[array] = row + 1
        return row


class Commit:
    """Collects what a snapshot adds to a run.

    ``writes`` are the keys to put, in any order, before the commit key; those of them that
    nothing else can name are ``own``. ``groups`` describe the folders of new rows to zarr;
    they are there unless a variable is new, or somebody took away what looked empty.
    ``known`` holds the places they will lie at, to be accepted once the commit is on disk.
    Where a snapshot holds what the one before did, whose table is ``before``, it has an
    equal table, and nothing is looked up.
    """

    def __init__(
        self, entry: Entry, known: Known, run: str, rows: Rows, pack: int, before: Table | None = None
    ) -> None:
        #: The number after those of the packs that are written.
        self.next_pack = pack
        self.writes: dict[str, Callable[[], Bytes | Sequence[Bytes]]] = {}
        self.groups: dict[str, Callable[[], Bytes]] = {}
        self.own: list[str] = []
        self.known = known.draft()
        self._entry = entry
        self._run = run
        self._rows = rows
        self._pieces: list[Bytes] = []
        self._pack_size = 0
        self.table = before if before is not None and _is_of(before, entry) else self._plan()

    def _plan(self) -> Table:
        entry = self._entry
        table = Table(
            leaves=entry.leaves,
            places=tuple(self._place(leaf) for leaf in entry.leaves),
            records={name: self._piece(data) for name, data in entry.records.items()},
            pickles={name: self._piece(data) for name, data in entry.pickles.items()},
            signatures=dict(self._signatures()),
            joined=entry.joined,
            names=entry.names,
            report=entry.report,
            plain=entry.plain,
            numbers=entry.numbers,
        )
        self._close_pack()
        return table

    def _signatures(self) -> Iterator[tuple[str, str]]:
        sign = self._entry.sign
        if sign is not None:
            for name, data in self._entry.pickles.items():
                if signature := sign(self._run, self._entry.snapshot.id, name, data):
                    yield name, signature

    def _close_pack(self) -> None:
        if self._pack_size:
            pack = layout.pack_folder(self._run, self.next_pack)
            self.writes[layout.pack_chunk_key(pack)] = partial(list, self._pieces)
            self.writes[f"{pack}/zarr.json"] = partial(nodes.pack_array, self._pack_size)
            self.own += [layout.pack_chunk_key(pack), f"{pack}/zarr.json"]
            self.next_pack += 1
        self._pieces, self._pack_size = [], 0

    def _place(self, stored: StoredLeaf) -> tuple[Place, ...]:
        leaf = stored.leaf
        if not leaf.blocks:
            return ()
        where = layout.cut_of(leaf)
        if len(where) != len(leaf.blocks):
            raise ValueError(f"{stored.path}: {len(leaf.blocks)} hashes were given for {len(where)} blocks")
        if layout.is_packed(leaf):
            return tuple(self._packed(digest, None) for digest in leaf.blocks)
        places = self._in_rows(stored, where)
        self.known.add_leaf(stored, places)
        return places

    def _packed(self, digest: bytes, data: Bytes | None) -> InPack:
        """Where the bytes of a digest lie in a pack, this snapshot's if nowhere yet."""
        place = self.known.piece(digest)
        if place is None:
            data = _flat(self._entry.block(digest)) if data is None else data
            if self._pack_size + len(data) > layout.PACK_BYTES:
                self._close_pack()
            place = InPack(layout.pack_folder(self._run, self.next_pack), self._pack_size, len(data))
            gap = -len(data) % layout.PACK_ALIGNMENT
            self._pieces += [data, bytes(gap)]
            self._pack_size += len(data) + gap
            self.known.add_piece(digest, place)
            self.known.add_written(place)
        return place

    def _piece(self, data: bytes) -> Piece:
        digest = layout.digest_of(data)
        return Piece(digest, self._packed(digest, data))

    def _in_rows(self, stored: StoredLeaf, where: Cut) -> tuple[Place, ...]:
        found = self.known.rows(stored)
        if None not in found:
            return tuple(place for place in found if place is not None)
        array = f"{layout.variable_folder(self._run, stored.path)}/{layout.form(stored.leaf)}"
        row = self._rows.take(array)
        places = []
        for index, place in enumerate(found):
            if place is None:
                place = InRow(array, row, index)
                self._write_block(stored, where, array, row, index)
                self.known.add_written(place)
            places.append(place)
        self._describe(stored, array, row)
        return tuple(places)

    def _describe(self, stored: StoredLeaf, array: str, row: int) -> None:
        folder = f"{array.rpartition('/')[0]}/zarr.json"
        self.groups[folder] = partial(nodes.group, {"path": stored.path})
        if folder not in self._rows.described:
            self.writes[folder] = self.groups[folder]
        about = partial(nodes.row_array, stored.path, stored.dtype, stored.leaf, row + 1)
        self.writes[f"{array}/zarr.json"] = self.groups[f"{array}/zarr.json"] = about

    def _write_block(self, stored: StoredLeaf, where: Cut, array: str, row: int, index: int) -> None:
        first, last = where.span(index)
        block = _flat(self._entry.block(stored.leaf.blocks[index]))
        if len(block) != last - first:
            raise ValueError(f"{stored.path}: block {index} has {len(block)} bytes, not {last - first}")
        size = prod(where.block_shape) * parse_dtype(stored.leaf.dtype).itemsize
        key = layout.chunk_key(array, stored.leaf, where, row, index)
        self.writes[key] = partial(_padded, block, size)
        self.own.append(key)


def _is_of(table: Table, entry: Entry) -> bool:
    """Whether a snapshot holds just what a table says. A pickle's signature is of one snapshot alone."""
    return (
        table.leaves is entry.leaves
        and not (table.pickles or entry.pickles)
        and (table.names, table.report, table.plain) == (entry.names, entry.report, entry.plain)
        and table.numbers == entry.numbers
        and table.records.keys() == entry.records.keys()
        and all(table.records[name].digest == layout.digest_of(data) for name, data in entry.records.items())
    )


def _padded(block: memoryview, size: int) -> list[Bytes]:
    """zarr's chunks are all of one size: the last one along an axis is filled up with zeros."""
    return [block] if len(block) == size else [block, bytes(size - len(block))]


def _flat(buffer: Any) -> memoryview:
    """A buffer as plain bytes, so that its length is its size."""
    block = memoryview(buffer)
    return block if block.format == "B" and block.ndim == 1 else block.cast("B")
