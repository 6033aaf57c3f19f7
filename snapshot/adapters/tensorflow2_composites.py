"""Sparse and ragged tensors: several eager tensors bound together for good."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from snapshot.adapters.code import FixedKind
from snapshot.adapters.containers import State
from snapshot.adapters.reference import BENIGN, Reference


class RaggedKind(FixedKind):
    """State: the flat values, then the row splits, outermost first."""

    def __init__(self) -> None:
        super().__init__("tensorflow.RaggedTensor")

    def take(self, obj: Any) -> State:
        return (obj.flat_values, *obj.nested_row_splits)

    def build(self, cls: type, state: State) -> Any:
        return tf.RaggedTensor.from_nested_row_splits(state[0], state[1:], validate=False)

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        yield ".flat_values", state[0]
        for index, splits in enumerate(state[1:]):
            yield f".nested_row_splits[{index}]", splits


class SlicesKind(FixedKind):
    """``tf.IndexedSlices``; the dense shape may be missing."""

    def build(self, cls: type, state: State) -> Any:
        return tf.IndexedSlices(*state)


_KINDS: dict[type, FixedKind] = {
    tf.SparseTensor: FixedKind("tensorflow.SparseTensor", "indices", "values", "dense_shape"),
    tf.RaggedTensor: RaggedKind(),
    tf.IndexedSlices: SlicesKind("tensorflow.IndexedSlices", "values", "indices", "dense_shape"),
}


def handler_for(obj: Any) -> FixedKind | Reference | None:
    """The kind of a sparse or ragged tensor; None for anything else."""
    kind = _KINDS.get(type(obj))
    if kind is None:
        return None
    # of a graph: it has a value in a run only
    return BENIGN if any(part is not None and tf.is_symbolic_tensor(part) for part in kind.take(obj)) else kind
