"""The two panels about one step: the weight as a picture, and the distribution of its values."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snapshot.statistics import sample
from snapshot.widgets.axes import Box, name_axis, new_axes, say, set_ticks, write
from snapshot.widgets.frames import NOTHING_MOVES, Frame, Moving
from snapshot.widgets.pooling import as_real, envelope, lay_out
from snapshot.widgets.series import Series
from snapshot.widgets.sheets import draw_sheet, paint, room_of
from snapshot.widgets.theme import Theme
from snapshot.widgets.words import number

Array = np.ndarray[Any, np.dtype[Any]]

BARS_UP_TO = 64
# One run-away step must not bleach all others: beyond this many times the median, colours saturate.
_RUNAWAY = 2.5


def draw_weight(figure: Figure, box: Box, frame: Frame, theme: Theme) -> Moving:
    """The values at the chosen step: matrix or kernels in colour, a vector as a curve.

    The scale is one for the whole run: the 99.5th percentile of the magnitudes.
    """
    shape = frame.point.shape
    if len(shape) >= 2 and frame.value is not None and frame.value.size:
        return _draw_sheet(figure, box, frame, theme)
    axes = new_axes(figure, box, theme, "At this step")
    if frame.value is None:
        say(axes, "This value could not be read", theme)
    elif not frame.value.size:
        say(axes, "The array is empty", theme)
    else:
        return _draw_curve(axes, frame, theme)
    return NOTHING_MOVES


def draw_distribution(axes: Axes, series: Series, theme: Theme) -> Moving:
    """Histogram of the chosen step over that of the one compared with, in the same bins for the whole run."""
    limits = histogram_limits(series)
    if limits is None:
        say(axes, "No finite value to count", theme)
        return NOTHING_MOVES
    set_ticks(axes, "x", limits, theme)
    axes.set_ylim(0, 1)
    bins = int(np.clip(2 * max(point.statistics.finite for point in series.points) ** 0.5, 8, 60))
    edges = np.linspace(*limits, bins + 1)
    empty = np.zeros(bins)
    first = axes.stairs(empty, edges, fill=True, color=theme.reference, linewidth=0, antialiased=True)
    inner = axes.stairs(empty, edges, fill=True, color=theme.chosen, alpha=0.14, linewidth=0)
    chosen = axes.stairs(empty, edges, fill=False, color=theme.chosen, linewidth=1.6, linestyle="-")
    below = write(axes, 0, 1, "", color=theme.chosen, size=8.5, offset=(3, -10))
    above = write(axes, 1, 1, "", color=theme.chosen, size=8.5, offset=(-3, -10), ha="right")
    which = write(axes, 1, 1, "", color=theme.muted, ha="right", offset=(0, 10))
    counted: dict[int, Array] = {}

    def move(frame: Frame) -> None:
        if frame.against not in counted:
            counted.clear()
            counted[frame.against] = _shares(frame.reference, limits, bins)[0]
        before = counted[frame.against]
        now, outside = _shares(frame.value, limits, bins)
        which.set_text(f"grey: step {number(frame.compared.step)}")
        # A spike (a bias that starts as zeros) is cut off rather than flattening the rest.
        top = min(max(before.max(), now.max()), 3 * now.max() or 1.0) * 1.08 or 1.0
        first.set_data(np.minimum(before / top, 1))
        for shape in (inner, chosen):
            shape.set_data(np.minimum(now / top, 1))
        for text, words, share in zip((below, above), ("← {} below", "{} above →"), outside, strict=True):
            text.set_text(words.format(f"{share:.1%}".replace("%", " %")) if share >= 0.001 else "")

    return Moving((first, inner, chosen, below, above, which), move)


def _draw_sheet(figure: Figure, box: Box, frame: Frame, theme: Theme) -> Moving:
    room = room_of(figure, box)
    assert frame.value is not None
    sheet = lay_out(frame.value, room)
    scale, signed = _scale(frame.series, sheet.pooled)
    partial = any(point.statistics.finite < point.statistics.count for point in frame.series.points)
    notes = " · ".join(filter(None, [sheet.note, "pink: not finite" if partial else ""]))
    picture = draw_sheet(figure, box, sheet, scale, signed, theme, "At this step", notes)

    def move(frame: Frame) -> None:
        if frame.value is not None:
            picture.set_data(paint(lay_out(frame.value, room), scale, signed, theme))

    return Moving((picture,), move)


def _draw_curve(axes: Axes, frame: Frame, theme: Theme) -> Moving:
    scale, signed = _scale(frame.series)
    size = frame.value.size if frame.value is not None else 0
    set_ticks(axes, "y", (-1.08 * scale if signed else 0.0, 1.08 * scale), theme, count=4)
    set_ticks(axes, "x", (-0.5, size - 0.5), theme, whole=True, grid=False)
    name_axis(axes, "element", theme)
    if size <= BARS_UP_TO:
        return _draw_bars(axes, size, theme)
    room = int(axes.get_window_extent().width)
    style: dict[str, Any] = {"linestyle": "-", "marker": "", "antialiased": True}
    (first,) = axes.plot((), (), color=theme.reference, linewidth=1.4, **style)
    (chosen,) = axes.plot((), (), color=theme.chosen, linewidth=1.1, **style)

    def move(frame: Frame) -> None:
        for line, value in ((first, frame.reference), (chosen, frame.value)):
            line.set_data(*(envelope(value, room) if value is not None and value.ndim == 1 else ((), ())))

    return Moving((first, chosen), move)


def _draw_bars(axes: Axes, size: int, theme: Theme) -> Moving:
    edges = np.arange(size + 1) - 0.5
    first = axes.stairs(np.zeros(size), edges, fill=True, color=theme.reference, linewidth=0)
    inner = axes.stairs(np.zeros(size), edges, fill=True, color=theme.chosen, alpha=0.14, linewidth=0)
    chosen = axes.stairs(np.zeros(size), edges, color=theme.chosen, linewidth=1.6, linestyle="-")

    def move(frame: Frame) -> None:
        for shape, value in ((first, frame.reference), (inner, frame.value), (chosen, frame.value)):
            if value is not None and value.size == size:
                shape.set_data(np.nan_to_num(as_real(value).reshape(-1), posinf=0, neginf=0))

    return Moving((first, inner, chosen), move)


def _scale(series: Series, pooled: bool = False) -> tuple[float, bool]:
    """The largest magnitude to show over the whole run, and whether any value is negative."""
    magnitudes = np.array([point.statistics.magnitude for point in series.points])
    if pooled:
        # A pixel shows the largest of many, which is beyond the 99.5th percentile more often than not.
        extremes = np.abs(series.percentiles[:, [0, -1]]).max(axis=1)
        magnitudes = np.minimum(extremes, 2 * magnitudes)
    magnitudes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    limit = min(magnitudes.max(), _RUNAWAY * np.median(magnitudes)) if magnitudes.size else 1.0
    return float(limit), any(point.statistics.minimum < 0 for point in series.points)


def histogram_limits(series: Series) -> tuple[float, float] | None:
    """A range that holds nearly all values of nearly all steps; None without finite values."""
    rows = series.percentiles
    rows = rows[np.isfinite(rows[:, 0])]
    if not rows.size:
        return None
    wide = rows[:, 5] - rows[:, 1]
    low, high = np.maximum(rows[:, 0], rows[:, 1] - wide), np.minimum(rows[:, -1], rows[:, 5] + wide)
    centre, reach = np.median(rows[:, 3]), _RUNAWAY * np.median(high - low)
    low_end, high_end = float(max(low.min(), centre - reach)), float(min(high.max(), centre + reach))
    if low_end >= high_end:
        low_end = high_end = float(centre)
    room = (high_end - low_end) * 0.03 or abs(high_end) * 0.5 or 1.0
    return low_end - room, high_end + room


def _shares(value: Array | None, limits: tuple[float, float], bins: int) -> tuple[Array, tuple[float, float]]:
    """Share of the finite values in each bin, and the shares below and above all bins."""
    values = np.empty(0) if value is None else sample(value)
    counts, _ = np.histogram(values, bins=bins, range=limits)
    total = max(1, values.size)
    outside = float((values < limits[0]).sum()) / total, float((values > limits[1]).sum()) / total
    return counts / total, outside
