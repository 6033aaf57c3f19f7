"""A laid-out matrix -> colours in a panel, with the scale beside it."""

from __future__ import annotations

from functools import cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from snapshot.widgets.axes import Box, label_ticks, new_axes, write
from snapshot.widgets.pooling import Sheet
from snapshot.widgets.theme import Theme
from snapshot.widgets.words import number

Array = np.ndarray[Any, np.dtype[Any]]

_BAR = 0.011  # width of the colour scale, as a fraction of the figure
_STRETCH = 2.5
#: Beside a sheet this much of the figure's width goes to the colour scale and its numbers.
SCALE_WIDTH = 0.06


def room_of(figure: Figure, box: Box, scaled: bool = True) -> tuple[int, int]:
    """Rows and columns of pixels for a sheet in ``box``, beside its colour scale if it has one."""
    width, height = (figure.get_size_inches() * figure.dpi).astype(int)
    return int(box[3] * height), int((box[2] - SCALE_WIDTH * scaled) * width)


def draw_sheet(
    figure: Figure, box: Box, sheet: Sheet, scale: float, signed: bool, theme: Theme, title: str,
    note: str = "", scaled: bool = True,
) -> AxesImage:  # fmt: skip
    """The sheet in colours from ``-scale`` (0 unless ``signed``) to ``scale``; ``scaled`` draws their key."""
    room = room_of(figure, box, scaled)
    place = _place(box, sheet, room, figure)
    axes = new_axes(figure, place, theme, title, note)
    for spine in axes.spines.values():
        spine.set_visible(False)
    write(axes, 0, 0, sheet.columns, color=theme.muted, offset=(0, -14))
    write(axes, 0, 0, sheet.rows, color=theme.muted, offset=(-6, 0), ha="right", va="bottom").set_rotation(90)
    if scaled:
        _draw_scale(figure, place, colours(theme, signed), (-scale if signed else 0.0, scale), theme)
    picture = axes.imshow(
        paint(sheet, scale, signed, theme), aspect="auto", interpolation="nearest", origin="upper", resample=False
    )
    axes.set_xticks([])
    axes.set_yticks([])
    return picture


@cache
def colours(theme: Theme, signed: bool) -> Array:
    """Shape (256, 3), uint8: the theme's colours from the least value to the greatest. Not to be written to."""
    name = theme.signed if signed else theme.unsigned
    table: Array = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    return table


def paint(sheet: Sheet, scale: float, signed: bool, theme: Theme) -> Array:
    """RGB bytes of a sheet; what is not finite and what is no value get colours of their own."""
    low = -scale if signed else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        level = np.clip((sheet.pixels - low) * (255 / (scale - low)), 0, 255)
    finite = np.isfinite(sheet.pixels)
    painted: Array = colours(theme, signed)[np.where(finite, level, 0).astype(np.uint8)]
    painted[~finite] = rgb(theme.missing)
    if sheet.gap is not None:
        painted[sheet.gap] = rgb(theme.paper)
    return painted


def rgb(colour: str) -> tuple[int, ...]:
    """``#rrggbb`` as three numbers."""
    return tuple(bytes.fromhex(colour[1:]))


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
