"""Eager tensors as plain arrays, and back.

Reading a variable shares its buffer; TensorFlow copies the buffer before it writes
to it as long as anybody shares it, so what was read never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from snapshot.adapters.protocol import Array
from snapshot.adapters.tensorflow1_values import to_feed, to_plain


def eagerly() -> AbstractContextManager[Any]:
    """Run ops at once, also where the user has made a graph the default."""
    # init_scope leaves functions that are being traced, but not graphs
    return nullcontext() if tf.executing_eagerly() else context.eager_mode()


def array_of(tensor: Any) -> Array:
    """The contents of an eager tensor; shares its memory where it lies in this host's."""
    found = np.asarray(tensor._numpy())
    if found.dtype == object:
        return to_plain(found)
    # bfloat16 and its kin travel as integers of their size
    return found.view(f"u{found.dtype.itemsize}") if found.dtype.isbuiltin == 2 else found


def tensor_of(contents: Array, dtype: str) -> Any:
    """A new eager tensor; ``contents`` may be shared and must not be written again."""
    return tf.constant(to_feed(contents, dtype), dtype)


def no_attributes(obj: Any) -> tuple[()]:
    """What :meth:`LeafAdapter.attributes` returns for objects without any."""
    return ()


class TensorLeaf:
    """What all leaf adapters for TensorFlow objects have in common."""

    immutable = False
    separate = True  #: memory shared for the moment is no view
    attributes: Callable[[Any], Any] = staticmethod(no_attributes)

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False


def shapes_misfit(found: tuple[int, ...], wanted: tuple[int, ...]) -> str | None:
    """The sentence about two shapes; None when they are equal."""
    return None if found == wanted else f"has shape {found}, stored was {wanted}"


def dtypes_misfit(found: str, wanted: str) -> str | None:
    """The sentence about two dtypes; None when they are equal."""
    return None if found == wanted else f"has dtype {found}, stored was {wanted}"
