"""All variables over all snapshots -> one heat map. No pyplot, no ipywidgets, nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snapshot.statistics import sample
from snapshot.widgets.axes import Box, label_ticks, name_axis, new_axes, width_in_points, write, write_on_figure
from snapshot.widgets.figures import DRAWING, SIZE, Picture
from snapshot.widgets.many_statistics import ABSENT, BROKEN, KNOWN, STATISTICS, UNCHANGED, UNREAD, Grid
from snapshot.widgets.pooling import starts
from snapshot.widgets.sheets import colours, rgb
from snapshot.widgets.theme import LIGHT, Theme
from snapshot.widgets.words import number, shorten

Array = np.ndarray[Any, np.dtype[Any]]

_LEFT, _WIDTH = 0.3, 0.59
_ABOVE, _BELOW = 84, 82  # pixels for the header, and for the steps and the key
_LEAST, _MOST = 60, 440  # height of the heat map in pixels
_ROW = 20
_LABEL = 13  # a line of text needs so many pixels
_LONGEST = 44
_SEVERAL = 6
# In the dark theme's cividis the middle is the grey that means "no change".
_UNSIGNED = "viridis"
_WORDS = {UNCHANGED: "no change", UNREAD: "not read yet", BROKEN: "not finite, or not readable"}


class OverviewPicture(Picture):
    """A row for each path in the order given, a column for each snapshot; ``chosen`` is marked."""

    def __init__(self, grid: Grid, theme: Theme = LIGHT, chosen: str | None = None) -> None:
        with DRAWING:
            tall = int(np.clip(_ROW * len(grid.paths), _LEAST, _MOST))
            height = _ABOVE + tall + _BELOW
            super().__init__(theme, (SIZE[0], height))
            box = (_LEFT, _BELOW / height, _WIDTH, tall / height)
            axes = _draw_header(self.figure, grid, box, height, theme)
            room = tall, int(_WIDTH * SIZE[0])
            low, high = limits(grid)
            axes.imshow(
                paint(grid, room, (low, high), theme), aspect="auto", interpolation="nearest", origin="upper",
                extent=(0, len(grid.steps), len(grid.paths), 0), resample=False,
            )  # fmt: skip
            _label_rows(axes, grid.paths, tall, theme)
            _label_steps(axes, grid.steps, theme)
            _mark(axes, grid.paths, chosen, theme)
            _draw_key(self.figure, box, grid, (low, high), theme)
            _draw_words(axes, grid, theme)


def limits(grid: Grid) -> tuple[float, float]:
    """The values at both ends of the colours: nearly all lie between, and an outlier bleaches nothing."""
    statistic = STATISTICS[grid.statistic]
    known = sample(grid.values[grid.states == KNOWN])
    if not known.size:
        return (-1.0, 1.0) if statistic.signed else (0.0, 1.0)
    if statistic.share:
        return 0.0, float(known.max()) or 1.0
    if statistic.signed:
        top = float(np.percentile(np.abs(known), 99.5)) or float(np.abs(known).max()) or 1.0
        return -top, top
    low, high = (float(end) for end in np.percentile(known, (1, 99.5)))
    if grid.statistic != "update":
        return 0.0, high or float(known.max()) or 1.0
    return (low, high) if high - low > 0.5 else (low - 0.5, high + 0.5)


def paint(grid: Grid, room: tuple[int, int], ends: tuple[float, float], theme: Theme) -> Array:
    """RGB bytes of at most ``room`` pixels (rows, columns); each keeps the extreme of what it stands for."""
    signed = STATISTICS[grid.statistic].signed
    values, states = pooled(grid.values, grid.states, room, signed)
    # in units of the larger end, so that nothing overflows
    unit = max(map(abs, ends))
    low, high = ends[0] / unit, ends[1] / unit
    with np.errstate(invalid="ignore"):
        level = np.clip((values.astype(float) / unit - low) * (255 / (high - low)), 0, 255)
    painted: Array = _palette(theme, signed)[np.where(states == KNOWN, level, 0).astype(np.uint8)]
    for state, colour in _colours(theme).items():
        painted[states == state] = rgb(colour)
    return painted


def pooled(values: Array, states: Array, room: tuple[int, int], signed: bool) -> tuple[Array, Array]:
    """Values and states on at most ``room`` pixels: the greatest state; the greatest value, or magnitude."""
    known = states == KNOWN
    high = np.where(known, values, -np.inf)
    low = np.where(known, values, np.inf) if signed else high
    for axis, most in enumerate(room):
        if states.shape[axis] > most:
            begins = starts(states.shape[axis], most)
            states = np.maximum.reduceat(states, begins, axis=axis)
            high = np.maximum.reduceat(high, begins, axis=axis)
            low = np.minimum.reduceat(low, begins, axis=axis)
    return np.where(-low > high, low, high) if signed else high, states


def groups(paths: Sequence[str], most: int) -> list[tuple[str, int, int]]:
    """Neighbouring rows that belong together, as (what they share, first, behind the last).

    Every row by itself if there are at most ``most``, else by the leading parts of the path: as
    few of them as give several groups.
    """
    if len(paths) <= most:
        return [(path, row, row + 1) for row, path in enumerate(paths)]
    parts = [path.replace("[", ".[").split(".") for path in paths]
    found: list[tuple[str, int, int]] = []
    for depth in range(1, max(map(len, parts)) + 1):
        found, row = [], 0
        for shared, members in groupby(tuple(part[:depth]) for part in parts):
            behind = row + len(list(members))
            found.append((".".join(shared).replace(".[", "["), row, behind))
            row = behind
        if len(found) >= _SEVERAL:
            break
    return found


def _palette(theme: Theme, signed: bool) -> Array:
    return colours(theme if signed else replace(theme, unsigned=_UNSIGNED), signed)


def _colours(theme: Theme) -> dict[int, str]:
    return {ABSENT: theme.paper, UNREAD: theme.grid, UNCHANGED: theme.reference, BROKEN: theme.missing}


def _draw_header(figure: Figure, grid: Grid, box: Box, height: int, theme: Theme) -> Axes:
    statistic = STATISTICS[grid.statistic]
    axes = new_axes(figure, box, theme, "")
    for spine in axes.spines.values():
        spine.set_visible(False)
    write_on_figure(figure, 0.03, 1 - 34 / height, statistic.title, color=theme.ink, size=14, weight="bold")
    variables = f"{len(grid.paths):,} variable{'s' * (len(grid.paths) != 1)}"
    words = f"{statistic.explanation} · {variables} × {len(grid.steps):,} snapshots"
    write_on_figure(figure, 0.03, 1 - 58 / height, words, color=theme.muted, size=10)
    return axes


def _label_rows(axes: Axes, paths: Sequence[str], tall: int, theme: Theme) -> None:
    found = groups(paths, tall // _LABEL)
    last = -np.inf
    for name, first, behind in found:
        middle = (first + behind) / 2 / len(paths) * tall
        if middle - last < _LABEL:
            continue  # its neighbour's name stands there
        last = middle
        write(
            axes, 0, (first + behind) / 2, shorten(name.replace("\n", " "), _LONGEST), color=theme.ink, size=8.5,
            ha="right", va="center", offset=(-12, 0), over_y=True,
        )  # fmt: skip
    if len(found) < min(len(paths), tall // 5):
        edges = [first for _, first, _ in found[1:]]
        axes.hlines(edges, 0, 1, transform=axes.get_yaxis_transform(), colors=theme.paper, linewidth=1.0)


def _label_steps(axes: Axes, steps: Sequence[int], theme: Theme) -> None:
    count = min(len(steps), 8)
    columns = np.unique(np.linspace(0, len(steps) - 1, count).round().astype(int))
    label_ticks(axes, "x", [column + 0.5 for column in columns], [number(steps[column]) for column in columns], theme)
    axes.set_yticks([])
    name_axis(axes, "global step, one column a snapshot", theme)


def _mark(axes: Axes, paths: Sequence[str], chosen: str | None, theme: Theme) -> None:
    if chosen not in paths:
        return
    row = paths.index(chosen)
    write(axes, 0, row + 0.5, "▶", color=theme.chosen, size=9, ha="right", va="center", offset=(-1, 0), over_y=True)
    across = axes.get_yaxis_transform()
    axes.hlines([row, row + 1], 0, 1, transform=across, colors=theme.chosen, linewidth=1.2, clip_on=False)


def _draw_key(figure: Figure, box: Box, grid: Grid, ends: tuple[float, float], theme: Theme) -> None:
    left, bottom, width, height = box
    axes = figure.add_axes((left + width + 0.014, bottom, 0.012, height), frameon=False)
    axes.tick_params(which="both", length=0, pad=4, labelright=True, labelleft=False, right=True, left=False)
    table = _palette(theme, STATISTICS[grid.statistic].signed)[::-1, None]
    axes.imshow(table, aspect="auto", extent=(0, 1, *ends), interpolation="nearest", origin="upper", resample=False)
    axes.set_xticks([])
    ticks = [ends[0], ends[1]]
    middle = -3.0 if grid.statistic == "update" else 0.0
    if ends[0] + 0.15 * (ends[1] - ends[0]) < middle < ends[1] - 0.15 * (ends[1] - ends[0]):
        ticks.append(middle)
    label_ticks(axes, "y", ticks, [number(tick, 2) for tick in ticks], theme)


def _draw_words(axes: Axes, grid: Grid, theme: Theme) -> None:
    """What the colours beside the scale mean, for those that occur."""
    place = 0.0
    for state, words in _WORDS.items():
        if (grid.states == state).any():
            mark = write(axes, 0, 0, "■", color=_colours(theme)[state], size=12, offset=(place, -50))
            text = write(axes, 0, 0, words, color=theme.muted, offset=(place + 14, -49))
            place += width_in_points(mark) + width_in_points(text) + 22
