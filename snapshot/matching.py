"""Pairing a stored state's children with the live object's: by position, by key or by attribute name.

A child that cannot be restored leaves the live one where it is; where there is none,
an entry of a dict or an attribute is left out, and a sequence stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

State = tuple[Any, ...]
#: (stored child, live child or LEFT_OUT, path) -> the bound child or LEFT_OUT
Bind = Callable[[Any, Any, str], Any]

LEFT_OUT = object()


def match_state(kind: str, stored: State, present: State, path: str, bind: Bind) -> State | None:
    """The stored state with every child bound; None when it cannot be completed.

    States come without their kind's lead; ``present`` is empty for an object just made.
    """
    if kind.endswith(" instance"):
        return _container_instance(kind.removesuffix(" instance"), stored, present, path, bind)
    return _MATCHERS.get(kind, _by_position)(stored, present, path, bind)


def is_keyed_by_reference(kind: str, stored: State) -> bool:
    """Whether a dict's keys, or their like, must be bound before its values can be."""
    if kind == "keras optimizer":
        return True  # what it trains is bound to the layers of the model first
    if kind.removesuffix(" instance") not in ("dict", "OrderedDict", "defaultdict"):
        return False
    first = len(stored) % 2  # a default factory comes before the keys
    keys = stored[first : first + len(stored) // 2]
    return any(isinstance(key, dict) and key.keys() & {"leaf", "node"} for key in keys)


def _by_position(
    stored: State, present: State, path: str, bind: Bind, names: Sequence[str] = ()
) -> State | None:
    found = []
    for index, part in enumerate(stored):
        live = present[index] if index < len(present) else LEFT_OUT
        child = bind(part, live, f"{path}.{names[index]}" if index < len(names) else f"{path}[{index}]")
        if child is LEFT_OUT:
            if live is LEFT_OUT:
                return None
            child = live
        found.append(child)
    return tuple(found)


def _undivided(stored: State, present: State, path: str, bind: Bind) -> State | None:
    """Parts that users know under no path of their own."""
    return _by_position(stored, present, path, lambda part, live, _: bind(part, live, path))


def _fields(stored: State, present: State, path: str, bind: Bind) -> State | None:
    """(count, names..., values...) of a named tuple: all of them or none."""
    start = 1 + stored[0]
    values = _by_position(stored[start:], present[1 + present[0] :] if present else (), path, bind, stored[1:start])
    return None if values is None else (*stored[:start], *values)


def _members(stored: State, present: State, path: str, bind: Bind) -> State | None:
    found = tuple(bind(part, LEFT_OUT, f"{path}{{{index}}}") for index, part in enumerate(stored))
    return None if any(part is LEFT_OUT for part in found) else found


def _items(stored: State, present: State, path: str, bind: Bind) -> State | None:
    half, live_half = len(stored) // 2, len(present) // 2
    live_values: dict[Any, tuple[Any, Any]] = {
        _identity(key): (key, value) for key, value in zip(present[:live_half], present[live_half:])
    }
    keys, values = [], []
    for stored_key, stored_value in zip(stored[:half], stored[half:]):
        key = bind(stored_key, LEFT_OUT, f"{path} (a key)")
        if key is LEFT_OUT and isinstance(stored_key, dict) and "node" in stored_key:
            return None  # without its keys a dict would be emptied
        if key is LEFT_OUT:
            continue
        key, live = live_values.get(_identity(key), (key, LEFT_OUT))
        value = bind(stored_value, live, f"{path}[{key!r}]" if isinstance(key, str | int | float) else f"{path}[...]")
        if value is LEFT_OUT:
            value = live
        if value is not LEFT_OUT:
            keys.append(key)
            values.append(value)
    return (*keys, *values)


def _identity(key: Any) -> Any:
    # equal constants are one key; other objects are themselves, so no user __eq__ runs
    return (type(key), key) if type(key) in (str, int, float, bool, bytes, type(None)) else id(key)


def _default_items(stored: State, present: State, path: str, bind: Bind) -> State | None:
    factory = bind(stored[0], present[0] if present else LEFT_OUT, f"{path}.default_factory")
    items = _items(stored[1:], present[1:], path, bind)
    return None if factory is LEFT_OUT or items is None else (factory, *items)


def _named(stored: State, present: State, path: str, bind: Bind) -> State:
    """(count, names..., values...): a class's attributes, a widget's traits."""
    pairs = list(_pairs(stored[1 : 1 + stored[0]], stored[1 + stored[0] :], present, path, bind))
    return (len(pairs), *(name for name, _ in pairs), *(value for _, value in pairs))


def _pairs(names: State, values: State, present: State, path: str, bind: Bind) -> Iterator[tuple[str, Any]]:
    count = present[0] if present else 0
    live_values = dict(zip(present[1 : 1 + count], present[1 + count : 1 + 2 * count]))
    for name, stored in zip(names, values):
        live = live_values.get(name, LEFT_OUT)
        value = bind(stored, live, f"{path}.{name}")
        value = live if value is LEFT_OUT else value
        if value is not LEFT_OUT:
            yield name, value


def _instance(stored: State, present: State, path: str, bind: Bind) -> State | None:
    """(class, count, names..., values..., slots...); the class stays the live one's."""
    if not present:
        return None
    count = stored[1]
    pairs = list(_pairs(stored[2 : 2 + count], stored[2 + count : 2 + 2 * count], present[1:], path, bind))
    slots = _by_position(stored[2 + 2 * count :], present[2 + 2 * present[1] :], path, bind)
    if slots is None:
        return None
    return (present[0], len(pairs), *(name for name, _ in pairs), *(value for _, value in pairs), *slots)


def _container_instance(kind: str, stored: State, present: State, path: str, bind: Bind) -> State | None:
    """(number of children, children..., then an instance's state)."""
    if not present:
        return None
    children = match_state(kind, stored[1 : 1 + stored[0]], present[1 : 1 + present[0]], path, bind)
    attributes = _instance(stored[1 + stored[0] :], present[1 + present[0] :], path, bind)
    if children is None or attributes is None:
        return None
    return (len(children), *children, *attributes)


_MATCHERS: dict[str, Callable[[State, State, str, Bind], State | None]] = {
    "dict": _items,
    "OrderedDict": _items,
    "defaultdict": _default_items,
    "set": _members,
    "frozenset": _members,
    "instance": _instance,
    "named tuple": _fields,
    "class": _named,
    "pandas.Index": _undivided,
    "widget": _named,
    "attributes": _named,
    "keras": _items,
    "keras optimizer": _items,
}
