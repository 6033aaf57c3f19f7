"""One variable over all snapshots that hold it, as numbers ready to draw.

Each :class:`Point` is compared with its parent, not with its neighbour in time: after
a restore the next snapshot continues from the one restored, and its change is the
change since then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, nan
from typing import Any

import numpy as np

from snapshot.history import History, histories
from snapshot.model import Role, Snapshot
from snapshot.pausing import collector_paused
from snapshot.statistics import Statistics, as_numbers
from snapshot.widgets.reading import Described, is_update, read_pairs

Array = np.ndarray[Any, np.dtype[Any]]
#: A run and an id in it.
Key = tuple[str, int]
#: Path, form and hashes: equal for equal contents.
ContentKey = tuple[str, ...]

_VALUES_KEPT = 6
_HISTORIES_KEPT = 4
NO_STATISTICS = Statistics(0, 0, nan, nan, nan, (nan,) * 7, nan)


@dataclass(frozen=True, slots=True)
class Point:
    """A variable in one snapshot. ``update`` is log10 |dw| / |w| since the parent, or NaN.

    ``parent`` is an index into the series. ``problem`` says why there are no numbers.
    """

    key: Key
    name: str  #: "#12 before"
    step: int
    shape: tuple[int, ...]
    dtype: str
    statistics: Statistics
    update: float = nan
    parent: int | None = None
    problem: str = ""
    content: ContentKey = ()  #: equal for equal contents


@dataclass(frozen=True)
class Series:
    """All points of one variable, oldest first; never empty."""

    path: str
    role: Role
    points: tuple[Point, ...]

    @property
    def steps(self) -> list[int]:
        return [point.step for point in self.points]

    @cached_property
    def percentiles(self) -> Array:
        """Shape (points, 7): min, 5, 25, 50, 75, 95 %, max; NaN where unknown."""
        return np.array([point.statistics.percentiles for point in self.points], dtype=float)

    @cached_property
    def updates(self) -> Array:
        """Shape (points,): log10 |dw| / |w| since the parent; -inf for no change, NaN for unknown."""
        return np.array([point.update for point in self.points], dtype=float)

    @cached_property
    def is_single(self) -> bool:
        """Whether the variable holds one number at every point."""
        return all(point.statistics.count == 1 or point.problem for point in self.points)

    def lineage(self) -> list[int]:
        """Indices of the newest point and what it descends from, oldest first, back to where steps began anew.

        A notebook that runs again in the same kernel goes on from its last step with its first one.
        """
        found: list[int] = []
        index: int | None = len(self.points) - 1
        while index is not None:
            found.append(index)
            index = self.goes_on_from(index)
        return found[::-1]

    def goes_on_from(self, index: int) -> int | None:
        """The parent of a point, unless its step is a later one: no line leads back in time."""
        parent = self.points[index].parent
        return None if parent is None or self.points[parent].step > self.points[index].step else parent

    def index_of(self, key: Key) -> int | None:
        return next((index for index, point in enumerate(self.points) if point.key == key), None)


class Readings:
    """Values and numbers read so far, by path and content: equal contents are read once."""

    def __init__(self) -> None:
        self._statistics: dict[ContentKey, Statistics | str] = {}
        self._updates: dict[tuple[ContentKey, ContentKey], float] = {}
        self._values: dict[ContentKey, Array] = {}
        self._histories: dict[str, tuple[History, dict[Key, int]]] = {}

    def value(self, snapshot: Snapshot, path: str) -> Array:
        """The value as an array of numbers. Raises what reading raises; ``TypeError`` if no numbers."""
        history, contents = self._histories.get(path) or (None, {})
        content = contents.get((snapshot.run, snapshot.id))
        if history is None or content is None:
            (history,) = histories([path], [snapshot])
            content = int(history.which[0])
            if content < 0:
                raise LookupError(f"{path}: not in snapshot #{snapshot.run}.{snapshot.id}")
        key = history.key(content)
        if key not in self._values:
            while len(self._values) >= _VALUES_KEPT:
                del self._values[next(iter(self._values))]
            dtype = history.form(content).dtype
            self._values[key] = as_numbers(history.value(content), dtype if isinstance(dtype, str) else "")
        self._values[key] = self._values.pop(key)  # the newest is last, the first goes first
        return self._values[key]

    def series(self, snapshots: Sequence[Snapshot], path: str) -> Series:
        """The points of ``path``; a value that cannot be read is a point with a problem.

        Raises ``ValueError`` when no snapshot holds it.
        """
        (history,) = histories([path], snapshots)
        places = np.flatnonzero(history.which >= 0).tolist()
        if not places:
            raise ValueError(f"{path}: in none of the {len(snapshots)} snapshots")
        with collector_paused():
            return self._series(history, snapshots, places)

    def _series(self, history: History, snapshots: Sequence[Snapshot], places: Sequence[int]) -> Series:
        holding = [snapshots[place] for place in places]
        contents = history.which[places].tolist()
        self._keep(history, holding, contents)
        parents = parents_of(snapshots, holding)
        before = [None if parent is None else contents[parent] for parent in parents]
        self._read(history, list(zip(contents, before, strict=True)))
        points = [
            self._point(history, snapshot, content, parent, old)
            for snapshot, content, parent, old in zip(holding, contents, parents, before, strict=True)
        ]
        return Series(history.path, history.form(contents[-1]).role, tuple(points))

    def _keep(self, history: History, holding: Sequence[Snapshot], contents: Sequence[int]) -> None:
        """So that a value is found again without another look at all snapshots."""
        self._histories.pop(history.path, None)
        while len(self._histories) >= _HISTORIES_KEPT:
            del self._histories[next(iter(self._histories))]
        keys = ((snapshot.run, snapshot.id) for snapshot in holding)
        self._histories[history.path] = history, dict(zip(keys, contents, strict=True))

    def _read(self, history: History, contents: Sequence[tuple[int, int | None]]) -> None:
        """Know the numbers of contents, and of the changes from what was before each of them."""
        self._take_what_is_kept(history)
        # what could not be read may have been out of reach for a moment only
        unknown = {one for one, _ in contents if not isinstance(self._statistics.get(history.key(one)), Statistics)}
        pairs = {
            (before, one)
            for one, before in contents
            if before is not None
            and is_update(history, before, one)
            and self._key(history, before, one) not in self._updates
        }
        for reading in read_pairs(history, unknown, pairs):
            if isinstance(reading, Described):
                for content, numbers in zip(reading.contents, reading.numbers, strict=True):
                    self._statistics[history.key(content)] = numbers
            else:
                for pair, update in reading.items():
                    self._updates[self._key(history, *pair)] = update

    def _take_what_is_kept(self, history: History) -> None:
        kept = history.kept()
        for content, numbers in kept.of.items():
            self._statistics[history.key(content)] = numbers
        for pair, update in kept.updates.items():
            self._updates[self._key(history, *pair)] = update

    @staticmethod
    def _key(history: History, before: int, after: int) -> tuple[ContentKey, ContentKey]:
        return history.key(before), history.key(after)

    def _point(
        self, history: History, snapshot: Snapshot, content: int, parent: int | None, before: int | None
    ) -> Point:
        key, form = history.key(content), history.form(content)
        numbers = self._statistics[key]
        update = nan
        if before == content:
            update = -inf
        elif before is not None and is_update(history, before, content):
            # A parent that cannot be read says so at its own point.
            update = self._updates.get((history.key(before), key), nan)
        problem = numbers if isinstance(numbers, str) else ""
        return Point(
            key=(snapshot.run, snapshot.id),
            name=f"#{snapshot.id} {snapshot.label or ''}".strip(),
            step=snapshot.step,
            shape=form.shape,
            dtype=str(form.dtype),
            statistics=NO_STATISTICS if isinstance(numbers, str) else numbers,
            update=nan if problem else update,
            parent=parent,
            problem=problem,
            content=key,
        )


def parents_of(snapshots: Sequence[Snapshot], holding: Sequence[Snapshot]) -> list[int | None]:
    """For each of ``holding`` the index there of its nearest ancestor that is there too."""
    if all(snapshot.parent is None for snapshot in snapshots):
        # Imported checkpoints know no parents: they follow each other.
        return [index - 1 if index else None for index in range(len(holding))]
    above = {(snapshot.run, snapshot.id): _parent_key(snapshot) for snapshot in snapshots}
    places: dict[Key, int] = {}
    parents: list[int | None] = []
    for index, snapshot in enumerate(holding):
        key, seen = _parent_key(snapshot), set[Key]()
        while key is not None and key not in places and key not in seen:
            seen.add(key)
            key = above.get(key)
        # Only what came earlier is in places, so a chain of parents always ends.
        parents.append(None if key is None else places.get(key))
        places[snapshot.run, snapshot.id] = index
    return parents


def _parent_key(snapshot: Snapshot) -> Key | None:
    parent = snapshot.parent
    if isinstance(parent, str):
        run, _, number = parent.lstrip("#").rpartition(".")
        return (run or snapshot.run, int(number)) if number.isdigit() else None
    return None if parent is None else (snapshot.run, parent)
