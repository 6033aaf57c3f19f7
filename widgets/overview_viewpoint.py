"""Which variables, which statistic, and what the overview shows in words. No widgets, no drawing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf

import numpy as np

from snapshot.errors import PathNotFound
from snapshot.model import Variable
from snapshot.widgets.choices import containing, nearest, numeric_variables, select
from snapshot.widgets.many_statistics import (
    BROKEN,
    FIRST_BYTES,
    FIRST_SECONDS,
    KNOWN,
    STATISTICS,
    UNCHANGED,
    UNREAD,
    Grid,
    Memory,
    series_of_statistics,
)
from snapshot.widgets.viewpoint import Source
from snapshot.widgets.words import number

_MORE = 4  # times as much is read each time one asks for more


class OverviewViewpoint:
    """The variables listed, the statistic, and the chosen variable, if any."""

    def __init__(self, source: Source, wanted: Iterable[str], statistic: str) -> None:
        self.source = source
        self.statistic = statistic
        self.chosen: str | None = None
        self.text = ""
        self._wanted = tuple(wanted)
        self._memory = Memory()
        self._most_bytes: float = FIRST_BYTES
        self._most_seconds = FIRST_SECONDS
        self.refresh()

    def refresh(self) -> None:
        """Read the timeline again."""
        snapshots = list(self.source.timeline)
        found = numeric_variables(snapshots)
        if self._wanted and snapshots:
            found = select(found, self._wanted)
        self.variables: dict[str, Variable] = {path: found[path] for path in sorted(found, key=in_order)}
        self.count = len(snapshots)
        self.chosen = self.chosen if self.chosen in self.variables else None
        self._compute()

    def measure(self, statistic: str) -> None:
        """Look at another statistic; raises ``ValueError`` for an unknown one."""
        self._compute(statistic)
        self.statistic = statistic

    def read_more(self) -> None:
        """Read several times as much as so far."""
        self._most_bytes = self._most_bytes * _MORE if self._most_bytes else inf
        self._most_seconds *= _MORE
        self._compute()

    def choose(self, path: str) -> None:
        """Mark a variable; raises :class:`PathNotFound` for one that is not in the list."""
        if path not in self.variables:
            raise PathNotFound(nearest(path, self.variables))
        self.chosen = path

    def shown(self) -> Grid:
        """The rows that the filter leaves."""
        return self.grid.only(list(containing(self.variables, self.text))) if self.text.strip() else self.grid

    @property
    def is_empty(self) -> bool:
        return not self.variables or not self.count

    def sentence(self) -> str:
        """The picture in one or two sentences with its numbers."""
        if not self.count:
            return "There are no snapshots yet; %snapshot store makes the first one."
        if not self.variables:
            return f"None of the {self.count} snapshots holds numbers to draw."
        grid = self.shown()
        words = [f"{STATISTICS[grid.statistic].title} of {_counted(len(grid.paths), 'variable')}", *_extreme(grid)]
        still = (grid.states == UNCHANGED).any(axis=1) & (grid.states <= UNCHANGED).all(axis=1)
        if count := int((still & ~(grid.states == UNREAD).any(axis=1)).sum()):
            words.append(f"{count:,} never changed")
        for state, meaning in ((BROKEN, "not finite or not readable"), (UNREAD, "not read yet")):
            if count := int((grid.states == state).sum()):
                words.append(f"{count:,} of {grid.states.size:,} are {meaning}")
        if self.count == 1 and self.statistic == "update":
            words.append("an update needs two snapshots, and this is the first")
        return "; ".join(words) + "."

    def _compute(self, statistic: str | None = None) -> None:
        self.grid = series_of_statistics(
            self.source, list(self.variables), statistic or self.statistic, self._memory, self._most_bytes,
            self._most_seconds,
        )  # fmt: skip


def in_order(path: str) -> list[tuple[int, str]]:
    """A key that sorts ``layers.2`` before ``layers.10``."""
    parts = enumerate(re.split(r"([0-9]+)", path))
    return [(int(part), "") if place % 2 else (-1, part) for place, part in parts]


def _extreme(grid: Grid) -> list[str]:
    known = np.where(grid.states == KNOWN, np.abs(grid.values) if grid.statistic != "update" else grid.values, -inf)
    if not (grid.states == KNOWN).any():
        return []
    row, column = np.unravel_index(int(known.argmax()), known.shape)
    value = float(grid.values[row, column])
    amount = f"{number(100 * 10**value)} %" if grid.statistic == "update" else number(value)
    return [f"the largest is {amount}, {grid.paths[row]} at step {number(grid.steps[column])} ({grid.names[column]})"]


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
