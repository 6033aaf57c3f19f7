"""Live objects of names that are not restored, for those that are and lead to the same objects.

Of ``b = [a]`` with ``b`` gone and ``a`` alive, restoring ``b`` alone must find ``a``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from snapshot import plain
from snapshot.adapters.protocol import is_kind
from snapshot.graph import CODE_KINDS, Graph
from snapshot.matching import LEFT_OUT, match_state
from snapshot.registry import Registry
from snapshot.walk import take


def counterparts(graph: Graph, registry: Registry, chosen: Iterable[str], live: Mapping[str, Any]) -> dict[int, Any]:
    """Number of a node or a leaf behind the ``chosen`` names -> what another name has alive for it."""
    wanted = _behind([graph.roots[name] for name in chosen if name in graph.roots], graph)
    found: dict[int, Any] = {}
    for name, root in graph.roots.items():
        if name in live and name not in chosen and not wanted.isdisjoint(_behind([root], graph)):
            _pair(graph, registry, root, live[name], name, found)
    return {number: obj for number, obj in found.items() if number in wanted}


def _pair(graph: Graph, registry: Registry, root: Any, live: Any, name: str, found: dict[int, Any]) -> None:
    stack = [(root, live, name)]

    def meet(stored: Any, live: Any, path: str) -> Any:
        if live is not LEFT_OUT:
            stack.append((stored, live, path))
            return live
        number = _number(stored)
        return found.get(number, LEFT_OUT) if number is not None else plain.decode(stored)

    while stack:
        stored, live, path = stack.pop()
        number = _number(stored)
        if number is None or number in found:
            continue
        if "leaf" in stored:
            found[number] = live
            continue
        node, handler = graph.nodes.get(number), registry.handler(live)
        named = live if node is not None and node.kind in CODE_KINDS else type(live)
        if node is None or not is_kind(handler) or handler.name != node.kind:
            continue
        if plain.name_of(named) == node.cls.partition("|")[0]:
            found[number] = live
            match_state(node.kind, node.state, take(handler, live)[handler.lead :], path, meet)


def _number(stored: Any) -> int | None:
    if not isinstance(stored, dict):
        return None
    number: int | None = stored.get("node", stored.get("leaf"))
    return number


def _behind(stored: list[Any], graph: Graph) -> set[int]:
    found: set[int] = set()
    while stored:
        number = _number(part := stored.pop())
        if number is None or number in found:
            continue
        found.add(number)
        node = graph.nodes.get(number) if "node" in part else graph.attributes.get(number)
        if node is not None:
            stored.extend(one for one in node.state if isinstance(one, dict))
    return found
