"""The panels of a comparison: old against new, both histograms, both spectra, two vectors, two texts.

A is grey, B vermillion, as the reference and the chosen step are in every picture.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from snapshot.widgets.axes import name_axis, say, set_ticks, width_in_points, write
from snapshot.widgets.compare_numbers import Array, Pair, Spectrum, counted, magnitude, minus, scattered
from snapshot.widgets.pooling import as_real, envelope
from snapshot.widgets.theme import Theme
from snapshot.widgets.words import number

_BARS_UP_TO = 64
_LINES, _COLUMNS = 13, 58


def draw_scatter(axes: Axes, pair: Pair, theme: Theme) -> None:
    """New value over old for a sample of elements; on the line nothing changed."""
    if not pair.fits or pair.before is None or pair.after is None:
        say(axes, "Elements have no partners" if pair.sides[1:] else "Only one side has it", theme)
        return
    old, new = scattered(pair.before, pair.after)
    if not old.size:
        say(axes, "No element is finite on both sides", theme)
        return
    low, high = padded(float(old.min()), float(old.max()))
    set_ticks(axes, "x", (low, high), theme, count=4)
    set_ticks(axes, "y", padded(float(new.min()), float(new.max())), theme, count=4)
    axes.plot((low, high), (low, high), **line(theme.muted, 1.0, (4, 3)), scalex=False, scaley=False)
    few = old.size < 500
    axes.plot(
        old, new, scalex=False, scaley=False, color=theme.data, linestyle="none", marker="o", markeredgewidth=0,
        markersize=4 if few else 2.4, alpha=0.8 if few else 0.35, zorder=4, rasterized=True, antialiased=True,
    )  # fmt: skip


def draw_histograms(axes: Axes, pair: Pair, theme: Theme) -> None:
    """Both distributions over the same bins: A filled grey, B in outline."""
    found = counted(pair.sides)
    if found is None:
        say(axes, "No finite value to count", theme)
        return
    edges, shares = found
    if pair.before is None or pair.after is None:
        shares = [shares[0] if pair.before is not None else shares[0] * 0, shares[-1] * (pair.after is not None)]
    name_axis(axes, "value", theme)
    set_ticks(axes, "x", (float(edges[0]), float(edges[-1])), theme)
    # A spike (a bias that starts as zeros) is cut off rather than flattening the other side.
    peaks = [float(share.max()) for share in shares if share.max()]
    top = min(max(peaks), 3 * min(peaks)) * 1.08
    axes.set_ylim(0, 1)
    first, second = (np.minimum(share / top, 1) for share in shares)
    axes.stairs(first, edges, fill=True, color=theme.reference, linewidth=0, antialiased=True)
    axes.stairs(second, edges, fill=True, color=theme.chosen, alpha=0.14, linewidth=0)
    axes.stairs(second, edges, fill=False, color=theme.chosen, linewidth=1.6, linestyle="-")


def draw_spectra(axes: Axes, spectra: tuple[Spectrum, Spectrum] | None, theme: Theme) -> None:
    """Singular values of both sides, largest first, as powers of ten."""
    problem = "Not computed yet: the matrix is large" if spectra is None else spectra[0].problem or spectra[1].problem
    if spectra is None or problem:
        say(axes, problem[:1].upper() + problem[1:], theme)
        return
    rows = [_powers(one.values) for one in spectra]
    finite = np.concatenate([row[np.isfinite(row)] for row in rows])
    if not finite.size:
        say(axes, "Every singular value is zero", theme)
        return
    longest = max(row.size for row in rows)
    name_axis(axes, "rank", theme)
    set_ticks(axes, "x", (0.5, longest + 0.5), theme, whole=True, grid=False)
    # Rounding leaves tails at a 1e-16th of the largest, which say no more than "zero".
    set_ticks(
        axes, "y", padded(max(float(finite.min()), float(finite.max()) - 8), float(finite.max())), theme, count=4
    )
    for row, colour, width in zip(rows, (theme.reference, theme.chosen), (2.4, 1.4), strict=True):
        style = line(colour, width) | ({"marker": "o", "markersize": 3.5} if longest <= 20 else {})
        axes.plot(np.arange(1, row.size + 1), row, scaley=False, scalex=False, **style)
    first, second = (number(one.stable_rank) for one in spectra)
    words = f"stable rank {first} → {second}"
    write(axes, 1, 1, words, color=theme.ink, ha="right", offset=(-2, -10))


def draw_vectors(axes: Axes, vectors: Sequence[tuple[Array | None, str]], theme: Theme) -> None:
    """Curves (or bars, when there are few elements) over the elements, each in its colour."""
    given = [(as_real(vector), colour) for vector, colour in vectors if vector is not None and vector.size]
    values = [vector[np.isfinite(vector)] for vector, _ in given]
    every = np.concatenate(values) if values else np.empty(0)
    if not every.size:
        say(axes, "No finite value to draw" if given else "The array is empty", theme)
        return
    size = max(vector.size for vector, _ in given)
    low, high = min(0.0, float(every.min())), max(0.0, float(every.max()))
    set_ticks(axes, "y", padded(low, high), theme, count=4)
    set_ticks(axes, "x", (-0.5, size - 0.5), theme, whole=True, grid=False)
    name_axis(axes, "element", theme)
    for position, (vector, colour) in enumerate(given):
        if size <= _BARS_UP_TO:
            _draw_bars(axes, vector, colour, filled=position < len(given) - 1)
        else:
            room = int(axes.get_window_extent().width)
            axes.plot(*envelope(vector, room), scalex=False, scaley=False, **line(colour, 1.4 - 0.3 * position))


def lines_of(text: str | None) -> list[str]:
    """A text broken into lines that fit half a picture; the end gives way when there are too many."""
    if text is None:
        return ["Not there"]
    lines = [
        part for row in text.splitlines() for part in textwrap.wrap(row, _COLUMNS, drop_whitespace=False) or [""]
    ]
    if len(lines) > _LINES:
        return [*lines[:_LINES], f"… and {len(lines) - _LINES:,} more lines"]
    return lines or ["(empty text)"]


def draw_text(axes: Axes, text: str | None, theme: Theme) -> None:
    """A value as text, in large letters when it is short."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    lines = lines_of(text)
    large = text is not None and len(lines) == 1 and len(lines[0]) <= 24
    for row, words in enumerate(lines):
        ink = theme.ink if text else theme.muted
        write(axes, 0, 1, words, color=ink, size=18 if large else 10.5, offset=(0, -26 - 14 * row))


def name_sides(axes: Axes, theme: Theme) -> None:
    """``A`` and ``B`` in their colours at the right end of the title."""
    second = write(axes, 1, 1, "B", color=theme.chosen, weight="bold", ha="right", offset=(0, 10))
    left = -width_in_points(second) - 10
    write(axes, 1, 1, "A", color=theme.muted, weight="bold", ha="right", offset=(left, 10))


def limits(pair: Pair, pooled: bool) -> tuple[float, bool, float]:
    """The scale of A and B, whether they have negative values, and the scale of B minus A."""
    signed = any(bool((as_real(side) < 0).any()) for side in pair.sides)
    moved = 1.0
    if pair.fits and pair.before is not None and pair.after is not None:
        moved = magnitude([minus(pair.after, pair.before)], pooled)
    return magnitude(pair.sides, pooled), signed, moved


def padded(low: float, high: float) -> tuple[float, float]:
    """Limits with some air around the values."""
    room = (high - low) * 0.06 or abs(high) * 0.5 or 1.0
    return low - room, high + room


def line(colour: str, width: float, dashes: tuple[float, float] | None = None) -> dict[str, Any]:
    """The style of a line, complete, so that nothing of the user's reaches in."""
    return {
        "color": colour, "linewidth": width, "linestyle": "-" if dashes is None else (0, dashes), "marker": "",
        "zorder": 3, "solid_joinstyle": "round", "antialiased": True,
    }  # fmt: skip


def _draw_bars(axes: Axes, vector: Array, colour: str, filled: bool) -> None:
    edges = np.arange(vector.size + 1) - 0.5
    heights = np.nan_to_num(vector.astype(float), posinf=0, neginf=0)
    axes.stairs(heights, edges, fill=filled, color=colour, linewidth=0 if filled else 1.6, linestyle="-")


def _powers(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        powers: Array = np.log10(values)
    return powers
