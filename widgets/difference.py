"""The panel that shows the chosen step minus the one it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snapshot.widgets.at_step import BARS_UP_TO
from snapshot.widgets.axes import Box, name_axis, new_axes, say, set_ticks, write
from snapshot.widgets.frames import NOTHING_MOVES, Frame, Moving
from snapshot.widgets.pooling import difference_of, envelope, lay_out
from snapshot.widgets.sheets import draw_sheet, paint, room_of
from snapshot.widgets.theme import Theme
from snapshot.widgets.words import number, shape_text, shorten

Array = np.ndarray[Any, np.dtype[Any]]


def draw_difference(figure: Figure, box: Box, frame: Frame, theme: Theme) -> Moving:
    """The chosen step minus the one compared with; the scale, symmetric, is one for the whole run."""
    title = "Difference"
    values = frame.value, frame.reference
    if len(frame.series.points) == 1:
        say(new_axes(figure, box, theme, title), "There is no other step to compare with", theme)
        return NOTHING_MOVES
    if any(value is None or not value.size for value in values) or not _can_subtract(frame):
        axes = new_axes(figure, box, theme, title)
        shapes = " and ".join(shape_text(point.shape) for point in (frame.compared, frame.point))
        same = frame.compared.shape == frame.point.shape
        say(axes, "There is nothing to subtract" if same else f"The shapes {shapes} differ", theme)
        return NOTHING_MOVES
    scale = frame.reach or 1.0
    if len(frame.point.shape) >= 2:
        room = room_of(figure, box)
        sheet = lay_out(_difference(frame), room)
        picture = draw_sheet(figure, box, sheet, scale, True, theme, title, "")
        label = _name_difference(picture.axes, theme)

        def move(frame: Frame) -> None:
            picture.set_data(paint(lay_out(_difference(frame), room), scale, True, theme))
            label.set_text(_minus(frame))

        return Moving((picture, label), move)
    axes = new_axes(figure, box, theme, title)
    size = frame.point.shape[0] if frame.point.shape else 1
    set_ticks(axes, "y", (-1.08 * scale, 1.08 * scale), theme, count=4)
    set_ticks(axes, "x", (-0.5, size - 0.5), theme, whole=True, grid=False)
    name_axis(axes, "element", theme)
    label = _name_difference(axes, theme)
    draw = _bar_of if size <= BARS_UP_TO else _curve_of
    artists, put = draw(axes, size, theme.data, theme)

    def move_line(frame: Frame) -> None:
        put(_difference(frame).reshape(-1))
        label.set_text(_minus(frame))

    return Moving((*artists, label), move_line)


def _bar_of(axes: Axes, size: int, colour: str, theme: Theme) -> tuple[tuple[Any, ...], Callable[[Array], None]]:
    bars = axes.stairs(np.zeros(size), np.arange(size + 1) - 0.5, fill=True, color=colour, linewidth=0)
    return (bars,), lambda values: bars.set_data(np.nan_to_num(values, posinf=0, neginf=0))


def _curve_of(axes: Axes, size: int, colour: str, theme: Theme) -> tuple[tuple[Any, ...], Callable[[Array], None]]:
    room = int(axes.get_window_extent().width)
    (curve,) = axes.plot((), (), color=colour, linewidth=1.1, linestyle="-", marker="", antialiased=True)
    return (curve,), lambda values: curve.set_data(*envelope(values, room))


def _name_difference(axes: Axes, theme: Theme) -> Any:
    return write(axes, 0, 1, "", color=theme.muted, offset=(78, 10.5))


def _minus(frame: Frame) -> str:
    return f"this minus step {number(frame.compared.step)} ({shorten(frame.compared.name, 20)})"


def _can_subtract(frame: Frame) -> bool:
    return frame.point.shape == frame.compared.shape


def _difference(frame: Frame) -> Array:
    return difference_of(frame.value, frame.reference)
