"""Lookup tables: exported, and filled again; one that cannot be changed is made anew.

A table is recorded as two tensors. An export that brings nothing new gives the
tensors of the one before, so an unchanged table is the same record as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import lookup_ops

from snapshot.adapters.containers import State
from snapshot.adapters.protocol import Array
from snapshot.adapters.tensorflow2_values import array_of, eagerly

MUTABLE = (lookup_ops.MutableHashTable, lookup_ops.DenseHashTable)

_last: WeakKeyDictionary[Any, State] = WeakKeyDictionary()


class TableKind:
    """State: the keys in order, and their values."""

    name = "tensorflow.table"
    fixed = False
    hashes = False
    lead = 0

    def take(self, obj: Any) -> State:
        with eagerly():
            found = _in_order(*_exported(obj))
        last = _last.get(obj)
        if last is not None and all(_equal(one, other) for one, other in zip(last, found)):
            return last
        _last[obj] = found
        return found

    def put(self, obj: Any, state: State) -> None:
        present = self.take(obj)
        if any(one is not other for one, other in zip(present, state)):
            with eagerly():
                # importing into a dense table would need its very buckets, free ones and all
                obj.remove(present[0])
                obj.insert(*state)

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("a table is made by its class, with its default value")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        yield from zip((".keys", ".values"), state)


TABLE = TableKind()


class StaticTableKind:
    """State: the keys in order, their values, and the value of a key that is not in it.

    A table that waits for its keys has the names of their dtypes instead.
    """

    name = "tensorflow.static_table"
    fixed = True
    hashes = False
    lead = 0

    def take(self, obj: Any) -> State:
        last = _last.get(obj)
        if last is None:
            with eagerly():
                default = tf.identity(obj.default_value)
                try:
                    last = _last[obj] = (*_in_order(*obj.export()), default)
                except tf.errors.AbortedError:
                    return (obj.key_dtype.name, obj.value_dtype.name, default)
        return last

    def put(self, obj: Any, state: State) -> None:
        raise TypeError("a static table cannot be changed")

    def build(self, cls: Any, state: State) -> Any:
        keys, values, default = state
        make: Any = _Waiting if isinstance(keys, str) else tf.lookup.KeyValueTensorInitializer
        with eagerly():
            return cls(make(keys, values), default)

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        yield from zip((".keys", ".values", ".default_value"), state)


class _Waiting(lookup_ops.TableInitializerBase):  # type: ignore[misc]
    """Leaves a table as Keras does before ``adapt``: whoever looks a key up is told to fill it first."""

    def initialize(self, table: Any) -> None:
        return None


STATIC_TABLE = StaticTableKind()
STATIC = lookup_ops.StaticHashTable


def is_filled(obj: Any) -> bool:
    """Whether a static table is one that can be read at once: one in a graph cannot."""
    return isinstance(obj.resource_handle, ops.EagerTensor)


def _exported(obj: Any) -> State:
    keys, values = obj.export()
    if isinstance(obj, lookup_ops.DenseHashTable):
        # its free buckets come along
        marker = tf.convert_to_tensor(obj._empty_key, keys.dtype)
        free = _rows_equal(keys, marker) | _rows_equal(keys, tf.convert_to_tensor(obj._deleted_key, keys.dtype))
        keys = tf.reshape(tf.boolean_mask(keys, ~free), [-1, *marker.shape])
        values = tf.reshape(tf.boolean_mask(values, ~free), [-1, *obj._value_shape])
    return keys, values


def _rows_equal(keys: Any, marker: Any) -> Array:
    flat = tf.reshape(keys, [tf.shape(keys)[0], -1])
    return tf.reduce_all(flat == tf.reshape(marker, [1, -1]), axis=1).numpy()  # type: ignore[no-any-return]


def _in_order(keys: Any, values: Any) -> State:
    if not len(keys):
        return keys, values
    plain = array_of(keys).reshape(len(keys), -1)
    order = np.lexsort(plain.T[::-1]) if plain.dtype.names is None else np.argsort(plain[:, 0], order="bytes")
    return tf.gather(keys, order), tf.gather(values, order)


def _equal(one: Any, other: Any) -> bool:
    left, right = array_of(one), array_of(other)
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()
