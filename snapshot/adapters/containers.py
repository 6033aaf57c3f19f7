"""Python's own containers: their shallow state, and putting it back with as few writes as possible.

States are compared by identity, so no user ``__eq__`` runs. A container is never
cleared on the way: another thread, or a ``__del__``, sees either the old or the new
element. The unbound methods of the base class are used throughout, so a subclass
that overrides ``__setitem__`` is not called.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable
from operator import is_
from types import BuiltinMethodType
from typing import Any

State = tuple[Any, ...]

_ABSENT = object()
_PLAIN_KEYS = frozenset({str, bytes, int, float, bool, complex, type(None)})
ALWAYS_HASH_THE_SAME = _PLAIN_KEYS


def same(left: State, right: State) -> bool:
    """Whether two states hold the very same objects in the same order."""
    return len(left) == len(right) and all(map(is_, left, right))


def key_text(key: Any, position: int) -> str:
    """How a user would write this key between brackets; objects go by type and position."""
    if type(key) in _PLAIN_KEYS:
        return repr(key)
    if type(key) is tuple and all(type(part) in (str, int, float, bool, type(None)) for part in key):
        return repr(key)
    return f"<{type(key).__name__} {position}>"


class ListKind:
    name = "list"
    fixed = False
    hashes = False
    lead = 0
    base: type = list

    def take(self, obj: Any) -> State:
        return tuple(list.__iter__(obj))

    def put(self, obj: Any, state: State) -> None:
        if not same(self.take(obj), state):
            list.__setitem__(obj, slice(None), state)

    def build(self, cls: Any, state: State) -> Any:
        made: Any = cls.__new__(cls)
        list.extend(made, state)
        return made

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return ((f"[{index}]", child) for index, child in enumerate(state))


class TupleKind(ListKind):
    name = "tuple"
    fixed = True
    base = tuple

    def take(self, obj: Any) -> State:
        return tuple(tuple.__iter__(obj))

    def put(self, obj: Any, state: State) -> None:
        raise TypeError("a tuple cannot be changed")

    def build(self, cls: Any, state: State) -> Any:
        # what C code made with named fields (time.struct_time) is made by its own C code only
        if type(cls.__new__) is BuiltinMethodType and "n_sequence_fields" in vars(cls):
            return cls.__new__(cls, state)
        return tuple.__new__(cls, state)


class DequeKind(ListKind):
    """State: the maximal length, then the members."""

    name = "deque"
    base = deque

    def take(self, obj: Any) -> State:
        return (obj.maxlen, *deque.__iter__(obj))

    def cannot_become(self, obj: Any, state: State) -> bool:
        """Its length is bounded by what it was made with."""
        return bool(obj.maxlen != state[0])

    def put(self, obj: Any, state: State) -> None:
        present, members = self.take(obj)[1:], state[1:]
        for index, (old, new) in enumerate(zip(present, members)):
            if old is not new:
                deque.__setitem__(obj, index, new)
        for _ in present[len(members) :]:
            deque.pop(obj)
        deque.extend(obj, members[len(present) :])

    def build(self, cls: Any, state: State) -> Any:
        made: Any = cls.__new__(cls)
        deque.__init__(made, state[1:], state[0])
        return made

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return super().edges(state[1:])


class SetKind:
    name = "set"
    fixed = False
    hashes = True
    lead = 0
    base: type = set

    def take(self, obj: Any) -> State:
        return tuple(set.__iter__(obj))

    def put(self, obj: Any, state: State) -> None:
        wanted = {id(member) for member in state}
        present = self.take(obj)
        kept = {id(member) for member in present}
        for member in present:
            if id(member) not in wanted:
                set.discard(obj, member)
        for member in state:
            if id(member) not in kept:
                set.add(obj, member)

    def keys_of(self, state: State) -> State:
        """What is hashed."""
        return state

    def rehash(self, obj: Any, state: State) -> None:
        """As :meth:`put`, where the hashes of members have changed."""
        fresh = set(state)  # a member's __hash__ or __eq__ may raise: not after it is cleared
        set.clear(obj)
        set.update(obj, fresh)

    def build(self, cls: Any, state: State) -> Any:
        made: Any = cls.__new__(cls)
        set.update(made, state)
        return made

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return ((f"{{{key_text(member, index)}}}", member) for index, member in enumerate(state))


class FrozenSetKind(SetKind):
    name = "frozenset"
    fixed = True
    hashes = False
    base = frozenset

    def take(self, obj: Any) -> State:
        return tuple(frozenset.__iter__(obj))

    def put(self, obj: Any, state: State) -> None:
        raise TypeError("a frozenset cannot be changed")

    def build(self, cls: Any, state: State) -> Any:
        return frozenset.__new__(cls, state)


class DictKind:
    """State: all keys, then all values."""

    name = "dict"
    fixed = False
    hashes = True
    lead = 0
    base: type = dict

    def take(self, obj: Any) -> State:
        return (*dict.keys(obj), *dict.values(obj))

    def put(self, obj: Any, state: State) -> None:
        put_items(obj, state, self.base)

    def keys_of(self, state: State) -> State:
        """What is hashed."""
        return state[: len(state) // 2]

    def rehash(self, obj: Any, state: State) -> None:
        """As :meth:`put`, where the hashes of keys have changed."""
        fill_again(obj, state, self.base)

    def build(self, cls: Any, state: State) -> Any:
        made: Any = cls.__new__(cls)
        self.put(made, state)
        return made

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        half = len(state) // 2
        keys = state[:half]
        for index, (key, value) in enumerate(zip(keys, state[half:])):
            yield f"[{key_text(key, index)}]", value
        for index, key in enumerate(keys):
            if type(key) not in _PLAIN_KEYS:
                yield f"<key {key_text(key, index)}>", key


class OrderedDictKind(DictKind):
    # its C code keeps a list of nodes beside the table: only its own methods keep both
    name = "OrderedDict"
    base = OrderedDict

    def take(self, obj: Any) -> State:
        try:
            return (*OrderedDict.keys(obj), *OrderedDict.values(obj))
        except KeyError:
            # it looks its own keys up, and one hashes to something else by now: its order is out of reach
            return (*dict.keys(obj), *dict.values(obj))


class DefaultDictKind(DictKind):
    """State: the factory, all keys, all values."""

    name = "defaultdict"
    base = defaultdict

    def take(self, obj: Any) -> State:
        return (obj.default_factory, *dict.keys(obj), *dict.values(obj))

    def put(self, obj: Any, state: State) -> None:
        if obj.default_factory is not state[0]:
            obj.default_factory = state[0]
        put_items(obj, state[1:], dict)

    def keys_of(self, state: State) -> State:
        return super().keys_of(state[1:])

    def rehash(self, obj: Any, state: State) -> None:
        obj.default_factory = state[0]
        fill_again(obj, state[1:], dict)

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return (*super().edges(state[1:]), (".default_factory", state[0]))


def edges_beyond(kind: Any, state: State, atoms: Collection[type]) -> Iterable[tuple[str, Any]]:
    """The edges of a container of any kind, but those to objects of these types."""
    # most containers are lists and dicts of atoms, whose edges nobody needs to write down
    if type(kind) is ListKind:
        return [(f"[{index}]", child) for index, child in enumerate(state) if type(child) not in atoms]
    half = len(state) // 2
    if type(kind) is DictKind and _PLAIN_KEYS.issuperset(map(type, state[:half])):
        return [(f"[{state[n]!r}]", child) for n, child in enumerate(state[half:]) if type(child) not in atoms]
    return [edge for edge in kind.edges(state) if type(edge[1]) not in atoms]


def put_items(obj: Any, state: State, base: Any) -> None:
    """Make a dict hold exactly these keys and values, in this order."""
    half = len(state) // 2
    keys, values = state[:half], state[half:]
    wanted = set(map(id, keys))
    try:
        for key in tuple(base.keys(obj)):
            if id(key) not in wanted:
                base.__delitem__(obj, key)
    except KeyError:
        # a key whose hash changed since it was put in cannot be found, only swept
        fill_again(obj, state, base)
        return
    kept = tuple(base.keys(obj))
    in_order = same(kept, keys[: len(kept)])
    for key, value in zip(keys, values):
        if not in_order:
            # one key at a time leaves and comes back at the end: the order is right
            # when the last has moved, and the rest is never missing
            base.pop(obj, key, None)
            base.__setitem__(obj, key, value)
        elif base.get(obj, key, _ABSENT) is not value:
            base.__setitem__(obj, key, value)


def fill_again(obj: Any, state: State, base: Any) -> None:
    """Make a dict hold these keys and values in this order, under the hashes that the keys have now."""
    half = len(state) // 2
    fresh = dict(zip(state[:half], state[half:]))  # a key's __hash__ or __eq__ may raise: not after it is cleared
    base.clear(obj)
    for key, value in fresh.items():
        base.__setitem__(obj, key, value)


#: Most derived first: the first base an object's class has decides.
CONTAINERS = (
    OrderedDictKind(),
    DefaultDictKind(),
    DictKind(),
    ListKind(),
    TupleKind(),
    DequeKind(),
    SetKind(),
    FrozenSetKind(),
)
