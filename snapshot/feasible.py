"""Whether a live object can take a stored state whole, before any of it is taken.

A fitted estimator of which half comes back is worse than one that is left alone. So
an instance is adopted only when everything behind its stored state can be: found in
the live object, or made anew from plain parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from snapshot import plain
from snapshot.adapters.protocol import is_kind
from snapshot.graph import CODE_KINDS, Graph
from snapshot.makeable import NEEDS_PICKLE
from snapshot.matching import LEFT_OUT, match_state
from snapshot.registry import Registry
from snapshot.walk import take


class Feasibility:
    """Looks at one stored graph beside live objects; changes neither."""

    def __init__(self, graph: Graph, registry: Registry, refused: Callable[[int], str | None]) -> None:
        self._graph = graph
        self._refused = refused
        self._registry = registry
        self._seen: set[int] = set()
        self._obstacle: str | None = None

    def obstacle(self, number: int, live: Any, path: str) -> str | None:
        """What of node ``number`` neither ``live`` has nor plain parts can make; None when all is well."""
        self._seen, self._obstacle = set(), None
        try:
            self._node(number, live, path)
        except RecursionError:
            return None  # nothing so deep is an estimator; what is missing is named one by one
        return self._obstacle

    def _look(self, stored: Any, live: Any, path: str) -> Any:
        if not isinstance(stored, dict) or self._obstacle is not None:
            return stored
        ((tag, content),) = stored.items()
        if tag == "sealed":
            return self._refuse(f"{path} is a {content.partition(':')[2]}, {NEEDS_PICKLE}")
        if tag == "leaf" and (reason := self._refused(content)) is not None:
            return self._refuse(f"{path} {reason}")
        if tag == "node":
            return self._node(content, live, path)
        if tag == "opaque":
            return live
        return stored

    def _node(self, number: int, live: Any, path: str) -> Any:
        node = self._graph.nodes.get(number)
        if node is None or number in self._seen:
            return node
        self._seen.add(number)
        handler = None if live is LEFT_OUT else self._registry.handler(live)
        named = live if node.kind in CODE_KINDS else type(live)
        if is_kind(handler) and handler.name == node.kind and plain.name_of(named) == node.cls.partition("|")[0]:
            match_state(node.kind, node.state, take(handler, live)[handler.lead :], path, self._look)
        elif node.kind in CODE_KINDS:
            return live
        elif self._registry.makeable(node.kind, plain.locate(node.cls)):
            for part in node.state:
                self._look(part, LEFT_OUT, path)
        else:
            return self._refuse(f"{path} is a {node.cls.partition(':')[2]}, {NEEDS_PICKLE}")
        return node

    def _refuse(self, obstacle: str) -> Any:
        self._obstacle = self._obstacle or obstacle
        return LEFT_OUT
