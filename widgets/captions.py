"""What the picture shows, in one sentence with the numbers, for those who cannot see it."""

from __future__ import annotations

from math import isfinite

from snapshot.widgets.series import Point, Series
from snapshot.widgets.words import number, shape_text


def caption(series: Series, index: int) -> str:
    """``At step 250 (#26), w (64 × 40) has median ...; it moved by 0.3 % since step 240.``"""
    point = series.points[index]
    subject = f"At step {number(point.step)} ({point.name}), {series.path} ({shape_text(point.shape)})"
    if point.problem:
        return f"{subject} could not be read: {point.problem.rstrip('.')}."
    return "; ".join([f"{subject} {_values(point)}", *_movement(series, point), *_missing(point)]) + "."


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
