"""Variables, eager tensors and random generators of TensorFlow 2."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.tensorflow2_values import (
    TensorLeaf,
    array_of,
    dtypes_misfit,
    eagerly,
    shapes_misfit,
    tensor_of,
)
from snapshot.model import Role


class VariableAdapter(TensorLeaf):
    """``tf.Variable``: read without a copy, assigned in place, so that no function is traced again."""

    kind = "tensorflow.Variable"

    def form(self, obj: Any) -> Form:
        shape = obj.shape if obj.shape.is_fully_defined() else _read(obj).shape
        meta: list[tuple[str, Any]] = [("name", obj.name.removesuffix(":0")), ("trainable", bool(obj.trainable))]
        if not obj.shape.is_fully_defined():
            meta.append(("declared", repr(obj.shape.as_list() if obj.shape.rank is not None else None)))
        return Form(tuple(shape), obj.dtype.name, tuple(meta), _role(obj))

    def view(self, obj: Any) -> Array:
        found = array_of(_read(obj))
        if not obj.shape.is_compatible_with(found.shape):
            # what reading one that was never assigned gives
            raise ValueError("it has no value yet")
        return found

    def misfit(self, obj: Any, form: Form) -> str | None:
        if not obj.shape.is_compatible_with(form.shape):
            found = tuple(obj.shape) if obj.shape.rank is not None else obj.shape
            return f"has shape {found}, stored was {form.shape}"
        return dtypes_misfit(obj.dtype.name, form.dtype)

    def assign(self, obj: Any, contents: Array) -> None:
        with eagerly():
            obj.assign(tensor_of(contents, obj.dtype.name), read_value=False)

    def build(self, form: Form, contents: Array) -> Any:
        meta = dict(form.meta)
        shape = None
        if "declared" in meta:
            shape = tf.TensorShape(None if meta["declared"] == "None" else _axes(meta["declared"]))
        with eagerly():
            value = tensor_of(contents, form.dtype)
            return tf.Variable(value, trainable=meta["trainable"], name=meta["name"], shape=shape)


def _read(obj: Any) -> Any:
    with eagerly():
        return obj.read_value()


def _axes(text: str) -> list[int | None]:
    parts = (part.strip() for part in text.strip("[]").split(","))
    return [None if part == "None" else int(part) for part in parts if part]


def _role(obj: Any) -> Role:
    if not obj.trainable:
        return Role.BUFFER
    # counters are trainable too, unless somebody says otherwise
    return Role.PARAMETER if obj.dtype.is_floating or obj.dtype.is_complex else Role.VALUE


class TensorAdapter(TensorLeaf):
    """Eager tensors: their contents never change, so the tensor itself is kept."""

    kind = "tensorflow.Tensor"
    immutable = True

    def form(self, obj: Any) -> Form:
        return Form(tuple(obj.shape), obj.dtype.name)

    def view(self, obj: Any) -> Array:
        return array_of(obj)

    def misfit(self, obj: Any, form: Form) -> str | None:
        return shapes_misfit(tuple(obj.shape), form.shape) or dtypes_misfit(obj.dtype.name, form.dtype)

    def assign(self, obj: Any, contents: Array) -> None:
        raise TypeError("a tensor cannot be changed")

    def build(self, form: Form, contents: Array) -> Any:
        with eagerly():
            return tensor_of(contents, form.dtype)


class GeneratorAdapter(TensorLeaf):
    """``tf.random.Generator`` as the contents of its state variable."""

    kind = "tensorflow.random.Generator"

    def form(self, obj: Any) -> Form:
        shape = tuple(obj.state.shape)
        return Form(shape, obj.state.dtype.name, (("algorithm", int(obj.algorithm)),), Role.RNG)

    def view(self, obj: Any) -> Array:
        return array_of(_read(obj.state))

    def misfit(self, obj: Any, form: Form) -> str | None:
        wanted = dict(form.meta)["algorithm"]
        if int(obj.algorithm) != wanted:
            return f"has algorithm {int(obj.algorithm)}, stored was {wanted}"
        return shapes_misfit(tuple(obj.state.shape), form.shape)

    def assign(self, obj: Any, contents: Array) -> None:
        VARIABLE.assign(obj.state, contents)

    def build(self, form: Form, contents: Array) -> Any:
        with eagerly():
            state = tensor_of(contents, form.dtype)
            return tf.random.Generator.from_state(state, alg=dict(form.meta)["algorithm"])


VARIABLE = VariableAdapter()
TENSOR = TensorAdapter()
GENERATOR = GeneratorAdapter()
