"""What a pickle made, with the live objects in the places of their copies.

A stream knows nothing of what is alive: it makes every object anew. Where another name
has a live one for it, everything that the stream made is to point at that one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from snapshot.handles import Handle, numbers
from snapshot.walk import Record


class Graft:
    """``records`` are those of what a stream made. ``instead`` maps the id of a copy, or of its handle, to what
    takes its place; ``told`` are ids of handles that have something to be written beside their contents."""

    def __init__(self, records: Mapping[int, Record], instead: dict[int, Any], told: Collection[int]) -> None:
        self._records = records
        self._instead = instead
        self._told = told
        self._whole: set[int] = set()
        self.found: dict[int, Record] = {}
        for record in records.values():
            self._swap(record.owner)

    def of(self, child: Any) -> Any:
        """What a child of anything made by the stream is to be."""
        return self._instead.get(id(child), child)

    def state_of(self, made: Any) -> tuple[Any, ...] | None:
        """The state of an object of the stream as it is to be; None when it is out of reach."""
        record = self._records.get(id(made))
        if record is None:
            return None
        lead = record.kind.lead
        return (*record.state[:lead], *map(self._swap, record.state[lead:]))

    def _swap(self, child: Any) -> Any:
        """Make a tuple again when what it holds was replaced; everything else stays itself."""
        record = self._records.get(id(child))
        if id(child) in self._instead or record is None or not record.kind.fixed or id(child) in self._whole:
            return self.of(child)
        self._whole.add(id(child))
        state = tuple(map(self._swap, record.state))
        if all(one is other for one, other in zip(state, record.state, strict=True)):
            return child
        made = record.kind.build(type(child), tuple(part.get() if type(part) is Handle else part for part in state))
        self._instead[id(child)] = made
        self.found[id(made)] = Record(made, record.kind, state, next(numbers))
        return made

    def records(self) -> dict[int, Record]:
        """The records that anything is to be written for, and those on the way to them."""
        parents: dict[int, list[int]] = {}
        for key, record in self._records.items():
            if key not in self._instead and not record.flat:
                for child in record.state[record.kind.lead :]:
                    parents.setdefault(id(child), []).append(key)
        stack = [key for key in (*self._instead, *self._told) if key in parents]
        seen: set[int] = set()
        while stack:
            for key in parents.get(stack.pop(), ()):
                if key not in seen:
                    seen.add(key)
                    stack.append(key)
        for key in seen:
            record = self._records[key]
            state = (*record.state[: record.kind.lead], *map(self.of, record.state[record.kind.lead :]))
            self.found[key] = Record(record.owner, record.kind, state, next(numbers))
        return self.found
