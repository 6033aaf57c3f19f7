"""NumPy arrays: contents copied in place, so that views and other holders follow.

Arrays of Python objects are containers, element by element. Memory-mapped arrays
are by reference: assigning to one would write the user's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from mmap import mmap
from typing import Any

import numpy as np

from snapshot.adapters.containers import State
from snapshot.adapters.objects import attribute_dict
from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import Reference
from snapshot.adapters.subclasses import find_class, name_class
from snapshot.model import format_dtype, parse_dtype


class ArrayAdapter:
    """``numpy.ndarray`` and its subclasses with ordinary dtypes."""

    kind = "numpy.ndarray"
    immutable = False

    def form(self, obj: Any) -> Form:
        if type(obj) is np.ndarray and obj.flags.writeable:
            return _plain_form(obj.shape, format_dtype(obj.dtype))
        meta: list[tuple[str, Any]] = []
        if type(obj) is not np.ndarray:
            meta.append(("class", name_class(type(obj))))
        if not obj.flags.writeable:
            meta.append(("read-only", True))
        return Form(obj.shape, format_dtype(obj.dtype), tuple(meta))

    def view(self, obj: Any) -> Array:
        return np.ndarray.view(obj, np.ndarray)

    def misfit(self, obj: Any, form: Form) -> str | None:
        if obj.shape != form.shape:
            return f"has shape {obj.shape}, stored was {form.shape}"
        if format_dtype(obj.dtype) != form.dtype:
            return f"has dtype {obj.dtype}, stored was {parse_dtype(form.dtype)}"
        if not obj.flags.writeable and not _can_unlock(obj):
            return "is read-only and does not own its memory"
        return None

    def assign(self, obj: Any, contents: Array) -> None:
        with _Unlocked(obj) as target:
            for axis, stride in enumerate(target.strides):
                if stride == 0 and target.shape[axis] > 1:
                    # all positions along this axis are one place in memory
                    first = (slice(None),) * axis + (slice(0, 1),)
                    target, contents = target[first], contents[first]
            np.copyto(target, contents, casting="no")

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        if not (obj.flags.c_contiguous or obj.flags.f_contiguous):
            return False
        with _Unlocked(obj) as target:
            flat = target.reshape(-1) if target.flags.c_contiguous else target.T.reshape(-1)
            np.copyto(flat[start : start + contents.size], contents, casting="no")
        return True

    def put_form(self, obj: Any, form: Form) -> None:
        """Lock it, or unlock it, as it was."""
        wanted = not dict(form.meta).get("read-only", False)
        if obj.flags.writeable is not wanted and (not wanted or _can_unlock(obj)):
            obj.setflags(write=wanted)

    def memory(self, obj: Any) -> Array | None:
        """Its memory as bytes in memory order, for others to write to; None when that cannot be."""
        plain = np.ndarray.view(obj, np.ndarray)
        if not plain.flags.writeable or not (plain.flags.c_contiguous or plain.flags.f_contiguous):
            return None
        return (plain if plain.flags.c_contiguous else plain.T).reshape(-1).view(np.uint8)

    def build(self, form: Form, contents: Array) -> Any:
        meta = dict(form.meta)
        made = contents.view(find_class(meta["class"], np.ndarray)) if "class" in meta else contents
        if meta.get("read-only"):
            made.flags.writeable = False
        return made

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        if type(obj) is np.ndarray:
            return ()
        return tuple((attribute_dict(obj) or {}).items())

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        attributes = attribute_dict(obj)
        if attributes is None:
            raise AttributeError(name)
        attributes[name] = value


@lru_cache(maxsize=4096)
def _plain_form(shape: tuple[int, ...], dtype: str) -> Form:
    # most arrays of most programs look like many others
    return Form(shape, dtype)


class _Unlocked:
    """A writable base-class view of an array, locked again afterwards if it was."""

    def __init__(self, obj: Any) -> None:
        self.obj = obj
        self.locked = not obj.flags.writeable

    def __enter__(self) -> Array:
        if self.locked:
            self.obj.setflags(write=True)
        return np.ndarray.view(self.obj, np.ndarray)

    def __exit__(self, *_: object) -> None:
        if self.locked:
            self.obj.setflags(write=False)


def _can_unlock(obj: Any) -> bool:
    try:
        obj.setflags(write=True)
    except ValueError:
        return False
    obj.setflags(write=False)
    return True


class ObjectArrayKind:
    """An array of Python objects. State: number of axes, the shape, then the elements in C order."""

    name = "object array"
    fixed = False
    hashes = False
    lead = 0

    def take(self, obj: Any) -> State:
        return (obj.ndim, *obj.shape, *np.ndarray.view(obj, np.ndarray).ravel().tolist())

    def put(self, obj: Any, state: State) -> None:
        (shape, elements), (present_shape, present) = _split(state), _split(self.take(obj))
        if shape != present_shape and len(present) == len(elements):
            obj.shape = shape
        elif shape != present_shape:
            raise ValueError(f"its shape changed from {shape} to {present_shape}")
        for index, (old, new) in enumerate(zip(present, elements)):
            if old is not new:
                obj[np.unravel_index(index, shape)] = new

    def build(self, cls: type, state: State) -> Any:
        shape, elements = _split(state)
        made = np.empty(shape, object)
        for index, element in enumerate(elements):
            made[np.unravel_index(index, shape)] = element
        return made

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        shape, elements = _split(state)
        for index, element in enumerate(elements):
            place = ", ".join(str(int(part)) for part in np.unravel_index(index, shape))
            yield f"[{place}]", element


def _split(state: State) -> tuple[tuple[int, ...], State]:
    ndim = state[0]
    return tuple(state[1 : 1 + ndim]), state[1 + ndim :]


ARRAY = ArrayAdapter()
OBJECT_ARRAY = ObjectArrayKind()
_MAPPED = Reference("memory-mapped: restoring it would write your file")
_IN_A_FILE = (np.memmap, mmap)
_POINTERS = Reference("its elements are pointers in a structured or string dtype")


def handler_for(obj: Any) -> Any:
    """The adapter, kind or reference for one ndarray."""
    base = obj
    while base is not None:
        if isinstance(base, _IN_A_FILE):
            return _MAPPED
        base = base.base if isinstance(base, np.ndarray) else None
    dtype = obj.dtype
    if dtype.kind == "O":
        return OBJECT_ARRAY
    return _POINTERS if dtype.hasobject or dtype.kind == "T" else ARRAY
