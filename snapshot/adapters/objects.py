"""Instances: their attribute dict, slots and class, behind any ``__setattr__`` of their own.

``hidden_state`` applies CPython's own rule for what cannot be pickled without help:
an instance larger than its dict, weak reference list, slots and container part must
keep state in C that attributes do not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from copyreg import _slotnames  # type: ignore[attr-defined]
from enum import Enum
from functools import lru_cache
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

from snapshot.adapters.containers import CONTAINERS, State, put_items
from snapshot.adapters.named_tuples import NAMED_TUPLE, fields_of
from snapshot.adapters.protocol import Kind

_MANAGED_DICT = 1 << 4  # Py_TPFLAGS_MANAGED_DICT; its sibling for weak references since 3.12
_MANAGED_WEAKREF = 1 << 3
_POINTER = tuple.__itemsize__
# bounded: a class that a notebook defines again and again must not live for ever
_remembered = lru_cache(maxsize=2048)


class Absent:
    """Stands in a state for a slot that holds nothing; an atom to the walk."""


ABSENT = Absent()


def container_of(cls: type) -> Kind | None:
    """The kind of the built-in container that ``cls`` derives from, if any."""
    if fields_of(cls) is not None:
        return NAMED_TUPLE
    return next((kind for kind in CONTAINERS if issubclass(cls, kind.base)), None)


def hidden_state(cls: type, base: type = object) -> bool:
    """Whether instances of ``cls`` keep state that neither ``base`` nor attributes show."""
    if cls.__itemsize__ and not base.__itemsize__:
        return True
    size = base.__basicsize__
    flags = cls.__flags__
    if cls.__dictoffset__ and not flags & _MANAGED_DICT and not base.__dictoffset__:
        size += _POINTER
    if cls.__weakrefoffset__ and not flags & _MANAGED_WEAKREF and not base.__weakrefoffset__:
        size += _POINTER
    size += _POINTER * len(_slotnames(cls))
    return cls.__basicsize__ > size


@_remembered
def _dict_descriptor(cls: Any) -> GetSetDescriptorType | MemberDescriptorType | None:
    # a class may define a property of this name (proxies do); the dict itself is behind the C one,
    # which is a plain member where C code made the class (SimpleNamespace)
    for base in cls.__mro__:
        found = base.__dict__.get("__dict__")
        if isinstance(found, GetSetDescriptorType | MemberDescriptorType):
            return found
    return None


@_remembered
def _slot_descriptors(cls: Any) -> tuple[tuple[str, MemberDescriptorType], ...]:
    found: dict[tuple[type, str], MemberDescriptorType] = {}
    for base in cls.__mro__:
        for name, member in base.__dict__.items():
            if isinstance(member, MemberDescriptorType) and "__slots__" in base.__dict__:
                found.setdefault((base, name), member)
    return tuple((name, member) for (_, name), member in found.items())


def attribute_dict(obj: Any) -> dict[str, Any] | None:
    """The instance's own dict, past any ``__getattr__`` or property; None without one."""
    cls: Any = type(obj)
    descriptor = _dict_descriptor(cls)
    if descriptor is None:
        return None
    found: dict[str, Any] = descriptor.__get__(obj)
    return found


def take_attributes(obj: Any) -> State:
    """(attribute dict, class, number of attributes, names, values, slot values)."""
    cls: Any = type(obj)
    attributes = attribute_dict(obj)
    slots = []
    for _, member in _slot_descriptors(cls):
        try:
            slots.append(member.__get__(obj))
        except AttributeError:
            slots.append(ABSENT)
    if attributes is None:
        return (None, cls, 0, *slots)
    return (attributes, cls, len(attributes), *attributes, *attributes.values(), *slots)


def put_attributes(obj: Any, state: State) -> None:
    """Make class, attributes and slots what :func:`take_attributes` saw."""
    attributes, cls, count = state[:3]
    if type(obj) is not cls:
        object.__setattr__(obj, "__class__", cls)
    if attributes is not None:
        descriptor = _dict_descriptor(cls)
        if descriptor is not None and descriptor.__get__(obj) is not attributes:
            descriptor.__set__(obj, attributes)
        put_items(attributes, state[3 : 3 + 2 * count], dict)
    for (_, member), value in zip(_slot_descriptors(cls), state[3 + 2 * count :]):
        present = member.__get__(obj) if _filled(member, obj) else ABSENT
        if value is ABSENT and present is not ABSENT:
            member.__delete__(obj)
        elif value is not present:
            member.__set__(obj, value)


def _filled(member: MemberDescriptorType, obj: Any) -> bool:
    try:
        member.__get__(obj)
    except AttributeError:
        return False
    return True


def attribute_edges(state: State) -> Iterable[tuple[str, Any]]:
    """(".name", value) of every attribute and filled slot."""
    cls, count = state[1], state[2]
    for name, value in zip(state[3 : 3 + count], state[3 + count : 3 + 2 * count]):
        yield f".{name}", value
    for (name, _), value in zip(_slot_descriptors(cls), state[3 + 2 * count :]):
        if value is not ABSENT:
            yield f".{name}", value
    yield ".__class__", cls


class InstanceKind:
    """An instance that holds nothing but attributes.

    The dict itself is kept beside its items, so that an instance whose ``__dict__``
    was replaced gets the very dict back that others may share.
    """

    name = "instance"
    fixed = False
    hashes = False
    lead = 1

    def take(self, obj: Any) -> State:
        return take_attributes(obj)

    def put(self, obj: Any, state: State) -> None:
        put_attributes(obj, state)

    def build(self, cls: type, state: State) -> Any:
        # whoever asks has made sure that this class may be made without its __init__
        return object.__new__(cls)

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return attribute_edges(state)


class ContainerInstanceKind(InstanceKind):
    """A subclass of a container, with attributes of its own.

    State: attribute dict, number of container children, those children, then the rest
    of the instance's state.
    """

    def __init__(self, container: Kind) -> None:
        self.container = container
        self.name = f"{container.name} instance"
        self.hashes = container.hashes

    def _split(self, state: State) -> tuple[State, State]:
        end = 2 + state[1]
        return state[2:end], (state[0], *state[end:])

    def take(self, obj: Any) -> State:
        children = self.container.take(obj)
        attributes = take_attributes(obj)
        return (attributes[0], len(children), *children, *attributes[1:])

    def put(self, obj: Any, state: State) -> None:
        children, attributes = self._split(state)
        put_attributes(obj, attributes)
        if not self.container.fixed:
            self.container.put(obj, children)

    def keys_of(self, state: State) -> State:
        """What a dict or set of this class hashes."""
        keys: State = self.container.keys_of(self._split(state)[0]) if self.hashes else ()  # type: ignore[attr-defined]
        return keys

    def rehash(self, obj: Any, state: State) -> None:
        """As :meth:`put`, where the hashes of keys have changed."""
        children, attributes = self._split(state)
        put_attributes(obj, attributes)
        self.container.rehash(obj, children)  # type: ignore[attr-defined]

    def build(self, cls: type, state: State) -> Any:
        raise TypeError(f"a {cls.__qualname__} cannot be made from its parts alone")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        children, attributes = self._split(state)
        return (*self.container.edges(children), *attribute_edges(attributes))


INSTANCE = InstanceKind()
_OF_ENUM = frozenset(("_value_", "_name_", "__objclass__", "_sort_order_"))


def is_bare_member(obj: Any) -> bool:
    """Whether ``obj`` is a member of an Enum that nobody gave attributes: its name says all of it."""
    return issubclass(type(obj), Enum) and _OF_ENUM.issuperset(attribute_dict(obj) or ())


def kind_for(cls: Any) -> Kind | None:
    """The kind that records instances of ``cls`` completely; None with hidden C state."""
    container = container_of(cls)
    if container is None:
        return None if hidden_state(cls) else INSTANCE
    # a Counter is a dict to everybody; that its class could hold attributes is an accident
    if cls is container.base or cls is Counter:  # type: ignore[attr-defined]
        return container
    if hidden_state(cls, container.base):  # type: ignore[attr-defined]
        return None
    if _dict_descriptor(cls) is None and not _slot_descriptors(cls):
        return container
    return ContainerInstanceKind(container)
