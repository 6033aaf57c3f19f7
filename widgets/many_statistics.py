"""One number for each variable in each snapshot: what the overview draws.

:func:`series_of_statistics` is the only door. Digests decide first: a variable whose digest
is that of its parent did not change, and equal contents have equal statistics, so neither
is read again. What is left is read smallest first, up to a number of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any

import numpy as np

from snapshot.errors import SnapshotError
from snapshot.model import Snapshot, Variable
from snapshot.statistics import describe, update_size
from snapshot.widgets.pooling import as_real
from snapshot.widgets.series import Readings, parents_of
from snapshot.widgets.viewpoint import Source

Array = np.ndarray[Any, np.dtype[Any]]

#: States of a cell; a pixel that stands for several has the greatest.
ABSENT, UNREAD, UNCHANGED, KNOWN, BROKEN = range(5)
#: How many bytes of values are read at first.
FIRST_BYTES = 512 << 20
_UNREADABLE = (SnapshotError, LookupError, OSError, TypeError)


@dataclass(frozen=True, slots=True)
class Statistic:
    """What is drawn. ``of`` takes an array; the update size has none, it is between two."""

    title: str
    explanation: str
    of: Callable[[Array], float] | None = None
    signed: bool = False
    share: bool = False


STATISTICS: dict[str, Statistic] = {
    "update": Statistic("Size of each update", "log₁₀ |Δw| / |w|"),
    "mean": Statistic("Mean", "of the finite values", lambda value: describe(value).mean, signed=True),
    "std": Statistic("Standard deviation", "of the finite values", lambda value: describe(value).std),
    "zeros": Statistic("Share of zeros", "of all values", lambda value: _share(as_real(value) == 0), share=True),
    "nan": Statistic(
        "Share of NaN and infinite", "of all values", lambda value: _share(_not_finite(value)), share=True
    ),
}


@dataclass(frozen=True, slots=True)
class Grid:
    """``values`` and ``states`` have shape (paths, snapshots); a value means something where it is KNOWN.

    BROKEN is a value that could not be read, or a statistic that is not finite.
    """

    statistic: str
    paths: tuple[str, ...]
    steps: tuple[int, ...]
    names: tuple[str, ...]  #: "#12 before"
    values: Array
    states: Array

    def only(self, paths: Sequence[str]) -> Grid:
        """The rows of these paths, in this order."""
        rows = [self.paths.index(path) for path in paths]
        return Grid(self.statistic, tuple(paths), self.steps, self.names, self.values[rows], self.states[rows])


@dataclass(slots=True)
class Memory:
    """Numbers known so far, by statistic, path and digests; kept between calls."""

    readings: Readings = field(default_factory=Readings)
    known: dict[tuple[str, str, bytes, bytes], float] = field(default_factory=dict)


def series_of_statistics(
    source: Source, paths: Sequence[str], statistic: str = "update", memory: Memory | None = None,
    most_bytes: float = FIRST_BYTES,
) -> Grid:  # fmt: skip
    """``statistic`` (a key of :data:`STATISTICS`) of each of ``paths`` in each snapshot of ``source``.

    At most ``most_bytes`` of values are read, what is in ``memory`` is not read again, and the
    cells left over are UNREAD. Raises ``ValueError`` for an unknown statistic.
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic: expected one of {', '.join(STATISTICS)}, found {statistic!r}")
    snapshots = list(source.timeline)
    reader = _Reader(snapshots, statistic, memory or Memory())
    shape = len(paths), len(snapshots)
    grid = Grid(
        statistic, tuple(paths), tuple(one.step for one in snapshots), tuple(map(_name, snapshots)),
        np.full(shape, nan), np.zeros(shape, np.uint8),
    )  # fmt: skip
    waiting = {path: reader.look(grid, row, path) for row, path in enumerate(paths)}
    for row in sorted(range(len(paths)), key=lambda row: _cost(waiting[paths[row]])):
        for cell in waiting[paths[row]]:
            if cell.variable.nbytes > most_bytes:
                break
            most_bytes -= cell.variable.nbytes
            reader.read(grid, row, cell)
    return grid


@dataclass(frozen=True, slots=True)
class _Cell:
    """A number that takes a read: of a variable at a column, and at its parent's for an update."""

    column: int
    parent: int | None
    variable: Variable
    key: tuple[str, str, bytes, bytes]


class _Reader:
    def __init__(self, snapshots: Sequence[Snapshot], statistic: str, memory: Memory) -> None:
        self._snapshots = snapshots
        self._held: list[Mapping[str, Variable]] = [snapshot.variables for snapshot in snapshots]
        self._parents = parents_of(snapshots, snapshots)
        self._statistic = statistic
        self._memory = memory

    def look(self, grid: Grid, row: int, path: str) -> list[_Cell]:
        """Fill in what digests and memory know; returns the cells that must be read."""
        waiting = []
        states, values = grid.states[row], grid.values[row]
        for column, parent, variable in self._places(path):
            before = None if parent is None else self._held[parent][path]
            if self._statistic == "update":
                if before is None:
                    continue  # nothing to be compared with
                if (before.digest, before.shape) == (variable.digest, variable.shape):
                    values[column], states[column] = -inf, UNCHANGED
                    continue
            key = (self._statistic, path, variable.digest, before.digest if before and self._between else b"")
            if key in self._memory.known:
                self._put(grid, row, column, self._memory.known[key])
                continue
            states[column] = UNREAD
            waiting.append(_Cell(column, parent, variable, key))
        return waiting

    def read(self, grid: Grid, row: int, cell: _Cell) -> None:
        """Read what a cell needs, unless an equal one was read meanwhile."""
        known = self._memory.known
        if cell.key not in known:
            try:
                known[cell.key] = self._number(grid.paths[row], cell)
            except _UNREADABLE:
                known[cell.key] = nan
        self._put(grid, row, cell.column, known[cell.key])

    @property
    def _between(self) -> bool:
        return self._statistic == "update"

    def _number(self, path: str, cell: _Cell) -> float:
        value = self._memory.readings.value(self._snapshots[cell.column], path)
        of = STATISTICS[self._statistic].of
        if of is not None:
            return of(value)
        assert cell.parent is not None
        return update_size(self._memory.readings.value(self._snapshots[cell.parent], path), value)

    def _put(self, grid: Grid, row: int, column: int, number: float) -> None:
        same = number == -inf and self._between
        grid.values[row, column] = number
        grid.states[row, column] = UNCHANGED if same else KNOWN if np.isfinite(number) else BROKEN

    def _places(self, path: str) -> Iterator[tuple[int, int | None, Variable]]:
        """Columns that hold the path, with the nearest ancestor's that does too."""
        for column, held in enumerate(self._held):
            variable = held.get(path)
            if variable is None:
                continue
            parent = self._parents[column]
            while parent is not None and path not in self._held[parent]:
                parent = self._parents[parent]
            yield column, parent, variable


def _cost(cells: Sequence[_Cell]) -> int:
    return sum(cell.variable.nbytes for cell in cells)


def _name(snapshot: Snapshot) -> str:
    return f"#{snapshot.id} {snapshot.label or ''}".strip()


def _share(chosen: Array) -> float:
    return float(np.count_nonzero(chosen) / chosen.size) if chosen.size else nan


def _not_finite(value: Array) -> Array:
    found: Array = ~np.isfinite(as_real(value))
    return found
