"""Tensors with a ``__torch_dispatch__`` of their own: what they are is in the tensors they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import Reference
from snapshot.adapters.subclasses import name_class
from snapshot.adapters.torch_leaf import TensorLeaf, meta_of, misfit_of, role_of

META = Reference("a tensor on the meta device has no contents")
DISTRIBUTED = Reference("a distributed tensor: its shards are in several processes, which is not supported yet")
ELSEWHERE = Reference("a tensor whose contents only its class can reach")


class WrapperAdapter(TensorLeaf):
    """A class that keeps its tensors as attributes and can be taken apart into them.

    It has no contents beside these attributes, which are walked like any. One that nothing holds any more could not
    be made from them without running its code, so a snapshot keeps it alive.
    """

    kind = "torch wrapper"
    irreplaceable = True

    def form(self, obj: Any) -> Form:
        with torch._C.DisableTorchFunctionSubclass():
            meta = (*meta_of(obj), ("shape", repr(list(obj.shape))))
            return Form((0,), "uint8", meta, role_of(obj))

    def view(self, obj: Any) -> Array:
        return np.empty(0, np.uint8)

    def misfit(self, obj: Any, form: Form) -> str | None:
        wanted = dict(form.meta)
        with torch._C.DisableTorchFunctionSubclass():
            cls = name_class(type(obj))
            if cls != wanted["class"]:
                return f"is a {cls.partition(':')[2]}, stored was a {wanted['class'].partition(':')[2]}"
            if repr(list(obj.shape)) != wanted["shape"]:
                return f"has shape {list(obj.shape)}, stored was {wanted['shape']}"
            return misfit_of(obj, form)

    def assign(self, obj: Any, contents: Array) -> None:
        """There is nothing to write: the tensors it holds are written themselves."""

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        name = str(dict(form.meta)["class"]).partition(":")[2]
        raise TypeError(f"a {name} is restored into a live one only: make one under that name, then restore again")


WRAPPER = WrapperAdapter()
ADAPTERS = (WRAPPER,)


def handler_for(obj: Any) -> WrapperAdapter | Reference:
    """The adapter of a tensor with a dispatch of its own, or why it is by reference."""
    cls: Any = type(obj)
    module = cls.__module__
    if module.startswith("torch.distributed"):
        return DISTRIBUTED
    if module.startswith(("torch._subclasses", "torch.fx", "torch._functorch")):
        return ELSEWHERE  # stand-ins of a compiler
    takes_apart = hasattr(cls, "__tensor_flatten__") and hasattr(cls, "__tensor_unflatten__")
    return WRAPPER if takes_apart or module.startswith("torch.masked") else ELSEWHERE
