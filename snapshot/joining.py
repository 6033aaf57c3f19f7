"""Which names lead to the same objects, so that what only a pickle can make is pickled once for all of them.

Arrays join nothing: every stream refers to them by number. Nor do classes, which
cloudpickle finds again whatever stream they came in, nor objects that write a file of
their own into a pickle, as Keras's do: what such a pickle makes is known by its path
(:mod:`snapshot.refilling`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from snapshot.adapters.code import CLASS
from snapshot.capture import Capture
from snapshot.handles import Handle
from snapshot.walk import Record


class Reached(NamedTuple):
    """What can be reached from one root: every record, those that cannot be shared by a pickle last.

    The first ``own`` of them can be shared with another name, and so can the objects whose
    ids are ``sealed``.
    """

    root: Any
    records: tuple[Record, ...]
    own: int
    sealed: tuple[int, ...]

    def is_of_the_same(self, other: Reached) -> bool:
        """Whether it is the same objects that can be shared, whatever state they are in."""
        same = self.own == other.own and self.sealed == other.sealed and self.root is other.root
        return same and all(
            one.owner is two.owner
            for one, two in zip(self.records[: self.own], other.records[: other.own], strict=True)
        )

    def shareable(self) -> Iterator[int]:
        """Ids of what can be shared."""
        for record in self.records[: self.own]:
            owner = record.owner
            # the attributes of an array go with the array
            if type(owner) is not Handle or is_whole(owner):
                yield id(owner)
        yield from self.sealed


@dataclass(frozen=True)
class Joint:
    """Names that are pickled together, and the objects in them that other names lead to as well.

    For an array it is the handle.
    """

    names: tuple[str, ...]
    shared: tuple[Any, ...]

    @property
    def alone(self) -> bool:
        """Whether it is one name that shares nothing."""
        return len(self.names) == 1 and not self.shared


def is_whole(handle: Handle) -> bool:
    """Whether a leaf is nothing without its attributes, as a frame is without its columns."""
    return getattr(handle.adapter, "whole", False)


def reached_from(root: Any, capture: Capture) -> Reached:
    """Everything behind a root; classes, what is pickled in part, and what only those lead to, come last."""
    known, sealed = capture.records, capture.sealed
    records: dict[int, Record] = {}
    others: list[Any] = []
    found: list[int] = []
    stack = [root]
    while stack:
        child = stack.pop()
        key = id(child)
        record = known.get(key)
        if record is None:
            if sealed and key in sealed:
                found.append(key)
        elif key not in records:
            kind = record.kind
            if kind is CLASS or getattr(kind, "partly_pickled", None) is not None:
                others.append(child)
                continue
            records[key] = record
            if not record.flat:
                stack += record.state[kind.lead :]
    own = len(records)
    while others:
        child = others.pop()
        record = known.get(id(child))
        if record is not None and id(child) not in records:
            records[id(child)] = record
            if not record.flat:
                others += record.state[record.kind.lead :]
    return Reached(root, tuple(records.values()), own, tuple(found))


def joints(reached: Mapping[str, Reached], pickled: Iterable[str]) -> list[Joint]:
    """The names to be pickled, grouped: two with an object in common are in one group."""
    first: dict[int, str] = {}
    group = {name: name for name in pickled}
    shared: set[int] = set()

    def head(name: str) -> str:
        while group[name] != name:
            group[name] = name = group[group[name]]
        return name

    for name in group:
        for key in reached[name].shareable():
            known = first.setdefault(key, name)
            if known != name:
                shared.add(key)
                group[head(name)] = head(known)
    for name in reached if group else ():
        if name not in group:
            shared.update(key for key in reached[name].shareable() if key in first)
    members: dict[str, list[str]] = {}
    for name in group:
        members.setdefault(head(name), []).append(name)
    of_group: dict[str, dict[int, Record]] = {name: {} for name in members}
    for name in group if shared else ():
        found = of_group[head(name)]
        for record in reached[name].records[: reached[name].own]:
            if id(record.owner) in shared:
                found[record.number] = record
    return [
        Joint(tuple(names), tuple(record.owner for _, record in sorted(of_group[top].items())))
        for top, names in members.items()
    ]
