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

from snapshot.adapters.containers import DictKind, ListKind, edges_beyond
from snapshot.capture import Capture
from snapshot.handles import AnyHandle, Handle, PartHandle
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
    """One way to a leaf."""

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
    """One pass in breadth: whatever is met has its shortest path, and waits in line for what it leads to."""

    def __init__(self, capture: Capture, registry: Registry) -> None:
        self._capture = capture
        self._registry = registry
        self._candidates: dict[AnyHandle, list[_Place]] = {}
        self._objects: dict[int, str] = {}
        self._line: deque[tuple[Record, str, Role | None]] = deque()
        self._by_leaves = False  #: some paths go by the path of a leaf, which is known at the end only

    def trace(self) -> Paths:
        # what no name leads to comes last, so that a name is preferred where there is one
        roots = [(name, root) for name, root in self._capture.roots.items() if type(root) not in ATOMS]
        for name, root in sorted(roots, key=lambda item: item[0].startswith("(")):
            self._meet(root, name, None)
        while self._line:
            self._expand(*self._line.popleft())
        best = {handle: _best(places) for handle, places in self._candidates.items()}
        texts = {handle.number: place.path for handle, place in best.items()}
        if self._by_leaves:
            self._objects = {key: self._finished(path, texts) for key, path in self._objects.items()}
        found = Paths(objects=self._objects)
        taken: set[str] = set()
        for handle, place in best.items():
            if getattr(handle.adapter, "hidden", False):
                found.objects[id(handle)] = self._finished(place.path, texts)
                continue
            path = _free(self._finished(place.path, texts), taken)
            role = place.role or self._capture.leaves[handle].form.role
            places = self._candidates[handle]
            others: Iterable[str] = ()
            if len(places) > 1 or path != place.path:
                others = dict.fromkeys(self._finished(p.path, texts) for p in places if not _BY_KEY.search(p.path))
            found.leaves[handle] = Named(path, role, tuple(other for other in others if other != path))
        for handle, named in _parts(self._capture, self._objects):
            found.leaves[handle] = named
        # a best path wins over another leaf's alias of the same text
        for handle, named in found.leaves.items():
            for alias in named.aliases:
                found.lookup.setdefault(alias, handle)
        found.lookup.update({named.path: handle for handle, named in found.leaves.items()})
        return found

    def _meet(self, child: Any, path: str, role: Role | None, named: bool = False) -> None:
        """Here is a way to ``child``."""
        key = id(child)
        if type(child) is Handle and child in self._capture.leaves:
            known = self._candidates.setdefault(child, [])
            known.append(_Place(path, role, named))
            if len(known) > 1:
                return
        elif key in self._objects:
            return
        else:
            # among them handles of leaves that could not be read: the report names them
            self._objects[key] = path
        record = self._capture.records.get(key)
        if record is not None and not record.flat:
            self._line.append((record, path, role))

    def _expand(self, record: Record, path: str, role: Role | None) -> None:
        """Meet everything that ``record`` leads to."""
        if len(path) > _LONGEST:
            # the path of something 20,000 levels deep helps nobody, and all of them together fill the memory
            path = f"{path[:40]}…{record.number}"
        if type(record.kind) in (ListKind, DictKind):
            for text, child in edges_beyond(record.kind, record.state, ATOMS):
                self._meet(child, self._extend(path, text, record), role)
            return
        if hasattr(record.kind, "places"):
            live = tuple(child.get() if type(child) is Handle else child for child in record.state)
            for text, child, own_role, own in record.kind.places(record.state, live):
                if type(child) not in ATOMS:
                    self._meet(child, text if own else self._extend(path, text, record), own_role or role, own)
            return
        if record.kind.name == "attributes":
            role = None  # the gradient of a parameter is no parameter
        steps = self._registry.naming(record.owner) if record.kind.name == "instance" else {}
        for text, child in edges_beyond(record.kind, record.state, ATOMS):
            step = steps.get(text[1:]) if steps else None
            if step is None:
                self._meet(child, self._extend(path, text, record), role)
            elif not step.transparent:
                self._meet(child, self._extend(path, text, record), step.role or role)
            elif type(child) is Handle:
                self._meet(child, path, step.role or role, named=True)
            else:
                self._pass_through(child, path, step.role)

    def _pass_through(self, holder: Any, path: str, role: Role | None) -> None:
        record = self._capture.records.get(id(holder))
        if record is None:
            return
        self._objects.setdefault(id(holder), path)
        half = len(record.state) // 2
        for key, child in zip(record.state[:half], record.state[half:]):
            if type(child) not in ATOMS:
                self._meet(child, f"{path}.{key}", role, named=True)

    def _extend(self, path: str, text: str, record: Record) -> str:
        if text[1:2] == "<" and text.startswith("[<Handle "):
            # keyed by an array, as an optimizer's state is: known by that array's path, once it has one
            self._by_leaves = True
            keys = record.state[len(record.state) % 2 :]
            return f"{path}[\0{keys[int(text[9:-2])].number}\0]"
        if text.startswith("<key ") and (found := _KEY.fullmatch(text)):
            return f"{path}.keys()[{found[1]}]"
        if text.startswith("{<Handle ") and type(owner := record.state[int(text[9:-2])]) is Handle:
            return f"{path}{{<{type(owner.get()).__name__} {text[9:-2]}>}}"
        return path + text

    def _finished(self, path: str, best: Mapping[int, str]) -> str:
        return _PENDING.sub(lambda found: best.get(int(found[1]), "?"), path) if "\0" in path else path


#: A key that is an object; users are told where among the keys it stands.
_KEY = re.compile(r"<key <[^>]* (\d+)>>")
_BY_KEY = re.compile(r"<key |\.keys\(\)\[")
_PENDING = re.compile("\0(\\d+)\0")


def _best(places: list[_Place]) -> _Place:
    return places[0] if len(places) == 1 else next((place for place in places if place.named), places[0])


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


_NUMBERS = (bool, int, float, complex, np.number, np.bool)


def numbers_of(capture: Capture) -> dict[str, Any]:
    """Names bound to plain numbers: they are variables of shape () to a user."""
    return {
        name: value
        for name, value in capture.roots.items()
        if issubclass(type(value), _NUMBERS) and (not issubclass(type(value), int) or -(2**63) <= value < 2**63)
    }
