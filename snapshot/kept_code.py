"""Functions and classes changed since a snapshot: a restore keeps the newer code, unless it is told otherwise."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from snapshot.adapters.containers import State
from snapshot.registry import CODE_TYPES, framework_code
from snapshot.walk import Record


def keep_code(record: Record, before: Record) -> tuple[Record, list[str]]:
    """The record with functions as they are now, so that newer code stays; and which are not those stored."""
    if record.kind.name == "function":
        state = (before.state[0], *record.state[1:])
        return _with(record, state), [] if before.state[0] is record.state[0] else [""]
    stored, now = _attributes(record.state), _attributes(before.state)
    both = [name for name, value in stored.items() if name in now and is_code(value) and is_code(now[name])]
    kept = {name: now[name] for name in both}
    others = {name: value for name, value in now.items() if name not in stored and is_code(value)}
    attributes = {**stored, **kept, **others}
    inside = [f".{name}" for name, value in kept.items() if value is not stored[name]]
    return _with(record, (len(attributes), *attributes, *attributes.values())), inside


def _with(record: Record, state: State) -> Record:
    return Record(record.owner, record.kind, state, record.number)


def _attributes(state: State) -> dict[str, Any]:
    count = state[0]
    return dict(zip(state[1 : 1 + count], state[1 + count :]))


def is_code(value: Any) -> bool:
    """Whether a value is code: a function, a class, or a method's wrapper."""
    wrappers = property, cached_property, classmethod, staticmethod
    return issubclass(type(value), (*CODE_TYPES, *framework_code, type, *wrappers))
