"""One number for each variable in each snapshot: what the overview draws.

:func:`series_of_statistics` is the only door. Digests decide first: a variable whose digest
is that of its parent did not change, and equal contents have equal statistics, so neither
is read again. What is left is read smallest first, up to a number of bytes and for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from time import monotonic
from typing import Any

import numpy as np

from snapshot.history import History, histories
from snapshot.model import Snapshot
from snapshot.pausing import collector_paused
from snapshot.row_statistics import describe_rows
from snapshot.widgets.pooling import as_real
from snapshot.widgets.reading import Described, Pair, is_update, numbers_of, read_pairs
from snapshot.widgets.series import parents_of
from snapshot.widgets.viewpoint import Source

Array = np.ndarray[Any, np.dtype[Any]]

#: States of a cell; a pixel that stands for several has the greatest.
ABSENT, UNREAD, UNCHANGED, KNOWN, BROKEN = range(5)
#: How many bytes of values are read at first.
FIRST_BYTES = 512 << 20
#: And for how many seconds: thousands of small values are slow on a cold disk, or far away.
FIRST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Statistic:
    """What is drawn. ``of`` takes (n, \\*shape) and gives n numbers; the update size has none, it is between two."""

    title: str
    explanation: str
    of: Callable[[Array], Sequence[float]] | None = None
    signed: bool = False
    share: bool = False


STATISTICS: dict[str, Statistic] = {
    "update": Statistic("Size of each update", "log₁₀ |Δw| / |w|"),
    "mean": Statistic(
        "Mean", "of the finite values", lambda rows: [one.mean for one in describe_rows(rows)], signed=True
    ),
    "std": Statistic(
        "Standard deviation", "of the finite values", lambda rows: [one.std for one in describe_rows(rows)]
    ),
    "zeros": Statistic("Share of zeros", "of all values", lambda rows: _shares(as_real(rows) == 0), share=True),
    "nan": Statistic(
        "Share of NaN and infinite", "of all values", lambda rows: _shares(~np.isfinite(as_real(rows))), share=True
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
    """Numbers known so far, by statistic and contents; kept between calls."""

    known: dict[tuple[Any, ...], float] = field(default_factory=dict)


def series_of_statistics(
    source: Source, paths: Sequence[str], statistic: str = "update", memory: Memory | None = None,
    most_bytes: float = FIRST_BYTES, most_seconds: float = inf,
) -> Grid:  # fmt: skip
    """``statistic`` (a key of :data:`STATISTICS`) of each of ``paths`` in each snapshot of ``source``.

    At most ``most_bytes`` of values are read, no longer than ``most_seconds`` and what is in
    ``memory`` not again; the cells left over are UNREAD. Raises ``ValueError`` for an unknown statistic.
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic: expected one of {', '.join(STATISTICS)}, found {statistic!r}")
    snapshots = list(source.timeline)
    shape = len(paths), len(snapshots)
    grid = Grid(
        statistic, tuple(paths), tuple(one.step for one in snapshots), tuple(map(_name, snapshots)),
        np.full(shape, nan), np.zeros(shape, np.uint8),
    )  # fmt: skip
    with collector_paused():
        _fill(grid, snapshots, memory or Memory(), most_bytes, monotonic() + most_seconds)
    return grid


def _fill(grid: Grid, snapshots: Sequence[Snapshot], memory: Memory, most_bytes: float, end: float) -> None:
    parents = np.array([-1 if one is None else one for one in parents_of(snapshots, snapshots)], int)
    rows = [_Row(history, parents, grid.statistic, memory) for history in histories(grid.paths, snapshots)]
    for row in sorted(rows, key=lambda row: row.cost):
        if most_bytes > 0 and monotonic() < end:
            most_bytes -= row.read(most_bytes, end)
    for number, row in enumerate(rows):
        row.fill(grid.values[number], grid.states[number])


class _Row:
    """One variable: which cells have which number. A number belongs to a content, or to two for an update."""

    def __init__(self, history: History, parents: Array, statistic: str, memory: Memory) -> None:
        self._history = history
        self._statistic = statistic
        self._known = memory.known
        which = history.which
        before = _before(which, parents) if statistic == "update" else np.full(which.shape, -1)
        self._same = (which >= 0) & (which == before)
        has_number = (which >= 0) & ~self._same
        if statistic == "update":
            has_number &= before >= 0  # else there is nothing to be compared with
        self._columns = np.flatnonzero(has_number)
        pairs = np.stack((before[self._columns], which[self._columns]), axis=1)
        pairs, self._pair_of = np.unique(pairs, axis=0, return_inverse=True)
        self._pairs: list[Pair] = [(int(old), int(new)) for old, new in pairs]
        self._keys = [self._key(pair) for pair in self._pairs]
        self._take_what_is_kept()
        self._waiting = [pair for pair, key in zip(self._pairs, self._keys, strict=True) if key not in self._known]

    def _take_what_is_kept(self) -> None:
        if self._statistic == "update":
            found: Mapping[Pair, float] = self._history.kept().updates
        elif self._statistic in ("mean", "std"):
            kept = self._history.kept().of
            found = {(-1, content): getattr(one, self._statistic) for content, one in kept.items()}
        else:
            return
        for pair, key in zip(self._pairs, self._keys, strict=True):
            if pair in found:
                self._known[key] = found[pair]

    @property
    def cost(self) -> int:
        """Bytes of values still to be read."""
        return sum(self._history.form(new).nbytes for _, new in self._waiting)

    def read(self, most_bytes: float, end: float) -> int:
        """Read what is not known yet, until ``end``; returns how many bytes that were."""
        chosen, nbytes = [], 0
        for pair in self._waiting:
            nbytes += self._history.form(pair[1]).nbytes
            if nbytes > most_bytes:
                break
            chosen.append(pair)
        for found in self._numbers(chosen):
            for pair, number in found.items():
                self._known[self._key(pair)] = number
            if monotonic() > end:
                return nbytes
        for pair in chosen:
            self._known.setdefault(self._key(pair), nan)  # it cannot be read
        return nbytes

    def fill(self, values: Array, states: Array) -> None:
        """Write what is known into a row of a grid."""
        numbers = np.array([self._known.get(key, nan) for key in self._keys], float)
        found = np.full(numbers.shape, KNOWN, np.uint8)
        found[~np.isfinite(numbers)] = BROKEN
        if self._statistic == "update":
            found[np.isneginf(numbers)] = UNCHANGED
        found[[key not in self._known for key in self._keys]] = UNREAD
        values[self._columns], states[self._columns] = numbers[self._pair_of], found[self._pair_of]
        if self._statistic == "update":
            values[self._same], states[self._same] = -inf, UNCHANGED

    def _numbers(self, pairs: Sequence[Pair]) -> Iterator[Mapping[Pair, float]]:
        of = STATISTICS[self._statistic].of
        if of is None:
            measured = [pair for pair in pairs if is_update(self._history, *pair)]
            for reading in read_pairs(self._history, (), measured):
                if not isinstance(reading, Described):
                    yield reading
            return
        for batch in self._history.read([new for _, new in pairs]):
            rows, _ = numbers_of(self._history, batch)
            if rows is not None:
                yield dict(zip([(-1, content) for content in batch.contents], of(rows), strict=True))

    def _key(self, pair: Pair) -> tuple[Any, ...]:
        old, new = pair
        return self._statistic, self._history.key(old) if old >= 0 else (), self._history.key(new)


def _before(which: Array, parents: Array) -> Array:
    """For each snapshot the content in its nearest ancestor that holds the variable; -1 where none does."""
    ancestors = parents.copy()
    while (lost := (ancestors >= 0) & (which[ancestors] < 0)).any():
        ancestors[lost] = parents[ancestors[lost]]
    found: Array = np.where(ancestors >= 0, which[ancestors], -1)
    return found


def _name(snapshot: Snapshot) -> str:
    return f"#{snapshot.id} {snapshot.label or ''}".strip()


def _shares(chosen: Array) -> list[float]:
    rows = chosen.reshape(len(chosen), -1)
    found: list[float] = rows.mean(axis=1).tolist() if rows.shape[1] else [nan] * len(rows)
    return found
