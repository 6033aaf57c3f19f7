"""Named tuples: their fields go by name, ``point.x``, here and on disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from snapshot.adapters.containers import State, TupleKind


class NamedTupleKind(TupleKind):
    """State: the number of fields, their names, their values."""

    name = "named tuple"

    def take(self, obj: Any) -> State:
        fields = fields_of(type(obj)) or ()
        return (len(fields), *fields, *tuple.__iter__(obj))

    def build(self, cls: Any, state: State) -> Any:
        return tuple.__new__(cls, state[1 + state[0] :])

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        names, values = state[1 : 1 + state[0]], state[1 + state[0] :]
        texts = (f".{names[index]}" if index < len(names) else f"[{index}]" for index in range(len(values)))
        return zip(texts, values)


NAMED_TUPLE = NamedTupleKind()


def fields_of(cls: type) -> tuple[str, ...] | None:
    """The field names of a class made by ``namedtuple`` or ``NamedTuple``, or derived from one; else None.

    The class itself is not asked: a metaclass could answer.
    """
    if not issubclass(cls, tuple):
        return None
    for base in type.__getattribute__(cls, "__mro__"):
        fields = base.__dict__.get("_fields")
        if fields is not None:
            named = type(fields) is tuple and all(type(name) is str for name in fields)
            return fields if named else None
    return None
