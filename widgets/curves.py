"""Several variables, one number of each at every step: what is drawn as lines together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snapshot.model import Snapshot
from snapshot.widgets.series import Array, Point, Readings, Series

#: Name -> the number of a point. A scalar is its own mean.
STATISTICS: dict[str, Callable[[Point], float]] = {
    "mean": lambda point: point.statistics.mean,
    "std": lambda point: point.statistics.std,
    "norm": lambda point: point.statistics.norm,
    "min": lambda point: point.statistics.minimum,
    "median": lambda point: point.statistics.median,
    "max": lambda point: point.statistics.maximum,
    "update": lambda point: point.update,
}
# Curves of which one would be flatter than this share of the panel get panels of their own.
_FLAT = 0.12


@dataclass(frozen=True, slots=True)
class Curve:
    """One variable: a number for each point of its series."""

    series: Series
    values: Array


@dataclass(frozen=True, slots=True)
class Curves:
    """All of them. ``points`` are the snapshots that hold any, oldest first, each as a point of one that is there."""

    statistic: str
    curves: tuple[Curve, ...]
    points: tuple[Point, ...]

    @property
    def is_scalar(self) -> bool:
        """Whether each holds one number, so that its mean need not be called a mean."""
        return self.statistic == "mean" and all(curve.series.is_single for curve in self.curves)

    def at(self, index: int) -> list[float]:
        """The number of each curve at a point; NaN where the variable is not."""
        key = self.points[index].key
        places = [curve.series.index_of(key) for curve in self.curves]
        return [
            float("nan") if place is None else float(curve.values[place])
            for curve, place in zip(self.curves, places, strict=True)
        ]

    def numbers(self) -> dict[str, Array]:
        """Path -> shape (points,), NaN where the variable is not."""
        places = {point.key: place for place, point in enumerate(self.points)}
        found = {curve.series.path: np.full(len(places), np.nan) for curve in self.curves}
        for curve in self.curves:
            found[curve.series.path][[places[point.key] for point in curve.series.points]] = curve.values
        return found


@dataclass(frozen=True, slots=True)
class CurvesFrame:
    """Curves with one step chosen."""

    curves: Curves
    index: int
    logarithmic: bool = False

    @property
    def point(self) -> Point:
        return self.curves.points[self.index]


def curves_of(readings: Readings, snapshots: Sequence[Snapshot], paths: Sequence[str], statistic: str) -> Curves:
    """The curves of those of ``paths`` that any of ``snapshots`` holds; ``ValueError`` if none does."""
    curves = []
    points: dict[Any, Point] = {}
    for path in paths:
        try:
            series = readings.series(snapshots, path)
        except ValueError:
            continue  # none of these snapshots holds it
        curves.append(Curve(series, np.array([STATISTICS[statistic](point) for point in series.points])))
        points.update({point.key: point for point in series.points if point.key not in points})
    if not curves:
        raise ValueError(f"none of {len(snapshots)} snapshots holds any of {len(paths)} paths")
    order = [(snapshot.run, snapshot.id) for snapshot in snapshots]
    return Curves(statistic, tuple(curves), tuple(points[key] for key in order if key in points))


def share_one_axis(lines: Sequence[Array]) -> bool:
    """Whether each of these lines can be told from a flat one when all share an axis."""
    finite = [line[np.isfinite(line)] for line in lines]
    finite = [line for line in finite if line.size]
    if len(finite) < 2:
        return True
    whole = max(float(line.max()) for line in finite) - min(float(line.min()) for line in finite)
    largest = max(float(np.abs(line).max()) for line in finite)
    return all(
        float(line.max() - line.min()) >= _FLAT * whole
        if line.max() > line.min()
        else abs(float(line[0])) >= _FLAT * largest
        for line in finite
    )
