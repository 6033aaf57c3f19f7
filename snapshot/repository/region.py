"""Part of one stored array: which blocks an index touches, and only those."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from snapshot.model import parse_dtype
from snapshot.repository import layout
from snapshot.repository.entry import StoredLeaf
from snapshot.repository.reader import Committed

Array = np.ndarray[Any, np.dtype[Any]]

_TOGETHER = 8


@dataclass(frozen=True)
class Region:
    """What was read last: a block with the same hash at the same place is not read again."""

    order: str
    digests: dict[int, bytes]
    values: Array


def read_region(
    entry: Committed, stored: StoredLeaf, picks: list[range], out: Array, before: Region | None
) -> Region:
    """Fill ``out`` with what ``picks`` (one range an axis) choose from a stored array.

    ``before`` is what another snapshot gave for the same picks. Raises Damaged.
    """
    leaf = stored.leaf
    if leaf.order == "F":
        # blocks are counted in the order of memory
        picks, out = picks[::-1], out.T
    needed = _blocks(stored, picks)
    read = []
    for index, (target, _) in needed.items():
        if before and before.order == leaf.order and before.digests.get(index) == leaf.blocks[index]:
            out[target] = before.values[target]
        else:
            read.append(index)
    for start in range(0, len(read), _TOGETHER):
        indices = read[start : start + _TOGETHER]
        for index, data in zip(indices, entry.blocks(stored.number, indices), strict=True):
            target, source = needed[index]
            out[target] = _shaped(stored, index, data)[source]
    return Region(leaf.order, {index: leaf.blocks[index] for index in needed}, out)


def _blocks(stored: StoredLeaf, picks: list[range]) -> dict[int, tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Block number -> (where it goes in the result, what is taken of it)."""
    where = layout.cut_of(stored.leaf)
    axes = [
        [(at, pair) for at in range(count) if (pair := _overlap(pick, at * size, (at + 1) * size))]
        for pick, size, count in zip(picks, where.block_shape, where.grid)
    ]
    found = {}
    for chosen in product(*axes):
        index = int(np.ravel_multi_index([at for at, _ in chosen], where.grid)) if chosen else 0
        found[index] = tuple(pair[0] for _, pair in chosen), tuple(pair[1] for _, pair in chosen)
    return found if stored.leaf.blocks else {}


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


def _shaped(stored: StoredLeaf, index: int, data: memoryview) -> Array:
    """A block's bytes as the hyper-rectangle they are; the last along an axis may be shorter."""
    where = layout.cut_of(stored.leaf)
    grid = np.unravel_index(index, where.grid)
    shape = [min(block, size - int(at) * block) for at, block, size in zip(grid, where.block_shape, where.shape)]
    return np.frombuffer(data, parse_dtype(stored.leaf.dtype)).reshape(shape)
