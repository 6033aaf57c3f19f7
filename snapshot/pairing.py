"""A stored graph beside live objects: which is which, and which live ones are not there yet.

Nothing is bound or written, save that a framework may begin its own bookkeeping. Children
are met in the order of the stored states; a dict that is keyed by objects is met last,
when its keys are known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from snapshot import plain
from snapshot.adapters.builders import Builder
from snapshot.adapters.protocol import is_kind
from snapshot.graph import CODE_KINDS, Graph, Node
from snapshot.matching import LEFT_OUT, is_keyed_by_reference, match_state
from snapshot.registry import Registry
from snapshot.walk import take

KEYED = ("dict", "OrderedDict", "defaultdict")


@dataclass(eq=False)
class Owner:
    """A live object that a framework builds, beside what was stored of it.

    ``places`` are those where something stored is missing -> what that is.
    """

    live: Any
    stored: Mapping[str, Any]
    path: str
    builder: Builder
    places: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Miss:
    """A stored child that nothing live can be paired with yet; ``live`` is what stands there for it."""

    stored: Mapping[str, Any]
    live: Any
    path: str
    owner: Owner | None
    key: tuple[dict[Any, Any], Mapping[str, Any]] | None = None  #: the live dict it would go into, and its stored key


class Pairing:
    """Pairs what it is told to, and all behind it; what it met and missed can then be asked for."""

    def __init__(self, graph: Graph, registry: Registry, known: Mapping[int, Any] | None = None) -> None:
        self.graph = graph
        self.registry = registry
        self.met: dict[int, Any] = dict(known or {})  #: number of a node or a leaf -> the live object
        self.paths: dict[int, str] = {}
        self.misses: list[Miss] = []
        self.kept: list[tuple[Mapping[str, Any], Any]] = []  #: bookkeeping: stored child, live one
        self.misfits: dict[str, tuple[int, str]] = {}  #: path -> number of a node and why it does not fit
        self._inside: list[Owner] = []
        self._builders: dict[type, Builder | None] = {}
        self._keyed: deque[tuple[Node, Any, str, Owner | None]] = deque()

    def pair(self, stored: Any, live: Any, path: str) -> None:
        """Pair ``stored`` with ``live``. A RecursionError says that it is nested too deeply."""
        self._child(stored, live, path)
        while self._keyed:
            node, holder, below, owner = self._keyed.popleft()
            self._inside = [owner] if owner is not None else []
            self._entries(node, holder, below, owner)
        self._inside = []

    def leaves_of(self, stored: Any) -> Iterator[int]:
        """Numbers of the leaves at and behind a stored child, of which none was met."""
        seen: set[int] = set()
        stack = [stored]
        while stack:
            tag, number = next(iter(stack.pop().items()))
            if number in seen or number in self.met:
                continue
            seen.add(number)
            if tag == "leaf":
                yield number
            elif tag == "node" and (node := self.graph.nodes.get(number)) is not None:
                stack.extend(part for part in reversed(node.state) if _refers(part))

    def _child(self, stored: Any, live: Any, path: str) -> Any:
        if not isinstance(stored, dict):
            return stored
        if not _refers(stored):
            found = plain.decode(stored)
            return LEFT_OUT if found is plain.NOT_PLAIN else found
        if path.endswith(" (a key)"):
            return self.met.get(next(iter(stored.values())), LEFT_OUT)
        self._meet(stored, live, path)
        return stored

    def _meet(self, stored: Mapping[str, Any], live: Any, path: str) -> None:
        ((tag, number),) = stored.items()
        owner = self._inside[-1] if self._inside else None
        place = path[len(owner.path) :] if owner is not None else ""
        if owner is not None and owner.builder.private(place):
            self.kept.append((stored, live))
            return
        makes = owner is not None and owner.builder.makes(place)
        builder = self._builder_for(type(live)) if live is not LEFT_OUT else None
        unbuilt = builder is not None and builder.unbuilt(live)
        if unbuilt or live is LEFT_OUT or (live is None and makes):
            if unbuilt or makes or self._is_built_by_a_framework(stored):
                self.misses.append(Miss(stored, live, path, owner))
        elif tag == "leaf":
            self.met.setdefault(number, live)
            self.paths.setdefault(number, path)
            self.leaf(number, live, path)
        else:
            self._node(stored, live, path, builder)

    def leaf(self, number: int, live: Any, path: str) -> None:
        """A stored leaf and the live object at its place."""

    def _node(self, stored: Mapping[str, Any], live: Any, path: str, builder: Builder | None) -> None:
        number = stored["node"]
        node = self.graph.nodes.get(number)
        if node is None or number in self.met:
            return
        handler = self.registry.handler(live)
        cls = plain.name_of(live if node.kind in CODE_KINDS else type(live))
        if not is_kind(handler) or handler.name != node.kind or cls != node.cls.partition("|")[0]:
            stored_type = node.cls.partition("|")[0].partition(":")[2]
            self.misfits[path] = (number, f"is a {cls.partition(':')[2]}, stored was a {stored_type}")
            return
        self.met[number] = live
        owner = self._inside[-1] if self._inside else None
        if node.kind in KEYED and is_keyed_by_reference(node.kind, node.state):
            self._keyed.append((node, live, path, owner))
            return
        if builder is not None:
            builder.prepare(live)
            self._inside.append(Owner(live, stored, path, builder))
        try:
            match_state(node.kind, node.state, take(handler, live)[handler.lead :], path, self._child)
        finally:
            if builder is not None:
                self._inside.pop()

    def _entries(self, node: Node, holder: Any, path: str, owner: Owner | None) -> None:
        first = len(node.state) % 2  # a default factory comes before the keys
        half = first + len(node.state) // 2
        live = {id(key): value for key, value in dict.items(holder)}
        for stored_key, stored in zip(node.state[first:half], node.state[half:]):
            if not _refers(stored_key) or not _refers(stored):
                continue
            number = next(iter(stored_key.values()))
            below = f"{path}[{self.paths.get(number, f'<leaf {number}>')}]"
            key = self.met.get(number, LEFT_OUT)
            if key is not LEFT_OUT and id(key) in live:
                self._meet(stored, live[id(key)], below)
            else:
                self.misses.append(Miss(stored, LEFT_OUT, below, owner, (holder, stored_key)))

    def _is_built_by_a_framework(self, stored: Mapping[str, Any]) -> bool:
        node = self.graph.nodes.get(stored["node"]) if "node" in stored else None
        cls = plain.locate(node.cls) if node is not None else None
        return isinstance(cls, type) and self._builder_for(cls) is not None

    def _builder_for(self, cls: type) -> Builder | None:
        if cls not in self._builders:
            self._builders[cls] = self.registry.builder_for(cls)
        return self._builders[cls]


def _refers(stored: Any) -> bool:
    return isinstance(stored, dict) and ("leaf" in stored or "node" in stored)
