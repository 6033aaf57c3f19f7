"""Namespace -> object graph: one shallow record for each mutable object reached.

The walk keeps an explicit stack, so depth is no limit, and a memo by id, so shared
references and cycles need no code. A record's children are the live objects
themselves, except that leaves are replaced by their handles. A record equal to the
one before is shared between snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from snapshot.adapters.containers import State, same
from snapshot.adapters.protocol import (
    GroupAdapter,
    Kind,
    LeafAdapter,
    is_group_adapter,
    is_kind,
    is_leaf_adapter,
)
from snapshot.adapters.reference import Reference
from snapshot.handles import Handle, Handles, numbers
from snapshot.ownership import LibraryGlobals
from snapshot.pausing import collector_paused as collector_paused
from snapshot.registry import ATOMS, Registry

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a walk stops: the rest is then by reference, and said to be."""

    objects: int = 5_000_000
    seconds: float = 60.0


class Record:
    """The shallow state of one object. ``owner`` is the object, or the handle of a leaf.

    ``flat`` when nothing in the state leads further.
    """

    __slots__ = ("flat", "kind", "number", "owner", "state")

    def __init__(self, owner: Any, kind: Kind, state: State, number: int, flat: bool = False) -> None:
        self.owner = owner
        self.kind = kind
        self.state = state
        self.number = number
        self.flat = flat


@dataclass
class Walked:
    """What a walk found.

    ``starts`` gives, for each root, how many records there were before it: records
    between two starts were first reached from that root.
    """

    roots: dict[str, Any] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    records: dict[int, Record] = field(default_factory=dict)
    leaves: dict[Handle, Any] = field(default_factory=dict)
    groups: dict[int, tuple[Any, GroupAdapter]] = field(default_factory=dict)
    references: dict[int, tuple[Any, str]] = field(default_factory=dict)
    sealed: set[int] = field(default_factory=set)
    complete: bool = True


class AttributesKind:
    """The state beside a leaf's contents: ``grad``, ``requires_grad``, an instance dict.

    State: number of attributes, names, values.
    """

    name = "attributes"
    fixed = False
    hashes = False
    lead = 1

    def __init__(self, adapter: LeafAdapter) -> None:
        self.adapter = adapter

    def take(self, obj: Any) -> State:
        found = self.adapter.attributes(obj)
        return (len(found), *(name for name, _ in found), *(value for _, value in found))

    def put(self, obj: Any, state: State) -> None:
        count = state[0]
        present = dict(self.adapter.attributes(obj))
        for name, value in zip(state[1 : 1 + count], state[1 + count :]):
            if name not in present or present[name] is not value:
                self.adapter.set_attribute(obj, name, value)

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("attributes are not an object")

    def edges(self, state: State) -> Iterator[tuple[str, Any]]:
        count = state[0]
        return ((f".{name}", value) for name, value in zip(state[1 : 1 + count], state[1 + count :]))


def attributes_kind(adapter: LeafAdapter) -> Kind:
    """How an adapter's attributes are recorded: one by one, unless it brings a kind that puts them back together."""
    found: Kind | None = getattr(adapter, "beside", None)
    return found or AttributesKind(adapter)


class Walk:
    """One pass over a namespace. ``previous`` records are shared where they still hold."""

    def __init__(
        self,
        registry: Registry,
        handles: Handles,
        library: LibraryGlobals,
        previous: Mapping[int, Record],
        limits: Limits,
        namespace: Any = None,
    ) -> None:
        self._registry = registry
        self._handles = handles
        self._library = library
        self._previous = previous
        self._limits = limits
        self._deadline = monotonic() + limits.seconds
        # the names themselves are not contents: g = globals() must not take new names away
        self._seen: set[int] = {id(namespace), *library.namespaces}
        self._implicit: set[int] = set()
        self._no_leaves: set[type] = set(ATOMS)
        self._kinds: dict[type, Kind] = {}
        self._leaves: dict[int, Handle] = {}
        self._attributes: dict[int, Kind] = {}
        self.found = Walked()

    def add(self, name: str, root: Any) -> None:
        """Walk everything reachable from one name."""
        self.found.starts[name] = len(self.found.records)
        self.found.roots[name] = self._child(root)
        if type(root) not in ATOMS:
            self.visit([root])

    def add_implicit(self, name: str, root: Any) -> None:
        """Walk state that no name leads to: it belongs to a library, and is captured all the same."""
        self._implicit.add(id(root))
        self.add(name, root)

    def visit(self, stack: list[Any]) -> None:
        """Walk everything reachable from the objects on ``stack``."""
        seen, kinds, library = self._seen, self._kinds, self._library.ids
        while stack:
            obj = stack.pop()
            cls, key = type(obj), id(obj)
            if cls in ATOMS or key in seen:
                continue
            seen.add(key)
            if not len(seen) % 4096:
                self._check_time()
            if not self.found.complete:
                self.found.references[key] = (obj, "beyond the walk's limits of objects or seconds")
                continue
            try:
                # most objects are of a type that decides alone how it is recorded
                if cls in kinds and key not in library:
                    stack.extend(self._record(obj, obj, key, kinds[cls]))
                else:
                    stack.extend(self._enter(obj, key))
            except RecursionError:
                raise
            except Exception as error:
                reason = f"could not be read: {type(error).__name__}: {error}"
                self.found.references[key] = (obj, reason)

    def _check_time(self) -> None:
        if len(self._seen) > self._limits.objects or monotonic() > self._deadline:
            self.found.complete = False

    def _enter(self, obj: Any, key: int) -> Iterable[Any]:
        """Record one object; return what to visit next."""
        if key in self._leaves:
            return self._enter_leaf(obj, self._leaves[key])
        handler = self._registry.handler(obj)
        if isinstance(handler, Reference):
            if handler.reason is not None:
                self.found.references[key] = (obj, handler.reason)
            elif handler.sealed:
                self.found.sealed.add(key)
            return ()
        holder = self._holder(obj) if key in self._library.ids else None
        if holder is not None and not getattr(handler, "fixed", False):
            self.found.references[key] = (obj, f"belongs to a library: {holder}")
            return ()
        if is_kind(handler):
            if self._registry.decided(type(obj)) is handler:
                self._kinds[type(obj)] = handler
            return self._record(obj, obj, key, handler)
        if is_group_adapter(handler):
            self.found.groups[key] = (obj, handler)
            return ()
        assert is_leaf_adapter(handler)
        return self._enter_leaf(obj, self._handles.of(obj, handler))

    def _enter_leaf(self, obj: Any, handle: Handle) -> Iterable[Any]:
        self.found.leaves[handle] = obj
        adapter = handle.adapter
        if not adapter.attributes(obj):
            return ()
        kind = self._attributes.get(id(adapter))
        if kind is None:
            kind = self._attributes[id(adapter)] = attributes_kind(adapter)
        return self._record(handle, obj, id(handle), kind)

    def _record(self, owner: Any, obj: Any, key: int, kind: Kind) -> Iterable[Any]:
        try:
            state = kind.take(obj)
        except RuntimeError:
            state = take(kind, obj)
        known = self._previous.get(key)
        # the id may have belonged to another object then
        number = known.number if known is not None and known.owner is owner else 0
        previous = known if number and known is not None and known.kind.name == kind.name else None
        children = state[kind.lead :] if kind.lead else state
        if previous is not None and same(previous.state, state):
            self.found.records[key] = previous
            return () if previous.flat else [child for child in children if type(child) not in ATOMS]
        types = set(map(type, children))
        flat = types <= ATOMS
        next_up = () if flat else [child for child in children if type(child) not in ATOMS]
        if not flat and not types <= self._no_leaves and any(map(self._leafy, types)):
            state = (*state[: kind.lead], *map(self._child, children))
            if previous is not None and same(previous.state, state):
                self.found.records[key] = previous
                return next_up
        self.found.records[key] = Record(owner, kind, state, number or next(numbers), flat)
        return next_up

    def _holder(self, obj: Any) -> str | None:
        return None if id(obj) in self._implicit else self._library.holder(obj)

    def _leafy(self, cls: type) -> bool:
        if cls in self._no_leaves:
            return False
        if self._registry.may_be_leaf(cls):
            return True
        self._no_leaves.add(cls)
        return False

    def _child(self, child: Any) -> Any:
        if type(child) in self._no_leaves or not self._leafy(type(child)):
            return child
        known = self._leaves.get(id(child))
        if known is not None:
            return known
        handler = self._registry.handler(child)
        if not is_leaf_adapter(handler) or (id(child) in self._library.ids and self._holder(child) is not None):
            return child
        handle = self._leaves[id(child)] = self._handles.of(child, handler)
        return handle


def take(kind: Kind, obj: Any) -> State:
    """The shallow state, read again when another thread changes the size meanwhile."""
    try:
        return kind.take(obj)
    except RuntimeError:
        for _ in range(ATTEMPTS):
            with suppress(RuntimeError):
                return kind.take(obj)
        raise
