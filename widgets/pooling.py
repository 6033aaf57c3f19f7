"""Arrays of any shape and size -> one small matrix to look at. Pure NumPy.

A matrix with more rows or columns than the screen has pixels is *pooled*: each pixel
shows the value of the largest magnitude among those it stands for, with its sign, so
that one outlier in a million is still seen. NaN wins over everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_LARGEST_KERNEL = 11
_LEAST_TILE = 4
# With this many inputs or outputs a grid of outputs x inputs would be a thin strip.
_FEW = 3


@dataclass(frozen=True, slots=True)
class Sheet:
    """A matrix ready to draw, with words for what its two sides are.

    ``pooled`` says that a pixel stands for several values; ``gap`` marks the cells
    between tiles, which belong to no value.
    """

    pixels: Array
    rows: str
    columns: str
    note: str = ""
    pooled: bool = False
    gap: Array | None = None


def lay_out(array: Array, room: tuple[int, int]) -> Sheet:
    """``array`` of two dimensions or more as a :class:`Sheet` of at most ``room`` (rows, columns)."""
    if array.ndim == 2:
        rows, columns = array.shape
        pixels = pool(array, *room)
        pooled = pixels.shape != array.shape
        note = "pooled by largest magnitude" if pooled else ""
        return Sheet(pixels, _count(rows, "row"), _count(columns, "column"), note, pooled)
    return _tiles(array, room)


def pool(matrix: Array, rows: int, columns: int) -> Array:
    """``matrix`` with at most ``rows`` x ``columns`` cells, by signed largest magnitude."""
    return _pool_axis(_pool_axis(as_real(matrix), rows, 0), columns, 1)


def envelope(vector: Array, points: int) -> tuple[Array, Array]:
    """Positions and values of a curve through ``vector`` that keeps every peak.

    Shape (n,) -> two of shape (m,), m <= 2 * ``points``: a longer vector is cut into
    runs, and each gives its least and its greatest value.
    """
    vector = as_real(vector)
    if vector.size <= 2 * points:
        return np.arange(vector.size, dtype=float), vector
    begins = starts(vector.size, points)
    ends = [np.minimum.reduceat(vector, begins), np.maximum.reduceat(vector, begins)]
    return np.repeat(begins.astype(float), 2), np.stack(ends, axis=1).reshape(-1)


def as_real(array: Array) -> Array:
    """Float32 or float64, whichever holds the values; complex by absolute value."""
    if array.dtype.kind == "c":
        array = np.abs(array)
    if array.dtype in (np.float32, np.float64):
        return array
    narrow = array.dtype.itemsize <= 2 and array.dtype.kind in "bfuiV"
    return array.astype(np.float32 if narrow else np.float64)


def difference_of(value: Array | None, reference: Array | None) -> Array:
    """``value`` minus ``reference``, NaN where there is nothing to subtract from."""
    if value is None or reference is None or value.shape != reference.shape:
        return np.full(() if value is None else value.shape, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        found: Array = as_real(value) - as_real(reference)
    return found


def _pool_axis(matrix: Array, limit: int, axis: int) -> Array:
    if matrix.shape[axis] <= limit:
        return matrix
    begins = starts(matrix.shape[axis], limit)
    high = np.maximum.reduceat(matrix, begins, axis=axis)
    low = np.minimum.reduceat(matrix, begins, axis=axis)
    return np.where(-low > high, low, high)


def starts(size: int, parts: int) -> Array:
    """Where each of ``parts`` runs of about the same length begins, for ``reduceat``."""
    return (np.arange(parts) * size) // parts


def _tiles(array: Array, room: tuple[int, int]) -> Sheet:
    """Kernels, heads or slices side by side, with a line between them."""
    kernels = as_kernels(array)
    if kernels is not None and min(kernels.shape[:2]) > _FEW:
        rows, columns = _count(kernels.shape[0], "output"), _count(kernels.shape[1], "input")
        if kernels.shape[0] > kernels.shape[1]:
            # The panel is wider than tall.
            kernels, rows, columns = kernels.swapaxes(0, 1), columns, rows
        tiles, present = kernels, np.ones(kernels.shape[:2], dtype=bool)
    else:
        stack = array if kernels is None else kernels
        stack = stack.reshape(-1, *stack.shape[-2:])
        word = "slice" if kernels is None else "kernel"
        rows, columns = "", f"{_count(len(stack), word)} of {stack.shape[1]} × {stack.shape[2]}"
        tiles, present = _wrap(stack, room)
    most = room[0] // _LEAST_TILE, room[1] // _LEAST_TILE
    grid, shown = present.shape, present[: most[0], : most[1]].shape
    note = f"the first {shown[0]} × {shown[1]} of {grid[0]} × {grid[1]}" if shown != grid else ""
    pixels, gap, pooled = _assemble(tiles[: most[0], : most[1]], present[: most[0], : most[1]], room)
    return Sheet(pixels, rows, columns, note, pooled, gap)


def as_kernels(array: Array) -> Array | None:
    """A convolution's weight as (outputs, inputs, height, width), whoever made it; else None.

    PyTorch keeps the small sides last, TensorFlow and JAX keep them first.
    """
    if array.ndim != 4:
        return None
    if max(array.shape[2:]) <= _LARGEST_KERNEL:
        return array
    return array.transpose(3, 2, 0, 1) if max(array.shape[:2]) <= _LARGEST_KERNEL else None


def _wrap(stack: Array, room: tuple[int, int]) -> tuple[Array, Array]:
    """A row of tiles broken into rows, as many as make the whole fit the shape of ``room``."""
    count, height, width = stack.shape
    columns = ceil(sqrt(count * (height + 1) / (width + 1) * room[1] / room[0]))
    columns = min(count, max(1, columns))
    rows = ceil(count / columns)
    present = np.arange(rows * columns) < count
    # The last row repeats the last tile where there is none; it is hidden by the gap.
    order = np.minimum(np.arange(rows * columns), count - 1).reshape(rows, columns)
    limit = room[0] // _LEAST_TILE
    return stack[order[:limit]], present.reshape(rows, columns)


def _assemble(tiles: Array, present: Array, room: tuple[int, int]) -> tuple[Array, Array, bool]:
    """(rows, columns, height, width) -> one matrix, where it holds no value, and whether it is pooled."""
    rows, columns = present.shape
    sides = [max(_LEAST_TILE, room[0] // rows), max(_LEAST_TILE, room[1] // columns)]
    line = 2 if min(sides) > 8 else 1
    space = [side - line for side in sides]
    cells = _pool_axis(_pool_axis(as_real(tiles), space[0], 2), space[1], 3)
    pooled = cells.shape != tiles.shape
    # Enlarged to the size on the screen, where the line between tiles is one or two pixels wide.
    grow = max(1, min(space[0] // cells.shape[2], space[1] // cells.shape[3]))
    cells = cells.repeat(grow, axis=2).repeat(grow, axis=3)
    height, width = cells.shape[2] + line, cells.shape[3] + line
    framed = np.zeros((rows, columns, height, width), dtype=cells.dtype)
    framed[:, :, :-line, :-line] = cells
    gap = np.ones(framed.shape, dtype=bool)
    gap[:, :, :-line, :-line] = ~present[:, :, None, None]
    pixels, holes = (
        sheet.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)[:-line, :-line] for sheet in (framed, gap)
    )
    return pixels, holes, pooled


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
