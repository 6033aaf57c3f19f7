"""Numbers -> a matplotlib Figure. No pyplot, no ipywidgets, no snapshot is read here.

:class:`EvolutionPicture` draws everything that holds for the whole run once and keeps
those pixels; a move of the slider puts them back and draws only what moved on top.
All drawing in this process goes through :data:`DRAWING`: matplotlib's caches are not
made for two threads, and mixing two pictures raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import PurePath
from threading import RLock
from typing import Any, BinaryIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from snapshot.widgets.at_step import draw_distribution, draw_weight, histogram_limits
from snapshot.widgets.axes import Box, name_axis, new_axes, write_on_figure
from snapshot.widgets.difference import draw_difference
from snapshot.widgets.frames import Frame, Moving
from snapshot.widgets.history_panel import draw_history
from snapshot.widgets.over_steps import draw_updates, draw_values, other_lines
from snapshot.widgets.png import encode_png
from snapshot.widgets.theme import LIGHT, Theme
from snapshot.widgets.words import number, shape_text, shorten

#: Held around every draw of this process.
DRAWING = RLock()
#: Width and height of the picture in pixels.
SIZE = (1080, 590)

_DPI = 100
_TEXTS_KEPT = 500
_UPPER, _LOWER = (0.495, 0.315), (0.1, 0.265)  # bottom and height of the two rows
# left and width of the three columns, and of one as wide as all
_LEFT, _MIDDLE, _RIGHT, _FULL = (0.052, 0.232), (0.385, 0.27), (0.71, 0.27), (0.052, 0.85)
_LONGEST_NAME = 58


class Picture:
    """A Figure on a canvas of its own, ready to become a file."""

    def __init__(self, theme: Theme, size: tuple[int, int] = SIZE) -> None:
        self.figure = Figure(
            figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, facecolor=theme.paper, edgecolor=theme.paper,
            frameon=True,
        )  # fmt: skip
        self.figure.set_layout_engine("none")
        self._canvas = FigureCanvasAgg(self.figure)

    def png(self) -> bytes:
        """The picture as PNG bytes, at the size it was made for."""
        with DRAWING:
            self._canvas.draw()
            return encode_png(np.asarray(self._canvas.buffer_rgba()))

    def save(self, file: str | PathLike[str] | BinaryIO, scale: float = 2.0) -> None:
        """Write PNG, PDF or SVG by the ending of ``file``, PNG without one; ``scale`` 1 is 1080 x 590."""
        named = isinstance(file, (str, PathLike)) and PurePath(file).suffix
        with DRAWING:
            # Given in full, so that the user's savefig settings do not reach in.
            self.figure.savefig(
                file, format=None if named else "png", dpi=_DPI * scale, facecolor=self.figure.get_facecolor(),
                edgecolor="none", bbox_inches=self.figure.bbox_inches, transparent=False,
            )  # fmt: skip


class MessagePicture(Picture):
    """A sentence where there is nothing to draw."""

    def __init__(self, sentence: str, theme: Theme = LIGHT) -> None:
        with DRAWING:
            super().__init__(theme, (SIZE[0], 120))
            write_on_figure(self.figure, 0.5, 0.45, sentence, color=theme.muted, size=12, ha="center")


class MovingPicture(Picture):
    """A picture of which most stays when the slider moves. A subclass fills :attr:`_moving`."""

    _moving: Sequence[Moving]
    _background: Any = None

    def __init__(self, theme: Theme, size: tuple[int, int] = SIZE) -> None:
        super().__init__(theme, size)
        self._written: dict[tuple[int, str], Any] = {}  # the pixels of texts, by artist and words

    def fits(self, frame: Any) -> bool:
        """Whether :meth:`show` can move to ``frame``."""
        raise NotImplementedError

    def show(self, frame: Any) -> None:
        """Move to another step."""
        with DRAWING:
            for moving in self._moving:
                moving.move(frame)

    def png(self) -> bytes:
        """The picture as PNG bytes, at the size it was made for."""
        with DRAWING:
            if self._background is None:
                self._background = self._draw_background()
            self._canvas.restore_region(self._background)
            for place, artist in enumerate(self._artists()):
                if isinstance(artist, Text):
                    self._write(place, artist)
                else:
                    artist.draw(self._canvas.get_renderer())
            return encode_png(np.asarray(self._canvas.buffer_rgba()))

    def _write(self, place: int, text: Text) -> None:
        """Draw a text, or put back the pixels it had: laying out a line takes as long as all else in a panel.

        A text that moves stands on what does not, so that its pixels are always the same.
        """
        key = place, text.get_text()
        if key not in self._written:
            text.draw(self._canvas.get_renderer())
            if len(self._written) >= _TEXTS_KEPT:
                self._written.clear()
            # what an edge is smoothed into lies outside the extent
            extent = text.get_window_extent(self._canvas.get_renderer()).padded(2)
            self._written[key] = self._canvas.copy_from_bbox(extent) if key[1] else None
        elif self._written[key] is not None:
            self._canvas.restore_region(self._written[key])

    def _draw_background(self) -> Any:
        """Pixels of all that does not move; what is animated is left out of a draw."""
        self._set_animated(True)
        self._canvas.draw()
        # Only for this draw: a file, or a canvas that the user makes, shows everything.
        self._set_animated(False)
        return self._canvas.copy_from_bbox(self.figure.bbox)

    def _set_animated(self, animated: bool) -> None:
        for artist in self._artists():
            artist.set_animated(animated)

    def _artists(self) -> Iterator[Any]:
        return (artist for moving in self._moving for artist in moving.artists)


class EvolutionPicture(MovingPicture):
    """One variable over its steps, with one step chosen.

    Good for every frame of the same series whose value has the same shape as the one it
    was made with; :meth:`fits` tells.
    """

    def __init__(self, frame: Frame, theme: Theme = LIGHT, size: tuple[int, int] = SIZE) -> None:
        with DRAWING:
            super().__init__(theme, size)
            self._kind = _kind(frame)
            self._moving = [_header(self.figure, frame, theme), *_panels(self.figure, frame, theme)]
            self.show(frame)

    def fits(self, frame: Any) -> bool:
        return isinstance(frame, Frame) and bool(_kind(frame) == self._kind)


def _kind(frame: Frame) -> Any:
    """What all frames of one picture have in common."""
    compared = frame.compared.shape, frame.reference is None
    return id(frame.series), frame.point.shape, frame.value is None, compared, frame.reach, frame.logarithmic


def _panels(figure: Figure, frame: Frame, theme: Theme) -> list[Moving]:
    series = frame.series
    across = _FULL if series.is_single else _LEFT
    values = new_axes(
        figure, _box(across, _UPPER), theme, "Values over steps", "grey: other branches" * bool(other_lines(series))
    )
    updates = new_axes(figure, _box(across, _LOWER), theme, "Size of each update", "log₁₀ |Δw| / |w|")
    moving = [draw_values(values, series, theme, frame.logarithmic), draw_updates(updates, series, theme)]
    if series.is_single:
        return moving
    limits = histogram_limits(series)
    history = new_axes(figure, _box(_MIDDLE, _LOWER), theme, "Histogram over steps")
    distribution = new_axes(figure, _box(_RIGHT, _LOWER), theme, "Distribution", "this step" if limits else "")
    if limits:
        name_axis(distribution, "value", theme)
        distribution.texts[1].set(color=theme.chosen, fontweight="bold")
    return [
        *moving,
        draw_history(history, frame, limits, theme),
        draw_weight(figure, _box(_MIDDLE, _UPPER), frame, theme),
        draw_difference(figure, _box(_RIGHT, _UPPER), frame, theme),
        draw_distribution(distribution, series, theme),
    ]


def _box(across: tuple[float, float], up: tuple[float, float]) -> Box:
    return across[0], up[0], across[1], up[1]


def _header(figure: Figure, frame: Frame, theme: Theme) -> Moving:
    series, point = frame.series, frame.point
    name = shorten(series.path.replace("\n", " "), _LONGEST_NAME)
    write_on_figure(figure, _LEFT[0], 0.94, name, color=theme.ink, size=14, weight="bold")
    facts = " · ".join([shape_text(point.shape), point.dtype, str(series.role)])
    write_on_figure(figure, _LEFT[0], 0.9, facts, color=theme.muted, size=10)
    edge = _RIGHT[0] + _RIGHT[1]
    step = write_on_figure(figure, edge, 0.94, "", color=theme.chosen, size=14, weight="bold", ha="right")
    which = write_on_figure(figure, edge, 0.9, "", color=theme.muted, size=10, ha="right")

    def move(frame: Frame) -> None:
        step.set_text(f"Step {number(frame.point.step)}")
        which.set_text(shorten(frame.point.name, 40))

    return Moving((step, which), move)
