"""Pickles beside the records: for objects that a new kernel can make in no other way.

One stream a name, or one for all the names that lead to the same objects
(:mod:`snapshot.joining`), with the arrays left out (they are leaves, referred to by
number), so a training step changes blocks and not the pickle. A joined stream is two
pickles with one memo: ``{name: object}``, and ``{number: object}`` for what other names
lead to as well. :mod:`snapshot.unpickling` reads them.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import is_
from types import ModuleType
from typing import Any

import cloudpickle

from snapshot.adapters.code import cached_property_of
from snapshot.capture import Capture
from snapshot.graph import needs_pickle
from snapshot.handles import Handle
from snapshot.joining import Joint, Reached, is_whole, joints, reached_from
from snapshot.walk import Record


@dataclass(frozen=True)
class Pickled:
    """Streams by key: the name of whose it is, or what ``joined`` has for the names that are in it."""

    streams: Mapping[str, bytes] = field(default_factory=dict)
    joined: Mapping[str, str] = field(default_factory=dict)


class Pickles:
    """The pickles of the capture written last; one is used again while nothing behind its names changed."""

    def __init__(self) -> None:
        self._records: Any = None
        self._roots: Any = None
        #: name -> what it leads to, and whether that needs a pickle
        self._reached: dict[str, tuple[Reached, bool]] = {}
        #: names pickled together -> all they were made from, and name -> stream
        self._made: dict[tuple[str, ...], tuple[tuple[Any, ...], dict[str, bytes]]] = {}
        self._joints: list[Joint] = []
        self._found = Pickled()

    def of(self, capture: Capture) -> Pickled:
        """The streams of the names that need one and can be pickled."""
        if capture.records is not self._records or capture.roots is not self._roots:
            changed, regrouped = self._look(capture)
            if regrouped:
                reached = {name: found for name, (found, _) in self._reached.items()}
                self._joints = joints(reached, [name for name, (_, needed) in self._reached.items() if needed])
            self._make(capture, None if regrouped else changed)
            self._records, self._roots = capture.records, capture.roots
        return self._found

    def _look(self, capture: Capture) -> tuple[set[str], bool]:
        """See what every name leads to: those where that changed, and whether others may share it than did before."""
        changed: set[str] = set()
        regrouped = False
        reached: dict[str, tuple[Reached, bool]] = {}
        for name, root in capture.roots.items():
            plain = type(root) is ModuleType or (type(root) is Handle and not is_whole(root))
            if name.startswith("(") or plain:
                continue
            found, known = reached_from(root, capture), self._reached.get(name)
            if known is not None and known[0].root is root and _same(known[0].records, found.records):
                reached[name] = known
                continue
            reached[name] = found, needs_pickle(name, capture)
            changed.add(name)
            regrouped |= known is None or known[1] != reached[name][1] or not known[0].is_of_the_same(found)
        regrouped |= self._reached.keys() != reached.keys()
        self._reached = reached
        return changed, regrouped

    def _make(self, capture: Capture, changed: set[str] | None) -> None:
        """Pickle what must be; ``changed`` names are the only ones to look at, None for all."""
        numbers = {
            id(handle.get()): handle.number
            for handle in capture.leaves
            if type(handle) is Handle and not is_whole(handle)
        }
        made: dict[tuple[str, ...], tuple[tuple[Any, ...], dict[str, bytes]]] = {}
        streams: dict[str, bytes] = {}
        joined: dict[str, str] = {}
        for joint in self._joints:
            known = self._made.get(joint.names)
            if known is None or changed is None or not changed.isdisjoint(joint.names):
                shared = tuple(capture.records[id(owner)] for owner in joint.shared)
                reached = [self._reached[name][0] for name in joint.names]
                source = (*shared, None, *reached)
                if known is None or not _same(known[0], source):
                    known = (source, _streams(joint, reached, shared, numbers))
            made[joint.names] = known
            if joint.alone:
                streams.update(known[1])
                continue
            keys: dict[int, str] = {}
            for name, data in known[1].items():
                joined[name] = key = keys.setdefault(id(data), f"(joined) {name}")
                streams[key] = data
        self._made, self._found = made, Pickled(streams, joined)


def _same(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return len(left) == len(right) and all(map(is_, left, right))


def _streams(
    joint: Joint, reached: Iterable[Reached], shared: tuple[Record, ...], numbers: dict[int, int]
) -> dict[str, bytes]:
    """Name -> stream: the same one for all that can be pickled together."""
    found = dict(zip(joint.names, (one.root for one in reached), strict=True))
    roots = {name: root.get() if type(root) is Handle else root for name, root in found.items()}
    if joint.alone:
        (root,) = roots.values()
        data = _Pickler(numbers).stream(root)
        return {name: data for name in roots if data is not None}
    whole = _joined(roots, shared, numbers)
    if whole is None and len(roots) > 1:
        # one that cannot be pickled costs itself: the others are pickled without it
        alone = {name: _joined({name: root}, shared, numbers) for name, root in roots.items()}
        roots = {name: root for name, root in roots.items() if alone[name] is not None}
        whole = _joined(roots, shared, numbers) if roots else None
        if whole is None:
            return {name: data for name, data in alone.items() if data is not None}
    return {} if whole is None else dict.fromkeys(roots, whole)


def _joined(roots: Mapping[str, Any], records: Iterable[Record], numbers: dict[int, int]) -> bytes | None:
    pickler = _Pickler(numbers)
    if pickler.stream(dict(roots)) is None:
        return None
    # what a class keeps out of its pickles is not to come in by another door
    inside = pickler.memo.copy()
    shared: dict[int, Any] = {}
    for record in records:
        if type(record.owner) is Handle:
            shared[record.owner.number] = record.owner.get()
        else:
            shared[record.number] = record.owner
    return pickler.stream({number: obj for number, obj in shared.items() if id(obj) in inside})


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, numbers: dict[int, int]) -> None:
        self._file = io.BytesIO()
        super().__init__(self._file, protocol=5)
        self._numbers = numbers

    def persistent_id(self, obj: Any) -> Any:
        number = self._numbers.get(id(obj))
        return None if number is None else ("leaf", number)

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is cached_property:
            # before Python 3.12 it has a lock, for which alone no instance of its class could be pickled
            return cached_property_of, (obj.func, obj.attrname)
        if type(obj) is memoryview:
            # cloudpickle would make bytes of it
            raise pickle.PicklingError("a memoryview is of other memory")
        return super().reducer_override(obj)

    def stream(self, obj: Any) -> bytes | None:
        """Everything pickled so far and ``obj``; None when it cannot be."""
        try:
            self.dump(obj)
        except Exception:
            # any object may refuse, in any way: it is then listed as needing what there is not
            return None
        return self._file.getvalue()
