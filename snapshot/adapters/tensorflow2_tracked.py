"""Modules, checkpoints, and the wrappers TensorFlow puts around their lists and dicts.

All are Python objects and are walked as such. Their bookkeeping for checkpoints is
state too, but nobody knows a variable under it: it stays out of the paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable

from snapshot.adapters.containers import State
from snapshot.adapters.objects import InstanceKind, attribute_edges, put_attributes, take_attributes
from snapshot.adapters.tensorflow2_functions import forget_graphs_with

_BOOKKEEPING = ("._self_", "._last_wrapped_", "._kwargs", ".__doc__")


class TrackableKind(InstanceKind):
    """An instance; ``m.layers[0]`` is what lies in ``m.layers._storage[0]``."""

    def put(self, obj: Any, state: State) -> None:
        before = _variables(self.take(obj))
        super().put(obj, state)
        for variable in before.keys() - _variables(state).keys():
            # made by the first call of a tf.function, perhaps: its graphs must not go on with it
            forget_graphs_with(before[variable])

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        found = [("" if text == "._storage" else text, child) for text, child in attribute_edges(state)]
        return sorted(
            (edge for edge in found if not edge[0].startswith(_BOOKKEEPING)),
            key=lambda edge: edge[0] != "",
        )


class ReplicasKind(TrackableKind):
    """A variable of a strategy; ``v[1]`` is its copy on the second device."""

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return (("" if text == "._values" else text, child) for text, child in super().edges(state))


class ProxyKind:
    """A proxy around a dict or a tuple. State: attribute dict, what it wraps, the rest of an instance's state."""

    name = "tracked proxy"
    fixed = False
    hashes = False
    lead = 1

    def take(self, obj: Any) -> State:
        attributes = take_attributes(obj)
        return (attributes[0], obj.__wrapped__, *attributes[1:])

    def put(self, obj: Any, state: State) -> None:
        if obj.__wrapped__ is not state[1]:
            obj.__wrapped__ = state[1]
        put_attributes(obj, (state[0], *state[2:]))

    def build(self, cls: type, state: State) -> Any:
        raise TypeError(f"a {cls.__qualname__} is made by the object that holds it")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return [("", state[1])]


def _variables(state: State) -> dict[int, Any]:
    return {id(child): child for child in state if issubclass(type(child), BaseResourceVariable)}


TRACKABLE = TrackableKind()
REPLICAS = ReplicasKind()
PROXY = ProxyKind()
