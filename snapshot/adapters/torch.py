"""PyTorch: dense tensors and generators; modules and optimizers are walked like any instance.

Contents go in through ``copy_`` under ``no_grad``, or straight into the memory with the
change counted, never through ``.data``: a graph recorded before a restore then raises at
``backward`` instead of giving a wrong gradient. Other layouts are in ``torch_layouts``, classes that wrap tensors in
``torch_wrappers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from snapshot.adapters import torch_layouts, torch_wrappers
from snapshot.adapters.protocol import Array, Form, Step
from snapshot.adapters.reference import BENIGN
from snapshot.adapters.torch_arrays import (
    DTYPES,
    FREED,
    array_of,
    arrays_of,
    holds_memory,
    new_tensor,
    write,
)
from snapshot.adapters.torch_leaf import (
    TensorLeaf,
    as_stored,
    building,
    count_change,
    home_of,
    meta_of,
    misfit_of,
    past_overrides,
    role_of,
    shapes_misfit,
    writing,
)
from snapshot.model import Role

_CUDA = torch.backends.cuda.is_built()


class TensorAdapter(TensorLeaf):
    """Dense tensors of any dtype with whole-byte items, on any device."""

    kind = "torch.Tensor"

    def form(self, obj: Any) -> Form:
        with past_overrides(obj):
            meta = meta_of(obj)
            if not obj.is_contiguous():
                meta += _arrangement(obj)
            if obj.is_conj() or obj.is_neg():
                meta += (("conj", obj.is_conj()), ("neg", obj.is_neg()))
            if _CUDA and obj.device.type == "cpu" and torch.cuda.is_initialized() and obj.is_pinned():
                meta += (("pinned", True),)
            return Form(tuple(obj.shape), str(obj.dtype).removeprefix("torch."), meta, role_of(obj))

    def view(self, obj: Any) -> Array:
        with past_overrides(obj):
            return array_of(obj)

    def is_away(self, obj: Any) -> bool:
        """Whether it is cheaper to read it together with others."""
        with past_overrides(obj):
            return bool(obj.device.type == "cuda")

    def views(self, objs: Sequence[Any]) -> list[Array]:
        """:meth:`view` of several: those on a CUDA device come over together."""
        with torch._C.DisableTorchFunctionSubclass():
            return arrays_of(objs)

    def misfit(self, obj: Any, form: Form) -> str | None:
        with torch._C.DisableTorchFunctionSubclass():
            found = shapes_misfit(obj, form.shape) or misfit_of(obj, form)
            return found or (None if holds_memory(obj) else FREED)

    def assign(self, obj: Any, contents: Array) -> None:
        with writing(obj):
            write(obj, contents)

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        if not obj.is_contiguous() or obj.is_conj() or obj.is_neg() or obj.is_inference():
            return False
        with writing(obj):
            write(obj.view(-1)[start : start + contents.size], contents)
        return True

    def memory(self, obj: Any) -> Array | None:
        """Its memory as bytes, for others to write to who then say that it was :meth:`touched`; None on a device."""
        with past_overrides(obj):
            plain = obj.device.type == "cpu" and obj.is_contiguous() and not (obj.is_conj() or obj.is_neg())
            return array_of(obj).reshape(-1).view(np.uint8) if plain and not obj.is_inference() else None

    def touched(self, obj: Any) -> None:
        """The memory under ``obj`` was written through another object, whose changes may not count as its own."""
        count_change(obj)

    def move(self, obj: Any, form: Form, contents: Array) -> Callable[[], None]:
        """Let ``obj`` lie in the memory of ``contents``; returns what takes that back."""
        before = obj.data

        def lie_in(other: Any) -> None:
            with writing(obj):
                obj.data = other
            count_change(obj)  # ``.data`` does not: a graph that saved it would give a wrong gradient

        lie_in(self.build(form, contents).data)
        return lambda: lie_in(before)

    def build(self, form: Form, contents: Array) -> Any:
        wanted = dict(form.meta)
        with building(form.meta):
            made = _arranged(new_tensor(contents, DTYPES[wanted["dtype"]]), wanted).to(home_of(form.meta))
            if wanted.get("conj"):
                made = made.conj().resolve_conj().conj()
            if wanted.get("neg"):
                made = torch._neg_view(made.neg())
        return as_stored(made, form.meta)


def _arrangement(obj: Any) -> tuple[tuple[str, Any], ...]:
    """In what order the axes of a tensor lie in memory, and along which it repeats one element."""
    strides = obj.stride()
    repeated = [axis for axis, size in enumerate(obj.shape) if strides[axis] == 0 and size > 1]
    axes = sorted(range(obj.dim()), key=lambda axis: -strides[axis])
    return (("axes", ",".join(map(str, axes))), ("repeated", ",".join(map(str, repeated))))


def _arranged(made: Any, wanted: Mapping[str, Any]) -> Any:
    """``made`` with its axes in the stored order; itself where they are (a view into its base, say)."""
    if "axes" not in wanted or not made.is_contiguous() or made.numel() == 0:
        return made
    repeated = [int(axis) for axis in wanted["repeated"].split(",") if axis]
    shape = made.shape
    for axis in repeated:
        made = made.narrow(axis, 0, 1)
    axes = [int(axis) for axis in wanted["axes"].split(",")]
    dense = made.permute(axes).clone(memory_format=torch.contiguous_format)
    return dense.permute([axes.index(axis) for axis in range(len(axes))]).expand(shape)


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
LEAF_ADAPTERS = (TENSOR, GENERATOR, *torch_layouts.ADAPTERS, *torch_wrappers.ADAPTERS)
_CONSTANTS = (torch.dtype, torch.device, torch.layout, torch.memory_format, torch.finfo, torch.iinfo, torch.Size)


def handler_for(obj: Any) -> Any:
    """The adapter or reference for ``obj``; None when it is not torch's kind of leaf."""
    cls = type(obj)
    if not issubclass(cls, torch.Tensor):
        if issubclass(cls, torch.Generator):
            return GENERATOR
        return BENIGN if issubclass(cls, _CONSTANTS) else None
    with torch._C.DisableTorchFunctionSubclass():
        dense = obj.layout is torch.strided and not obj.is_quantized and not obj.is_nested
        if cls.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
            return torch_layouts.jagged_for(obj) or torch_wrappers.handler_for(obj)
        if obj.device.type == "meta":
            return torch_wrappers.META
        return TENSOR if dense else torch_layouts.handler_for(obj)


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
    """The global generators of every device in use."""
    found = {"(torch)": torch.default_generator}
    for kind in ("cuda", "xpu"):
        # empty until something has been done there
        generators = getattr(getattr(torch, kind, None), "default_generators", ())
        found.update({f"(torch {kind}:{index})": each for index, each in enumerate(generators)})
    if torch.backends.mps.is_available():
        found["(torch mps)"] = torch.mps._get_default_mps_generator()
    return found
