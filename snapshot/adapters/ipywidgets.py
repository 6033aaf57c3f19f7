"""ipywidgets: trait values, sent to the front end so that what it shows follows.

Only synced traits are state; observers are left alone and are not called, because a
restore never runs the user's code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ipywidgets import Widget

from snapshot.adapters.containers import State

_PLUMBING = ("comm", "keys", "log")


class WidgetKind:
    """State: names of the synced traits that hold a value, then those values."""

    name = "widget"
    fixed = False
    hashes = False
    lead = 0

    def take(self, obj: Any) -> State:
        values = obj._trait_values
        names = [name for name in obj.keys if name in values and name not in _PLUMBING and not name.startswith("_")]
        return (len(names), *names, *(values[name] for name in names))

    def put(self, obj: Any, state: State) -> None:
        count = state[0]
        values = obj._trait_values
        changed = []
        for name, value in zip(state[1 : 1 + count], state[1 + count :]):
            if values.get(name, self) is not value:
                values[name] = value
                changed.append(name)
        if changed and obj.comm is not None:
            obj.send_state(changed)

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("a widget cannot be made without its front end")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        count = state[0]
        return ((f".{name}", value) for name, value in zip(state[1 : 1 + count], state[1 + count :]))


WIDGET = WidgetKind()


def handler_for(obj: Any) -> Any:
    """The kind for a widget; None for anything else."""
    return WIDGET if issubclass(type(obj), Widget) else None
