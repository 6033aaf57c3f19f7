"""Handles: what stands for a leaf in a record.

A record holds the containers it describes, but not the arrays in them: an array that
nobody holds any more should be freed, and is rebuilt from its copy if it is asked
for again. A :class:`Handle` is one object's identity over its whole life, so records
that hold handles can be compared by identity like everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any
from weakref import WeakValueDictionary, ref

from snapshot.adapters.protocol import GroupAdapter, LeafAdapter

#: Numbers are unique in a process: handles and records of a snapshot share them on disk.
numbers = count(1)


class Handle:
    """One leaf object, held weakly where Python allows it."""

    __slots__ = ("__weakref__", "adapter", "get", "number")

    def __init__(self, obj: Any, adapter: LeafAdapter, forget: Callable[[int], None]) -> None:
        self.adapter = adapter
        self.number = next(numbers)
        key = id(obj)
        self.get: Callable[[], Any]
        try:
            self.get = ref(obj, lambda _: forget(key))
        except TypeError:
            self.get = lambda: obj

    def __repr__(self) -> str:
        return f"<handle {self.number} of {self.adapter.kind}>"


class PartHandle:
    """One named array of a group: ``W`` of a session."""

    __slots__ = ("__weakref__", "adapter", "name", "number", "owner")

    def __init__(self, owner: Any, adapter: GroupAdapter, name: str) -> None:
        self.owner = owner
        self.adapter = adapter
        self.name = name
        self.number = next(numbers)

    def __repr__(self) -> str:
        return f"<handle {self.number} of {self.name}>"


class Handles:
    """The handle of every leaf met so far."""

    def __init__(self) -> None:
        self._by_id: dict[int, Handle] = {}
        # only captures keep a part: a session that no snapshot needs must be free to go
        self._parts: WeakValueDictionary[tuple[int, str], PartHandle] = WeakValueDictionary()

    def of(self, obj: Any, adapter: LeafAdapter) -> Handle:
        """The one handle of ``obj``."""
        found = self._by_id.get(id(obj))
        if found is None or found.get() is not obj or found.adapter is not adapter:
            found = self._by_id[id(obj)] = Handle(obj, adapter, self._forget)
        return found

    def part(self, owner: Any, adapter: GroupAdapter, name: str) -> PartHandle:
        """The one handle of part ``name`` of ``owner``."""
        found = self._parts.get((id(owner), name))
        if found is None or found.owner is not owner:
            found = self._parts[id(owner), name] = PartHandle(owner, adapter, name)
        return found

    def _forget(self, key: int) -> None:
        found = self._by_id.get(key)
        if found is not None and found.get() is None:
            del self._by_id[key]
