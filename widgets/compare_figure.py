"""One variable of two snapshots -> a matplotlib Figure. No pyplot, no ipywidgets, nothing is read here."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from snapshot.widgets.axes import Box, new_axes, say, write_on_figure
from snapshot.widgets.compare_numbers import Array, Pair, has_spectrum, minus
from snapshot.widgets.compare_panels import (
    draw_histograms,
    draw_scatter,
    draw_spectra,
    draw_text,
    draw_vectors,
    limits,
    lines_of,
    name_sides,
)
from snapshot.widgets.figures import DRAWING, SIZE, Picture
from snapshot.widgets.pooling import lay_out
from snapshot.widgets.sheets import draw_sheet, room_of
from snapshot.widgets.theme import LIGHT, Theme
from snapshot.widgets.words import number, shape_text, shorten

_UPPER, _LOWER = (0.495, 0.315), (0.1, 0.265)  # bottom and height of the two rows
_THIRDS = (0.062, 0.385, 0.69)
_WIDTH = 0.25
_TWO_THIRDS = 0.555
# Curves have numbers and a word below them.
_CURVES = (0.525, 0.285)
_HALVES = ((0.062, 0.43), (0.54, 0.43))


class ComparePicture(Picture):
    """A, B, B minus A; old against new, both distributions, and the spectra of matrices."""

    def __init__(self, pair: Pair, theme: Theme = LIGHT, size: tuple[int, int] = SIZE) -> None:
        with DRAWING:
            super().__init__(theme, size)
            _header(self.figure, pair, theme)
            _draw_values(self.figure, pair, theme)
            _draw_numbers(self.figure, pair, theme)


class TextPicture(Picture):
    """Two texts, or two numbers, side by side; None where a side has none."""

    def __init__(
        self, path: str, names: tuple[str, str], texts: tuple[str | None, str | None], theme: Theme = LIGHT
    ) -> None:
        with DRAWING:
            height = 130 + 20 * max(len(lines_of(text)) for text in texts)
            super().__init__(theme, (SIZE[0], height))
            top = 1 - 40 / height
            write_on_figure(self.figure, 0.062, top, _title(path), color=theme.ink, size=14, weight="bold")
            for (left, width), side, name, text in zip(_HALVES, "AB", names, texts, strict=True):
                box = (left, 0.02, width, 1 - 90 / height)
                axes = new_axes(self.figure, box, theme, f"{side}: {name}")
                draw_text(axes, text, theme)


def _header(figure: Figure, pair: Pair, theme: Theme) -> None:
    write_on_figure(figure, _THIRDS[0], 0.94, _title(pair.path), color=theme.ink, size=14, weight="bold")
    write_on_figure(figure, _THIRDS[0], 0.9, _facts(pair), color=theme.muted, size=10)
    edge = _THIRDS[2] + _WIDTH
    amount = _amount(pair)
    write_on_figure(figure, edge, 0.94, amount, color=theme.chosen, size=14, weight="bold", ha="right")
    if amount:
        write_on_figure(figure, edge, 0.9, "|B − A| / max(|A|, |B|)", color=theme.muted, size=10, ha="right")


def _title(path: str) -> str:
    return shorten(path.replace("\n", " "), 58)


def _facts(pair: Pair) -> str:
    kinds = [f"{shape_text(side.shape)} {side.dtype}" for side in pair.sides]
    return " → ".join(dict.fromkeys(kinds))


def _amount(pair: Pair) -> str:
    if pair.size is None or pair.size.relative != pair.size.relative:
        return ""
    return f"changed by {number(100 * pair.size.relative)} %"


def _draw_values(figure: Figure, pair: Pair, theme: Theme) -> None:
    sides = ((pair.before, f"A: {pair.names[0]}"), (pair.after, f"B: {pair.names[1]}"))
    if all(side.ndim == 1 for side in pair.sides):
        _draw_curves(figure, pair, theme)
        return
    boxes = [(left, _UPPER[0], _WIDTH, _UPPER[1]) for left in _THIRDS]
    scale, signed, moved = limits(pair, pooled=_is_pooled(figure, boxes[0], pair.sides))
    for box, (value, title) in zip(boxes, sides, strict=False):
        # the scale stands beside B, and beside A where there is no B
        _draw_side(figure, box, value, (scale, signed), shorten(title, 34), theme)
    if pair.fits and pair.before is not None and pair.after is not None:
        _draw_side(figure, boxes[2], minus(pair.after, pair.before), (moved, True), "B minus A", theme)
    else:
        say(new_axes(figure, boxes[2], theme, "B minus A"), _why_not(pair), theme)


def _is_pooled(figure: Figure, box: Box, sides: list[Array]) -> bool:
    room = room_of(figure, box)
    return any(lay_out(side, room).pooled for side in sides if side.ndim >= 2 and side.size)


def _draw_side(
    figure: Figure, box: Box, value: Array | None, scale: tuple[float, bool], title: str, theme: Theme
) -> None:
    if value is None:
        say(new_axes(figure, box, theme, title), "Not there, or not readable", theme)
    elif not value.size:
        say(new_axes(figure, box, theme, title), "The array is empty", theme)
    elif value.ndim < 2:
        draw_vectors(new_axes(figure, box, theme, title), [(value.reshape(-1), theme.data)], theme)
    else:
        sheet = lay_out(value, room_of(figure, box))
        note = "" if np.isfinite(value).all() else "pink is not finite"
        draw_sheet(figure, box, sheet, *scale, theme, title, note)


def _draw_curves(figure: Figure, pair: Pair, theme: Theme) -> None:
    names = f"A: {pair.names[0]},  B: {pair.names[1]}"
    wide = new_axes(
        figure, (_THIRDS[0], _CURVES[0], _TWO_THIRDS + 0.018, _CURVES[1]), theme, "Values", shorten(names, 70)
    )
    draw_vectors(wide, [(pair.before, theme.reference), (pair.after, theme.chosen)], theme)
    name_sides(wide, theme)
    beside = new_axes(figure, (_THIRDS[2], _CURVES[0], _WIDTH, _CURVES[1]), theme, "B minus A")
    if pair.fits and pair.before is not None and pair.after is not None:
        draw_vectors(beside, [(minus(pair.after, pair.before), theme.data)], theme)
    else:
        say(beside, _why_not(pair), theme)


def _draw_numbers(figure: Figure, pair: Pair, theme: Theme) -> None:
    matrix = has_spectrum(pair)
    scatter = new_axes(figure, (_THIRDS[0], _LOWER[0], _WIDTH, _LOWER[1]), theme, "Old against new", "B over A")
    draw_scatter(scatter, pair, theme)
    width = _WIDTH if matrix else _TWO_THIRDS
    histogram = new_axes(figure, (_THIRDS[1], _LOWER[0], width, _LOWER[1]), theme, "Distribution")
    draw_histograms(histogram, pair, theme)
    name_sides(histogram, theme)
    if matrix:
        box = (_THIRDS[2], _LOWER[0], _WIDTH, _LOWER[1])
        draw_spectra(new_axes(figure, box, theme, "Singular values", "log₁₀"), pair.spectra, theme)


def _why_not(pair: Pair) -> str:
    return "The shapes differ" if len(pair.sides) == 2 else "Only one side has it"
