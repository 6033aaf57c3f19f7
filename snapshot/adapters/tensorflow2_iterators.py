"""Positions of ``tf.data`` iterators, as TensorFlow serializes them: shuffle buffers and all."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import gen_dataset_ops

from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import Reference
from snapshot.adapters.tensorflow1_read import first_line
from snapshot.adapters.tensorflow2_values import TensorLeaf, eagerly

_FAIL_IF_STATEFUL = 2

# what a pipeline holds decides once and for all whether its iterators can rewind
_known: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


class IteratorAdapter(TensorLeaf):
    """An iterator over a dataset; contents are its encoded position, of any length."""

    kind = "tensorflow.data.Iterator"
    irreplaceable = True

    def form(self, obj: Any) -> Form:
        return Form((), "uint8", (("elements", repr(obj.element_spec)),))

    def view(self, obj: Any) -> Array:
        return np.frombuffer(_serialized(obj), np.uint8)

    def misfit(self, obj: Any, form: Form) -> str | None:
        found, wanted = repr(obj.element_spec), dict(form.meta)["elements"]
        return None if found == wanted else f"yields {found}, stored was {wanted}"

    def assign(self, obj: Any, contents: Array) -> None:
        with eagerly():
            position = tf.io.parse_tensor(contents.tobytes(), tf.variant)
            gen_dataset_ops.deserialize_iterator(obj._iterator_resource, position)

    def build(self, form: Form, contents: Array) -> Any:
        raise TypeError("an iterator is made by its dataset: make one, then restore")


ITERATOR = IteratorAdapter()


def handler_for(obj: Any) -> IteratorAdapter | Reference:
    """The adapter; a reference with its reason for pipelines that cannot go back."""
    found = _known.get(obj)
    if found is None:
        try:
            _serialized(obj)
            found = ITERATOR
        except tf.errors.OpError as error:
            what = first_line(error).rpartition("}} ")[2].partition(" [Op:")[0]
            found = Reference(f"a tf.data iterator that cannot go back: {what}")
        _known[obj] = found
    return found


def _serialized(obj: Any) -> bytes:
    with eagerly():
        state = gen_dataset_ops.serialize_iterator(obj._iterator_resource, external_state_policy=_FAIL_IF_STATEFUL)
        found: bytes = tf.io.serialize_tensor(state).numpy()
        return found
