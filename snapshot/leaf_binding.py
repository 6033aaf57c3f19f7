"""Stored arrays in terms of live ones: which live object takes a leaf, and what is made where none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from snapshot.adapters.protocol import Form, LeafAdapter, is_leaf_adapter
from snapshot.blocks import put_contents, view_of
from snapshot.capture import Held
from snapshot.engine import Engine
from snapshot.errors import Damaged
from snapshot.graph import Graph, Node
from snapshot.handles import AnyHandle, Handle
from snapshot.kinds import adapter_named
from snapshot.matching import LEFT_OUT


class Leaves(Protocol):
    """Where stored leaves come from."""

    def held(self, number: int) -> Held:
        """Description of a leaf."""

    def contents(self, number: int) -> np.ndarray[Any, Any]:
        """Its contents as a fresh array; raises :class:`Damaged`."""

    def load(self, number: int) -> None:
        """Bring its blocks into the pool; raises :class:`Damaged`."""

    def path(self, number: int) -> str:
        """The path under which users know it."""


class LeafBinder:
    """The leaves of one binding. ``attributes`` is told of state beside a leaf that is to be bound too.

    ``blocked`` says why something stored cannot be made here, or None.
    """

    def __init__(
        self,
        graph: Graph,
        leaves: Leaves,
        engine: Engine,
        unused: dict[str, str],
        blocked: Callable[..., str | None],
        attributes: Callable[[Handle, Node, str], None],
    ) -> None:
        self._graph = graph
        self._leaves = leaves
        self._engine = engine
        self._unused = unused
        self._blocked = blocked
        self._attributes = attributes
        self._handles: dict[int, Handle] = {}
        self.counterparts: Mapping[int, Any] = {}  #: live objects of names that are not bound, by number
        self.held: dict[AnyHandle, Held] = {}
        self.memory: dict[AnyHandle, int] = {}  #: what shared memory when it was stored has one number
        self.alive: list[Any] = []  #: what nothing else holds until the names are bound
        self.made: dict[AnyHandle, None] = {}  #: leaves that had to be made anew

    def part(self, number: int, handle: AnyHandle, path: str) -> None:
        """Bind a leaf to a part of a live group."""
        if self._load(number, path):
            self.held[handle] = self._leaves.held(number)

    def known(self, number: int) -> Handle | None:
        """What a leaf was bound to."""
        return self._handles.get(number)

    def take(self, number: int, obj: Any) -> None:
        """Bind a leaf to an object that was made elsewhere, with all that belongs to it."""
        held = self._leaves.held(number)
        adapter = adapter_named(held.leaf.kind, self._engine.registry)
        if adapter is not None and number not in self._handles:
            self.alive.append(obj)
            handle = self._engine.handles.of(obj, adapter)
            self.made[handle] = None
            self._load(number, self._leaves.path(number))
            self._keep(number, handle, held, "", None)

    def bind(self, number: int, live: Any, path: str) -> Any:
        """The handle of the live array that takes a leaf, or of one made for it; LEFT_OUT for none."""
        known = self._handles.get(number)
        if known is not None:
            return known
        if live is LEFT_OUT:
            live = self.counterparts.get(number, LEFT_OUT)
        held = self._leaves.held(number)
        handler = self._engine.registry.handler(live) if live is not LEFT_OUT else None
        attributes = self._graph.attributes.get(number)
        if is_leaf_adapter(handler) and handler.kind == held.leaf.kind and self._takes(handler, live, number, held):
            handle = self._engine.handles.of(live, handler)
            lacking = self._not_whole(handler, live, attributes)
            if lacking is not None:
                self._unused[path] = lacking
                return LEFT_OUT
            if handle in self.held:
                # one live array cannot be two stored ones
                return self._new_leaf(number, held, path)
            return self._keep(number, handle, held, path, attributes) if self._load(number, path) else handle
        return self._new_leaf(number, held, path)

    def misfit(self, number: int, live: Any) -> str | None:
        """Why ``live`` cannot take a leaf; None when it can."""
        held = self._leaves.held(number)
        handler = self._engine.registry.handler(live)
        if not is_leaf_adapter(handler) or handler.kind != held.leaf.kind:
            return f"is a {type(live).__name__} here, stored was a {held.leaf.kind}"
        return handler.misfit(live, held.form)

    def _not_whole(self, adapter: LeafAdapter, live: Any, attributes: Node | None) -> str | None:
        """Why a live frame of another length cannot take a stored one: some of it only a pickle has."""
        if attributes is None or not getattr(adapter, "whole", False):
            return None
        parts = [part["leaf"] for part in attributes.state if isinstance(part, dict) and "leaf" in part]
        shapes = [self._leaves.held(part).form.shape for part in parts]
        if all(shape[-1:] == (len(live),) for shape in shapes if shape):
            return None
        return self._blocked(*attributes.state)

    def _takes(self, adapter: LeafAdapter, live: Any, number: int, held: Held) -> bool:
        if adapter.misfit(live, held.form) is not None:
            return False
        if not adapter.immutable:
            return True
        try:
            return bool(adapter.view(live).tobytes() == self._leaves.contents(number).tobytes())
        except Damaged:
            return True  # loading it says so, and the live one stays

    def _load(self, number: int, path: str) -> bool:
        try:
            self._leaves.load(number)
        except Damaged as error:
            self._unused[path] = str(error)
            return False
        return True

    def _keep(self, number: int, handle: Handle, held: Held, path: str, attributes: Node | None) -> Handle:
        self._handles[number] = handle
        view = held.leaf.view
        self.memory[handle] = number if view is None else view.base
        if view is not None:
            # a view is written through its own memory here: its base may be another object now
            held = Held(put_contents(held.leaf, self._leaves.contents(number), self._engine.blocks), held.form)
        self.held[handle] = held
        if attributes is not None:
            self._attributes(handle, attributes, path)
        return handle

    def _new_leaf(self, number: int, held: Held, path: str) -> Any:
        adapter = adapter_named(held.leaf.kind, self._engine.registry)
        if adapter is None:
            self._unused[path] = f"a {held.leaf.kind} needs its library: import it, then restore again"
            return LEFT_OUT
        attributes = self._graph.attributes.get(number)
        if attributes is not None and getattr(adapter, "whole", False):
            blocked = self._blocked(*attributes.state)
            if blocked is not None:
                self._unused[path] = blocked
                return LEFT_OUT
        try:
            contents = self._new_contents(number, held, path)
        except Damaged as error:
            self._unused[path] = str(error)
            return LEFT_OUT
        try:
            made = adapter.build(held.form, contents)
        except Exception as error:
            # a library may refuse, in any way; the rest is restored all the same
            self._unused[path] = f"could not be made anew: {error}"
            return LEFT_OUT
        self.alive.append(made)
        handle = self._engine.handles.of(made, adapter)
        self.made[handle] = None
        self._load(number, path)
        if attributes is not None and _class_of(adapter.form(made)) != _class_of(held.form):
            # an instance of the base class has no place for them
            self._unused[f"{path}.{attributes.state[1]}"] = "its class is not defined here"
            attributes = None
        return self._keep(number, handle, held, path, attributes)

    def _new_contents(self, number: int, held: Held, path: str) -> np.ndarray[Any, Any]:
        view = held.leaf.view
        if view is not None:
            base = self._leaves.held(view.base)
            handle = self.bind(view.base, LEFT_OUT, path)
            if type(handle) is Handle and (obj := handle.get()) is not None:
                memory = handle.adapter.view(obj)
                dense = memory.flags.c_contiguous or memory.flags.f_contiguous
                if dense and memory.shape == base.leaf.shape and memory.flags.writeable:
                    return view_of(memory, held.leaf)
        return self._leaves.contents(number)


def _class_of(form: Form) -> Any:
    return dict(form.meta).get("class")
