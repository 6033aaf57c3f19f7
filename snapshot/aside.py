"""What of a stored graph must wait for variables that do not exist yet, and the graph without it.

The rest is restored as ever: a model of which one layer was not built yet gets all its
other values at once. Nothing live is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from snapshot import plain
from snapshot.graph import Graph
from snapshot.matching import LEFT_OUT
from snapshot.pairing import Miss, Owner, Pairing
from snapshot.registry import Registry

#: Named in place of a type where nothing live stands for what waits.
_MARK = "a value that waits"


@dataclass
class Aside:
    """Stored leaves that nothing live can take yet, and the live objects that will have them."""

    graph: Graph  #: everything, as it was stored
    rest: Graph  #: what can be restored now
    waiting: dict[int, str] = field(default_factory=dict)  #: number of a leaf -> path
    owners: dict[int, Owner] = field(default_factory=dict)  #: by id of the live object
    roots: dict[str, str] = field(default_factory=dict)  #: stored name -> live name, of those with waiting values

    def without_noise(self, unused: Mapping[str, str]) -> dict[str, str]:
        """Reasons of a restore of the rest, less those that are about what waits."""
        return {path: reason for path, reason in unused.items() if _MARK not in reason}


def set_aside(graph: Graph, roots: Mapping[str, str], live: Mapping[str, Any], registry: Registry) -> Aside:
    """Take out of ``graph`` what live objects behind ``roots`` (stored name -> live name) cannot hold yet."""
    pairing = Pairing(graph, registry)
    found = Aside(graph, graph)
    for stored, name in roots.items():
        if stored in graph.roots and name in live:
            misses, kept = len(pairing.misses), len(pairing.kept)
            try:
                pairing.pair(graph.roots[stored], live[name], stored)
            except RecursionError:  # nested too deeply: it is restored whole, or not at all
                del pairing.misses[misses:], pairing.kept[kept:]
            if len(pairing.misses) > misses:
                found.roots[stored] = name
    replaced: dict[int, Any] = {id(stored): _stand_in(alive) for stored, alive in pairing.kept}
    for miss in pairing.misses:
        ((_, number),) = miss.stored.items()
        if number in pairing.met:
            continue  # it lives elsewhere, and only is not known at this place
        replaced[id(miss.stored)] = _stand_in(miss.live)
        for leaf in pairing.leaves_of(miss.stored):
            found.waiting.setdefault(leaf, _path_of(miss, leaf))
        add_owner(found.owners, miss, registry)
    if found.waiting:
        found.rest = _pruned(graph, replaced, found.waiting.keys())
    return found


def add_owner(owners: dict[int, Owner], miss: Miss, registry: Registry) -> None:
    """Whom to watch for one miss: what stands there for it, and what it is to be put into."""
    builder = registry.builder_for(type(miss.live)) if miss.live is not LEFT_OUT else None
    if builder is not None and builder.unbuilt(miss.live):
        owners.setdefault(id(miss.live), Owner(miss.live, miss.stored, miss.path, builder))
    if miss.owner is not None:
        owner = owners.setdefault(id(miss.owner.live), miss.owner)
        owner.places[miss.path[len(miss.owner.path) :]] = miss.stored


def _stand_in(live: Any) -> dict[str, str]:
    # what is by reference stays as it is where it lives, and is left out where it does not
    return {"opaque": f":{_MARK}" if live is LEFT_OUT else plain.name_of(type(live))}


def _pruned(graph: Graph, replaced: Mapping[int, Any], waiting: Any) -> Graph:
    def part_of(part: Any) -> Any:
        if id(part) in replaced:
            return replaced[id(part)]
        # also a key by which something else is found, or a place that no path led to
        return _stand_in(LEFT_OUT) if isinstance(part, dict) and part.get("leaf") in waiting else part

    nodes = {number: replace(node, state=tuple(map(part_of, node.state))) for number, node in graph.nodes.items()}
    roots = {name: part_of(root) for name, root in graph.roots.items()}
    return Graph(roots, nodes, graph.attributes)


def _path_of(miss: Miss, leaf: int) -> str:
    return miss.path if miss.stored.get("leaf") == leaf else f"{miss.path} ({leaf})"
