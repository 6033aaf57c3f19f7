"""Which attributes of a Keras object are Keras's own, told by Keras's own code.

An attribute that some method of a library class assigns belongs to the library:
functions it compiled, bookkeeping, what ``build`` made. Putting those back would undo
compilations. All others were set by the user.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import keras
from keras.src.trainers.trainer import Trainer

_LIBRARIES = ("keras", "tensorflow", "torch", "jax", "flax")


@cache
def own_names(cls: type) -> frozenset[str]:
    """Attributes that library classes among the bases of ``cls`` assign to ``self``."""
    found: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.split(".")[0] in _LIBRARIES:
            found |= _assigned_by(base)
    # an instance's own build or compile is a wrapper, by Keras or by us, of what its class defines
    return frozenset(found | _of_torch() | {"build", "compile"})


@cache
def compile_names() -> frozenset[str]:
    """What ``model.compile`` sets."""
    return frozenset(_stored(inspect.unwrap(Trainer.compile).__code__))


@cache
def learned_names(cls: Any) -> frozenset[str]:
    """What a preprocessing layer learns by ``adapt``: vocabularies, means, bins, and counts on the way to them."""
    if not issubclass(cls, keras.Layer) or not hasattr(cls, "adapt"):
        return frozenset()
    found: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.split(".")[0] in _LIBRARIES and "adapt" in dir(base):
            for name in _LEARNING & vars(base).keys():
                found.update(_stored(inspect.unwrap(vars(base)[name]).__code__))
    return frozenset((found | _COUNTS) - {"built"})


#: Methods whose assignments are what was learned.
_LEARNING = {
    "adapt", "update_state", "finalize_state", "reset_state", "set_vocabulary", "load_own_variables",
    "_record_vocabulary_size",
}  # fmt: skip
#: What a lookup layer counts in tables and variables of TensorFlow, which it makes once.
_COUNTS = {"token_counts", "token_document_counts", "num_documents"}


@cache
def _assigned_by(base: type) -> frozenset[str]:
    return frozenset(name for code in _codes(base) for name in _stored(code))


def _codes(base: type) -> Iterator[CodeType]:
    for member in vars(base).values():
        parts = (member.fget, member.fset) if isinstance(member, property) else (member,)
        for part in parts:
            function: Any = inspect.unwrap(getattr(part, "__func__", part)) if callable(part) else part
            function = getattr(function, "__func__", function)
            if isinstance(function, FunctionType):
                yield function.__code__


def _stored(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "STORE_ATTR":
            yield instruction.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _stored(inner)


@cache
def _of_torch() -> frozenset[str]:
    # a module of PyTorch sets these past its own __setattr__
    torch = sys.modules.get("torch")
    return frozenset(vars(torch.nn.Module())) if torch is not None and hasattr(torch, "nn") else frozenset()
