"""The line after a store: what it did, in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from snapshot.budget import human_bytes
from snapshot.model import Snapshot


@dataclass(frozen=True)
class StoreResult:
    """What the last store did.

    ``variables`` counts names; ``new_bytes`` what had to be copied; ``costliest`` is the
    path that cost most of it; ``unstored`` counts paths that are by reference, 0 when
    that is no news.
    """

    snapshot: Snapshot
    variables: int
    new_bytes: int
    seconds: float
    find_costliest: Callable[[], tuple[str, int] | None]
    moved_from: Snapshot | None
    excluded_count: int
    unstored: int

    @cached_property
    def costliest(self) -> tuple[str, int] | None:
        """Path and bytes; found when first asked for, because a loop that stores never asks."""
        return self.find_costliest()

    def __str__(self) -> str:
        label = f" {self.snapshot.label}" if self.snapshot.label else ""
        variables = f"{self.variables} variable{'' if self.variables == 1 else 's'}"
        parts = [
            f"stored{label} (#{self.snapshot.id}, step {self.snapshot.step}): {variables}, "
            f"{human_bytes(self.new_bytes)} new, {self.seconds * 1000:.0f} ms"
        ]
        if self.costliest:
            parts.append(f"most: {self.costliest[0]} ({human_bytes(self.costliest[1])})")
        if self.moved_from:
            parts.append(f"the label moved here from #{self.moved_from.id}")
        if self.unstored:
            parts.append(f"{self.unstored} by reference (%snapshot show {self.snapshot.reference} --report)")
        return "; ".join(parts)
