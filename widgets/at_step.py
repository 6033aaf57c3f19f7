"""The two panels about one step: the weight as a picture, and the distribution of its values."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snapshot.statistics import sample
from snapshot.widgets.axes import Box, label_ticks, name_axis, new_axes, say, set_ticks, write
from snapshot.widgets.frames import NOTHING_MOVES, Frame, Moving
from snapshot.widgets.pooling import Sheet, as_real, envelope, lay_out
from snapshot.widgets.series import Series
from snapshot.widgets.theme import Theme
from snapshot.widgets.words import number

Array = np.ndarray[Any, np.dtype[Any]]

_BAR = 0.011  # width of the colour scale, as a fraction of the figure
_STRETCH = 2.5
_BARS_UP_TO = 64
# One run-away step must not bleach all others: beyond this many times the median, colours saturate.
_RUNAWAY = 2.5


def draw_weight(figure: Figure, box: Box, frame: Frame, theme: Theme) -> Moving:
    """The values at the chosen step: matrix or kernels in colour, a vector as a curve.

    The scale is one for the whole run: the 99.5th percentile of the magnitudes.
    """
    shape = frame.point.shape
    if len(shape) >= 2 and frame.value is not None and frame.value.size:
        return _draw_sheet(figure, box, frame, theme)
    axes = new_axes(figure, box, theme, "Values at this step")
    if frame.value is None:
        say(axes, "This value could not be read", theme)
    elif not frame.value.size:
        say(axes, "The array is empty", theme)
    else:
        return _draw_curve(axes, frame, theme)
    return NOTHING_MOVES


def draw_distribution(axes: Axes, series: Series, theme: Theme) -> Moving:
    """Histogram of the chosen step over the first one's, with the same bins for the whole run."""
    limits = _histogram_limits(series)
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
    counted: dict[str, Array] = {}

    def move(frame: Frame) -> None:
        if "first" not in counted:
            counted["first"] = _shares(frame.first, limits, bins)[0]
        now, outside = _shares(frame.value, limits, bins)
        # A spike (a bias that starts as zeros) is cut off rather than flattening the rest.
        top = min(max(counted["first"].max(), now.max()), 3 * now.max() or 1.0) * 1.08 or 1.0
        first.set_data(np.minimum(counted["first"] / top, 1))
        for shape in (inner, chosen):
            shape.set_data(np.minimum(now / top, 1))
        for text, words, share in zip((below, above), ("← {} below", "{} above →"), outside, strict=True):
            text.set_text(words.format(f"{share:.1%}".replace("%", " %")) if share >= 0.001 else "")

    return Moving((first, inner, chosen, below, above), move)


def _draw_sheet(figure: Figure, box: Box, frame: Frame, theme: Theme) -> Moving:
    width, height = (figure.get_size_inches() * figure.dpi).astype(int)
    room = (int(box[3] * height), int((box[2] - 0.06) * width))
    assert frame.value is not None
    sheet = lay_out(frame.value, room)
    scale, signed = _scale(frame.series, sheet.pooled)
    place = _place(box, sheet, room, figure)
    partial = any(point.statistics.finite < point.statistics.count for point in frame.series.points)
    notes = [sheet.note, "pink is not finite" if partial else ""]
    axes = new_axes(figure, place, theme, "Values at this step", " · ".join(filter(None, notes)))
    for spine in axes.spines.values():
        spine.set_visible(False)
    write(axes, 0, 0, sheet.columns, color=theme.muted, offset=(0, -14))
    write(axes, 0, 0, sheet.rows, color=theme.muted, offset=(-6, 0), ha="right", va="bottom").set_rotation(90)
    table = matplotlib.colormaps[theme.signed if signed else theme.unsigned](np.arange(256), bytes=True)[:, :3]
    _draw_scale(figure, place, table, (-scale if signed else 0.0, scale), theme)
    picture = axes.imshow(
        _paint(sheet, table, scale, signed, theme), aspect="auto", interpolation="nearest", origin="upper",
        resample=False,
    )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])

    def move(frame: Frame) -> None:
        if frame.value is not None:
            picture.set_data(_paint(lay_out(frame.value, room), table, scale, signed, theme))

    return Moving((picture,), move)


def _place(box: Box, sheet: Sheet, room: tuple[int, int], figure: Figure) -> Box:
    """The part of ``box``, from its upper left corner, that keeps cells square if it can."""
    left, bottom, _, height = box
    rows, columns = sheet.pixels.shape
    cell = min(room[0] / rows, room[1] / columns)
    # A matrix may fill the panel with oblong cells, which say the same; kernels are looked at.
    stretch = _STRETCH if sheet.gap is None else 1.0
    tall = min(room[0], max(cell * rows * stretch, room[0] / 3))
    wide = min(room[1], max(cell * columns * stretch, room[1] / 3))
    across, up = figure.get_size_inches() * figure.dpi
    used = min(tall / up, height)
    return left, bottom + height - used, wide / across, used


def _draw_scale(figure: Figure, place: Box, table: Array, limits: tuple[float, float], theme: Theme) -> None:
    left, bottom, width, height = place
    axes = figure.add_axes((left + width + 0.012, bottom, _BAR, height), frameon=False)
    axes.grid(False)
    axes.tick_params(which="both", length=0, pad=4, labelright=True, labelleft=False, right=True, left=False)
    axes.imshow(
        table[::-1, None], aspect="auto", extent=(0, 1, *limits), interpolation="nearest", origin="upper",
        resample=False,
    )  # fmt: skip
    axes.set_xticks([])
    ticks = sorted({limits[0], 0.0, limits[1]})
    label_ticks(axes, "y", ticks, [number(tick) for tick in ticks], theme)


def _paint(sheet: Sheet, table: Array, scale: float, signed: bool, theme: Theme) -> Array:
    """RGB bytes of a sheet; what is not finite and what is no value get colours of their own."""
    low = -scale if signed else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        level = np.clip((sheet.pixels - low) * (255 / (scale - low)), 0, 255)
    finite = np.isfinite(sheet.pixels)
    painted = table[np.where(finite, level, 0).astype(np.uint8)]
    painted[~finite] = _rgb(theme.missing)
    if sheet.gap is not None:
        painted[sheet.gap] = _rgb(theme.paper)
    return painted


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _draw_curve(axes: Axes, frame: Frame, theme: Theme) -> Moving:
    scale, signed = _scale(frame.series)
    size = frame.value.size if frame.value is not None else 0
    set_ticks(axes, "y", (-1.08 * scale if signed else 0.0, 1.08 * scale), theme, count=4)
    set_ticks(axes, "x", (-0.5, size - 0.5), theme, whole=True, grid=False)
    name_axis(axes, "element", theme)
    if size <= _BARS_UP_TO:
        return _draw_bars(axes, size, theme)
    room = int(axes.get_window_extent().width)
    style: dict[str, Any] = {"linestyle": "-", "marker": "", "antialiased": True}
    (first,) = axes.plot((), (), color=theme.reference, linewidth=1.4, **style)
    (chosen,) = axes.plot((), (), color=theme.chosen, linewidth=1.1, **style)

    def move(frame: Frame) -> None:
        for line, value in ((first, frame.first), (chosen, frame.value)):
            line.set_data(*(envelope(value, room) if value is not None and value.ndim == 1 else ((), ())))

    return Moving((first, chosen), move)


def _draw_bars(axes: Axes, size: int, theme: Theme) -> Moving:
    edges = np.arange(size + 1) - 0.5
    first = axes.stairs(np.zeros(size), edges, fill=True, color=theme.reference, linewidth=0)
    inner = axes.stairs(np.zeros(size), edges, fill=True, color=theme.chosen, alpha=0.14, linewidth=0)
    chosen = axes.stairs(np.zeros(size), edges, color=theme.chosen, linewidth=1.6, linestyle="-")

    def move(frame: Frame) -> None:
        for shape, value in ((first, frame.first), (inner, frame.value), (chosen, frame.value)):
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


def _histogram_limits(series: Series) -> tuple[float, float] | None:
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
