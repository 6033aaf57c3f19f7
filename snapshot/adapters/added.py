"""Adapters that other libraries bring: by an entry point, or registered while a notebook runs.

The entry points of the group ``snapshot.adapters`` are read once, at the first store or
restore. Their names are libraries; an adapter is imported when the user has imported
its library.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from snapshot.adapters.guarded import Guarded, leave_out

GROUP = "snapshot.adapters"

_registered: dict[str, Guarded] = {}


def register_adapter(adapter: Any, *, for_: str = "__main__") -> None:
    """Use ``adapter`` from the next store on, as soon as the module ``for_`` is imported.

    ``adapter`` is a module or an object with the names that docs/adapters.md lists
    (``handler_for``, ``LEAF_ADAPTERS``, ...). ``for_`` is a library's importable name; as
    it is, the adapter is for classes of the notebook itself. Another one for the same
    module takes its place. Raises :class:`TypeError` when ``adapter`` is no adapter.
    """
    _registered[for_] = Guarded(adapter, f"the adapter registered for {for_}")


def ready(imported: Callable[[str], bool]) -> tuple[Guarded, ...]:
    """The adapters of libraries that ``imported`` says are there, those registered by hand first."""
    by_hand = (adapter for library, adapter in _registered.items() if imported(library))
    declared = (_load(point) for point in _declared() if imported(point.name))
    return (*by_hand, *filter(None, declared))


@cache
def _declared() -> tuple[EntryPoint, ...]:
    try:
        return tuple(entry_points(group=GROUP))
    except Exception as error:  # one damaged package is enough
        leave_out("what other packages declare as adapters", error)
        return ()


@cache
def _load(point: EntryPoint) -> Guarded | None:
    name = f"the adapter {point.value!r}, declared for {point.name},"
    try:
        return Guarded(point.load(), name)
    except Exception as error:
        leave_out(name, error)
        return None
