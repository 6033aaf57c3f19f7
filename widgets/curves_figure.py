"""Several lines over the steps, each with its name at its end: on one axis, or one panel for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from snapshot.widgets.axes import (
    name_axis,
    new_axes,
    say,
    set_power_ticks,
    set_ticks,
    spread,
    write,
    write_on_figure,
)  # fmt: skip
from snapshot.widgets.curves import Curve, Curves, CurvesFrame, share_one_axis
from snapshot.widgets.figures import DRAWING, SIZE, MovingPicture
from snapshot.widgets.frames import Moving
from snapshot.widgets.over_steps import dots, line, other_lines, padded, powers, stroke
from snapshot.widgets.series import Array, Series
from snapshot.widgets.theme import LIGHT, Theme
from snapshot.widgets.words import number, shorten

_LEFT, _BOTTOM, _WIDTH, _HEIGHT = 0.062, 0.1, 0.72, 0.72
_MOST_PANELS = 8
_TITLE, _LABEL = 72, 24  # characters


class CurvesPicture(MovingPicture):
    """Several variables over their steps, with one step chosen."""

    def __init__(self, frame: CurvesFrame, theme: Theme = LIGHT) -> None:
        with DRAWING:
            super().__init__(theme, SIZE)
            self._curves, self._logarithmic = frame.curves, frame.logarithmic
            self._moving = [_header(self.figure, frame, theme), *_panels(self.figure, frame, theme)]
            self.show(frame)

    def fits(self, frame: Any) -> bool:
        same = isinstance(frame, CurvesFrame) and frame.curves is self._curves
        return same and frame.logarithmic == self._logarithmic


def _header(figure: Figure, frame: CurvesFrame, theme: Theme) -> Moving:
    curves = frame.curves
    names = [curve.series.path.replace("\n", " ") for curve in curves.curves]
    room = _TITLE // min(len(names), 4) - 2
    title = ", ".join(shorten(name, room) for name in names[:4])
    title += f" and {len(names) - 4} more" if len(names) > 4 else ""
    write_on_figure(figure, _LEFT, 0.94, title, color=theme.ink, size=14, weight="bold")
    facts = "values" if curves.is_scalar else f"{curves.statistic} of each"
    hued = len(theme.hues)
    if len(names) > hued and not _separate(frame, [curve.values for curve in curves.curves]):
        facts += f" · the first {hued} in colour"
    if any(other_lines(curve.series) for curve in curves.curves):
        facts += " · grey: other branches"
    write_on_figure(figure, _LEFT, 0.9, facts, color=theme.muted, size=10)
    step = write_on_figure(figure, 0.98, 0.94, "", color=theme.chosen, size=14, weight="bold", ha="right")
    which = write_on_figure(figure, 0.98, 0.9, "", color=theme.muted, size=10, ha="right")

    def move(frame: CurvesFrame) -> None:
        step.set_text(f"Step {number(frame.point.step)}")
        which.set_text(shorten(frame.point.name, 40))

    return Moving((step, which), move)


def _panels(figure: Figure, frame: CurvesFrame, theme: Theme) -> list[Moving]:
    curves = frame.curves
    rows = [_drawn(curve, frame.logarithmic) for curve in curves.curves]
    x = _places(curves)
    if not _separate(frame, rows):
        axes = new_axes(figure, (_LEFT, _BOTTOM, _WIDTH, _HEIGHT), theme, "")
        moving = _panel(axes, frame, range(len(rows)), rows, x, theme)
        name_axis(axes, "global step", theme)
        return moving
    count = len(rows)
    gap = 0.06 if count < 5 else 0.045
    height = (_HEIGHT - gap * (count - 1)) / count
    found: list[Moving] = []
    for place in range(count):
        box = _LEFT, _BOTTOM + (count - 1 - place) * (height + gap), _WIDTH, height
        axes = new_axes(figure, box, theme, "")
        found += _panel(axes, frame, [place], rows, x, theme, last=place == count - 1)
    name_axis(axes, "global step", theme)
    return found


def _separate(frame: CurvesFrame, rows: list[Array]) -> bool:
    return len(rows) <= _MOST_PANELS and not share_one_axis(rows)


def _panel(
    axes: Axes, frame: CurvesFrame, places: Any, rows: list[Array], x: dict[Any, float], theme: Theme,
    last: bool = True,
) -> list[Moving]:  # fmt: skip
    curves = frame.curves
    finite = np.concatenate([rows[place][np.isfinite(rows[place])] for place in places])
    if not finite.size:
        words = "No positive value at any step" if frame.logarithmic else "No finite value at any step"
        say(axes, words, theme)
        return []
    _set_x(axes, list(x.values()), theme, labelled=last)
    few = axes.get_window_extent().height < 120
    limits = padded(float(finite.min()), float(finite.max()))
    if frame.logarithmic:
        set_power_ticks(axes, "y", limits, theme)
    else:
        set_ticks(axes, "y", limits, theme, count=3 if few else 5)
    ends = []
    for place in places:
        series, values = curves.curves[place].series, rows[place]
        hue = theme.hues[place] if place < len(theme.hues) else theme.reference
        at = np.array([x[point.key] for point in series.points])
        _draw(axes, series, at, values, hue, theme)
        ends.append((series, at, values, hue))
    _label(axes, ends, curves.is_scalar, frame.logarithmic, theme)
    return [_cursor(axes, frame, [end[3] for end in ends], list(places), rows, x, theme)]


def _draw(axes: Axes, series: Series, x: Array, values: Array, hue: str, theme: Theme) -> None:
    """The newest branch in its hue, the others beside it in grey."""
    for branch in other_lines(series):
        axes.plot(x[branch], values[branch], **stroke(theme.reference, 1.2, None, zorder=4))
        few = branch[1:] if len(branch) <= 40 else branch[-1:]
        axes.plot(x[few or branch], values[few or branch], **dots(theme.reference, 3.5))
    main = series.lineage()
    line(axes, x[main], values[main], hue, 1.8)


def _label(axes: Axes, ends: list[Any], with_values: bool, logarithmic: bool, theme: Theme) -> None:
    """The name of each line, and its last value, at the right of the panel."""
    named = []
    for series, _, values, hue in ends:
        main = [index for index in series.lineage() if np.isfinite(values[index])]
        if main:
            last = float(values[main[-1]])
            named.append((last, series.path, hue, number(10**last if logarithmic else last)))
    low, high = axes.get_ylim()
    figure: Any = axes.figure
    gap = (high - low) * 12.5 / (axes.get_window_extent().height * 72 / figure.dpi)
    if (len(named) - 1) * gap > high - low:
        named = named[: len(theme.hues)]
    for place, (_, path, hue, value) in zip(spread([one[0] for one in named], gap, low, high), named, strict=True):
        style: dict[str, Any] = {"va": "center", "offset": (8, 0), "over_y": True, "size": 9}
        name = shorten(path.replace("\n", " "), _LABEL - len(value))
        colour = theme.muted if hue == theme.reference else hue
        text = write(axes, 1, place, f"{name}  {value}", color=colour, weight="bold", **style)
        text.set(path_effects=[withStroke(linewidth=3, foreground=theme.paper)], zorder=7)


def _cursor(
    axes: Axes, frame: CurvesFrame, hues: list[str], places: list[int], rows: list[Array], x: dict[Any, float],
    theme: Theme,
) -> Moving:  # fmt: skip
    across = axes.get_xaxis_transform()
    (upright,) = axes.plot((0, 0), (0, 1), transform=across, **stroke(theme.chosen, 1.2, None, zorder=6))
    marks = [axes.plot((), (), clip_on=False, **dots(hue, 6.5))[0] for hue in hues]
    for mark in marks:
        mark.set(markeredgecolor=theme.paper, markeredgewidth=1.2)
    of = [{point.key: index for index, point in enumerate(one.series.points)} for one in frame.curves.curves]

    def move(frame: CurvesFrame) -> None:
        key = frame.point.key
        upright.set_xdata((x[key],) * 2)
        for mark, place in zip(marks, places, strict=True):
            index = of[place].get(key)
            mark.set_data(*(((), ()) if index is None else ((x[key],), (rows[place][index],))))

    return Moving((upright, *marks), move)


def _drawn(curve: Curve, logarithmic: bool) -> Array:
    values = np.where(np.isfinite(curve.values), curve.values, np.nan)
    return powers(values) if logarithmic else values


def _places(curves: Curves) -> dict[Any, float]:
    """Where each point lies across: at its step, or in order where all share one step."""
    steps = [point.step for point in curves.points]
    several = len(set(steps)) > 1 or len(steps) == 1
    return {point.key: float(point.step if several else place + 1) for place, point in enumerate(curves.points)}


def _set_x(axes: Axes, x: list[float], theme: Theme, labelled: bool) -> None:
    low, high = min(x), max(x)
    room = (high - low) * 0.015 or 1.0
    count = int(axes.get_window_extent().width // 90)
    set_ticks(axes, "x", (low - room, high + room), theme, count=count, whole=True, grid=False)
    if not labelled:
        axes.tick_params(axis="x", labelbottom=False)
