"""``bytearray`` and ``array.array``: contents behind the buffer protocol, resizable."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from snapshot.adapters.protocol import Array, Form


class BufferAdapter:
    """A resizable buffer: contents of another length fit, because it can grow and shrink."""

    immutable = False

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def form(self, obj: Any) -> Form:
        view = self.view(obj)
        code = obj.typecode if isinstance(obj, array) else "B"
        return Form(view.shape, str(view.dtype), (("typecode", code),))

    def view(self, obj: Any) -> Array:
        if isinstance(obj, array) and obj.typecode in "uw":
            return np.frombuffer(obj.tobytes(), np.uint8)
        if len(obj) == 0:
            return np.empty(0, obj.typecode if isinstance(obj, array) else np.uint8)
        return np.frombuffer(obj, obj.typecode if isinstance(obj, array) else np.uint8)

    def misfit(self, obj: Any, form: Form) -> str | None:
        found = obj.typecode if isinstance(obj, array) else "B"
        wanted = dict(form.meta)["typecode"]
        return None if found == wanted else f"holds items of type {found!r}, stored were {wanted!r}"

    def assign(self, obj: Any, contents: Array) -> None:
        data = contents.tobytes()
        obj[:] = array(obj.typecode, data) if isinstance(obj, array) else data

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        data = contents.tobytes()
        return bytearray(data) if self.kind == "bytearray" else array(dict(form.meta)["typecode"], data)

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)


ADAPTERS: dict[type, BufferAdapter] = {bytearray: BufferAdapter("bytearray"), array: BufferAdapter("array.array")}
