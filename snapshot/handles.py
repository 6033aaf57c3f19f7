"""Handles: what stands for a leaf in a record.

A record holds the containers it describes, but not the arrays in them: an array that
nobody holds any more should be freed, and is rebuilt from its copy if it is asked
for again. A :class:`Handle` is one object's identity over its whole life, so records
that hold handles can be compared by identity like everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any
from weakref import WeakValueDictionary, ref

from snapshot.adapters.protocol import GroupAdapter, LeafAdapter

#: Numbers are unique in a process: handles and records of a snapshot share them on disk.
numbers = count(1)


class Handle:
    """One leaf object; held weakly, unless it is immutable or Python cannot hold it so.

    An immutable array is its own snapshot: the handle keeps it, and gives it back. What
    its adapter calls ``irreplaceable`` cannot be made from its contents, and is kept too.
    """

    __slots__ = ("__weakref__", "adapter", "get", "number")

    def __init__(self, obj: Any, adapter: LeafAdapter) -> None:
        self.adapter = adapter
        self.number = next(numbers)
        self.hold(obj)

    def hold(self, obj: Any) -> None:
        """Stand for ``obj`` from now on."""
        self.get: Callable[[], Any] = lambda: obj
        if not self.adapter.immutable and not getattr(self.adapter, "irreplaceable", False):
            with suppress(TypeError):
                self.get = ref(obj)

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


AnyHandle = Handle | PartHandle


class Handles:
    """The handle of every leaf that a capture knows."""

    def __init__(self) -> None:
        # only captures keep handles: what no snapshot needs must be free to go
        self._by_id: WeakValueDictionary[int, Handle] = WeakValueDictionary()
        self._parts: WeakValueDictionary[tuple[int, str], PartHandle] = WeakValueDictionary()

    def of(self, obj: Any, adapter: LeafAdapter) -> Handle:
        """The one handle of ``obj``."""
        found = self._by_id.get(id(obj))
        if found is None or found.get() is not obj or found.adapter is not adapter:
            # the id may have belonged to an object that is gone
            found = self._by_id[id(obj)] = Handle(obj, adapter)
        return found

    def adopt(self, handle: Handle, obj: Any) -> None:
        """``obj`` was made anew from what ``handle`` stood for, which is gone: it takes its place."""
        handle.hold(obj)
        self._by_id[id(obj)] = handle

    def part(self, owner: Any, adapter: GroupAdapter, name: str) -> PartHandle:
        """The one handle of part ``name`` of ``owner``."""
        found = self._parts.get((id(owner), name))
        if found is None or found.owner is not owner:
            found = self._parts[id(owner), name] = PartHandle(owner, adapter, name)
        return found
