"""A stored graph in terms of live objects: the way back from disk, by path.

Stored and live objects are matched from the names down. A live object of the same
kind and type takes the stored state; where there is none, plain containers and
arrays are made anew; what only a pickle could make is left out, with its reason. The
result is a capture like any other, so the same plan and the same apply restore it.
Nothing live is written here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from snapshot import plain
from snapshot.adapters.protocol import (
    Group,
    GroupAdapter,
    Kind,
    is_group_adapter,
    is_kind,
)
from snapshot.capture import Capture
from snapshot.engine import Engine
from snapshot.feasible import Feasibility
from snapshot.graph import CODE_KINDS, Graph, Node
from snapshot.handles import AnyHandle, Handle, numbers
from snapshot.kinds import PLAIN
from snapshot.leaf_binding import LeafBinder, Leaves
from snapshot.makeable import NEEDS_PICKLE, Makeable
from snapshot.matching import LEFT_OUT, is_keyed_by_reference, match_state
from snapshot.refilling import in_order, made_with_it, partly_pickled
from snapshot.remaking import Remaking
from snapshot.unpickling import Streams
from snapshot.walk import Record, attributes_kind, take


@dataclass
class Bound:
    """A stored state in terms of live objects, and what of it found none."""

    capture: Capture
    unused: dict[str, str] = field(default_factory=dict)
    made: dict[AnyHandle, None] = field(default_factory=dict)  #: leaves that had to be made anew
    alive: list[Any] = field(default_factory=list)  #: what nothing else holds until the names are bound


@dataclass(frozen=True)
class Originals:
    """For a graph of this very process: the objects it was made from, by id and by number.

    With them everything can be made again: classes are at hand, and what is by
    reference is the same object.
    """

    objects: Mapping[int, Any]
    records: Mapping[int, Record]

    def new(self, number: int) -> tuple[Any, Kind] | None:
        """An empty object of the kind and class of a record's owner; code is shared, not made."""
        record = self.records.get(number)
        if record is None:
            return None
        cls: Any = type(record.owner)
        if not record.kind.name.endswith("instance"):
            return record.owner, record.kind
        return cls.__new__(cls), record.kind


class Binder:
    """Matches one stored graph with one namespace."""

    def __init__(
        self,
        graph: Graph,
        leaves: Leaves,
        engine: Engine,
        streams: Streams | None,
        originals: Originals | None = None,
        counterparts: Mapping[int, Any] | None = None,
    ) -> None:
        self._originals = originals
        self._graph = graph
        self._leaves = leaves
        self._engine = engine
        self._counterparts = counterparts or {}
        self._makeable = Makeable(graph, leaves, engine.registry)
        self._feasible = Feasibility(graph, engine.registry, self._makeable.refused)
        self._objects: dict[int, Any] = {}
        self._adopted: set[int] = set()
        self._records: dict[int, Record] = {}
        self._pending: deque[Callable[[], None]] = deque()
        self._late: deque[Callable[[], None]] = deque()
        self._groups: list[tuple[Any, GroupAdapter, Mapping[str, int]]] = []
        self._left: list[tuple[str, Mapping[str, int]]] = []
        self.unused: dict[str, str] = {}
        self._refilling = False
        self._lacking: set[str] = set()
        self._bound = LeafBinder(graph, leaves, engine, self.unused, self._blocked, self._attributes_later)
        self._bound.counterparts = self._counterparts
        self._remaking: Remaking | None = None
        if streams is not None:
            self._remaking = Remaking(
                streams, graph, engine, leaves, self._bound, self._objects, self.unused, self._adopt_counterpart
            )

    def bind(self, roots: Mapping[str, str], live: Mapping[str, Any], names: Mapping[str, Any]) -> Bound:
        """``roots`` maps stored names to live ones; ``live`` holds the live objects."""
        found: dict[str, Any] = {}
        order = in_order(self._graph, roots, self._remaking is not None, self._engine.registry)
        there = {name: live.get(target, LEFT_OUT) for name, target in order if name in self._graph.roots}
        for step in self._steps(there):
            for stored in step:
                found[stored] = self._bind_root(stored, there[stored])
                if found[stored] is LEFT_OUT and there[stored] is LEFT_OUT:
                    found[stored] = self._remake(stored, LEFT_OUT)
            self._fill_all()
            for stored in step:
                if found[stored] is LEFT_OUT and there[stored] is not LEFT_OUT:
                    found[stored] = self._remake(stored, there[stored])
            self._fill_all()
        bound = {roots[name]: found[name] for name in roots if found.get(name, LEFT_OUT) is not LEFT_OUT}
        for stored, made, records in self._remaking.finish() if self._remaking is not None else ():
            bound[roots[stored]] = made
            # what was put into an object of a pickle knows of the live ones already
            self._records = {**records, **self._records}
        taken = {number for _, _, parts in self._groups for number in parts.values()}
        for reason, parts in self._left:
            # the default session may have a name too: its values are then not left over
            self.unused.update({part: reason for part, number in parts.items() if number not in taken})
        groups = {id(owner): (owner, adapter, Group({})) for owner, adapter, _ in self._groups}
        capture = Capture(bound, {}, self._records, self._bound.held, groups, {}, names, memory=self._bound.memory)
        return Bound(capture, self.unused, self._bound.made, self._bound.alive)

    def _steps(self, there: Mapping[str, Any]) -> list[list[str]]:
        """The names in the order that finds the live objects before copies are made: those in pickles come next."""
        if self._remaking is None:
            return [list(there)]
        steps: list[list[str]] = [[], [], []]
        for name, live in there.items():
            steps[0 if live is not LEFT_OUT else 1 if name in self._remaking else 2].append(name)
        return steps

    def _fill_all(self) -> None:
        while self._pending or self._late:
            with suppress(RecursionError):  # tuples in tuples, thousands deep: what holds them stays as it is
                (self._pending or self._late).popleft()()

    def _bind_root(self, name: str, live: Any) -> Any:
        root = self._graph.roots[name]
        if isinstance(root, dict) and "group" in root:
            return self._group(root["group"], live)
        try:
            found = self._child(root, live, name)
        except RecursionError:
            self.unused[name] = "its tuples are nested too deeply to be made anew"
            return live
        return found

    def _remake(self, name: str, live: Any) -> Any:
        """What a pickle makes of a name, if there is one; else what is there."""
        root = self._graph.roots[name]
        if "group" in root:
            return LEFT_OUT
        if self._remaking is None:
            return live
        found = self._remaking.make(name, live)
        if found is LEFT_OUT:
            return live
        if found is not live and partly_pickled(self._graph, root, self._engine.registry):
            self._refill(root, found, name)
        return found

    def _refill(self, root: Any, unpickled: Any, name: str) -> None:
        """Put the stored contents into an object whose pickle holds only a part of them."""
        known = set(self.unused)
        others, self._pending = self._pending, deque()
        self._refilling = True
        try:
            self._child(root, unpickled, name)
            while self._pending:
                self._pending.popleft()()
        except RecursionError:
            self.unused[name] = "nested too deeply: what its pickle does not hold is as its class makes it"
        finally:
            self._refilling = False
            self._pending = others
        # what the records lack the pickle had
        for path in self.unused.keys() - known - self._lacking - {name}:
            del self.unused[path]

    def _is_offered(self, number: int) -> bool:
        """Whether an object is what a pickle made."""
        return self._remaking is not None and number in self._remaking.offered

    def _adopt_counterpart(self, number: int, path: str) -> None:
        if number in self._counterparts and number in self._graph.nodes:
            self._node(number, LEFT_OUT, path)

    def _group(self, stored: Any, live: Any) -> Any:
        cls, parts = stored
        handler = self._engine.registry.handler(live) if live is not LEFT_OUT else None
        if not is_group_adapter(handler):
            self._left.append((f"there is no live {cls.partition(':')[2]} to take it", parts))
            return LEFT_OUT
        self._groups.append((live, handler, parts))
        for name, number in parts.items():
            handle = self._engine.handles.part(live, handler, name)
            self._bound.part(number, handle, name)
        return live

    # --- one child

    def _child(self, stored: Any, live: Any, path: str) -> Any:
        """The live object, handle or value that a stored child becomes; LEFT_OUT for none."""
        if not isinstance(stored, dict):
            return live if type(live) is type(stored) and live == stored else stored
        ((tag, content),) = stored.items()
        if tag == "leaf":
            return self._bound.bind(content, live, path)
        if tag == "node":
            return self._node(content, live, path)
        if tag == "live" and self._originals is not None:
            return self._originals.objects[content]
        if tag == "opaque":
            return self._opaque(content, live, path)
        if tag == "sealed":
            self.unused[path] = f"the contents of a {content.partition(':')[2]} are in its pickle only"
            return LEFT_OUT
        if tag in ("code", "module") and live is not LEFT_OUT and not self._is_other(tag, content, live):
            return live
        value = plain.decode(stored)
        if value is plain.NOT_PLAIN:
            if tag != "module":
                self.unused[path] = f"{content} is not defined here: run the cell that defines it"
            return LEFT_OUT
        if type(live) is type(value) and tag in _COMPARED and live == value:
            return live
        return value

    def _is_other(self, tag: str, content: str, live: Any) -> bool:
        """Whether ``live`` is no newer code, as a cell's is: nothing, or another of Python's own types."""
        if live is None:
            return tag == "code"
        builtin = isinstance(live, type) and live.__module__ == "builtins" and content.startswith("builtins:")
        return builtin and plain.name_of(live) != content

    def _opaque(self, cls: str, live: Any, path: str) -> Any:
        if live is not LEFT_OUT and plain.name_of(type(live)) == cls:
            if getattr(type(live), "by_pickle", False):
                self.unused[path] = "it needs a pickle, and stays as it is here"
            return live
        self.unused[path] = f"a {cls.partition(':')[2]} was by reference and ended with its kernel"
        return LEFT_OUT

    # --- nodes

    def _node(self, number: int, live: Any, path: str) -> Any:
        if number in self._objects:
            found = self._objects[number]
            if not self._refilling or id(found) in self._adopted or not self._is_offered(number):
                return found
            live = found
        if live is LEFT_OUT:
            live = self._counterparts.get(number, LEFT_OUT)
        node = self._graph.nodes.get(number)
        if node is None:
            self.unused[path] = "its record is missing"
            return LEFT_OUT
        kind = self._kind_of(live)
        fits = kind is not None and kind.name == node.kind and self._same_type(node, live)
        cannot = getattr(kind, "cannot_become", None) if fits else None
        if cannot is not None and cannot(live, node.state):
            return self._make(node, live, path)
        if kind is not None and fits and (kind.fixed or id(live) not in self._adopted):
            return self._adopt(node, kind, live, path)
        return self._make(node, live, path)

    def _kind_of(self, live: Any) -> Kind | None:
        if live is LEFT_OUT:
            return None
        handler = self._engine.registry.handler(live)
        return handler if is_kind(handler) else None

    def _same_type(self, node: Node, live: Any) -> bool:
        return plain.name_of(live if node.kind in CODE_KINDS else type(live)) == node.cls.partition("|")[0]

    def _adopt(self, node: Node, kind: Kind, live: Any, path: str) -> Any:
        if kind.fixed:
            return self._fixed(node, kind, take(kind, live), live, path)
        if node.kind.endswith("instance") and self._originals is None and not self._refilling:
            obstacle = self._feasible.obstacle(node.number, live, path)
            if obstacle is not None:
                self.unused[path] = obstacle
                return LEFT_OUT
        self._objects[node.number] = live
        self._adopted.add(id(live))
        if self._refilling and hasattr(kind, "came_from_pickle"):
            kind.came_from_pickle(live)
        self._later(node, lambda: self._fill(node, kind, live, path, take(kind, live)))
        return live

    def _make(self, node: Node, live: Any, path: str) -> Any:
        kind = PLAIN.get(node.kind) or self._engine.registry.kind_named(node.kind)
        cls = plain.locate(node.cls)
        if kind is None or not self._engine.registry.makeable(node.kind, cls):
            again = self._originals.new(node.number) if self._originals is not None else None
            if again is not None:
                return self._make_again(node, *again, path)
            if node.kind in CODE_KINDS:
                if live is LEFT_OUT:
                    self.unused[path] = "code is not restored: run the cell that defines it"
                return live
            name = node.cls.partition(":")[2]
            self.unused[path] = f"it is a {name}, {NEEDS_PICKLE}"
            return LEFT_OUT
        blocked = self._blocked({"node": node.number}) if self._originals is None else None
        if blocked is not None:
            self.unused[path] = blocked
            return LEFT_OUT
        if kind.fixed:
            return self._fixed(node, kind, (), LEFT_OUT, path)
        made = self._objects[node.number] = kind.build(cls, _head(node))
        self._later(node, lambda: self._fill(node, kind, made, path, take(kind, made) if kind.lead else ()))
        return made

    def _make_again(self, node: Node, made: Any, kind: Kind, path: str) -> Any:
        self._objects[node.number] = made
        if node.kind.endswith("instance"):
            self._later(node, lambda: self._fill(node, kind, made, path, take(kind, made)))
        return made

    def _fixed(self, node: Node, kind: Kind, present: tuple[Any, ...], live: Any, path: str) -> Any:
        """An immutable container: the live one if its members are the very same, else a new one."""
        state = self._state(node, present, path)
        if state is None:
            return LEFT_OUT
        current = tuple(part.get() if type(part) is Handle else part for part in state)
        if live is not LEFT_OUT and len(state) == len(present) and all(a is b for a, b in zip(current, present)):
            found = live
        else:
            cls: Any = plain.locate(node.cls) if live is LEFT_OUT or len(state) != len(present) else type(live)
            try:
                found = kind.build(cls, current)
            except RecursionError:
                raise
            except Exception as error:  # a class of C code, or a member's __hash__, may refuse in any way
                self.unused[path] = f"a {cls.__name__} cannot be made here ({type(error).__name__}: {error})"
                return LEFT_OUT
        self._objects[node.number] = found
        self._records[id(found)] = Record(found, kind, state, next(numbers))
        return found

    def _fill(self, node: Node, kind: Kind, owner: Any, path: str, present: tuple[Any, ...]) -> None:
        """Work out the state that ``owner`` is to have."""
        state = self._state(node, present[kind.lead :], path)
        if state is not None:
            lead = present[: kind.lead]
            self._records[id(owner)] = Record(owner, kind, (*lead, *state), next(numbers))

    def _blocked(self, *parts: Any) -> str | None:
        return self._makeable.blocked(*parts, present=self._objects)

    def _attributes_later(self, handle: Handle, node: Node, path: str) -> None:
        self._pending.append(lambda: self._attributes(handle, node, path))

    def _attributes(self, handle: Handle, node: Node, path: str) -> None:
        kind = attributes_kind(handle.adapter)
        obj = handle.get()
        state = self._state(node, kind.take(obj), path)
        if state is not None:
            self._records[id(handle)] = Record(handle, kind, state, next(numbers))

    def _state(self, node: Node, present: tuple[Any, ...], path: str) -> tuple[Any, ...] | None:
        """The stored state with each child bound; None when it cannot be completed."""
        inner = made_with_it(node.kind, self._engine.registry) if self._refilling else None
        bind = self._child if inner is None else partial(self._present_child, inner)
        return match_state(node.kind, node.state, present, path, bind)

    def _present_child(self, inner: str, stored: Any, live: Any, path: str) -> Any:
        """A child of an object from a pickle, which makes its variables, of kind ``inner``, itself."""
        if isinstance(stored, dict) and "leaf" in stored and self._leaves.held(stored["leaf"]).leaf.kind == inner:
            reason = "is not made with it" if live is LEFT_OUT else self._bound.misfit(stored["leaf"], live)
            if reason is not None:
                self.unused[path] = f"{reason}: make the object as it was, then restore again"
                self._lacking.add(path)
                return LEFT_OUT
        return self._child(stored, live, path)

    def _later(self, node: Node, step: Callable[[], None]) -> None:
        # keys that are objects are known by then from where else they occur
        (self._late if is_keyed_by_reference(node.kind, node.state) else self._pending).append(step)


_COMPARED = {"float", "complex", "bytes", "range", "date", "time", "timedelta", "datetime", "decimal", "fraction",
             "uuid", "scalar", "dtype", "path", "member"}  # fmt: skip


def _head(node: Node) -> tuple[Any, ...]:
    """What the empty object needs of its state: a deque's length, a dict's factory, an array's shape."""
    if node.kind == "object array":
        return node.state[: 1 + node.state[0]]
    return tuple(plain.decode(part) for part in node.state[:1]) if node.kind in ("deque", "defaultdict") else ()
