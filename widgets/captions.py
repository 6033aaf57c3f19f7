"""What the picture shows, in one sentence with the numbers, for those who cannot see it."""

from __future__ import annotations

from math import isfinite

from snapshot.widgets.curves import Curves
from snapshot.widgets.series import Point, Series
from snapshot.widgets.words import number, shape_text

_SPOKEN = 12  # more numbers than this in a sentence are not listened to


def caption(series: Series, index: int) -> str:
    """``At step 250 (#26), w (64 × 40) has median ...; it moved by 0.3 % since step 240.``"""
    point = series.points[index]
    subject = f"At step {number(point.step)} ({point.name}), {series.path} ({shape_text(point.shape)})"
    if point.problem:
        return f"{subject} could not be read: {point.problem.rstrip('.')}."
    return "; ".join([f"{subject} {_values(point)}", *_movement(series, point), *_missing(point)]) + "."


def curves_caption(curves: Curves, index: int) -> str:
    """``At step 250 (#26), loss is 0.1 and accuracy is 0.97.``"""
    point = curves.points[index]
    of = "" if curves.is_scalar else f" has {_NAMES.get(curves.statistic, curves.statistic)}"
    spoken = [
        f"{curve.series.path}{of or ' is'} {number(value, 4)}"
        for curve, value in zip(curves.curves, curves.at(index), strict=True)
        if value == value or point.key in {one.key for one in curve.series.points}
    ]
    rest = [f"and {len(spoken) - _SPOKEN} more"] if len(spoken) > _SPOKEN else []
    return f"At step {number(point.step)} ({point.name}), {', '.join([*spoken[:_SPOKEN], *rest])}."


_NAMES = {"min": "minimum", "max": "maximum", "std": "standard deviation", "update": "log₁₀ |Δw| / |w|"}


def _values(point: Point) -> str:
    numbers = point.statistics
    if not numbers.count:
        return "is empty"
    if not numbers.finite:
        return "has no finite value"
    if numbers.count == 1:
        return f"is {number(numbers.median, 4)}"
    _, low, *_, high, _ = numbers.percentiles
    return (
        f"has median {number(numbers.median)}, 90 % of its values between {number(low)} and {number(high)}, "
        f"and norm {number(numbers.norm)}"
    )


def _movement(series: Series, point: Point) -> list[str]:
    if point.parent is None:
        return ["it is the first one stored"]
    before = series.points[point.parent]
    since = f"since step {number(before.step)} ({before.name})"
    if before.shape != point.shape:
        return [f"its shape was {shape_text(before.shape)} at step {number(before.step)}"]
    if point.update == float("-inf"):
        return [f"it did not change {since}"]
    if isfinite(point.update):
        share = number(100 * 10**point.update)
        return [f"it moved by {share} % (log₁₀ {number(point.update)}) {since}"]
    return []


def _missing(point: Point) -> list[str]:
    lost = point.statistics.count - point.statistics.finite
    if not lost or not point.statistics.finite:
        return []
    return [f"{lost:,} of {point.statistics.count:,} values are not finite"]
