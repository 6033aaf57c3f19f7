"""The arrays behind a walk's leaves, and which of them lie in another's memory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from snapshot.adapters.protocol import Array, Form, Group
from snapshot.extents import Extent, Place, place_views
from snapshot.handles import AnyHandle, Handle, Handles
from snapshot.walk import Walked


class Source(NamedTuple):
    """A leaf on its way in: its form and its contents as they lie in memory."""

    handle: AnyHandle
    kind: str
    form: Form
    array: Array


class Sources:
    """The arrays behind a walk's leaves, read once."""

    def __init__(self, walked: Walked, handles: Handles) -> None:
        self.all: list[Source] = []
        self.failed: dict[AnyHandle, str] = {}
        self.groups: dict[int, tuple[Any, Any, Group]] = {}
        self.places: list[Place | None] = []  #: for each, where in another's memory it lies
        together = _read_together(walked.leaves)
        for handle, obj in walked.leaves.items():
            try:
                read = handle.adapter
                array = together[handle] if handle in together else read.view(obj)
                self.all.append(Source(handle, read.kind, read.form(obj), array))
            except Exception as error:
                self.failed[handle] = f"could not be read: {type(error).__name__}: {error}"
        for key, (owner, adapter) in walked.groups.items():
            group = adapter.capture(owner)
            self.groups[key] = (owner, adapter, group)
            for name, part in group.parts.items():
                form = Form(part.array.shape, part.dtype, (), part.role)
                self.all.append(Source(handles.part(owner, adapter, name), adapter.kind, form, part.array))
        self.places += _places(self.all)


def _read_together(leaves: Mapping[Handle, Any]) -> dict[Handle, Array]:
    """The arrays of leaves on a device whose adapter reads several at once; one that fails is read alone later."""
    batches: dict[Any, list[Handle]] = {}
    for handle, obj in leaves.items():
        is_away = getattr(handle.adapter, "is_away", None)
        if is_away is not None and is_away(obj):
            batches.setdefault(handle.adapter, []).append(handle)
    found: dict[Handle, Array] = {}
    for adapter, handles in batches.items():
        with suppress(Exception):
            found.update(zip(handles, adapter.views([leaves[handle] for handle in handles]), strict=True))
    return found


def _places(sources: list[Source]) -> list[Place | None]:
    """Which leaves lie in another's memory; never those whose library shares memory copy-on-write."""
    found: list[Place | None] = [None] * len(sources)
    allocations = {_allocation(source.array) for source in sources}
    if len(allocations) == len(sources) and None not in allocations:
        return found  # as in most programs: each has an allocation of its own
    shared = [n for n, s in enumerate(sources) if not getattr(s.handle.adapter, "separate", False)]
    for number, place in zip(shared, place_views([Extent.of(sources[n].array) for n in shared]), strict=True):
        found[number] = None if place is None else Place(shared[place.base], place.offset)
    return found


def _allocation(array: Array) -> int | None:
    """What tells the memory an array lies in from all other; None where that is not known."""
    owner: Any = array if array.base is None else array.base
    if type(owner) is np.ndarray:
        return id(owner) if owner.flags.owndata else None
    return id(owner) if isinstance(owner, bytes) else None
