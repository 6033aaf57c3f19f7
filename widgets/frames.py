"""What moves with the slider, and what it is told.

A panel draws once what holds for the whole run and hands back a :class:`Moving`: the
artists that depend on the chosen step, and a function that brings them there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist

from snapshot.widgets.series import Point, Series

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Frame:
    """The chosen step: ``value`` there and at the first point; None where it cannot be read."""

    series: Series
    index: int
    value: Array | None
    first: Array | None

    @property
    def point(self) -> Point:
        return self.series.points[self.index]


@dataclass(frozen=True, slots=True)
class Moving:
    """Artists of one panel, in the order of drawing, and how to move them to a frame."""

    artists: tuple[Artist, ...]
    move: Callable[[Frame], None]


NOTHING_MOVES = Moving((), lambda frame: None)
