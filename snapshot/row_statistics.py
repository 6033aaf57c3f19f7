"""The numbers of :mod:`snapshot.statistics` for many equal arrays at once. Pure NumPy.

``describe`` costs twenty calls of NumPy, whatever the size; over thousands of small arrays
those are the cost. Here they are made for many rows together, and every row is sorted once,
in its own dtype. Rows that hold anything but ordinary finite numbers are described one by one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from math import log10
from typing import TypeVar

import numpy as np

from snapshot.statistics import (
    PERCENTILES,
    SAMPLE,
    Array,
    Statistics,
    as_numbers,
    describe,
    sampled_places,
    update_size,
)

T = TypeVar("T")
_THREADS = min(4, os.cpu_count() or 1)
#: So many values are worked on together: what is made of them stays in the processor's cache.
_TOGETHER = 1 << 16
#: Squares of magnitudes between these are far from the ends of float64.
_LEAST, _MOST = 1e-140, 1e140


def describe_rows(values: Array, dtype: np.dtype[np.generic] | str = "") -> list[Statistics]:
    """:func:`~snapshot.statistics.describe` of each of ``values`` (n, \\*shape); ``TypeError`` if no numbers."""
    rows = _rows(values, dtype)
    if not 0 < rows.shape[1] <= _TOGETHER:
        return [describe(row) for row in rows]
    return _together([partial(_describe, rows[piece]) for piece in _pieces(*rows.shape)])


def update_sizes(before: Array, after: Array, dtype: np.dtype[np.generic] | str = "") -> list[float]:
    r""":func:`~snapshot.statistics.update_size` from each of ``before`` (n, \*shape) to that of ``after``."""
    old, new = _rows(before, dtype), _rows(after, dtype)
    if not 0 < old.shape[1] <= _TOGETHER:
        return [update_size(*pair) for pair in zip(old, new, strict=True)]
    return _together([partial(_update_sizes, old[piece], new[piece]) for piece in _pieces(*old.shape)])


def _together(tasks: list[Callable[[], list[T]]]) -> list[T]:
    """The results one behind the other; NumPy lets other threads run while it sorts and adds."""
    if len(tasks) == 1:
        return tasks[0]()
    with ThreadPoolExecutor(min(_THREADS, len(tasks)), "snapshot-statistics") as pool:
        return list(chain.from_iterable(pool.map(lambda task: task(), tasks)))


def _rows(values: Array, dtype: np.dtype[np.generic] | str) -> Array:
    numbers = as_numbers(values, dtype)
    rows: Array = numbers.reshape(len(numbers), -1)
    return rows


def _pieces(count: int, size: int) -> list[slice]:
    step = max(1, _TOGETHER // max(1, size))
    return [slice(start, start + step) for start in range(0, count, step)]


def _describe(rows: Array) -> list[Statistics]:
    size = rows.shape[1]
    real = _real(rows)
    whole = size <= SAMPLE
    ordered = np.sort(real if whole else real[:, sampled_places(size)], axis=1)
    ends = ordered[:, [0, -1]] if whole else np.stack((real.min(axis=1), real.max(axis=1)), axis=1)
    plain = _are_plain(np.abs(ends).max(axis=1))
    with np.errstate(all="ignore"):
        wide = real.astype(np.float64, copy=False)
        means = wide.mean(axis=1)
        norms = np.sqrt(_squares(wide))
        stds = np.sqrt(_squares(wide - means[:, None]) / size)
        middle = [_percentile(ordered, level) for level in PERCENTILES[1:-1]]
        columns = np.stack([ends[:, 0].astype(float), *middle, ends[:, 1].astype(float)], axis=1)
        magnitudes = _magnitudes(ordered)
    found = []
    for row, is_plain, mean, std, norm, percentiles, magnitude in zip(
        rows, plain.tolist(), means.tolist(), stds.tolist(), norms.tolist(), columns.tolist(), magnitudes.tolist(),
        strict=True,
    ):  # fmt: skip
        if is_plain:
            found.append(Statistics(size, size, mean, std, norm, tuple(percentiles), magnitude, not whole))
        else:
            found.append(describe(row))
    return found


def _update_sizes(before: Array, after: Array) -> list[float]:
    if "c" in (before.dtype.kind, after.dtype.kind):
        return [update_size(old, new) for old, new in zip(before, after, strict=True)]
    with np.errstate(all="ignore"):
        old, new = before.astype(np.float64), after.astype(np.float64)
        largest = np.maximum(np.abs(old).max(axis=1), np.abs(new).max(axis=1))
        plain = _are_plain(largest)
        norms = np.sqrt(np.maximum(_squares(old), _squares(new)))
        new -= old
        moved = np.sqrt(_squares(new))
        relative = np.minimum(moved / norms, 2.0)
    found = []
    for row in range(len(before)):
        if not plain[row]:
            found.append(update_size(before[row], after[row]))
        else:
            found.append(log10(relative[row]) if moved[row] else -np.inf)
    return found


def _real(rows: Array) -> Array:
    """Float32 and float64 as they are, other numbers as float64, complex ones by their absolute value."""
    if rows.dtype.kind == "c":
        return np.abs(rows).astype(np.float64)
    return rows if rows.dtype in (np.float32, np.float64) and rows.dtype.isnative else rows.astype(np.float64)


def _are_plain(largest: Array) -> Array:
    """Whether the largest magnitude of each row says that all are finite, and their squares too."""
    wide = largest.astype(float)
    plain: Array = (wide == 0) | ((wide > _LEAST) & (wide < _MOST))
    return plain


def _squares(wide: Array) -> Array:
    sums: Array = np.einsum("ij,ij->i", wide, wide)
    return sums


def _percentile(ordered: Array, level: float) -> Array:
    """As ``np.percentile`` along the second axis, of what is sorted already."""
    place = level / 100 * (ordered.shape[1] - 1)
    low = int(place)
    share = place - low
    left, right = ordered[:, low].astype(float), ordered[:, min(low + 1, ordered.shape[1] - 1)].astype(float)
    step = right - left
    found: Array = left + step * share if share < 0.5 else right - step * (1 - share)
    return found


def _magnitudes(ordered: Array) -> Array:
    """The 99.5th percentile of the absolute values: all that count are at the two ends."""
    size = ordered.shape[1]
    place = 0.995 * (size - 1)
    low = int(place)
    top = size - low
    ends = ordered if 2 * top >= size else np.concatenate((ordered[:, :top], ordered[:, -top:]), axis=1)
    largest = np.sort(np.abs(ends), axis=1)[:, -top:]
    left, right = largest[:, 0].astype(float), largest[:, min(1, top - 1)].astype(float)
    share = place - low
    found: Array = left + (right - left) * share if share < 0.5 else right - (right - left) * (1 - share)
    return found
