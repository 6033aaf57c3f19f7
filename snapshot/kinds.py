"""Kinds and leaf adapters by the name under which they are stored."""

from __future__ import annotations

from snapshot.adapters import buffers, code, containers, named_tuples, objects, randomness
from snapshot.adapters import numpy as numpy_adapter
from snapshot.adapters.protocol import Kind, LeafAdapter
from snapshot.registry import Registry

#: Kinds whose objects can be made from their parts alone.
PLAIN: dict[str, Kind] = {
    **{kind.name: kind for kind in containers.CONTAINERS},
    named_tuples.NAMED_TUPLE.name: named_tuples.NAMED_TUPLE,
    **{kind.name: kind for kind in code.FIXED.values()},
    code.MAPPING_PROXY.name: code.MAPPING_PROXY,
    numpy_adapter.OBJECT_ARRAY.name: numpy_adapter.OBJECT_ARRAY,
    randomness.GENERATOR.name: randomness.GENERATOR,
    objects.INSTANCE.name: objects.INSTANCE,
}

_OURS: tuple[LeafAdapter, ...] = (
    numpy_adapter.ARRAY,
    randomness.RANDOM,
    randomness.RANDOM_STATE,
    randomness.BIT_GENERATOR,
    randomness.SEED_SEQUENCE,
    *buffers.ADAPTERS.values(),
)
_LEAVES = {adapter.kind: adapter for adapter in _OURS}


def adapter_named(kind: str, registry: Registry) -> LeafAdapter | None:
    """The adapter that wrote leaves of this kind; None when its library is not imported."""
    return _LEAVES.get(kind) or registry.leaf_adapter(kind)
