"""Who wants to know that the timeline of a workspace has changed: views that follow it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakKeyDictionary, WeakMethod

from snapshot.errors import SnapshotWarning

_listeners: WeakKeyDictionary[object, list[WeakMethod[Callable[[], None]]]] = WeakKeyDictionary()


def listen(timeline: object, method: Callable[[], None]) -> None:
    """Call a bound method after every change, for as long as its object lives.

    It is called on the thread that stores, so it only takes note and returns at once. What
    never calls :func:`tell`, such as a list of snapshots of one's own, is never heard of.
    """
    with suppress(TypeError):  # a source that no weak reference can hold
        _listeners.setdefault(timeline, []).append(WeakMethod(method))


def tell(timeline: object) -> None:
    """Something was stored, dropped or labelled; a view that cannot take note of that is a warning."""
    listeners = _listeners.get(timeline)
    if listeners is None:
        return
    methods = [listener() for listener in listeners]
    if None in methods:
        listeners[:] = [listener for listener in listeners if listener() is not None]
    for method in methods:
        if method is None:
            continue
        try:
            method()
        except Exception as error:
            text = f"a view does not follow what is stored: {type(error).__name__}: {error}"
            warnings.warn(text, SnapshotWarning, stacklevel=3)
