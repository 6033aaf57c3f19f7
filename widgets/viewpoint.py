"""Where one looks: a variable and one of its steps, over the snapshots of a source.

No widgets and no drawing here; :mod:`snapshot.widgets.evolution` joins the three.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from snapshot.errors import PathNotFound, ReferenceNotFound, SnapshotError
from snapshot.model import Snapshot, Variable
from snapshot.widgets.captions import caption, curves_caption
from snapshot.widgets.choices import are_drawn_together, first_choice, nearest
from snapshot.widgets.curves import STATISTICS, Curves, CurvesFrame, curves_of
from snapshot.widgets.frames import Frame
from snapshot.widgets.histograms import Distributions, Sketches, thinned
from snapshot.widgets.pooling import difference_of, pool
from snapshot.widgets.series import Array, Key, Point, Readings, Series
from snapshot.widgets.wanted import Wanted
from snapshot.widgets.words import number, shorten

#: What a step may be compared with, beside any other step.
REFERENCES = ("first", "previous", "last")
#: In place of a path: all that were asked for, in one picture.
TOGETHER = ""
UNREADABLE = (SnapshotError, LookupError, OSError, TypeError)
_SAMPLED, _SAMPLED_VALUES = 8, 1 << 26  # differences that fix the scale of all, and how many values of them
_ROOM = 186, 226  # about the pixels of the panel that shows them


class Source(Protocol):
    """A workspace, a repository, or anything else with snapshots."""

    @property
    def timeline(self) -> Sequence[Snapshot]:
        """Snapshots, oldest first."""


class Viewpoint:
    """The chosen variable and step, or several variables together.

    ``series`` is None when there is nothing to look at, ``curves`` unless several are looked at.
    ``wanted`` restricts the variables and adds expressions; what matches nothing raises
    :class:`PathNotFound` or :class:`BadExpression`, unless there are no snapshots at all.
    """

    def __init__(self, source: Source, wanted: Iterable[str] = (), statistic: str | None = None) -> None:
        if statistic is not None and statistic not in STATISTICS:
            raise ValueError(f"statistic: expected one of {', '.join(STATISTICS)}, found {statistic!r}")
        self.variables: dict[str, Variable] = {}
        self.series: Series | None = None
        self.curves: Curves | None = None
        self.index = 0
        self.reference: str | Key = "first"
        self.logarithmic = False
        self.span: tuple[int, int] | None = None  #: the first and the last step to show; None for all
        self.statistic = statistic or "mean"
        self.source = source
        self._together = statistic is not None
        self._wanted = Wanted(wanted)
        self._snapshots: dict[Key, Snapshot] = {}
        self._readings = Readings()
        self._sketches = Sketches()
        self._drawn: dict[str, Any] = {}  # what was computed for the series that is looked at
        self.refresh()

    # --- what there is

    def refresh(self, snapshots: Sequence[Snapshot] | None = None) -> None:
        """Read the timeline again. Stays at the chosen step, or at the newest if that was chosen."""
        snapshots = list(self.source.timeline if snapshots is None else snapshots)
        snapshots, self.variables = self._wanted.among(snapshots)
        self._snapshots = {(snapshot.run, snapshot.id): snapshot for snapshot in snapshots}
        if self.series is None and self.can_be_together:
            path: str | None = TOGETHER
        else:
            path = TOGETHER if self.curves else self.series.path if self.series else None
        if path != TOGETHER and path not in self.variables:
            path = next(iter(self.variables), None) if self._wanted.texts else first_choice(self.variables)
        if path is None or not self.variables:
            self.series = self.curves = None
        else:
            self.choose(path)

    @property
    def can_be_together(self) -> bool:
        """Whether :data:`TOGETHER` may be chosen."""
        return bool(self.variables) and (self._together or are_drawn_together(self.variables, self._wanted.texts))

    @property
    def points(self) -> Sequence[Point]:
        """The stops of the slider."""
        return self.curves.points if self.curves else self.series.points if self.series else ()

    @property
    def path(self) -> str | None:
        """What is looked at: a path, :data:`TOGETHER`, or None."""
        return TOGETHER if self.curves else self.series.path if self.series else None

    # --- what is chosen

    def choose(self, path: str) -> None:
        """Look at another variable, at the same snapshot if it holds it, else at the newest."""
        if path not in self.variables and not (path == TOGETHER and self.can_be_together):
            raise PathNotFound(nearest(path, self.variables))
        before = self.points
        key = before[self.index].key if before and self.index != len(before) - 1 else None
        self._look(path)
        self._drawn = {}
        found = next((place for place, point in enumerate(self.points) if point.key == key), None)
        self.index = len(self.points) - 1 if found is None else found

    def move(self, index: int) -> None:
        """Look at another step: an index into the points (-1 is the last), held within its ends."""
        count = len(self.points)
        if count:
            self.index = min(max(index + count if index < 0 else index, 0), count - 1)

    def measure(self, statistic: str) -> None:
        """Draw another statistic of several variables; raises ``ValueError`` for an unknown one."""
        if statistic not in STATISTICS:
            raise ValueError(f"statistic: expected one of {', '.join(STATISTICS)}, found {statistic!r}")
        self.statistic = statistic
        if self.curves:
            self.choose(TOGETHER)

    def restrict(self, span: tuple[int, int] | None) -> None:
        """Show the steps from the first to the second of ``span`` only, None for all.

        Raises :class:`ReferenceNotFound` when no snapshot of what is looked at lies there.
        """
        before, self.span = self.span, span
        try:
            if self.path is not None:
                self.choose(self.path)
        except ReferenceNotFound:
            self.span = before
            raise

    def compare_with(self, reference: str | Key) -> None:
        """Compare with the ``first``, ``previous`` or ``last`` step, or with one by its run and id."""
        self.reference = reference
        self._drawn.pop("reach", None)

    def steps(self) -> tuple[int, int]:
        """The least and the greatest step of all snapshots, whatever is shown."""
        steps = [one.step for one in self._snapshots.values()] or [0]
        return min(steps), max(steps)

    def _look(self, path: str) -> None:
        snapshots = list(self._snapshots.values())
        if self.span is not None:
            snapshots = [one for one in snapshots if self.span[0] <= one.step <= self.span[1]]
        try:
            if path == TOGETHER:
                self.curves = curves_of(self._readings, snapshots, list(self.variables), self.statistic)
                self.series = self.curves.curves[0].series
            else:
                self.series, self.curves = self._readings.series(snapshots, path), None
        except ValueError as error:
            if self.span is None:
                raise
            low, high = map(number, self.span)
            first, last = map(number, self.steps())
            there = f"no snapshot has a step from {low} to {high}; there are steps from {first} to {last}"
            raise ReferenceNotFound(f"{path or 'these'}: {there}") from error

    # --- what is seen

    def frame(self) -> Frame | CurvesFrame | None:
        """What to draw; None when there is nothing."""
        if self.curves:
            return CurvesFrame(self.curves, self.index, self.logarithmic)
        if self.series is None:
            return None
        against = self.against(self.index)
        single = self.series.is_single
        return Frame(
            self.series,
            self.index,
            self._value(self.index),
            None if single else self._value(against),
            against,
            None if single else self._distributions(),
            0.0 if single else self._reach(),
            self.logarithmic,
        )

    def against(self, index: int) -> int:
        """The index of the step that the one at ``index`` is compared with."""
        assert self.series is not None
        points = self.series.points
        if self.reference == "previous":
            parent = points[index].parent
            return index if parent is None else parent
        if self.reference in REFERENCES:
            return 0 if self.reference == "first" else len(points) - 1
        found = next((place for place, point in enumerate(points) if point.key == self.reference), None)
        return 0 if found is None else found

    def _distributions(self) -> Distributions:
        if "distributions" not in self._drawn:
            series = self.series
            assert series is not None
            self._drawn["distributions"] = self._sketches.of(
                series.lineage(), lambda index: series.points[index].content, self._value
            )
        found: Distributions = self._drawn["distributions"]
        return found

    def _reach(self) -> float:
        """The 99.5th percentile of the differences' magnitudes as they are drawn, the largest of a few steps."""
        if "reach" not in self._drawn:
            assert self.series is not None
            most = _SAMPLED_VALUES // max(1, *(point.statistics.count for point in self.series.points))
            places = {*thinned(range(len(self.series.points)), min(max(most, 2), _SAMPLED))}
            found = [difference_of(self._value(one), self._value(self.against(one))) for one in places]
            # pooled, a pixel shows the largest of many
            pooled = [pool(one, *_ROOM) if one.ndim == 2 and one.size else one for one in found]
            sizes = [np.abs(one[np.isfinite(one)]) for one in pooled]
            self._drawn["reach"] = max((float(np.percentile(one, 99.5)) for one in sizes if one.size), default=0.0)
        reach: float = self._drawn["reach"]
        return reach

    def sentence(self) -> str:
        """The caption, or why there is nothing to see and what to do."""
        if self.curves:
            return curves_caption(self.curves, self.index)
        if self.series:
            return caption(self.series, self.index)
        if not self._snapshots:
            return "There are no snapshots yet; %snapshot store makes the first one."
        return f"None of the {len(self._snapshots)} snapshots holds numbers to draw."

    def step_labels(self) -> list[str]:
        """``1,000 · #12 before`` for each point: equal steps stay apart by their id."""
        points = self.points
        several = len({point.key[0] for point in points}) > 1
        runs = [f" of {point.key[0]}" if several else "" for point in points]
        return [
            f"{number(point.step)} · {shorten(point.name, 24)}{run}" for point, run in zip(points, runs, strict=True)
        ]

    def _value(self, index: int) -> Array | None:
        assert self.series is not None
        try:
            return self._readings.value(self._snapshots[self.series.points[index].key], self.series.path)
        except UNREADABLE:
            return None  # the point's problem says why
