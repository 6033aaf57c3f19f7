"""Where the bytes of an array are cut into blocks. Pure; memory and disk share it.

A block is a contiguous run of at most :data:`BLOCK_BYTES`: the longest run of
trailing axes that fits, times as many steps of the axis before it as fit. An array
of shape ``(1, 50_000_000)`` is therefore cut along its second axis, and a small
array is one block.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

BLOCK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cut:
    """How an array is cut: ``grid`` blocks along each axis, each of ``block_shape``.

    The last block along the cut axis may be shorter than ``block_shape``; blocks
    follow each other in memory, so :meth:`span` is enough to find one.
    """

    shape: tuple[int, ...]
    block_shape: tuple[int, ...]
    grid: tuple[int, ...]
    itemsize: int

    def __len__(self) -> int:
        return prod(self.grid)

    def span(self, index: int) -> tuple[int, int]:
        """First byte and the byte after the last of block ``index``, in memory order."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        cut_axis = next((axis for axis, size in enumerate(self.block_shape) if size != 1), None)
        if cut_axis is None:
            return index * self.itemsize, (index + 1) * self.itemsize
        per_row = self.grid[cut_axis]
        row, column = divmod(index, per_row)
        step = prod(self.block_shape) * self.itemsize
        row_bytes = prod(self.shape[cut_axis:]) * self.itemsize
        start = row * row_bytes + column * step
        return start, min(start + step, (row + 1) * row_bytes)


def spans(shape: tuple[int, ...], itemsize: int) -> list[tuple[int, int]]:
    """(first byte, byte after the last) of every block, in order."""
    nbytes = prod(shape) * itemsize
    if 0 < nbytes <= BLOCK_BYTES:
        return [(0, nbytes)]  # most arrays of most programs are this small
    plan = cut(shape, itemsize)
    return [plan.span(index) for index in range(len(plan))]


def cut(shape: tuple[int, ...], itemsize: int, limit: int = BLOCK_BYTES) -> Cut:
    """Cut an array of ``shape`` (slowest axis first) into blocks of at most ``limit`` bytes."""
    if prod(shape) == 0 or itemsize == 0:
        return Cut(shape, shape, (0,) * max(1, len(shape)), itemsize)
    block: list[int] = []
    room = max(1, limit // itemsize)
    for size in reversed(shape):
        take = min(size, room)
        block.append(take)
        room = room // take if take == size else 1
    block_shape = tuple(reversed(block))
    grid = tuple(ceil(size / take) for size, take in zip(shape, block_shape, strict=True))
    return Cut(shape, block_shape, grid, itemsize)
