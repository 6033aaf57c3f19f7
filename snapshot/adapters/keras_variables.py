"""``keras.Variable`` on each backend: read from and assigned to what the backend keeps behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import keras
import numpy as np

from snapshot.adapters.protocol import Array, Form
from snapshot.model import Role


class _Backend(NamedTuple):
    """The contents of what lies in ``variable._value``, and new contents for the variable."""

    read: Callable[[Any], Array]
    write: Callable[[Any, Array], None]


class VariableAdapter:
    """Weights, slots, metrics' totals and seeds; the value is put in place, so that nothing is traced again."""

    kind = "keras.Variable"
    immutable = False
    #: TensorFlow copies on write and JAX never writes; PyTorch's memory may have other views
    separate = keras.backend.backend() != "torch"

    def form(self, obj: Any) -> Form:
        meta = (("name", obj.name), ("trainable", bool(obj.trainable)))
        return Form(tuple(obj.shape), str(obj.dtype), meta, _role(obj))

    def view(self, obj: Any) -> Array:
        if obj._value is None:
            raise ValueError("it has no value yet")
        return _backend().read(obj._value)

    def misfit(self, obj: Any, form: Form) -> str | None:
        if tuple(obj.shape) != form.shape:
            return f"has shape {tuple(obj.shape)}, stored was {form.shape}"
        return None if str(obj.dtype) == form.dtype else f"has dtype {obj.dtype}, stored was {form.dtype}"

    def assign(self, obj: Any, contents: Array) -> None:
        _backend().write(obj, contents)

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        meta = dict(form.meta)
        zeros = np.zeros(form.shape)
        made = keras.Variable(zeros, dtype=form.dtype, trainable=meta["trainable"], name=meta["name"])
        self.assign(made, contents)
        _made[id(made)] = made
        return made

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return (("trainable", obj.trainable),)

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        if name != "trainable":
            raise AttributeError(name)
        obj.trainable = value


VARIABLE = VariableAdapter()
_made: WeakValueDictionary[int, Any] = WeakValueDictionary()


def was_made_here(obj: Any) -> bool:
    """Whether a variable was made for a stored one that nothing live would take."""
    return _made.get(id(obj)) is obj


def _role(obj: Any) -> Role:
    if obj.name == "seed_generator_state":
        return Role.RNG
    return Role.PARAMETER if obj.trainable else Role.BUFFER


@cache
def _backend() -> _Backend:
    """Our side of the backend in use, which Keras fixes when it is imported."""
    return {"tensorflow": _tensorflow, "torch": _torch}.get(keras.backend.backend(), _arrays)()


def _tensorflow() -> _Backend:
    from snapshot.adapters.tensorflow2_values import array_of, eagerly, tensor_of

    def read(value: Any) -> Array:
        with eagerly():
            return array_of(value.read_value())

    def write(obj: Any, contents: Array) -> None:
        with eagerly():
            obj._value.assign(tensor_of(contents, obj.dtype))

    return _Backend(read, write)


def _torch() -> _Backend:
    from snapshot.adapters.torch import TENSOR

    return _Backend(TENSOR.view, lambda obj, contents: TENSOR.assign(obj._value, contents))


def _arrays() -> _Backend:
    """JAX, and what else gives and takes NumPy arrays."""

    def read(value: Any) -> Array:
        found = np.asarray(value)
        # bfloat16 and its kin travel as integers of their size
        return found.view(f"u{found.dtype.itemsize}") if found.dtype.isbuiltin == 2 else found

    def write(obj: Any, contents: Array) -> None:
        dtype = np.dtype(obj._value.dtype)
        obj.assign(contents.view(dtype) if dtype.isbuiltin == 2 else contents)

    return _Backend(read, write)
