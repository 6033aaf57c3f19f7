"""Settings of Keras objects: plain values, and those bound to a name such as ``activation``.

Functions, regularizers, constraints and initializers are bound back as they are. None is
a setting too, but also what a weight is before ``build``: a weight is never taken away.
"""

from __future__ import annotations

from typing import Any

from keras.src.backend.common.variables import Variable

PLAIN = (bool, int, float, str)
#: They tell what was made already, and stay true.
_NOT_SETTINGS = {"built", "compiled", "training", "name", "train_function", "test_function", "predict_function"}
#: Behind properties that a user may set.
_BEHIND_PROPERTIES = {"_trainable", "_dtype_policy", "_supports_masking"}


def is_setting(obj: Any, name: str, value: Any) -> bool:
    """Whether attribute ``name`` of Keras's own is something that a user may set."""
    if name in _BEHIND_PROPERTIES:
        return True
    if name.startswith("_") or name in _NOT_SETTINGS:
        return False
    if type(value) in PLAIN:
        return True
    # an instance's own build or quantize is a wrapper of a method
    return not hasattr(type(obj), name) and (value is None or is_bound(value))


def is_bound(value: Any) -> bool:
    """Whether ``value`` is a plain tuple, or is called to compute and keeps no variables of Keras's."""
    if type(value) is tuple:
        return all(type(each) in PLAIN for each in value)
    return callable(value) and not issubclass(type(value), Variable)


def equal(left: Any, right: Any) -> bool:
    """Whether two settings are one; only plain ones are compared by value."""
    return left is right or (type(left) is type(right) and type(left) in PLAIN and bool(left == right))
