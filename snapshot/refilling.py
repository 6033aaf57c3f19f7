"""Objects whose own pickles hold only a part of what was stored of them, as Keras's do.

Keras pickles a layer as its configuration and weights: a metric's sums, an optimizer's
step, the state of a seed are begun anew. So what comes from such a pickle is treated
like a live object of the name: the stored contents are put into it, by path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from snapshot.graph import Graph, Node
from snapshot.registry import Registry


def made_with_it(kind: str, registry: Registry) -> str | None:
    """The kind of leaves that an object of ``kind`` makes itself; its pickle may hold them or not. None for most."""
    return getattr(registry.kind_named(kind), "partly_pickled", None)


def partly_pickled(graph: Graph, root: Any, registry: Registry) -> bool:
    """Whether such an object is ``root`` or lies behind it."""
    return any(made_with_it(node.kind, registry) is not None for node in _behind(graph, root))


def in_order(graph: Graph, roots: Mapping[str, str], pickles: bool, registry: Registry) -> list[tuple[str, str]]:
    """``roots``, those that hold others before these, so that a layer comes back as the one in its model."""
    if not pickles or not any(made_with_it(kind, registry) for kind in {node.kind for node in graph.nodes.values()}):
        return list(roots.items())
    sizes = {name: sum(1 for _ in _behind(graph, graph.roots.get(name))) for name in roots}
    return sorted(roots.items(), key=lambda item: -sizes[item[0]])


def _behind(graph: Graph, root: Any) -> Iterator[Node]:
    seen: set[int] = set()
    stack = [root]
    while stack:
        part = stack.pop()
        number = part.get("node") if isinstance(part, dict) else None
        node = graph.nodes.get(number) if number is not None and number not in seen else None
        if node is not None:
            seen.add(node.number)
            yield node
            stack.extend(part for part in node.state if isinstance(part, dict))
