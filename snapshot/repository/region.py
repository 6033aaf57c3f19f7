"""Part of stored arrays: which bytes of which blocks an index touches, and only those."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np

from snapshot.model import Leaf, parse_dtype
from snapshot.repository import layout
from snapshot.repository.fetching import Fetcher, Part
from snapshot.repository.table import Place

Array = np.ndarray[Any, np.dtype[Any]]

#: A part of a block is read alone when it is this much smaller; a whole block can be checked.
_SMALLER = 8
#: What is fetched together: enough to keep a disk or a network busy.
_TOGETHER_BYTES = 32 * 1024 * 1024
_TOGETHER = 512


class _Cut(NamedTuple):
    """What an index takes of one block: bytes ``first`` to ``last``, with ``strides`` from ``offset`` on."""

    block: int
    target: tuple[slice, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    first: int
    last: int
    whole: bool  #: these are all of the block's
    offset: int


class RegionReader:
    """Fills one row after another of an array with the same part of many stored arrays.

    A block with the same hash at the same place as in the row before is not read again.
    """

    def __init__(self, fetcher: Fetcher, what: str) -> None:
        self._fetcher = fetcher
        self._what = what
        self._cuts: dict[Any, list[_Cut]] = {}
        self._waiting: list[tuple[Array, _Cut, Part | Array, np.dtype[Any]]] = []
        self._bytes = 0
        self._before: dict[int, tuple[bytes, Array]] = {}
        self._order = ""

    def fill(self, out: Array, leaf: Leaf, places: tuple[Place, ...], picks: list[range]) -> None:
        """Let ``out`` be filled with what ``picks`` (one range an axis) choose; done by :meth:`finish`."""
        if leaf.order == "F":
            # blocks are counted in the order of memory
            picks, out = picks[::-1], out.T
        if leaf.order != self._order:
            self.forget()
            self._order = leaf.order
        before, self._before = self._before, {}
        dtype = parse_dtype(leaf.dtype)
        for cut in self._cuts_of(leaf, picks):
            digest = leaf.blocks[cut.block]
            known = before.get(cut.block)
            if known is not None and known[0] == digest:
                self._waiting.append((out, cut, known[1], dtype))
            else:
                part = Part(leaf, places[cut.block], cut.block, cut.first, cut.last, cut.whole)
                self._waiting.append((out, cut, part, dtype))
                self._bytes += cut.last - cut.first
            self._before[cut.block] = digest, out
        if self._bytes > _TOGETHER_BYTES or len(self._waiting) > _TOGETHER:
            self.finish()

    def forget(self) -> None:
        """The next row has nothing in common with the one before."""
        self._before = {}

    def finish(self) -> None:
        """Read everything that is still to be read. Raises Damaged."""
        wanted = [part for _, _, part, _ in self._waiting if isinstance(part, Part)]
        found = iter(self._fetcher.parts(wanted, self._what))
        for out, cut, source, dtype in self._waiting:
            if isinstance(source, Part):
                out[cut.target] = np.ndarray(cut.shape, dtype, next(found), cut.offset, cut.strides)
            else:
                out[cut.target] = source[cut.target]
        self._waiting, self._bytes = [], 0

    def _cuts_of(self, leaf: Leaf, picks: list[range]) -> list[_Cut]:
        form = (leaf.shape, leaf.dtype, leaf.order)
        if form not in self._cuts:
            self._cuts[form] = cuts(leaf, picks)
        return self._cuts[form] if leaf.blocks else []


def cuts(leaf: Leaf, picks: list[range]) -> list[_Cut]:
    """What ``picks``, one range an axis in the order of memory, take of each block."""
    where = layout.cut_of(leaf)
    axes = [
        [(at, pair) for at in range(count) if (pair := _overlap(pick, at * size, (at + 1) * size))]
        for pick, size, count in zip(picks, where.block_shape, where.grid)
    ]
    return [
        _cut(leaf, [at for at, _ in chosen], [pair[0] for _, pair in chosen], [pair[1] for _, pair in chosen])
        for chosen in product(*axes)
    ]


def _cut(leaf: Leaf, grid: list[int], target: list[slice], source: list[slice]) -> _Cut:
    where = layout.cut_of(leaf)
    itemsize = parse_dtype(leaf.dtype).itemsize
    shape = [min(size, whole - at * size) for at, size, whole in zip(grid, where.block_shape, where.shape)]
    steps = [itemsize]
    for size in shape[:0:-1]:
        steps.insert(0, steps[0] * size)
    taken = [range(one.start, one.stop, one.step) for one in source]
    first = sum(one[0] * step for one, step in zip(taken, steps))
    last = sum(one[-1] * step for one, step in zip(taken, steps)) + itemsize
    strides = tuple(step * one.step for one, step in zip(taken, steps))
    whole = itemsize * int(np.prod(shape, dtype=np.int64))
    block = int(np.ravel_multi_index(grid, where.grid)) if grid else 0
    sizes = tuple(map(len, taken))
    if (last - first) * _SMALLER <= whole:
        return _Cut(block, tuple(target), sizes, strides, first, last, False, 0)
    return _Cut(block, tuple(target), sizes, strides, 0, whole, True, first)


def _overlap(pick: range, first: int, last: int) -> tuple[slice, slice] | None:
    """Positions of ``pick`` that lie in first..last, and those places counted from first."""
    step = abs(pick.step)
    rising = pick if pick.step > 0 else pick[::-1]
    low = max(0, -(-(first - rising.start) // step))
    high = min(len(rising), -(-(last - rising.start) // step))
    if low >= high:
        return None
    start = rising.start + low * step - first
    inside = slice(start, start + (high - low - 1) * step + 1, step)
    if pick.step > 0:
        return slice(low, high), inside
    top, bottom = len(rising) - 1 - low, len(rising) - 1 - high
    return slice(top, bottom if bottom >= 0 else None, -1), inside
