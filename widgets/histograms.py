"""The distribution of a variable at each of its steps, from a few numbers for each.

A step keeps its :data:`LEVELS` quantiles only: they give the shares in any bins, so nothing is
read again when a new step widens the range. Far more steps than a picture has columns are
thinned out evenly, since each takes a read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snapshot.statistics import sample

Array = np.ndarray[Any, np.dtype[Any]]

#: How many quantiles are kept for a step, from the least value to the greatest.
LEVELS = 513
#: At most so many steps are read.
MOST_COLUMNS = 160


@dataclass(frozen=True, slots=True)
class Distributions:
    """``quantiles`` has shape (columns, :data:`LEVELS`), ``columns`` are indices into the series; NaN if unknown."""

    columns: tuple[int, ...]
    quantiles: Array

    def shares(self, edges: Array) -> Array:
        """Shape (columns, bins): the share of each step's finite values between ``edges``."""
        # each quantile stands for as many values; nothing is made up between two of them
        below = [np.searchsorted(row, edges, side="left") for row in self.quantiles]
        found: Array = np.diff(np.array(below).reshape(-1, edges.size), axis=1) / LEVELS
        for shares, row in zip(found, self.quantiles, strict=True):
            if np.isnan(row[0]):
                shares[:] = np.nan
            elif np.count_nonzero(np.diff(row)) > LEVELS // 2:
                # Of many values too few for a quantile of their own may lie here, up to the extremes.
                reached = (edges[1:] > row[0]) & (edges[:-1] <= row[-1])
                shares[reached & (shares == 0)] = 0.25 / LEVELS
        return found


class Sketches:
    """Quantiles computed so far, by a key that equal contents share."""

    def __init__(self) -> None:
        self._known: dict[Any, Array] = {}

    def of(
        self, line: Sequence[int], key: Callable[[int], Any], read: Callable[[int], Array | None]
    ) -> Distributions:
        """Of the steps of ``line`` (indices); ``read`` gives a value, None if there is none."""
        chosen = thinned(line, MOST_COLUMNS)
        rows = []
        for index in chosen:
            if key(index) not in self._known:
                self._known[key(index)] = quantiles(read(index))
            rows.append(self._known[key(index)])
        return Distributions(tuple(chosen), np.array(rows).reshape(len(chosen), LEVELS))


def quantiles(value: Array | None) -> Array:
    """Shape (:data:`LEVELS`,): evenly spaced quantiles of the finite values; NaN when there are none."""
    drawn = np.empty(0) if value is None else sample(value)
    if not drawn.size:
        return np.full(LEVELS, np.nan)
    return np.quantile(drawn, np.linspace(0, 1, LEVELS), method="inverted_cdf")


def thinned(line: Sequence[int], most: int) -> list[int]:
    """At most ``most`` of ``line``, evenly, the first and the last among them."""
    if len(line) <= most:
        return list(line)
    return [line[place] for place in np.linspace(0, len(line) - 1, most).round().astype(int)]
