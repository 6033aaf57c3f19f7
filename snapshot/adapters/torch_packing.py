"""Tensors that are several dense ones in one, as one leaf.

Its contents are the parts as ``.npy`` streams, one after another, because a sparse
tensor may hold another number of values when it is restored. The parts are written
where they are if they still fit, so that aliases of them follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch

from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.torch_arrays import CARRIERS, DTYPES, arrays_of, tensor_of, write
from snapshot.adapters.torch_leaf import (
    Meta,
    TensorLeaf,
    as_stored,
    building,
    count_change,
    home_of,
    meta_of,
    misfit_of,
    role_of,
    writing,
)

Parts = tuple[Any, ...]


class PackedAdapter(TensorLeaf):
    """What the layouts share; each says what its parts are and how they go back."""

    kind: str
    by_part = True  #: whether what is written into the parts is written into the tensor

    def parts(self, obj: Any) -> Parts:
        """The dense tensors that make up ``obj``, sharing its memory where that is possible."""
        raise NotImplementedError

    def about(self, obj: Any) -> Meta:
        """What a live tensor must have in common with the stored one: text and numbers."""
        return ()

    def new(self, parts: Parts, like: Mapping[str, Any]) -> Any:
        """A tensor of these parts; ``like`` holds its shape (a list) and what ``about`` says."""
        raise NotImplementedError

    def put(self, obj: Any, parts: Parts) -> None:
        """Make these the parts of ``obj``."""
        shape = () if obj.is_nested else obj.shape
        obj.copy_(self.new(parts, dict(self.about(obj), shape=list(shape))))

    def form(self, obj: Any) -> Form:
        with torch._C.DisableTorchFunctionSubclass():
            return Form((), "uint8", (*meta_of(obj), *self._description(obj)), role_of(obj))

    def view(self, obj: Any) -> Array:
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            return pack(arrays_of(self.parts(obj)))

    def misfit(self, obj: Any, form: Form) -> str | None:
        wanted = dict(form.meta)
        with torch._C.DisableTorchFunctionSubclass():
            for name, found in self._description(obj):
                if found != wanted[name]:
                    return f"has {name} {found}, stored was {wanted[name]}"
            return misfit_of(obj, form)

    def assign(self, obj: Any, contents: Array) -> None:
        with writing(obj):
            present, stored = self.parts(obj), unpack(contents)
            tensors = tuple(tensor_of(array, part.dtype).to(part.device) for array, part in zip(stored, present))
            if not self.by_part or any(part.shape != new.shape for part, new in zip(present, tensors)):
                self.put(obj, tensors)
                return
            now = arrays_of(present)
            for part, old, new in zip(present, now, stored):
                if old.tobytes() != new.tobytes():
                    write(part, new)
            self.settle(obj, tensors)
            count_change(obj)

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        wanted = dict(form.meta)
        dtype, home = DTYPES[wanted["dtype"]], home_of(form.meta)
        carried = CARRIERS[dtype][1] if dtype in CARRIERS else None
        if "+" not in wanted["shape"]:
            wanted["shape"] = [int(size) for size in wanted["shape"].split("x") if size]
        with building(form.meta):
            parts = tuple(
                tensor_of(array, dtype if array.dtype == carried else None).to(home) for array in unpack(contents)
            )
            return as_stored(self.new(parts, wanted), form.meta)

    def settle(self, obj: Any, parts: Parts) -> None:
        """What is left to do when the parts were written in place."""

    def _description(self, obj: Any) -> Meta:
        return (("shape", "x".join(map(str, obj.shape))), *self.about(obj))


def pack(parts: Sequence[Array]) -> Array:
    """Arrays as ``.npy`` streams, one after another."""
    made = BytesIO()
    for part in parts:
        np.lib.format.write_array(made, part, allow_pickle=False)
    return np.frombuffer(made.getbuffer(), np.uint8)


def unpack(contents: Array) -> list[Array]:
    """The arrays of :func:`pack`."""
    stream, found = BytesIO(contents.tobytes()), []
    while stream.tell() < contents.nbytes:
        found.append(np.lib.format.read_array(stream, allow_pickle=False))
    return found
