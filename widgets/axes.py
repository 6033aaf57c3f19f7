"""How every panel looks, set on each artist: thin grid, two spines, direct labels.

Nothing is left to ``rcParams``, which belong to the user and which another thread may
change while we draw; and no text is parsed as mathematics, since names may hold ``$``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from textwrap import fill
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from snapshot.widgets.theme import Theme
from snapshot.widgets.words import FONT, drawable, number

#: Left, bottom, width, height, as fractions of the figure.
Box = tuple[float, float, float, float]

_SAID = 8.6  # pixels of a character, at most
_PLAIN: dict[str, Any] = {
    "parse_math": False,
    "usetex": False,
    "fontfamily": FONT,
    "fontstyle": "normal",
    "fontvariant": "normal",
    "fontstretch": "normal",
}


def new_axes(figure: Figure, box: Box, theme: Theme, title: str, subtitle: str = "") -> Axes:
    """An empty panel with its title above the left corner."""
    axes = figure.add_axes(box, facecolor=theme.paper, frameon=True)
    axes.set_axisbelow(True)
    axes.minorticks_off()
    axes.grid(False, which="both")
    for name, spine in axes.spines.items():
        spine.set(visible=name in ("left", "bottom"), color=theme.grid, linewidth=1.0)
    axes.tick_params(
        which="both", length=0, pad=5, top=False, right=False, bottom=True, left=True, labeltop=False,
        labelright=False, labelbottom=True, labelleft=True, direction="out",
    )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    heading = write(axes, 0, 1, title, color=theme.ink, size=11, weight="bold", offset=(0, 10))
    if subtitle:
        write(axes, 0, 1, subtitle, color=theme.muted, size=9, offset=(width_in_points(heading) + 8, 10.5))
    return axes


def write(
    axes: Axes, x: float, y: float, text: str, *, color: str, size: float = 9, weight: str = "normal",
    ha: str = "left", va: str = "baseline", offset: tuple[float, float] = (0, 0), over_y: bool = False,
) -> Text:  # fmt: skip
    """Text at a fraction of the panel, plus ``offset`` points; with ``over_y``, ``y`` is a value."""
    place: Any = axes.get_yaxis_transform() if over_y else "axes fraction"
    return axes.annotate(
        drawable(text), (x, y), xycoords=place, xytext=offset,
        textcoords="offset points", color=color, fontsize=size, fontweight=weight, ha=ha, va=va,
        annotation_clip=False, **_PLAIN,
    )  # fmt: skip


def write_on_figure(
    figure: Figure, x: float, y: float, text: str, *, color: str, size: float, weight: str = "normal",
    ha: str = "left",
) -> Text:  # fmt: skip
    """Text at a fraction of the whole figure."""
    return figure.text(
        x, y, drawable(text), color=color, fontsize=size, fontweight=weight, ha=ha, va="baseline", **_PLAIN
    )


def set_ticks(
    axes: Axes, axis: Literal["x", "y"], limits: tuple[float, float], theme: Theme, *, count: int = 5,
    whole: bool = False, grid: bool = True,
) -> None:  # fmt: skip
    """Limits, a few round ticks with our own labels, and thin grid lines at them."""
    locator = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10], integer=whole)
    ticks = [tick for tick in locator.tick_values(*limits) if limits[0] <= tick <= limits[1]]
    label_ticks(axes, axis, ticks, [number(float(tick), 4) for tick in ticks], theme)
    (axes.set_xlim if axis == "x" else axes.set_ylim)(*limits)
    if grid:
        axes.grid(
            True, axis=axis, which="major", color=theme.grid, linewidth=0.8, linestyle="-", alpha=1.0,
        )  # fmt: skip


def set_power_ticks(axes: Axes, axis: Literal["x", "y"], limits: tuple[float, float], theme: Theme) -> None:
    """The same for values drawn as log10: ticks at 1, 10, 100, or at 1, 2, 5, 10 when there are few of those."""
    low, high = floor(limits[0]), ceil(limits[1])
    every = max(1, ceil((high - low) / 5))
    ticks = [float(power) for power in range(low, high + 1, every)]
    if sum(limits[0] <= tick <= limits[1] for tick in ticks) < 3:
        ticks = [power + log10(digit) for power in range(low, high + 1) for digit in (1, 2, 5)]
    within = [tick for tick in ticks if limits[0] <= tick <= limits[1]]
    if len(within) < 2:  # less than one power of ten: even steps of the value are the clearest
        locator = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10])
        values = locator.tick_values(10 ** limits[0], 10 ** limits[1])
        within = [log10(value) for value in values if value > 0 and limits[0] <= log10(value) <= limits[1]]
    label_ticks(axes, axis, within, [number(10**tick, 3) for tick in within], theme)
    (axes.set_xlim if axis == "x" else axes.set_ylim)(*limits)
    axes.grid(True, axis=axis, which="major", color=theme.grid, linewidth=0.8, linestyle="-", alpha=1.0)


def label_ticks(axes: Axes, axis: str, ticks: Sequence[float], labels: Sequence[str], theme: Theme) -> None:
    """Exactly these ticks with these labels."""
    setter: Any = axes.set_xticks if axis == "x" else axes.set_yticks
    aligned = {"ha": "center"} if axis == "x" else {"va": "center_baseline"}
    setter(list(ticks), list(labels), color=theme.muted, fontsize=9, fontweight="normal", **aligned, **_PLAIN)


def say(axes: Axes, text: str, theme: Theme) -> None:
    """A sentence in the middle of a panel that has nothing to draw."""
    axes.set_xticks([])
    axes.set_yticks([])
    across = int(axes.get_window_extent().width / _SAID)
    write(axes, 0.5, 0.5, fill(text, max(across, 12)), color=theme.muted, size=10, ha="center", va="center")


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """``places`` moved apart as little as possible, so that ``gap`` lies between any two.

    Keeps their order and stays within ``low`` to ``high``; labels at the ends of lines use it.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    # Without the gaps, labels that collide share one place: the mean of those they wanted.
    blocks: list[list[float]] = []
    for rank, index in enumerate(order):
        blocks.append([places[index] - rank * gap])
        while len(blocks) > 1 and _mean(blocks[-2]) >= _mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    top = high - (len(places) - 1) * gap
    shared = [min(max(_mean(block), low), top) for block in blocks for _ in block]
    moved = list(places)
    for rank, index in enumerate(order):
        moved[index] = shared[rank] + rank * gap
    return moved


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def name_axis(axes: Axes, words: str, theme: Theme) -> None:
    """What the x axis counts, below its right end."""
    write(axes, 1, 0, words, color=theme.muted, ha="right", offset=(0, -28))


def width_in_points(text: Text) -> float:
    """How wide a text is drawn, in points, so that the next one can stand beside it."""
    figure: Any = text.figure
    return float(text.get_window_extent(figure.canvas.get_renderer()).width) * 72 / float(figure.dpi)
