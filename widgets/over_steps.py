"""The two panels with the step on their x axis: the values, and the size of each update."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from snapshot.widgets.axes import label_ticks, name_axis, say, set_power_ticks, set_ticks, spread, write
from snapshot.widgets.frames import NOTHING_MOVES, Frame, Moving
from snapshot.widgets.series import Series
from snapshot.widgets.theme import Theme
from snapshot.widgets.words import number

Array = np.ndarray[Any, np.dtype[Any]]

_NAMES = ("min", "5 %", "25 %", "median", "75 %", "95 %", "max")
_MEDIAN = 3


def draw_values(axes: Axes, series: Series, theme: Theme, logarithmic: bool = False) -> Moving:
    """Percentile bands over the steps, or one line for a single number, which may be drawn by its power of ten."""
    x, rows = positions(series), series.percentiles
    logarithmic = logarithmic and series.is_single and bool((rows[:, _MEDIAN] > 0).any())
    if logarithmic:
        rows = powers(rows)
    finite = np.isfinite(rows[:, _MEDIAN])
    if not finite.any():
        empty = all(point.statistics.count == 0 and not point.problem for point in series.points)
        say(axes, "The array is empty" if empty else "No finite value at any step", theme)
        return NOTHING_MOVES
    set_steps(axes, series, theme)
    limits = padded(float(np.nanmin(rows)), float(np.nanmax(rows)))
    (set_power_ticks if logarithmic else set_ticks)(axes, "y", limits, theme)
    main = np.array(series.lineage())
    if series.is_single:
        line(axes, x[main], rows[main, _MEDIAN], theme.data, 2.0)
    else:
        _bands(axes, x[main], rows[main], theme)
    _branches(axes, series, x, rows[:, _MEDIAN], theme)
    _mark_missing(axes, x[~finite], "not positive" if logarithmic else "not finite", theme)
    _label_ends(axes, x[main], rows[main], series.is_single, theme, logarithmic)
    return cursor(axes, x, rows[:, _MEDIAN], theme)


def draw_updates(axes: Axes, series: Series, theme: Theme) -> Moving:
    """log10 of each relative change since the parent, with a line at -3 (0.1 %)."""
    x, updates = positions(series), series.updates
    finite, same = np.isfinite(updates), np.isneginf(updates)
    if len(series.points) == 1:
        say(axes, "An update needs two snapshots; this is the first", theme)
        return NOTHING_MOVES
    if not finite.any():
        say(
            axes,
            "Nothing changed between the snapshots" if same.any() else "No change can be measured",
            theme,
        )
        return NOTHING_MOVES
    set_steps(axes, series, theme)
    name_axis(axes, "global step", theme)
    low, high = min(-3.0, float(updates[finite].min())), max(-3.0, float(updates[finite].max()))
    low, high = floor(low - 0.4 - 0.6 * bool(same.any())), ceil(high + 0.3)
    axes.set_ylim(low, high)
    set_ticks(axes, "y", (low, high), theme, count=4, whole=True)
    axes.plot((0, 1), (-3, -3), transform=axes.get_yaxis_transform(), **stroke(theme.muted, 1.0, (4, 3)))
    write(axes, 1, -3, "0.1 %", color=theme.muted, size=8.5, va="center", offset=(6, 0), over_y=True)
    main = np.array(series.lineage())
    line(axes, x[main], np.where(finite, updates, np.nan)[main], theme.data, 1.6)
    _branches(axes, series, x, np.where(finite, updates, np.nan), theme)
    floor_of = np.full(int(same.sum()), low)
    axes.plot(x[same], floor_of, clip_on=False, **(dots(theme.muted, 5) | {"marker": "v"}))
    if same.any():
        write(axes, 1, low, "▾ same", color=theme.muted, size=8, va="center", offset=(6, 0), over_y=True)
    return cursor(axes, x, np.where(same, low, updates), theme)


def positions(series: Series) -> Array:
    steps = np.array(series.steps, dtype=float)
    # Snapshots of a program without steps all share one: their order is all there is to show.
    return steps if np.unique(steps).size > 1 or steps.size == 1 else np.arange(1.0, steps.size + 1)


def set_steps(axes: Axes, series: Series, theme: Theme) -> None:
    x = positions(series)
    low, high = float(x.min()), float(x.max())
    room = (high - low) * 0.02 or 1.0
    count = int(axes.get_window_extent().width // 80)
    set_ticks(axes, "x", (low - room, high + room), theme, count=count, whole=True, grid=False)
    if len(series.points) == 1:
        label_ticks(axes, "x", [low], [number(low)], theme)


def powers(values: Array) -> Array:
    """log10 of what is positive, NaN for the rest."""
    found: Array = np.log10(np.where(values > 0, values, np.nan))
    return found


def padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.06 or abs(high) * 0.5 or 1.0
    return low - room, high + room


def _bands(axes: Axes, x: Array, rows: Array, theme: Theme) -> None:
    if len(x) == 1:
        _box(axes, float(x[0]), rows[0], theme)
        return
    for band, colour in enumerate(theme.bands):
        axes.fill_between(x, rows[:, band], rows[:, -1 - band], color=colour, linewidth=0, zorder=1 + band)
    lonely = _lonely(rows[:, _MEDIAN])
    for index in np.flatnonzero(lonely):
        _box(axes, float(x[index]), rows[index], theme)
    line(axes, x, rows[:, _MEDIAN], theme.data, 2.0)


def _box(axes: Axes, x: float, row: Array, theme: Theme) -> None:
    """One snapshot has no width in steps: its bands get one on the screen."""
    for band, colour in enumerate(theme.bands):
        axes.plot((x, x), (row[band], row[-1 - band]), **stroke(colour, 30.0, None, zorder=1 + band))
    axes.plot((x,), (row[_MEDIAN],), **dots(theme.data, 7))


def _lonely(values: Array) -> Array:
    """Finite values whose neighbours are not: a line through them would not be seen."""
    finite = np.concatenate(([False], np.isfinite(values), [False]))
    return finite[1:-1] & ~finite[:-2] & ~finite[2:]


def line(axes: Axes, x: Array, y: Array, colour: str, width: float) -> None:
    axes.plot(x, y, **stroke(colour, width, None, zorder=5))
    few = np.isfinite(y) if len(x) <= 40 else _lonely(y)
    axes.plot(x[few], y[few], **dots(colour, 2.2 + width))


def _branches(axes: Axes, series: Series, x: Array, y: Array, theme: Theme) -> None:
    """What is not on the newest snapshot's line: a thin grey line for each other branch and run."""
    for places in other_lines(series):
        axes.plot(x[places], y[places], **stroke(theme.reference, 1.4, None, zorder=4))
        few = places[1:] if len(places) <= 40 else places[-1:]
        axes.plot(x[few or places], y[few or places], **dots(theme.reference, 4))


def other_lines(series: Series) -> list[list[int]]:
    """Indices along each branch and run that the newest point is not on, each from the point where it left."""
    main, lines = set(series.lineage()), dict[int, list[int]]()  # by the point that a line has reached
    for index in range(len(series.points)):
        if index in main:
            continue
        before = series.goes_on_from(index)
        led = [] if before is None else lines.pop(before, [before])
        lines[index] = [*led, index]
    return list(lines.values())


def _mark_missing(axes: Axes, x: Array, words: str, theme: Theme) -> None:
    if x.size:
        across = axes.get_xaxis_transform()
        axes.plot(x, np.zeros(x.size), transform=across, clip_on=False, **(dots(theme.chosen, 6) | {"marker": "x"}))
        write(axes, 1, 0, f"× {words}", color=theme.chosen, size=8, va="center", offset=(6, -8))


def _label_ends(axes: Axes, x: Array, rows: Array, single: bool, theme: Theme, logarithmic: bool = False) -> None:
    known = np.flatnonzero(np.isfinite(rows[:, _MEDIAN]))
    if not known.size:
        return
    last = [float(value) for value in rows[known[-1]]]
    # On another branch the steps may go further: the names then stand where these lines end.
    low_x, high_x = axes.get_xlim()
    end = (float(x[known[-1]]) - low_x) / (high_x - low_x)
    end = 1.0 if end > 0.9 else end
    style: dict[str, Any] = {"va": "center", "offset": (6, 0), "over_y": True}
    if single:
        value = last[_MEDIAN]
        write(axes, end, value, number(10**value if logarithmic else value), color=theme.data, weight="bold", **style)
        return
    low, high = axes.get_ylim()
    gap = (high - low) * 10.5 / (axes.get_window_extent().height * 72 / axes.figure.dpi)
    for index, place in enumerate(spread(last, gap, low + gap / 2, high)):
        colour, weight = (theme.data, "bold") if index == _MEDIAN else (theme.muted, "normal")
        name = write(axes, end, place, _NAMES[index], color=colour, size=8.5, weight=weight, **style)
        name.set(path_effects=[withStroke(linewidth=3, foreground=theme.paper)], zorder=7)


def cursor(axes: Axes, x: Array, y: Array, theme: Theme) -> Moving:
    """A vermillion line and dot at the chosen step."""
    across = axes.get_xaxis_transform()
    (upright,) = axes.plot((0, 0), (0, 1), transform=across, **stroke(theme.chosen, 1.2, None, zorder=6))
    (dot,) = axes.plot((), (), clip_on=False, **dots(theme.chosen, 7))
    dot.set(markeredgecolor=theme.paper, markeredgewidth=1.2)

    def move(frame: Frame) -> None:
        upright.set_xdata((x[frame.index],) * 2)
        dot.set_data((x[frame.index],), (y[frame.index],))

    return Moving((upright, dot), move)


def stroke(colour: str, width: float, dashes: tuple[float, float] | None, zorder: float = 3) -> dict[str, Any]:
    style: Any = "-" if dashes is None else (0, dashes)
    return {
        "color": colour, "linewidth": width, "linestyle": style, "marker": "", "zorder": zorder,
        "solid_capstyle": "butt", "solid_joinstyle": "round", "dash_capstyle": "butt", "antialiased": True,
    }  # fmt: skip


def dots(colour: str, size: float) -> dict[str, Any]:
    return {
        "color": colour, "linestyle": "none", "marker": "o", "markersize": size, "markerfacecolor": colour,
        "markeredgecolor": colour, "markeredgewidth": 0.8, "fillstyle": "full", "zorder": 6,
    }  # fmt: skip
