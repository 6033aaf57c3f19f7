"""PyTorch: tensors and generators; modules and optimizers are walked like any instance.

Contents go in through ``copy_`` under ``no_grad``, never through ``.data``: a graph
recorded before a restore then raises at ``backward`` instead of giving a wrong
gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from snapshot.adapters.protocol import Array, Form, Step
from snapshot.adapters.reference import Reference
from snapshot.adapters.subclasses import find_class, name_class
from snapshot.model import Role

# dtypes NumPy does not know travel as integers of the same width
_CARRIERS = {
    dtype: {1: (torch.uint8, np.uint8), 2: (torch.int16, np.uint16), 4: (torch.int32, np.uint32)}[dtype.itemsize]
    for name in (
        "bfloat16",
        "complex32",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
    )
    if (dtype := getattr(torch, name, None)) is not None
}
_CLASSES = {"Tensor": torch.Tensor, "Parameter": torch.nn.Parameter}
_PLAIN = {cls: name for name, cls in _CLASSES.items()}
_NAMES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}


class TensorAdapter:
    """Dense tensors of any dtype with whole-byte items, on any device."""

    kind = "torch.Tensor"
    immutable = False

    def form(self, obj: Any) -> Form:
        cls = _PLAIN.get(type(obj)) or name_class(type(obj))
        meta: tuple[tuple[str, Any], ...] = (
            ("dtype", str(obj.dtype)),
            ("device", str(obj.device)),
            ("class", cls),
        )
        if obj.is_leaf and obj.requires_grad:
            # an attribute too; here for what is made anew inside a pickle
            meta += (("requires_grad", True),)
        role = Role.PARAMETER if isinstance(obj, torch.nn.Parameter) else Role.VALUE
        return Form(tuple(obj.shape), str(obj.dtype).removeprefix("torch."), meta, role)

    def view(self, obj: Any) -> Array:
        plain = obj.detach().resolve_conj().resolve_neg()
        carrier = _CARRIERS.get(plain.dtype)
        if carrier is None:
            found: Array = plain.cpu().numpy()
            return found
        carried: Array = plain.cpu().view(carrier[0]).numpy().view(carrier[1])
        return carried

    def misfit(self, obj: Any, form: Form) -> str | None:
        wanted = dict(form.meta)
        if tuple(obj.shape) != form.shape:
            return f"has shape {tuple(obj.shape)}, stored was {form.shape}"
        if str(obj.dtype) != wanted["dtype"]:
            return f"has dtype {obj.dtype}, stored was {wanted['dtype']}"
        if str(obj.device) != wanted["device"]:
            return f"is on {obj.device}, stored was on {wanted['device']}"
        return None

    def assign(self, obj: Any, contents: Array) -> None:
        with torch.inference_mode(obj.is_inference()), torch.no_grad():
            target, source = obj, _tensor(contents, obj.dtype)
            for axis, stride in enumerate(obj.stride()):
                if stride == 0 and obj.shape[axis] > 1:
                    target, source = target.narrow(axis, 0, 1), source.narrow(axis, 0, 1)
            target.copy_(source)

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        if not obj.is_contiguous() or obj.is_conj() or obj.is_neg() or obj.is_inference():
            return False
        with torch.no_grad():
            obj.view(-1)[start : start + contents.size].copy_(_tensor(contents, obj.dtype))
        return True

    def build(self, form: Form, contents: Array) -> Any:
        wanted = dict(form.meta)
        made = _tensor(contents, _NAMES[wanted["dtype"]]).to(wanted["device"])
        cls = _CLASSES.get(wanted["class"]) or find_class(wanted["class"], torch.Tensor)
        if cls is torch.nn.Parameter:
            made = torch.nn.Parameter(made, requires_grad=False)
        elif cls is not torch.Tensor:
            made = made.as_subclass(cls)
        return made.requires_grad_() if wanted.get("requires_grad") else made

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        own = tuple(vars(obj).items())
        if not obj.is_leaf:
            return own
        return (("requires_grad", obj.requires_grad), ("grad", obj.grad), *own)

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        if name == "requires_grad":
            if obj.is_leaf:
                obj.requires_grad_(value)
        elif name == "grad":
            obj.grad = value
        else:
            vars(obj)[name] = value


def _tensor(contents: Array, dtype: Any) -> Any:
    """The contents as a tensor of ``dtype``; shares memory with ``contents``."""
    carrier = _CARRIERS.get(dtype)
    if not contents.flags.writeable:
        # torch warns about read-only memory, and is right to
        contents = contents.copy()
    if carrier is None:
        return torch.from_numpy(contents)
    signed = contents.view(np.dtype(str(carrier[0]).removeprefix("torch.")))
    return torch.from_numpy(signed).view(dtype)


class GeneratorAdapter:
    """``torch.Generator``."""

    kind = "torch.Generator"
    immutable = False

    def form(self, obj: Any) -> Form:
        return Form((), "uint8", (("device", str(obj.device)),), Role.RNG)

    def view(self, obj: Any) -> Array:
        state: Array = obj.get_state().numpy()
        return state

    def misfit(self, obj: Any, form: Form) -> str | None:
        wanted = dict(form.meta)["device"]
        return None if str(obj.device) == wanted else f"is on {obj.device}, stored was on {wanted}"

    def assign(self, obj: Any, contents: Array) -> None:
        obj.set_state(torch.from_numpy(contents.copy()))

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        made = torch.Generator(dict(form.meta)["device"])
        self.assign(made, contents)
        return made

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)


TENSOR = TensorAdapter()
GENERATOR = GeneratorAdapter()
LEAF_ADAPTERS = (TENSOR, GENERATOR)


def handler_for(obj: Any) -> Any:
    """The adapter or reference for ``obj``; None when it is not torch's kind of leaf."""
    if issubclass(type(obj), torch.Generator):
        return GENERATOR
    if not issubclass(type(obj), torch.Tensor):
        return None
    if obj.layout != torch.strided or obj.is_quantized or obj.is_nested:
        return _PACKED
    if obj.device.type == "meta" or type(obj).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        # fake, distributed and other wrapper tensors: the storage is elsewhere
        return _ELSEWHERE
    return TENSOR


_PACKED = Reference("a sparse, quantized or nested tensor")
_ELSEWHERE = Reference("a tensor whose storage is not in this process")

_MODULE = {
    "_parameters": Step(True, Role.PARAMETER),
    "_buffers": Step(True, Role.BUFFER),
    "_modules": Step(True, None),
}
_OPTIMIZER = {"state": Step(False, Role.SLOT)}


def naming(obj: Any) -> Mapping[str, Step]:
    """How paths pass through a module or an optimizer."""
    if issubclass(type(obj), torch.nn.Module):
        return _MODULE
    return _OPTIMIZER if issubclass(type(obj), torch.optim.Optimizer) else {}


def implicit() -> dict[str, Any]:
    """The global generator."""
    return {"(torch)": torch.default_generator}
