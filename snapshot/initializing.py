"""Variables that a restore leaves without a value, and starting them.

A session's variables exist before they hold anything. Those that a snapshot has no
value for are named; asked to, their owner runs the initializers of just these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from snapshot.adapters.protocol import starts_values
from snapshot.capture import Capture
from snapshot.handles import PartHandle
from snapshot.plan import Plan
from snapshot.wording import enumerated

_MOST = 8


class Valueless:
    """The parts without a value in the sessions that one restore is about."""

    def __init__(self, made: Plan, target: Capture, present: Capture, names: Collection[str] | None) -> None:
        """``names`` are those restored; None means all, and then every open session counts."""
        self._owners: list[Any] = []
        self.names: list[str] = []
        if not present.groups:
            return
        reached = _reached(made, target, present, names)
        for owner, adapter, group in present.groups.values():
            if (names is not None and id(owner) not in reached) or not starts_values(adapter):
                continue
            written = made.group_writes[id(owner)][2] if id(owner) in made.group_writes else {}
            missing = [name for name in group.uninitialized if name not in written]
            if missing:
                self._owners.append((owner, adapter))
                self.names += missing

    def notes(self, started: Collection[str] = (), *, would_start: bool = False) -> tuple[str, ...]:
        """What to say of them: ``started`` hold their initial values now."""
        left = [name for name in self.names if name not in started]
        if would_start:
            return (f"would initialize {enumerated(left, _MOST)}",) if left else ()
        notes = [f"initialized {enumerated(list(started), _MOST)}"] if started else []
        notes += [f"without a value still: {enumerated(left, _MOST)}"] if left else []
        return tuple(notes)

    def start(self) -> list[str]:
        """Run their initializers, nobody else's; returns the names of those that have a value now."""
        return [name for owner, adapter in self._owners for name in adapter.initialize_rest(owner)]


def _reached(made: Plan, target: Capture, present: Capture, names: Collection[str] | None) -> set[int]:
    """Ids of the owners whose parts were looked at, or which a restored name is bound to."""
    found = set(made.group_writes)
    found |= {id(made.heirs.get(id(part.owner), part.owner)) for part in made.matched if isinstance(part, PartHandle)}
    if names is not None:
        roots: Iterable[Any] = (present.roots[name] for name in names if name in present.roots)
        found |= {id(root) for root in roots}
    return found
