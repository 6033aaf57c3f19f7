"""The paths under which users know what a capture holds, and their roles.

A breadth-first pass gives every object its shortest path; a module's own naming
(``model.0.weight``) is preferred for the weights it owns, whatever else holds them.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from snapshot.capture import AnyHandle, Capture
from snapshot.handles import Handle, PartHandle
from snapshot.model import Role
from snapshot.registry import ATOMS, Registry
from snapshot.walk import Record

#: Characters beyond which a path is shortened in the middle.
_LONGEST = 400


class Named(NamedTuple):
    """A leaf's best path, its role, and its other paths."""

    path: str
    role: Role
    aliases: tuple[str, ...]


@dataclass
class Paths:
    """Everything with a path: leaves, containers and numbers bound to names."""

    leaves: dict[AnyHandle, Named] = field(default_factory=dict)
    objects: dict[int, str] = field(default_factory=dict)
    lookup: dict[str, AnyHandle] = field(default_factory=dict)
    under: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def of(self, thing: Any) -> str:
        """The path of a leaf's handle or of an object."""
        named = self.leaves.get(thing) if type(thing) in (Handle, PartHandle) else None
        return named.path if named else self.objects.get(id(thing), f"<{type(thing).__name__}>")


class _Place(NamedTuple):
    child: Any
    path: str
    role: Role | None
    named: bool  #: the path comes from a module's own naming


def paths_of(capture: Capture, registry: Registry) -> Paths:
    """Name everything in ``capture``; kept with it, so asking again is free."""
    if capture.paths is None:
        capture.paths = _Tracer(capture, registry).trace()
    found: Paths = capture.paths
    return found


class _Tracer:
    def __init__(self, capture: Capture, registry: Registry) -> None:
        self._capture = capture
        self._registry = registry
        self._candidates: dict[AnyHandle, list[_Place]] = {}
        self._objects: dict[int, str] = {}

    def trace(self) -> Paths:
        # what no name leads to comes last, so that a name is preferred where there is one
        roots = sorted(self._capture.roots.items(), key=lambda item: item[0].startswith("("))
        queue = deque(_Place(root, name, None, False) for name, root in roots)
        while queue:
            queue.extend(self._follow(queue.popleft()))
        best = {
            handle: next((p for p in places if p.named), places[0]) for handle, places in self._candidates.items()
        }
        texts = {handle.number: place.path for handle, place in best.items()}
        found = Paths(objects={key: self._finished(path, texts) for key, path in self._objects.items()})
        taken: set[str] = set()
        for handle, place in best.items():
            if getattr(handle.adapter, "hidden", False):
                found.objects[id(handle)] = self._finished(place.path, texts)
                continue
            path = _free(self._finished(place.path, texts), taken)
            role = place.role or self._capture.leaves[handle].form.role
            others = dict.fromkeys(
                self._finished(p.path, texts) for p in self._candidates[handle] if "<key " not in p.path
            )
            found.leaves[handle] = Named(path, role, tuple(other for other in others if other != path))
        for handle, named in _parts(self._capture, self._objects):
            found.leaves[handle] = named
        # a best path wins over another leaf's alias of the same text
        for handle, named in found.leaves.items():
            for alias in named.aliases:
                found.lookup.setdefault(alias, handle)
        found.lookup.update({named.path: handle for handle, named in found.leaves.items()})
        return found

    def _follow(self, place: _Place) -> Iterable[_Place]:
        child = place.child
        if type(child) in ATOMS:
            return ()
        if type(child) is Handle:
            known = self._candidates.setdefault(child, [])
            if child in self._capture.leaves:
                known.append(place)
            else:
                # it could not be read: the report names it
                del self._candidates[child]
                self._objects.setdefault(id(child), place.path)
            attributes = self._capture.records.get(id(child))
            return self._edges(attributes, place) if attributes and len(known) == 1 else ()
        key = id(child)
        if key in self._objects:
            return ()
        self._objects[key] = place.path
        record = self._capture.records.get(key)
        return self._edges(record, place) if record is not None else ()

    def _edges(self, record: Record, place: _Place) -> Iterable[_Place]:
        if len(place.path) > _LONGEST:
            # the path of something 20,000 levels deep helps nobody, and all of them together fill the memory
            place = place._replace(path=f"{place.path[:40]}…{record.number}")
        if hasattr(record.kind, "places"):
            live = tuple(child.get() if type(child) is Handle else child for child in record.state)
            for text, child, role, own in record.kind.places(record.state, live):
                path = text if own else self._extend(place.path, text, child, record)
                yield _Place(child, path, role or place.role, own)
            return
        steps = self._registry.naming(record.owner) if record.kind.name == "instance" else {}
        for text, child in record.kind.edges(record.state):
            if type(child) in ATOMS:
                continue
            step = steps.get(text[1:]) if steps else None
            if step is not None and step.transparent and type(child) is Handle:
                yield _Place(child, place.path, step.role or place.role, True)
            elif step is not None and step.transparent:
                yield from self._pass_through(child, place.path, step.role)
            else:
                role = step.role if step is not None and step.role is not None else place.role
                yield _Place(child, self._extend(place.path, text, child, record), role, False)

    def _pass_through(self, holder: Any, path: str, role: Role | None) -> Iterable[_Place]:
        record = self._capture.records.get(id(holder))
        if record is None:
            return
        self._objects.setdefault(id(holder), path)
        half = len(record.state) // 2
        for key, child in zip(record.state[:half], record.state[half:]):
            yield _Place(child, f"{path}.{key}", role, True)

    def _extend(self, path: str, text: str, child: Any, record: Record) -> str:
        if text.startswith("[<Handle "):
            # keyed by an array, as an optimizer's state is: known by that array's path, once it has one
            keys = record.state[len(record.state) % 2 :]
            return f"{path}[\0{keys[int(text[9:-2])].number}\0]"
        return path + text

    def _finished(self, path: str, best: Mapping[int, str]) -> str:
        return _PENDING.sub(lambda found: best.get(int(found[1]), "?"), path) if "\0" in path else path


_PENDING = re.compile("\0(\\d+)\0")


def _free(path: str, taken: set[str]) -> str:
    """``path``, or with a number behind it when another leaf has it (a name with a dot in it)."""
    found, count = path, 1
    while found in taken:
        count += 1
        found = f"{path} ({count})"
    taken.add(found)
    return found


def _parts(capture: Capture, objects: Mapping[int, str]) -> Iterable[tuple[AnyHandle, Named]]:
    """Parts of groups go by their own names; by their owner's too when there are several owners."""
    # a closed session left behind has no parts, and must not change the others' paths
    known = {(h.adapter.kind, id(h.owner)) for h in capture.leaves if isinstance(h, PartHandle)}
    owners = Counter(kind for kind, _ in known)
    for handle in capture.leaves:
        if isinstance(handle, PartHandle):
            owner = objects.get(id(handle.owner), handle.adapter.kind)
            alone = owners[handle.adapter.kind] == 1
            best = handle.adapter.part_path(owner, handle.name, alone)
            full = handle.adapter.part_path(owner, handle.name, False)
            role = capture.leaves[handle].form.role
            yield handle, Named(best, role, () if full == best else (full,))


def numbers_of(capture: Capture) -> dict[str, Any]:
    """Names bound to plain numbers: they are variables of shape () to a user."""
    return {
        name: value
        for name, value in capture.roots.items()
        if issubclass(type(value), bool | int | float | complex | np.number | np.bool)
        and (not issubclass(type(value), int) or -(2**63) <= value < 2**63)
    }
