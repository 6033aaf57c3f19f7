"""Which adapter takes which object: the one table behind the walk.

Most types decide once and for all and are remembered by type; a few (functions,
classes, arrays) are looked at one by one. A framework's adapter is imported only
when the user has imported that framework.
"""

from __future__ import annotations

import builtins
import datetime
import functools
import re
import sys
from _collections import _tuplegetter  # type: ignore[import-not-found]  # the fields of a named tuple's class
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from importlib import import_module
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GenericAlias,
    MappingProxyType,
    MemberDescriptorType,
    MethodWrapperType,
    ModuleType,
    UnionType,
    WrapperDescriptorType,
)
from typing import Any

import numpy as np

from snapshot.adapters import added, buffers, code, containers, objects, randomness
from snapshot.adapters import numpy as numpy_adapter
from snapshot.adapters.builders import Builder
from snapshot.adapters.protocol import GroupAdapter, Kind, LeafAdapter, Step
from snapshot.adapters.reference import BENIGN, Reference
from snapshot.ownership import is_library, reference_by_type

Handler = LeafAdapter | GroupAdapter | Kind | Reference

#: The walk ends at these: immutable, and without children.
ATOMS: set[type] = {
    type(None), bool, int, float, complex, str, bytes, range, type(...), type(NotImplemented),
    CodeType, ModuleType, re.Pattern, re.Match, Decimal, Fraction, GenericAlias, UnionType,
    datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone,
    objects.Absent, MemberDescriptorType, MethodWrapperType, WrapperDescriptorType,
    np.ufunc, type(np.sum), _tuplegetter,
    *(kind for kind in np.sctypeDict.values() if isinstance(kind, type)),
}  # fmt: skip

#: Kinds whose objects can be made anew from plain parts, when their class is Python's own.
PLAIN_KINDS = {
    "list", "tuple", "named tuple", "dict", "set", "frozenset", "deque", "OrderedDict", "defaultdict", "slice",
    "object array", "partial", "mapping proxy", "numpy.random.Generator", "pandas.Index", "pandas.cells",
}  # fmt: skip
_MADE_BY_BASE: tuple[Any, ...] = (
    *containers.CONTAINERS, *code.FIXED.values(), code.MAPPING_PROXY, randomness.GENERATOR,
)  # fmt: skip
_BASES: dict[str, type] = {kind.name: kind.base for kind in _MADE_BY_BASE}
#: Top-level module of a framework -> our adapter module for it, or several.
FRAMEWORKS: dict[str, str | tuple[str, ...]] = {
    "torch": (
        "snapshot.adapters.torch",
        "snapshot.adapters.torch_running",
        "snapshot.adapters.torch_lazy",
        "snapshot.adapters.torch_parametrized",
    ),
    # sessions of graphs, everything eager, and what is built later
    "tensorflow": (
        "snapshot.adapters.tensorflow1",
        "snapshot.adapters.tensorflow2",
        "snapshot.adapters.tensorflow2_tracking",
    ),
    "keras": ("snapshot.adapters.keras", "snapshot.adapters.keras_build"),
    "sklearn": "snapshot.adapters.sklearn",
    "ipywidgets": "snapshot.adapters.ipywidgets",
    "pandas": "snapshot.adapters.pandas",
    "polars": "snapshot.adapters.polars",
    "jax": "snapshot.adapters.jax",
    "flax.nnx": "snapshot.adapters.flax",
}

#: Functions are code: a newer one under the same name may be kept.
CODE_TYPES = (FunctionType, functools._lru_cache_wrapper, BuiltinFunctionType)
#: What frameworks make of functions, as ``CODE_TYPES`` of our adapter modules say.
framework_code: set[type] = set()


class Registry:
    """Handlers by type, growing as types are met and frameworks appear."""

    def __init__(self) -> None:
        self._frameworks: dict[str, Any] = {}
        self._added: tuple[Any, ...] = ()
        #: whose adapters are asked, in this order: a library knows its own classes best
        self._adapters: tuple[Any, ...] = ()
        self._forget_types()

    def _forget_types(self) -> None:
        self._by_type: dict[type, Handler] = {kind.base: kind for kind in containers.CONTAINERS}
        self._by_type.update(code.FIXED)
        self._by_type.update(buffers.ADAPTERS)
        self._by_type[CellType] = code.CELL
        self._by_object: dict[type, Callable[[Any], Handler]] = {
            FunctionType: _function,
            functools._lru_cache_wrapper: _cached_function,
            BuiltinFunctionType: _builtin,
            MappingProxyType: _mapping_proxy,
        }

    def load_frameworks(self) -> None:
        """Import the adapter, ours or another library's, of everything the user has imported since."""
        known = self._adapters
        for top, named in FRAMEWORKS.items():
            modules = (named,) if isinstance(named, str) else named
            if modules[0] not in self._frameworks and _fully_imported(top):
                self._frameworks.update({module: import_module(module) for module in modules})
        self._added = added.ready(_fully_imported)
        self._adapters = (*self._added, *self._frameworks.values())
        if self._adapters != known:
            self._forget_types()
            for adapter in self._adapters:
                framework_code.update(getattr(adapter, "CODE_TYPES", ()))

    def handler(self, obj: Any) -> Handler:
        """How ``obj`` is captured. Never calls user code."""
        cls = type(obj)
        found = self._by_type.get(cls)
        if found is not None:
            return found
        decide = self._by_object.get(cls)
        if decide is not None:
            return decide(obj)
        try:
            return self._meet(cls, obj)
        except Exception as error:  # a metaclass may refuse anything it is asked
            hidden = self._by_type[cls] = Reference(f"its class cannot be looked at: {type(error).__name__}: {error}")
            return hidden

    def decided(self, cls: type) -> Handler | None:
        """The handler of every object of exactly this type; None where each is looked at by itself."""
        return self._by_type.get(cls)

    def _meet(self, cls: type, obj: Any) -> Handler:
        """A type seen for the first time."""
        if issubclass(cls, type):
            self._by_object[cls] = self._of_class
            return self._of_class(obj)
        # a subclass of an array may be a library's own; arrays themselves are ours
        is_array = issubclass(cls, np.ndarray)
        by_adapter = _first(() if cls is np.ndarray else self._added if is_array else self._adapters, obj)
        if by_adapter is not None:
            self._by_object[cls] = self._ask_again
            return by_adapter
        if is_array:
            self._by_object[cls] = numpy_adapter.handler_for
            return numpy_adapter.handler_for(obj)  # type: ignore[no-any-return]
        found = _general(cls)
        self._by_type[cls] = found
        return found

    def _of_class(self, obj: Any) -> Handler:
        """A class: the user's own, one that a library made for an object, or a library's."""
        found = _class(obj)
        if found is BENIGN:
            for module in self._adapters:
                made: Handler | None = module.class_handler(obj) if hasattr(module, "class_handler") else None
                if made is not None:
                    return made
        return found

    def _ask_again(self, obj: Any) -> Handler:
        """An object of a type that a framework knows: variables of a graph and eager ones share their class."""
        found = _first(self._adapters, obj)
        if found is None and issubclass(type(obj), np.ndarray):
            found = numpy_adapter.handler_for(obj)
        return found or _general(type(obj))

    def may_be_leaf(self, cls: type) -> bool:
        """Whether instances of ``cls`` can be leaves; also True for a type not met yet."""
        if cls in self._by_object:
            return cls not in CODE_TYPES and not issubclass(cls, type)
        if cls in self._by_type:
            return hasattr(self._by_type[cls], "assign_span")
        return True

    def naming(self, obj: Any) -> Mapping[str, Step]:
        """How paths pass through the attributes of ``obj``."""
        for module in self._adapters:
            steps: Mapping[str, Step] = module.naming(obj) if hasattr(module, "naming") else {}
            if steps:
                return steps
        return {}

    def leaf_adapter(self, kind: str) -> LeafAdapter | None:
        """A framework's leaf adapter by the name it stores; None when it is not loaded."""
        for module in self._adapters:
            for adapter in getattr(module, "LEAF_ADAPTERS", ()):
                if adapter.kind == kind:
                    return adapter  # type: ignore[no-any-return]
        return None

    def kind_named(self, name: str) -> Kind | None:
        """A framework's kind, one that can be made from plain parts, by the name it stores."""
        for module in self._adapters:
            for kind in getattr(module, "KINDS", ()):
                if kind.name == name:
                    return kind  # type: ignore[no-any-return]
        return None

    def makeable(self, kind: str, cls: Any) -> bool:
        """Whether an object can be made from its parts alone, without pickle and without running code."""
        if not isinstance(cls, type):
            return False
        if kind in PLAIN_KINDS:
            # a forged record may name any class there is
            return issubclass(cls, _BASES.get(kind, object))
        allowed = [module.buildable for module in self._adapters if hasattr(module, "buildable")]
        return kind == "instance" and any(allow(cls) for allow in allowed)

    def builder_for(self, cls: type) -> Builder | None:
        """What tells when objects of ``cls`` get their variables; None when nothing does."""
        for module in self._adapters:
            found: Builder | None = module.builder_for(cls) if hasattr(module, "builder_for") else None
            if found is not None:
                return found
        return None

    def implicit(self) -> dict[str, Any]:
        """State that no name leads to: global generators, the default session."""
        found = randomness.implicit()
        for module in self._adapters:
            if hasattr(module, "implicit"):
                found.update(module.implicit())
        return found


def _first(adapters: Iterable[Any], obj: Any) -> Handler | None:
    """What the first adapter that knows ``obj`` says."""
    for module in adapters:
        found: Handler | None = module.handler_for(obj) if hasattr(module, "handler_for") else None
        if found is not None:
            return found
    return None


def _fully_imported(top: str) -> bool:
    module = sys.modules.get(top)
    spec = getattr(module, "__spec__", None)
    # while a framework is being imported (by another thread, say) it is not usable yet
    return module is not None and not getattr(spec, "_initializing", False)


def _general(cls: type) -> Handler:
    if issubclass(cls, Enum):
        return BENIGN if is_library(cls.__module__) else objects.INSTANCE
    if cls in ATOMS or issubclass(cls, np.generic | np.dtype):
        return BENIGN
    by_type = reference_by_type(cls)
    if by_type is not None:
        return by_type
    if issubclass(cls, randomness.RANDOM_TYPES):
        generator: Handler = randomness.handler_for(cls)
        return generator
    kind: Kind | None = objects.kind_for(cls)
    return kind or Reference(f"a {cls.__name__} keeps its state in C, out of reach")


def _mapping_proxy(obj: Any) -> Handler:
    (mapping,) = code.MAPPING_PROXY.take(obj)
    # the attributes of a class are the class's
    of_class = type(mapping) is dict and "__module__" in mapping and "__doc__" in mapping
    return BENIGN if of_class else code.MAPPING_PROXY


def _function(obj: Any) -> Handler:
    return BENIGN if is_library(obj.__module__ or "__main__") else code.FUNCTION


def _class(obj: Any) -> Handler:
    module = type.__getattribute__(obj, "__module__")
    if not isinstance(module, str) or is_library(module) or module == builtins.__name__:
        return BENIGN
    return code.CLASS if obj.__flags__ & _HEAP_TYPE else BENIGN


def _cached_function(obj: Any) -> Handler:
    module = getattr(obj, "__module__", None) or "__main__"
    return BENIGN if is_library(module) else code.CACHED


def _builtin(obj: Any) -> Handler:
    owner = obj.__self__
    return BENIGN if owner is None or issubclass(type(owner), ModuleType | type) else code.BUILTIN_METHOD


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement
