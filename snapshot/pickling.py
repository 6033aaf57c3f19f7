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
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import is_
from types import ModuleType
from typing import Any, NamedTuple

import cloudpickle

from snapshot.adapters.code import cached_property_of
from snapshot.capture import Capture, Held
from snapshot.graph import needs_pickle
from snapshot.handles import AnyHandle, Handle
from snapshot.joining import Joint, Reached, is_whole, joints, reached_from
from snapshot.walk import Record


@dataclass(frozen=True)
class Pickled:
    """Streams by key: the name of whose it is, or what ``joined`` has for the names that are in it."""

    streams: Mapping[str, bytes] = field(default_factory=dict)
    joined: Mapping[str, str] = field(default_factory=dict)


class _Made(NamedTuple):
    """Streams of names pickled together, and all that they say."""

    source: tuple[Any, ...]  #: what is pickled: records, by identity
    streams: Mapping[str, bytes]  #: by name
    referred: frozenset[Handle]  #: leaves that are in them by number only
    copied: Mapping[Handle, Held | None]  #: leaves whose contents are in them, as a frame's are; None: not captured
    lasting: bool  #: nothing in them can change unseen

    def holds(self, leaves: Mapping[AnyHandle, Held]) -> bool:
        """Whether the streams would say the same with these leaves as they are now."""
        if not self.streams:
            return True  # what refused is not asked again before it changes
        if not self.lasting or not self.referred <= leaves.keys():
            return False
        return all(leaves.get(handle) is held for handle, held in self.copied.items())


class Pickles:
    """The pickles of the capture written last; one is used again while nothing in it changed."""

    def __init__(self) -> None:
        self._records: Any = None
        self._roots: Any = None
        #: name -> what it leads to, and whether that needs a pickle
        self._reached: dict[str, tuple[Reached, bool]] = {}
        self._made: dict[tuple[str, ...], _Made] = {}  #: by the names that are pickled together
        self._joints: list[Joint] = []
        self._found = Pickled()

    def of(self, capture: Capture) -> Pickled:
        """The streams of the names that need one and can be pickled."""
        try:
            if capture.records is not self._records or capture.roots is not self._roots:
                changed, regrouped = self._look(capture)
                if regrouped:
                    reached = {name: found for name, (found, _) in self._reached.items()}
                    self._joints = joints(reached, [name for name, (_, needed) in self._reached.items() if needed])
                self._make(capture, None if regrouped else changed)
            elif not all(made.holds(capture.leaves) for made in self._made.values()):
                self._make(capture, set())
            self._records, self._roots = capture.records, capture.roots
        except BaseException:
            # what was looked at and not pickled would pass for unchanged
            self.__init__()  # type: ignore[misc]
            raise
        return self._found

    def kept(self, capture: Capture) -> Pickled | None:
        """The streams of an earlier capture, if they are those that were made last; no object is looked at."""
        same = capture.records is self._records and capture.roots is self._roots
        return self._found if same and all(made.holds(capture.leaves) for made in self._made.values()) else None

    def _look(self, capture: Capture) -> tuple[set[str], bool]:
        """See what every name leads to: those where that changed, and whether others may share it than did before."""
        changed: set[str] = set()
        regrouped = False
        reached: dict[str, tuple[Reached, bool]] = {}
        for name, root in capture.roots.items():
            if not _may_be_pickled(name, root):
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
        known_leaves: dict[int, Handle] = {}
        for handle in capture.leaves:
            # None would stand for all that died since they were captured, as an array does that a thread replaced
            if type(handle) is Handle and not is_whole(handle) and (leaf := handle.get()) is not None:
                known_leaves[id(leaf)] = handle
        made: dict[tuple[str, ...], _Made] = {}
        streams: dict[str, bytes] = {}
        joined: dict[str, str] = {}
        for joint in self._joints:
            known = self._made.get(joint.names)
            holds = known is not None and known.holds(capture.leaves)
            if known is None or not holds or changed is None or not changed.isdisjoint(joint.names):
                shared = tuple(capture.records[id(owner)] for owner in joint.shared)
                reached = [self._reached[name][0] for name in joint.names]
                source = (*shared, None, *reached)
                if known is None or not holds or not _same(known.source, source):
                    referred: set[Handle] = set()
                    found = _streams(joint, reached, shared, _Numbers(known_leaves, referred))
                    known = _Made(source, found, frozenset(referred), *_copied(reached, referred, capture))
            made[joint.names] = known
            if joint.alone:
                streams.update(known.streams)
                continue
            keys: dict[int, str] = {}
            for name, data in known.streams.items():
                joined[name] = key = keys.setdefault(id(data), f"(joined) {name}")
                streams[key] = data
        self._made, self._found = made, Pickled(streams, joined)


def names_to_pickle(capture: Capture) -> list[str]:
    """The names that a new kernel needs a pickle for."""
    roots = capture.roots.items()
    return [name for name, root in roots if _may_be_pickled(name, root) and needs_pickle(name, capture)]


def _may_be_pickled(name: str, root: Any) -> bool:
    plain = type(root) is ModuleType or (type(root) is Handle and not is_whole(root))
    return not name.startswith("(") and not plain


def _copied(
    reached: Iterable[Reached], referred: Collection[Handle], capture: Capture
) -> tuple[dict[Handle, Held | None], bool]:
    """The leaves whose contents are in a stream, as they are; whether nothing else in it may change unseen."""
    found: dict[Handle, Held | None] = {}
    lasting = True
    for one in reached:
        for child in (one.root, *chain.from_iterable(record.state[record.kind.lead :] for record in one.records)):
            if type(child) is Handle:
                if child not in referred:
                    found[child] = capture.leaves.get(child)
            elif id(child) in capture.references:
                lasting = False
    return found, lasting


def _same(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return len(left) == len(right) and all(map(is_, left, right))


def _streams(
    joint: Joint, reached: Iterable[Reached], shared: tuple[Record, ...], numbers: _Numbers
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


def _joined(roots: Mapping[str, Any], records: Iterable[Record], numbers: _Numbers) -> bytes | None:
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


class _Numbers(NamedTuple):
    """What a pickle refers to by number."""

    leaves: Mapping[int, Handle]  #: by the id of the array
    referred: set[Handle]  #: those that were met


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, numbers: _Numbers) -> None:
        self._file = io.BytesIO()
        super().__init__(self._file, protocol=5)
        self._numbers = numbers

    def persistent_id(self, obj: Any) -> Any:
        handle = self._numbers.leaves.get(id(obj))
        if handle is None:
            return None
        self._numbers.referred.add(handle)
        return "leaf", handle.number

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
