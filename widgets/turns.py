"""When a click may touch the variables: between cells, on the thread that runs them.

A widget's callbacks may run on another thread while a cell is running. What they may not
do there is read or write the user's variables; that waits for its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Turns(Protocol):
    """Whoever runs the cells."""

    @property
    def busy(self) -> bool:
        """Whether a cell is running now."""

    def submit(self, act: Callable[[], None]) -> None:
        """Call ``act`` on the thread that runs cells, between two of them; returns at once."""

    def follow(self, listen: Callable[[], None]) -> None:
        """Call ``listen`` (a bound method, held weakly) after every cell, in place of the last one given."""


class AtOnce:
    """Plain Python: there are no cells, so everything happens at once."""

    busy = False

    def submit(self, act: Callable[[], None]) -> None:
        act()

    def follow(self, listen: Callable[[], None]) -> None:
        return None
