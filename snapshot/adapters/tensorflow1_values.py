"""Values of TensorFlow 1 variables as plain NumPy arrays, and the way back.

Plain means a dtype that NumPy knows by itself: bfloat16 and its kin travel as
unsigned integers of their size; text as bytes of fixed width, or as a length beside
the bytes where a value ends in a NUL, which NumPy would drop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from snapshot.adapters.protocol import Array
from snapshot.errors import DoesNotFit


def to_plain(value: Any) -> Array:
    """What ``session.run`` gave, as an array that nobody else can write.

    A value of shape () comes from TensorFlow as a NumPy scalar or as ``bytes``.
    """
    if isinstance(value, bytes) or value.dtype == object:
        return _fixed_width(_as_objects([value]).reshape(()) if isinstance(value, bytes) else value)
    array = np.asarray(value)
    private = array if array.flags.owndata else array.copy()
    carrier = _carrier(private.dtype)
    return private if carrier == private.dtype else private.view(carrier)


def to_feed(array: Array, dtype: str) -> Array:
    """``array`` as TensorFlow takes it for a variable of ``dtype``.

    TensorFlow may keep aligned memory for as long as the variable lives, so that
    memory of a file or of another library's buffer is copied.
    """
    if dtype == "string":
        return _texts(array)
    target = np.dtype(tf.as_dtype(dtype).as_numpy_dtype)
    safe = array if array.flags.c_contiguous and _owns_memory(array) else np.array(array, order="C")
    return safe.view(target) if safe.dtype == _carrier(target) else safe


def dtype_misfit(given: str, dtype: str) -> str | None:
    """Why values of dtype ``given`` cannot go into a variable of ``dtype``; None when they can."""
    if given == dtype or (dtype == "string" and given.startswith(("str", "bytes", "object", "void"))):
        return None
    return f"its dtype is {given}, the variable's is {dtype}"


def _carrier(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.names is not None and len(dtype.names) == 1:  # a quantized type: [('qint8', 'i1')]
        return dtype[0]
    made_elsewhere = dtype.isbuiltin == 2  # registered by ml_dtypes: bfloat16, float8, int4
    return np.dtype(f"u{dtype.itemsize}") if made_elsewhere else dtype


def _owns_memory(array: Array) -> bool:
    owner: Any = array
    while isinstance(owner, np.ndarray) and owner.base is not None and not isinstance(owner, np.memmap):
        owner = owner.base
    return isinstance(owner, np.ndarray) and owner.flags.owndata


def _fixed_width(texts: Array) -> Array:
    values: list[bytes] = texts.ravel().tolist()
    width = max(1, max(map(len, values), default=1))
    plain = np.array(values, dtype=f"S{width}").reshape(texts.shape)
    if not any(value.endswith(b"\0") for value in values):
        return plain
    exact = np.zeros(texts.shape, dtype=[("length", "<i8"), ("bytes", f"S{width}")])
    exact["length"] = np.array([len(value) for value in values]).reshape(texts.shape)
    exact["bytes"] = plain
    return exact


def _texts(array: Array) -> Array:
    if array.dtype.names is not None:
        padded = ((bytes(item["bytes"]), int(item["length"])) for item in array.ravel())
        values: list[Any] = [text.ljust(length, b"\0") for text, length in padded]
    elif array.dtype.kind in "USO":
        values = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
    else:
        raise DoesNotFit(f"a string variable takes text or bytes, not {array.dtype}")
    if not all(isinstance(value, bytes) for value in values):
        raise DoesNotFit("a string variable takes text or bytes only")
    return _as_objects(values).reshape(array.shape)


def _as_objects(values: list[Any]) -> Array:
    # np.array(values) would make bytes of one width, and drop NULs at their ends
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects
