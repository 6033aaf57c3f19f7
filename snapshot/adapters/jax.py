"""JAX: arrays are immutable and are their own snapshots, until a jitted function takes their buffer.

The very array goes back wherever it was, so that weak types, placement and every jit
cache are as they were. A donated array is made again from its copy. ``jax.Ref`` is
the one thing of JAX that is written to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from snapshot.adapters.jax_functions import JITTED, JITTED_TYPE
from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import BENIGN, Reference
from snapshot.model import Role

_PLAIN_KINDS = "biufc"
_DONATED = "its buffer was donated"


# a sharding is described by its text, and found again by it while the process lives
_shardings: dict[str, Any] = {}


def _placement(obj: Any) -> tuple[tuple[str, Any], ...]:
    """Where an array or key lies, for :func:`_placed`."""
    sharding = repr(obj.sharding)
    _shardings.setdefault(sharding, obj.sharding)
    return (("committed", bool(obj.committed)), ("sharding", sharding))


def _placed(made: Any, meta: dict[str, Any]) -> Any:
    """``made`` where it lay; one that was never placed must stay free to move, or jitted functions compile again."""
    known = _shardings.get(meta.get("sharding", ""))
    return jax.device_put(made, known) if known is not None and meta["committed"] else made


class ArrayAdapter:
    """``jax.Array`` of any dtype, on the devices of this process."""

    kind = "jax.Array"
    immutable = True

    def form(self, obj: Any) -> Form:
        return Form(tuple(obj.shape), str(obj.dtype), (("weak", bool(obj.weak_type)), *_placement(obj)))

    def view(self, obj: Any) -> Array:
        return carried(np.asarray(obj))

    def misfit(self, obj: Any, form: Form) -> str | None:
        if obj.is_deleted():
            return _DONATED
        # in a new kernel the live one knows a sharding that the stored one can only name
        _placement(obj)
        return _unlike(obj, form)

    def assign(self, obj: Any, contents: Array) -> None:
        raise TypeError("a jax.Array cannot be changed")

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        meta = dict(form.meta)
        made = array_of(contents, form.dtype)
        if meta["weak"]:
            made = _weaker(made)
        return _placed(made, meta)

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)


class KeyAdapter:
    """Typed random keys: ``jax.random.key(0)``."""

    kind = "jax.key"
    immutable = True

    def form(self, obj: Any) -> Form:
        shape = tuple(jax.random.key_data(obj).shape)
        return Form(shape, "uint32", (("impl", _impl(obj)), *_placement(obj)), Role.RNG)

    def view(self, obj: Any) -> Array:
        return np.asarray(jax.random.key_data(obj))

    def misfit(self, obj: Any, form: Form) -> str | None:
        if obj.is_deleted():
            return _DONATED
        _placement(obj)
        wanted = dict(form.meta)["impl"]
        if _impl(obj) != wanted:
            return f"is a {_impl(obj)} key, stored was a {wanted} key"
        shape = tuple(jax.random.key_data(obj).shape)
        return None if shape == form.shape else f"has shape {shape}, stored was {form.shape}"

    def assign(self, obj: Any, contents: Array) -> None:
        raise TypeError("a random key cannot be changed")

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        meta = dict(form.meta)
        return _placed(jax.random.wrap_key_data(array_of(contents, "uint32"), impl=meta["impl"]), meta)

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)


class RefAdapter:
    """``jax.Ref``: a mutable place for one array."""

    kind = "jax.Ref"
    immutable = False
    separate = True

    def form(self, obj: Any) -> Form:
        return Form(tuple(obj.shape), str(obj.dtype))

    def view(self, obj: Any) -> Array:
        return carried(np.asarray(obj[...]))

    def misfit(self, obj: Any, form: Form) -> str | None:
        return _unlike(obj, form)

    def assign(self, obj: Any, contents: Array) -> None:
        obj[...] = array_of(contents, str(obj.dtype))

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        return jax.new_ref(array_of(contents, form.dtype))

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)


def carried(array: Array) -> Array:
    """Dtypes that NumPy does not know (``bfloat16``, ``int4``) as integers of the same width."""
    if array.dtype.kind in _PLAIN_KINDS and array.dtype.isbuiltin == 1:
        return array
    return array.view(np.dtype(f"u{array.dtype.itemsize}"))


def array_of(contents: Array, dtype: str) -> Any:
    """A new, uncommitted ``jax.Array`` with a copy of ``contents``."""
    wanted = jax.numpy.dtype(dtype)
    plain = contents if contents.dtype == wanted else contents.view(wanted)
    # jax may share the memory it is given, and contents may be a part of someone else's
    return jax.numpy.array(np.array(plain, order="C"), copy=True)


def _unlike(obj: Any, form: Form) -> str | None:
    if tuple(obj.shape) != form.shape:
        return f"has shape {tuple(obj.shape)}, stored was {form.shape}"
    return None if str(obj.dtype) == form.dtype else f"has dtype {obj.dtype}, stored was {form.dtype}"


def _weaker(array: Any) -> Any:
    """The same array with a weak type, which decides what arithmetic and jit make of it."""
    if array.ndim == 0 and array.dtype in (jax.numpy.asarray(0).dtype, jax.numpy.asarray(0.0).dtype):
        return jax.numpy.asarray(array.item())
    from jax._src.lax.lax import _convert_element_type

    return _convert_element_type(array, weak_type=True)


def _impl(key: Any) -> str:
    found = jax.random.key_impl(key)
    return found if isinstance(found, str) else found.name


ARRAY = ArrayAdapter()
KEY = KeyAdapter()
REF = RefAdapter()
LEAF_ADAPTERS = (ARRAY, KEY, REF)
#: A jitted function is code: a newer one may be kept.
CODE_TYPES = (JITTED_TYPE,)

_TRACER = Reference("a tracer: it stands for an array while a function is being traced, and holds none")
_ELSEWHERE = Reference("a part of it is in other processes")
_REF_CLASS = type(jax.new_ref(0.0)) if hasattr(jax, "new_ref") else None


def handler_for(obj: Any) -> Any:
    """The adapter or reference for what is JAX's own; None for anything else."""
    cls = type(obj)
    if cls is _REF_CLASS:
        return REF
    if issubclass(cls, jax.core.Tracer):
        return _TRACER
    # by type: isinstance would ask a proxy for its __class__
    if issubclass(cls, jax.Array):
        return _array(obj)
    if cls is JITTED_TYPE:
        return JITTED
    ours = cls.__module__.split(".")[0] in ("jax", "jaxlib")
    # devices, shardings, tree definitions: nothing in them ever changes
    return BENIGN if ours and not issubclass(cls, tuple | list | dict) else None


def _array(obj: Any) -> Any:
    if not obj.is_fully_addressable:
        return _ELSEWHERE
    return KEY if jax.numpy.issubdtype(obj.dtype, jax.dtypes.prng_key) else ARRAY
