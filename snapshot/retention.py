"""Which snapshots to keep: policies that look at a timeline and say yes or no. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from numbers import Integral, Real
from typing import Protocol

from snapshot.model import Snapshot

#: A longer span is no longer one that times can be counted with.
_MOST_HOURS = 1_000_000_000


class Policy(Protocol):
    """Snapshots, oldest first -> for each whether this policy wants it kept."""

    def keeps(self, snapshots: Sequence[Snapshot]) -> list[bool]:
        """One boolean a snapshot."""


@dataclass(frozen=True)
class KeepLast:
    """The newest ``count``. Raises ValueError for no such number."""

    count: int

    def __post_init__(self) -> None:
        if not isinstance(self.count, Integral) or self.count < 0:
            raise ValueError(f"KeepLast({self.count!r}): give how many to keep, a whole number from 0 on.")

    def keeps(self, snapshots: Sequence[Snapshot]) -> list[bool]:
        """True for the last ``count``."""
        return [index >= len(snapshots) - self.count for index in range(len(snapshots))]


@dataclass(frozen=True)
class KeepEvery:
    """One at least every so many ``hours``, starting with the first. Raises ValueError for no span."""

    hours: float

    def __post_init__(self) -> None:
        if not isinstance(self.hours, Real) or not 0 <= self.hours <= _MOST_HOURS:
            raise ValueError(f"KeepEvery({self.hours!r}): give a span in hours, a number from 0 on such as 24.")

    def keeps(self, snapshots: Sequence[Snapshot]) -> list[bool]:
        """True for a snapshot that is at least ``hours`` after the last one kept."""
        kept: list[bool] = []
        last = None
        for snapshot in snapshots:
            wanted = last is None or snapshot.time - last >= timedelta(hours=float(self.hours))
            last = snapshot.time if wanted else last
            kept.append(wanted)
        return kept


@dataclass(frozen=True)
class KeepLabelled:
    """Those that carry a label."""

    def keeps(self, snapshots: Sequence[Snapshot]) -> list[bool]:
        """True where there is a label."""
        return [snapshot.label is not None for snapshot in snapshots]


def to_drop(snapshots: Sequence[Snapshot], policies: Sequence[Policy]) -> list[Snapshot]:
    """Those that no policy keeps; nothing when there is no policy."""
    for policy in policies:
        if isinstance(policy, type) or not callable(getattr(policy, "keeps", None)):
            raise TypeError(
                f"{policy!r} is no policy: give KeepLast(3), KeepEvery(hours=24), KeepLabelled() or several."
            )
    if not policies:
        return []
    votes = [policy.keeps(snapshots) for policy in policies]
    return [snapshot for index, snapshot in enumerate(snapshots) if not any(vote[index] for vote in votes)]
