"""Functions, classes and what binds them: the state that code written in a notebook carries.

Only code of the user is looked into (``__main__`` and modules outside the standard
library and site-packages); a library's functions and classes are by reference.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterable
from types import (
    CellType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any

from snapshot.adapters.containers import State

_EMPTY = object()


class CellKind:
    """A closure's cell; empty before its variable is bound."""

    name = "cell"
    fixed = False
    hashes = False
    lead = 0

    def take(self, obj: Any) -> State:
        try:
            return (obj.cell_contents,)
        except ValueError:
            return ()

    def put(self, obj: Any, state: State) -> None:
        if not state:
            del obj.cell_contents
        elif self.take(obj) == () or obj.cell_contents is not state[0]:
            obj.cell_contents = state[0]

    def build(self, cls: type, state: State) -> Any:
        return CellType(*state)

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return [("", state[0])] if state else ()


class FunctionKind:
    """State: code, defaults, keyword defaults, attributes, closure cells."""

    name = "function"
    fixed = False
    hashes = False
    lead = 1

    def take(self, obj: Any) -> State:
        return (obj.__code__, obj.__defaults__, obj.__kwdefaults__, obj.__dict__, *(obj.__closure__ or ()))

    def put(self, obj: Any, state: State) -> None:
        code, defaults, keywords, attributes = state[:4]
        if obj.__code__ is not code:
            obj.__code__ = code
        if obj.__defaults__ is not defaults:
            obj.__defaults__ = defaults
        if obj.__kwdefaults__ is not keywords:
            obj.__kwdefaults__ = keywords
        if obj.__dict__ is not attributes:
            obj.__dict__ = attributes

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("a function cannot be made from its closure alone")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        code, defaults, keywords, attributes = state[:4]
        for name, cell in zip(code.co_freevars, state[4:]):
            yield f".__closure__[{name!r}]", cell
        yield ".__defaults__", defaults
        yield ".__kwdefaults__", keywords
        yield ".__dict__", attributes


class ClassKind:
    """A class of the user's: its attributes that are not dunder names or C descriptors.

    State: number of attributes, names, values. Bases and the method resolution order
    belong to the code, not to the state.
    """

    name = "class"
    fixed = False
    hashes = False
    lead = 0

    def take(self, obj: Any) -> State:
        found = {
            name: value
            for name, value in type.__getattribute__(obj, "__dict__").items()
            if not _of_the_class_statement(name, value)
        }
        return (len(found), *found, *found.values())

    def put(self, obj: Any, state: State) -> None:
        present = self.take(obj)
        old = dict(zip(present[1 : 1 + present[0]], present[1 + present[0] :]))
        new = dict(zip(state[1 : 1 + state[0]], state[1 + state[0] :]))
        for name in old.keys() - new.keys():
            type.__delattr__(obj, name)
        for name, value in new.items():
            if old.get(name, _EMPTY) is not value:
                type.__setattr__(obj, name, value)

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("a class cannot be made from its attributes alone")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        count = state[0]
        return ((f".{name}", value) for name, value in zip(state[1 : 1 + count], state[1 + count :]))


def _of_the_class_statement(name: str, value: Any) -> bool:
    dunder = name.startswith("__") and name.endswith("__")
    c_made = isinstance(value, GetSetDescriptorType | MemberDescriptorType | WrapperDescriptorType)
    return dunder or c_made or name == "_abc_impl"


class FixedKind:
    """Something that binds objects together for good: a bound method, a partial, a property.

    ``parts`` names the attributes that hold them; nothing is made but a ``base``, whatever a record says.
    """

    fixed = True
    hashes = False
    lead = 0

    def __init__(self, name: str, *parts: str, base: type = object) -> None:
        self.name = name
        self.parts = parts
        self.base = base

    def take(self, obj: Any) -> State:
        return tuple(getattr(obj, part, None) for part in self.parts)

    def put(self, obj: Any, state: State) -> None:
        raise TypeError(f"a {self.name} cannot be changed")

    def build(self, cls: type, state: State) -> Any:
        if not issubclass(cls, self.base):
            # calling it would run whatever it is
            raise TypeError(f"a {self.name} is not made by calling {cls.__qualname__}")
        if cls is functools.partial:
            function, arguments, keywords, *attributes = state  # there were none in what older versions stored
            made: Any = functools.partial(function)
            # not **keywords: that dict may be filled later, and is to be this one's own
            made.__setstate__((function, arguments, keywords, *(attributes or [{}])))
            return made
        return cls(*state)

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return ((f".{part}", value) for part, value in zip(self.parts, state))


def cached_property_of(function: Any, name: str | None) -> Any:
    """A ``cached_property`` as it is in a class."""
    made = functools.cached_property(function)
    made.attrname = name
    return made


class CachedPropertyKind(FixedKind):
    """Before Python 3.12 it has a lock, which is nobody's state."""

    def build(self, cls: type, state: State) -> Any:
        return cached_property_of(*state)


class MappingProxyKind(FixedKind):
    """A read-only view of a dict, which others may change: ``Enum.__members__``, a signature's parameters."""

    def take(self, obj: Any) -> State:
        # no attribute leads to the mapping
        return tuple(gc.get_referents(obj)[:1])

    def build(self, cls: type, state: State) -> Any:
        return MappingProxyType(*state)

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return (("", mapping) for mapping in state)


class BuiltinMethodKind(FixedKind):
    """``items.append``: a C method bound to an object."""

    def build(self, cls: type, state: State) -> Any:
        owner, name = state
        return getattr(owner, name)


class CachedFunctionKind:
    """A function of the user's behind ``functools.lru_cache``.

    What the cache returns was computed from the state of its day, so a restore clears
    it. State: the function, and the cache's own figures, which tell whether it was used.
    """

    name = "cached function"
    fixed = False
    hashes = False
    lead = 0
    note = "its lru_cache was cleared"

    def take(self, obj: Any) -> State:
        figures = obj.cache_info()
        return (obj.__wrapped__, obj.__dict__, figures.hits, figures.misses, figures.currsize)

    def put(self, obj: Any, state: State) -> None:
        obj.cache_clear()

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("a cached function cannot be made without its module")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return [(".__wrapped__", state[0])]


CELL = CellKind()
FUNCTION = FunctionKind()
CLASS = ClassKind()
CACHED = CachedFunctionKind()
MAPPING_PROXY = MappingProxyKind("mapping proxy", base=MappingProxyType)
BUILTIN_METHOD = BuiltinMethodKind("builtin method", "__self__", "__name__")

FIXED = {
    kind.base: kind
    for kind in (
        FixedKind("method", "__func__", "__self__", base=MethodType),
        FixedKind("partial", "func", "args", "keywords", "__dict__", base=functools.partial),
        CachedPropertyKind("cached property", "func", "attrname", base=functools.cached_property),
        FixedKind("property", "fget", "fset", "fdel", base=property),
        FixedKind("classmethod", "__func__", base=classmethod),
        FixedKind("staticmethod", "__func__", base=staticmethod),
        FixedKind("slice", "start", "stop", "step", base=slice),
    )
}

__all__ = ["BUILTIN_METHOD", "CACHED", "CELL", "CLASS", "FIXED", "FUNCTION", "MAPPING_PROXY"]
