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

from snapshot.widgets.histograms import Distributions
from snapshot.widgets.series import Point, Series

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Frame:
    """The chosen step and what it is compared with; a value is None where it cannot be read.

    ``reach`` is the largest magnitude of a difference to show, 0 if there is none;
    ``logarithmic`` asks for powers of ten instead of even steps.
    """

    series: Series
    index: int
    value: Array | None
    reference: Array | None
    against: int = 0  #: the index of the step compared with
    distributions: Distributions | None = None
    reach: float = 0.0
    logarithmic: bool = False

    @property
    def point(self) -> Point:
        return self.series.points[self.index]

    @property
    def compared(self) -> Point:
        return self.series.points[self.against]


@dataclass(frozen=True, slots=True)
class Moving:
    """Artists of one panel, in the order of drawing, and how to move them to a frame."""

    artists: tuple[Artist, ...]
    move: Callable[[Any], None]


NOTHING_MOVES = Moving((), lambda frame: None)
