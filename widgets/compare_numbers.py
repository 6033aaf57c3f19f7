"""Two arrays of one variable -> the numbers that a comparison draws. Pure NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snapshot.statistics import Difference, sample
from snapshot.widgets.pooling import as_real

Array = np.ndarray[Any, np.dtype[Any]]

#: Singular values of a matrix with at most this many elements are computed unasked.
SMALL = 100_000
#: A matrix whose smaller side is longer than this takes minutes.
LONGEST_SIDE = 4096
#: How many elements the scatter shows at most, besides those that moved furthest.
SCATTERED = 6000
_FURTHEST = 300


@dataclass(frozen=True, slots=True)
class Pair:
    """A variable on both sides; None where a side has none, or where it could not be read."""

    path: str
    names: tuple[str, str]
    before: Array | None
    after: Array | None
    size: Difference | None = None
    problem: str = ""
    spectra: tuple[Spectrum, Spectrum] | None = None

    @property
    def sides(self) -> list[Array]:
        return [side for side in (self.before, self.after) if side is not None]

    @property
    def fits(self) -> bool:
        """Whether element can be compared with element."""
        return self.before is not None and self.after is not None and self.before.shape == self.after.shape


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Singular values, largest first, and the stable rank; ``problem`` says why there are none."""

    values: Array
    stable_rank: float
    problem: str = ""


def minus(after: Array, before: Array) -> Array:
    """``after - before`` as real numbers: booleans count as 0 and 1, complex differences by size."""
    if "c" in (after.dtype.kind, before.dtype.kind):
        size: Array = np.abs(after - before)
        return size
    wide = np.result_type(as_real(after), as_real(before))
    with np.errstate(invalid="ignore", over="ignore"):
        difference: Array = as_real(after).astype(wide) - as_real(before)
    return difference


def magnitude(arrays: Sequence[Array], pooled: bool = False) -> float:
    """The 99.5th percentile of all absolute values, 1 if there is none that could be a limit.

    A pixel that stands for many values shows the largest of them, so ``pooled`` reaches
    up to twice as far.
    """
    drawn = np.abs(np.concatenate([sample(array) for array in arrays] or [np.empty(0)]))
    if not drawn.size or not drawn.max():
        # A sample may miss the few that differ.
        drawn = np.array([limit for array in arrays if (limit := _largest(array))])
        return float(drawn.max()) if drawn.size else 1.0
    limit = float(np.percentile(drawn, 99.5))
    top = float(drawn.max())
    return min(2 * limit, top) or top if pooled else limit or top


def scattered(before: Array, after: Array) -> tuple[Array, Array]:
    """Old and new of the same elements, both finite: a fixed sample and those that moved furthest."""
    old, new = as_real(before).reshape(-1), as_real(after).reshape(-1)
    if old.size > SCATTERED:
        moved = np.nan_to_num(np.abs(minus(new, old)), nan=0.0, posinf=0.0)
        furthest = np.argpartition(moved, -_FURTHEST)[-_FURTHEST:]
        places = np.random.default_rng(0).integers(0, old.size, SCATTERED)
        places = np.concatenate([places, furthest])
        old, new = old[places], new[places]
    both = np.isfinite(old) & np.isfinite(new)
    return old[both].astype(float), new[both].astype(float)


def counted(arrays: Sequence[Array]) -> tuple[Array, list[Array]] | None:
    """Edges of common bins, and for each array the share of its finite values in each; None without any."""
    drawn = [sample(array) for array in arrays]
    every = np.concatenate(drawn) if drawn else np.empty(0)
    if not every.size:
        return None
    low, high = (float(end) for end in np.percentile(every, (0.1, 99.9)))
    room = (high - low) * 0.1 or abs(high) * 0.5 or 1.0
    low, high = max(low - room, float(every.min())), min(high + room, float(every.max()))
    if low >= high:
        low, high = low - room, high + room
    bins = int(np.clip(2 * max(values.size for values in drawn) ** 0.5, 8, 60))
    edges = np.linspace(low, high, bins + 1)
    return edges, [np.histogram(values, edges)[0] / max(1, values.size) for values in drawn]


def is_small(pair: Pair) -> bool:
    """Whether its singular values cost next to nothing."""
    return has_spectrum(pair) and all(side.size <= SMALL for side in pair.sides)


def has_spectrum(pair: Pair) -> bool:
    """Whether both sides are matrices."""
    return bool(pair.sides) and all(side.ndim == 2 and side.size for side in pair.sides)


def spectrum(matrix: Array) -> Spectrum:
    """Singular values of a matrix and its stable rank, |W|² / σ₁² with the Frobenius norm."""
    if min(matrix.shape) > LONGEST_SIDE:
        return Spectrum(np.empty(0), np.nan, f"a side of {min(matrix.shape):,} would take minutes")
    numbers = matrix if matrix.dtype.kind == "c" else as_real(matrix)
    if not np.isfinite(numbers).all():
        return Spectrum(np.empty(0), np.nan, "not every value is finite")
    values = np.linalg.svd(numbers, compute_uv=False).astype(float)
    scaled = values / (values[0] or 1.0)
    return Spectrum(values, float((scaled**2).sum()))


def _largest(array: Array) -> float:
    real = np.abs(as_real(array))
    finite = real[np.isfinite(real)]
    return float(finite.max()) if finite.size else 0.0
