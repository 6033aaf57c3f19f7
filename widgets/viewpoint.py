"""Where one looks: a variable and one of its steps, over the snapshots of a source.

No widgets and no drawing here; :mod:`snapshot.widgets.evolution` joins the three.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from snapshot.errors import PathNotFound, SnapshotError
from snapshot.model import Snapshot, Variable
from snapshot.statistics import PERCENTILES
from snapshot.widgets.captions import caption
from snapshot.widgets.choices import first_choice, nearest, numeric_variables, select
from snapshot.widgets.frames import Frame
from snapshot.widgets.series import Array, Key, Readings, Series
from snapshot.widgets.words import number, shorten


class Source(Protocol):
    """A workspace, a repository, or anything else with snapshots."""

    @property
    def timeline(self) -> Sequence[Snapshot]:
        """Snapshots, oldest first."""


class Viewpoint:
    """The chosen variable and step. ``series`` is None when there is nothing to look at.

    ``wanted`` restricts the variables; what matches nothing raises
    :class:`PathNotFound`, unless there are no snapshots at all.
    """

    def __init__(self, source: Source, wanted: Iterable[str] = ()) -> None:
        self.variables: dict[str, Variable] = {}
        self.series: Series | None = None
        self.index = 0
        self._source = source
        self._wanted = tuple(wanted)
        self._snapshots: dict[Key, Snapshot] = {}
        self._readings = Readings()
        self.refresh()

    def refresh(self) -> None:
        """Read the timeline again. Stays at the chosen step, or at the newest if that was chosen."""
        snapshots = list(self._source.timeline)
        self._snapshots = {(snapshot.run, snapshot.id): snapshot for snapshot in snapshots}
        self.variables = numeric_variables(snapshots)
        if self._wanted and snapshots:
            self.variables = select(self.variables, self._wanted)
        path = self.series.path if self.series else None
        if path not in self.variables:
            path = next(iter(self.variables), None) if self._wanted else first_choice(self.variables)
        if path is None:
            self.series = None
        else:
            self.choose(path)

    def choose(self, path: str) -> None:
        """Look at another variable, at the same snapshot if it holds it, else at the newest."""
        if path not in self.variables:
            raise PathNotFound(nearest(path, self.variables))
        newest = self.series is None or self.index == len(self.series.points) - 1
        key = self.series.points[self.index].key if self.series else None
        self.series = self._readings.series(list(self._snapshots.values()), path)
        found = None if newest or key is None else self.series.index_of(key)
        self.index = len(self.series.points) - 1 if found is None else found

    def move(self, index: int) -> None:
        """Look at another step: an index into the series (-1 is the last), held within its ends."""
        if self.series:
            count = len(self.series.points)
            self.index = min(max(index + count if index < 0 else index, 0), count - 1)

    def frame(self) -> Frame | None:
        """What to draw; None when there is nothing."""
        if self.series is None:
            return None
        return Frame(self.series, self.index, self._value(self.index), self._value(0))

    def sentence(self) -> str:
        """The caption, or why there is nothing to see and what to do."""
        if self.series:
            return caption(self.series, self.index)
        if not self._snapshots:
            return "There are no snapshots yet; %snapshot store makes the first one."
        return f"None of the {len(self._snapshots)} snapshots holds numbers to draw."

    def step_labels(self) -> list[str]:
        """``1,000 · #12 before`` for each point: equal steps stay apart by their id."""
        points = self.series.points if self.series else ()
        several = len({point.key[0] for point in points}) > 1
        runs = [f" of {point.key[0]}" if several else "" for point in points]
        return [
            f"{number(point.step)} · {shorten(point.name, 24)}{run}" for point, run in zip(points, runs, strict=True)
        ]

    def _value(self, index: int) -> Array | None:
        assert self.series is not None
        try:
            return self._readings.value(self._snapshots[self.series.points[index].key], self.series.path)
        except (SnapshotError, LookupError, OSError, TypeError):
            return None  # the point's problem says why


def numbers(series: Series | None) -> dict[str, Any]:
    """The raw numbers of a series: lists and arrays with one entry or row for each step."""
    points = series.points if series else ()
    every = [point.statistics for point in points]
    return {
        "path": series.path if series else None,
        "steps": [point.step for point in points],
        "names": [point.name for point in points],
        "shapes": [point.shape for point in points],
        "percentile_levels": list(PERCENTILES),
        "percentiles": series.percentiles if series else np.empty((0, len(PERCENTILES))),
        "update_sizes": series.updates if series else np.empty(0),
        "mean": np.array([one.mean for one in every]),
        "std": np.array([one.std for one in every]),
        "norm": np.array([one.norm for one in every]),
        "count": np.array([one.count for one in every], dtype=int),
        "finite": np.array([one.finite for one in every], dtype=int),
    }
