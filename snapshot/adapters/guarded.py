"""Adapters of other libraries, asked with care: what they do wrong costs nobody a store.

An object that cannot be read is reported by its path, like any other. An adapter that
fails where no object is at fault is left out from then on, with one warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from snapshot.adapters.protocol import (
    Array,
    Form,
    Group,
    Kind,
    LeafAdapter,
    Part,
    Step,
    is_group_adapter,
    is_kind,
    is_leaf_adapter,
)
from snapshot.adapters.reference import Reference
from snapshot.errors import SnapshotWarning

_LEAF = ("form", "view", "misfit", "assign", "assign_span", "build", "attributes", "set_attribute")
_KIND = ("take", "put", "build", "edges")
_GROUP = ("capture", "successor", "misfits", "assign", "part_path", "resolve")
_DOORS = ("handler_for", "naming", "implicit", "buildable")
_TABLES = ("LEAF_ADAPTERS", "KINDS", "CODE_TYPES")
_OPTIONAL = ("beside", "hidden", "separate", "irreplaceable", "whole", "note")


class Guarded:
    """One adapter, a module or an object, with the names that ours have; ``name`` is for messages.

    Raises :class:`TypeError` when ``source`` has not the shape of an adapter.
    """

    def __init__(self, source: Any, name: str) -> None:
        self._source = source
        self._name = name
        self._left_out = False
        self._wrapped: dict[int, tuple[Any, Any]] = {}
        if not any(hasattr(source, known) for known in (*_DOORS, *_TABLES)):
            expected = ", ".join((*_DOORS, *_TABLES))
            raise TypeError(f"{_text(source)} is no adapter: expected at least one of {expected}")
        uncallable = [door for door in _DOORS if not callable(getattr(source, door, len))]
        if uncallable:
            raise TypeError(f"{uncallable[0]} is {_text(getattr(source, uncallable[0]))}, expected a function")
        self.LEAF_ADAPTERS = tuple(map(self._checked, getattr(source, "LEAF_ADAPTERS", ())))
        self.KINDS = tuple(map(self._checked, getattr(source, "KINDS", ())))
        self.CODE_TYPES = tuple(getattr(source, "CODE_TYPES", ()))
        if not all(isinstance(one, type) for one in self.CODE_TYPES):
            raise TypeError("CODE_TYPES must hold types")

    def handler_for(self, obj: Any) -> Any:
        """The handler of ``obj``; None when this adapter does not know it."""
        return self._ask("handler_for", None, lambda ask: self._checked(ask(obj)))

    def naming(self, obj: Any) -> Mapping[str, Step]:
        """How paths pass through the attributes of ``obj``."""
        return self._ask("naming", {}, lambda ask: _steps(ask(obj)))  # type: ignore[no-any-return]

    def implicit(self) -> Mapping[str, Any]:
        """State that no name leads to; its names are put in parentheses."""
        return self._ask(  # type: ignore[no-any-return]
            "implicit", {}, lambda ask: {f"({name.strip('()')})": obj for name, obj in dict(ask()).items()}
        )

    def buildable(self, cls: type) -> bool:
        """Whether an instance may be made from its attributes alone."""
        return bool(self._ask("buildable", False, lambda ask: ask(cls)))

    def leave_out(self, error: Exception) -> None:
        """Ask this adapter no more."""
        if not self._left_out:
            self._left_out = True
            leave_out(self._name, error)

    def _ask(self, door: str, nothing: Any, use: Callable[[Callable[..., Any]], Any]) -> Any:
        ask = getattr(self._source, door, None)
        if ask is None or self._left_out:
            return nothing
        try:
            return use(ask)
        except Exception as error:
            self.leave_out(error)
            return nothing

    def _checked(self, handler: Any) -> Any:
        """``handler``, guarded: one and the same for one and the same."""
        if handler is None or isinstance(handler, Reference):
            return handler
        known = self._wrapped.get(id(handler))
        if known is None:
            # the handler is kept, so that its id cannot become another's
            known = self._wrapped[id(handler)] = (handler, self._wrap(handler))
        return known[1]

    def _wrap(self, handler: Any) -> Any:
        if is_leaf_adapter(handler):
            _require(handler, _LEAF, "kind", "immutable")
            return GuardedLeaf(handler)
        if is_group_adapter(handler):
            _require(handler, _GROUP, "kind")
            return GuardedGroup(handler, self.leave_out)
        if is_kind(handler):
            _require(handler, _KIND, "name", "fixed", "hashes", "lead")
            return GuardedKind(handler, self.leave_out)
        raise TypeError(f"{_text(handler)} is no leaf adapter, group adapter, kind or reference")


def leave_out(name: str, error: Exception) -> None:
    """Say once that an adapter is not used, and why."""
    message = f"{name} is left out: {type(error).__name__}: {error}"
    warnings.warn(message, SnapshotWarning, stacklevel=2)


class _Delegate:
    """Everything that is not guarded goes straight to the adapter."""

    def __init__(self, adapter: Any, passed: Iterable[str]) -> None:
        self._adapter = adapter
        for name in (*passed, *_OPTIONAL):
            if hasattr(adapter, name) and name not in type(self).__dict__:
                setattr(self, name, getattr(adapter, name))


class GuardedLeaf(_Delegate):
    """A leaf adapter whose form and view are what they must be, or an error that names the object."""

    def __init__(self, adapter: LeafAdapter) -> None:
        super().__init__(adapter, ("kind", "immutable", *_LEAF))

    def form(self, obj: Any) -> Form:
        found: Any = self._adapter.form(obj)
        if not isinstance(found, Form):
            raise TypeError(f"its adapter's form is {_text(found)}, expected a Form")
        odd = [name for name, value in found.meta if not isinstance(value, str | int | float | bool | None)]
        if odd:
            raise TypeError(f"its adapter's form holds {odd[0]!r}, which is no text, number or truth value")
        dict(self._adapter.attributes(obj))  # an error is the object's, which is then not read at all
        return found

    def view(self, obj: Any) -> Array:
        found: Any = self._adapter.view(obj)
        if not isinstance(found, np.ndarray) or found.dtype.hasobject:
            raise TypeError(f"its adapter's view is {_text(found)}, expected an ndarray without objects")
        return np.asarray(found)

    def misfit(self, obj: Any, form: Form) -> str | None:
        try:
            found: str | None = self._adapter.misfit(obj, form)
        except Exception as error:
            return f"its adapter could not compare them: {type(error).__name__}: {error}"
        return found

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        try:
            return [(str(name), value) for name, value in self._adapter.attributes(obj)]
        except Exception:
            return ()  # form says so


class GuardedKind(_Delegate):
    """A kind whose state is a tuple and whose edges never fail."""

    def __init__(self, kind: Kind, fault: Callable[[Exception], None]) -> None:
        self._fault = fault
        super().__init__(kind, ("name", "fixed", "hashes", "lead", *_KIND))

    def take(self, obj: Any) -> tuple[Any, ...]:
        found: Any = self._adapter.take(obj)
        if not isinstance(found, tuple):
            raise TypeError(f"its adapter's state is {_text(found)}, expected a tuple")
        return found

    def edges(self, state: tuple[Any, ...]) -> Iterable[tuple[str, Any]]:
        try:
            return [(str(text), child) for text, child in self._adapter.edges(state)]
        except Exception as error:
            self._fault(error)
            return [(f"<part {index}>", child) for index, child in enumerate(state)]


class GuardedGroup(_Delegate):
    """A group adapter that reads everything or says why not."""

    def __init__(self, adapter: Any, fault: Callable[[Exception], None]) -> None:
        self._fault = fault
        super().__init__(adapter, ("kind", *_GROUP))

    def capture(self, owner: Any) -> Group:
        try:
            found: Any = self._adapter.capture(owner)
            if not isinstance(found, Group) or not all(
                isinstance(part, Part) and isinstance(part.array, np.ndarray) and not part.array.dtype.hasobject
                for part in found.parts.values()
            ):
                raise TypeError(f"its adapter's capture is {_text(found)}, expected a Group of Parts with ndarrays")
        except Exception as error:
            reason = f"could not be read: {type(error).__name__}: {error}"
            return Group({}, report={f"<{type(owner).__name__}>": reason})
        return found

    def part_path(self, owner_path: str, name: str, alone: bool) -> str:
        try:
            return str(self._adapter.part_path(owner_path, name, alone))
        except Exception as error:
            self._fault(error)
            return f"{owner_path}/{name}"

    def resolve(self, owner: Any, name: str) -> str | None:
        try:
            found: str | None = self._adapter.resolve(owner, name)
        except Exception as error:
            self._fault(error)
            return None
        return found


def _require(handler: Any, methods: Sequence[str], *attributes: str) -> None:
    missing = [name for name in (*methods, *attributes) if not hasattr(handler, name)]
    if missing:
        raise TypeError(f"{_text(handler)} lacks {', '.join(missing)}")
    named = getattr(handler, attributes[0])
    if not isinstance(named, str):
        raise TypeError(f"{attributes[0]} of {_text(handler)} is {_text(named)}, expected text")


def _steps(found: Any) -> Mapping[str, Step]:
    steps = dict(found or {})
    if not all(isinstance(step, Step) for step in steps.values()):
        raise TypeError("naming must give a Step for each attribute")
    return steps


def _text(thing: Any) -> str:
    return f"the module {thing.__name__}" if type(thing) is type(np) else f"a {type(thing).__name__}"
