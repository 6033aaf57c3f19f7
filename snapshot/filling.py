"""Putting waiting values into live variables: one pass over what was built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from snapshot.adapters.protocol import Array, LeafAdapter, is_leaf_adapter
from snapshot.apply import interrupts_wait
from snapshot.capture import Held
from snapshot.engine import Engine
from snapshot.graph import Graph
from snapshot.kinds import adapter_named
from snapshot.matching import LEFT_OUT
from snapshot.pairing import Miss, Pairing
from snapshot.plain import NOT_PLAIN, decode


class Leaves(Protocol):
    """Where stored leaves come from."""

    def held(self, number: int) -> Held:
        """Description of a leaf."""

    def contents(self, number: int) -> np.ndarray[Any, Any]:
        """Its contents as a fresh array; raises :class:`Damaged`."""

    def path(self, number: int) -> str:
        """The path under which users know it; empty when it has none."""


class Filled(NamedTuple):
    """A variable that took its value, and what it held at first; None when that value is its first."""

    variable: Any
    adapter: LeafAdapter
    first: Array | None


class Filling(Pairing):
    """A pairing that puts waiting values into the live leaves it meets."""

    def __init__(
        self, graph: Graph, engine: Engine, known: Mapping[int, Any], waiting: Mapping[int, str], leaves: Leaves
    ) -> None:
        super().__init__(graph, engine.registry, known)
        self._waiting = waiting
        self._leaves = leaves
        self.filled: dict[int, Filled] = {}
        self.refused: dict[int, str] = {}

    def pair(self, stored: Any, live: Any, path: str) -> None:
        with interrupts_wait():
            super().pair(stored, live, path)
            for miss in self.misses:
                self._add_entry(miss)

    def leaf(self, number: int, live: Any, path: str) -> None:
        if number not in self._waiting or number in self.filled:
            return
        try:
            self._fill(number, live)
        except Exception as error:  # a library may refuse in any way; the others are filled all the same
            self.refused[number] = f"{type(error).__name__}: {error}"

    def _fill(self, number: int, live: Any) -> None:
        held = self._leaves.held(number)
        adapter = self.registry.handler(live)
        if not is_leaf_adapter(adapter) or adapter.kind != held.leaf.kind:
            self.refused[number] = f"is a {type(live).__name__}, stored was a {held.leaf.kind}"
            return
        reason = adapter.misfit(live, held.form)
        if reason is None and adapter.immutable:
            reason = "cannot be changed in place"
        if reason is not None:
            self.refused[number] = reason
            return
        contents = self._leaves.contents(number)
        try:
            first = np.array(adapter.view(live), copy=True)
        except ValueError:
            # made while TensorFlow traces, before its initializer runs, which then leaves it alone
            first = None
        adapter.assign(live, contents)
        self.filled[number] = Filled(live, adapter, first)
        self._set_plain_attributes(adapter, live, number)

    def _set_plain_attributes(self, adapter: LeafAdapter, live: Any, number: int) -> None:
        """What is frozen stays frozen; gradients and other arrays beside a variable do not wait."""
        node = self.graph.attributes.get(number)
        if node is None:
            return
        present = dict(adapter.attributes(live))
        count = node.state[0]
        for name, value in zip(node.state[1 : 1 + count], node.state[1 + count :]):
            if type(value) is bool and present.get(name, value) is not value:
                adapter.set_attribute(live, name, value)

    def _add_entry(self, miss: Miss) -> None:
        """An entry keyed by a variable that exists by now: what an optimizer keeps for it."""
        if miss.key is None or miss.owner is None:
            return
        holder, stored_key = miss.key
        key = self.met.get(next(iter(stored_key.values())), LEFT_OUT)
        if key is LEFT_OUT or any(key is known for known in holder):
            return
        made: dict[int, Filled] = {}
        try:
            value = self._made(miss.stored, made)
        except Exception as error:  # as above
            self.refused.update(dict.fromkeys(self.leaves_of(miss.stored), f"{type(error).__name__}: {error}"))
            return
        if value is not LEFT_OUT and made:
            dict.__setitem__(holder, key, value)
            self.filled.update(made)

    def _made(self, stored: Any, made: dict[int, Filled]) -> Any:
        """A new leaf, plain value or dict of those; LEFT_OUT for anything else."""
        if not isinstance(stored, dict):
            return stored
        ((tag, number),) = stored.items()
        if tag == "leaf" and number in self._waiting:
            held = self._leaves.held(number)
            adapter = adapter_named(held.leaf.kind, self.registry)
            if adapter is None:
                return LEFT_OUT
            found = adapter.build(held.form, self._leaves.contents(number))
            made[number] = Filled(found, adapter, None)
            return found
        node = self.graph.nodes.get(number) if tag == "node" else None
        if node is not None and node.kind == "dict":
            half = len(node.state) // 2
            parts = [self._made(part, made) for part in node.state]
            left_out = any(part is LEFT_OUT for part in parts)
            return LEFT_OUT if left_out else dict(zip(parts[:half], parts[half:]))
        found = decode(stored) if tag not in ("leaf", "node") else NOT_PLAIN
        return LEFT_OUT if found is NOT_PLAIN else found
