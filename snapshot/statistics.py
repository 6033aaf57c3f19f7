"""Numbers about numbers: what one array holds, and how far it moved. Pure NumPy.

Everything here takes an array (or a Python number) and returns plain floats. Values
that are NaN or infinite are counted and left out. Complex values count by their
absolute value, booleans as 0 and 1; arrays of objects, text or dates are no numbers
and are refused with a ``TypeError``, which :func:`is_numeric` avoids.

Order statistics of large arrays come from a sample of :data:`SAMPLE` values drawn
with a fixed seed, so equal contents always give equal numbers; count, extremes,
mean, standard deviation and norm are always of all values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, isnan, log10, nan, sqrt
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: The percentiles kept for each array; the first and last are its extremes.
PERCENTILES = (0.0, 5.0, 25.0, 50.0, 75.0, 95.0, 100.0)
#: Edges of the one histogram that fits every array, since a variable's range is not known
#: when its first step is counted. Evenly spaced in asinh: bins of 10 % of the value's size, from
#: 1e-10 to 1e10 on both sides, and one bin around zero. Larger values go into the last bins.
EDGES: Array = 1e-10 * np.sinh(0.1 * (np.arange(942) - 470.5))
#: Above this many values, order statistics come from a sample of this many.
SAMPLE = 100_000

# Conversion to float64 happens in pieces that stay in the processor's cache.
_PIECE = 1 << 15
_TEXT_DTYPES = re.compile(r"bfloat16|u?int\d+|float\d+(_\w+)?")


@dataclass(frozen=True, slots=True)
class Statistics:
    """What one array holds; every number but ``count`` is over the finite values only.

    ``percentiles`` follows :data:`PERCENTILES`; ``magnitude`` is the 99.5th percentile
    of the absolute values. All are NaN when no value is finite (``norm`` of an empty
    array is 0). ``sampled`` says that order statistics come from a sample.
    """

    count: int
    finite: int
    mean: float
    std: float
    norm: float
    percentiles: tuple[float, ...]
    magnitude: float
    sampled: bool = False

    @property
    def minimum(self) -> float:
        return self.percentiles[0]

    @property
    def median(self) -> float:
        return self.percentiles[len(PERCENTILES) // 2]

    @property
    def maximum(self) -> float:
        return self.percentiles[-1]


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one array is from another: Euclidean norms and the largest single change.

    Over the elements that are finite on both sides; NaN where there are none, or when
    the shapes differ. ``changed`` of all ``count`` elements differ, finite or not.
    """

    norm_before: float
    norm_after: float
    norm: float
    largest: float
    changed: int = 0
    count: int = 0

    @property
    def relative(self) -> float:
        """``|after - before|`` divided by the larger of the two norms, from 0 to 2."""
        # The larger one: a weight that starts at zero would otherwise change by infinity.
        return min(self.norm / max(self.norm_before, self.norm_after), 2.0) if self.norm else self.norm

    @property
    def share(self) -> float:
        """The share of the elements that differ, from 0 to 1; NaN when no two could be compared."""
        return self.changed / self.count if self.count else nan


def is_numeric(dtype: np.dtype[Any] | str) -> bool:
    """Whether values of this dtype, or of a dtype that only a framework has, are numbers."""
    try:
        known = np.dtype(dtype)
    except TypeError:
        return _TEXT_DTYPES.fullmatch(str(dtype)) is not None
    return known.kind in "biufc" or known.type.__module__.startswith("ml_dtypes")


def as_numbers(value: Any, dtype: np.dtype[Any] | str = "") -> Array:
    """``value`` as an array of numbers, its shape kept and nothing copied if possible.

    ``dtype`` is the dtype a user knows; it matters when the bytes of a dtype that NumPy
    lacks arrive as unsigned integers. Raises ``TypeError`` for anything but numbers.
    """
    array = np.asarray(value)
    if isinstance(dtype, str) and dtype == "bfloat16" and array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    if not is_numeric(array.dtype):
        raise TypeError(f"expected numbers, found an array of dtype {array.dtype}")
    return array


@np.errstate(over="ignore", invalid="ignore")
def describe(value: Any, dtype: np.dtype[Any] | str = "") -> Statistics:
    """The :class:`Statistics` of an array or a number; ``TypeError`` if it is neither."""
    flat = as_numbers(value, dtype).reshape(-1)
    finite, low, high = _extremes(flat)
    if not finite:
        empty = 0.0 if not flat.size else nan
        return Statistics(flat.size, 0, nan, nan, empty, (nan,) * len(PERCENTILES), nan)
    scale = _scale(max(abs(low), abs(high)))
    mean, std, norm = _moments(flat, scale)
    drawn = sample(flat) / scale
    inner = np.percentile(drawn, PERCENTILES[1:-1]) * scale if drawn.size else np.full(5, nan)
    magnitude = float(np.percentile(np.abs(drawn), 99.5) * scale) if drawn.size else nan
    percentiles = (low, *(float(number) for number in inner), high)
    return Statistics(flat.size, finite, mean, std, norm, percentiles, magnitude, flat.size > SAMPLE)


@np.errstate(over="ignore", invalid="ignore")
def difference(before: Any, after: Any, dtype: np.dtype[Any] | str = "") -> Difference:
    """How far ``after`` is from ``before``; all NaN when their shapes differ."""
    old, new = as_numbers(before, dtype), as_numbers(after, dtype)
    if old.shape != new.shape:
        return Difference(nan, nan, nan, nan)
    if not old.size:
        return Difference(0.0, 0.0, 0.0, 0.0)
    return _difference(old.reshape(-1), new.reshape(-1))


def update_size(before: Any, after: Any, dtype: np.dtype[Any] | str = "") -> float:
    """log10 of the relative size of a change: -3 means that a weight moved by 0.1 %.

    Divides by the larger of the two norms. ``-inf`` when nothing changed, NaN when the
    shapes differ or nothing is finite.
    """
    relative = difference(before, after, dtype).relative
    return relative if isnan(relative) else log10(relative) if relative else -np.inf


def histogram(value: Any, dtype: np.dtype[Any] | str = "") -> Array:
    """Counts between :data:`EDGES` (int64, one fewer than edges) of :func:`sample`'s values."""
    # Counting goes by the inner edges: what lies beyond the range falls into the end bins.
    places = np.searchsorted(EDGES[1:-1], sample(as_numbers(value, dtype)), side="right")
    return np.bincount(places, minlength=EDGES.size - 1)


def sample(value: Any, limit: int = SAMPLE) -> Array:
    """Finite values as float64 in one dimension, at most ``limit``, the same ones every time."""
    flat = as_numbers(value).reshape(-1)
    if flat.size > limit:
        flat = flat[sampled_places(flat.size, limit)]
    real = _real(flat)
    return real[np.isfinite(real)]


def sampled_places(size: int, limit: int = SAMPLE) -> Array:
    """The places of the values that :func:`sample` takes of ``size``."""
    # Random places rather than every n-th: rows of a matrix would alias with a stride.
    return np.random.default_rng(0).integers(0, size, limit)


def _real(flat: Array) -> Array:
    """A fresh float64 copy; complex values become their absolute value."""
    return (np.abs(flat) if flat.dtype.kind == "c" else flat).astype(np.float64)


def _finite(real: Array) -> Array:
    # One sum tells in most cases that there is nothing to leave out; a mask costs ten times that.
    return real if isfinite(real.sum()) else real[np.isfinite(real)]


def _pieces(*flat: Array) -> Iterator[list[Array]]:
    for start in range(0, flat[0].size, _PIECE):
        yield [array[start : start + _PIECE] for array in flat]


def _extremes(flat: Array) -> tuple[int, float, float]:
    """Number of finite values, the least and the greatest."""
    count, low, high = 0, np.inf, -np.inf
    for (piece,) in _pieces(flat):
        real = _finite(_real(piece))
        if real.size:
            count, low, high = count + real.size, min(low, float(real.min())), max(high, float(real.max()))
    return count, low, high


def _scale(largest: float) -> float:
    """A divisor that keeps squares within float64; 1 for all but astronomical values."""
    return largest if largest and not 1e-140 < largest < 1e140 else 1.0


def _moments(flat: Array, scale: float) -> tuple[float, float, float]:
    """Mean, standard deviation and norm, merged piece by piece (Chan's formula)."""
    count, mean, spread, squares = 0, 0.0, 0.0, 0.0
    for (piece,) in _pieces(flat):
        real = _finite(_real(piece))
        if not real.size:
            continue
        real = real / scale if scale != 1 else real
        total = count + real.size
        piece_mean = float(real.mean())
        shift = piece_mean - mean
        squares += float(real @ real)
        real -= piece_mean
        spread += float(real @ real) + shift * shift * count * real.size / total
        mean += shift * real.size / total
        count = total
    return mean * scale, sqrt(spread / count) * scale, sqrt(squares) * scale


def _difference(old: Array, new: Array) -> Difference:
    bounds = [max(abs(low), abs(high)) for found, low, high in (_extremes(old), _extremes(new)) if found]
    scale = _scale(max(bounds, default=1.0))
    common, changed, largest, sums = 0, 0, 0.0, [0.0, 0.0, 0.0]
    wide = np.complex128 if "c" in (old.dtype.kind, new.dtype.kind) else np.float64
    for left, right in _pieces(old, new):
        left, right = left.astype(wide), right.astype(wide)
        a, b = _both_finite(left, right)
        # what is NaN on both sides did not change
        differ = left != right if a is left else (left != right) & ~(np.isnan(left) & np.isnan(right))
        changed += int(np.count_nonzero(differ))
        a, b = (a / scale, b / scale) if scale != 1 else (a, b)
        moved = np.abs(b - a)
        sums = [so_far + float(np.vdot(part, part).real) for so_far, part in zip(sums, (a, b, moved))]
        common += moved.size
        largest = max(largest, float(moved.max(initial=0.0)))
    if not common:
        return Difference(nan, nan, nan, nan, changed, old.size)
    before, after, norm = (sqrt(total) * scale for total in sums)
    return Difference(before, after, norm, largest * scale, changed, old.size)


def _both_finite(a: Array, b: Array) -> tuple[Array, Array]:
    if np.isfinite(a.sum()) and np.isfinite(b.sum()):
        return a, b
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both]
