"""What of a stored graph can be made anew here: from plain parts, without a pickle and without running code."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from snapshot import plain
from snapshot.graph import CODE_KINDS, Graph
from snapshot.kinds import adapter_named
from snapshot.leaf_binding import Leaves
from snapshot.registry import Registry

#: What is said of an object that is neither found nor made from plain parts.
NEEDS_PICKLE = "which needs a pickle, loaded only from a trusted repository"
#: And where there is no pickle of it, which trust would not change.
NO_PICKLE = "which could not be pickled, so it ended with its kernel"


class Makeable:
    """Looks ahead, so that an object comes back whole or not at all."""

    def __init__(self, graph: Graph, leaves: Leaves, registry: Registry) -> None:
        self._graph = graph
        self._leaves = leaves
        self._registry = registry
        self._known: set[int] = set()

    def refused(self, number: int) -> str | None:
        """Why no object here can hold a leaf, as far as its description tells; None when one may."""
        held = self._leaves.held(number)
        refusal = getattr(adapter_named(held.leaf.kind, self._registry), "refusal", None)
        found: str | None = refusal(held.form) if refusal is not None else None
        return found

    def blocked(self, *parts: Any, present: Container[int] = ()) -> str | None:
        """What, somewhere behind these, cannot be made; None when all can. Nodes ``present`` need not be."""
        seen: set[Any] = set()
        stack = [part for part in parts if isinstance(part, dict)]
        while stack:
            part = stack.pop()
            held = part.get("opaque") or part.get("sealed")
            if held is not None:
                return f"it holds a {str(held).partition(':')[2]}, {NEEDS_PICKLE}"
            if "leaf" in part and (reason := self.refused(part["leaf"])) is not None:
                return f"what it holds {reason}"
            current: Any = part.get("node")
            node = self._graph.nodes.get(current)
            if current in seen or current in self._known or current in present or node is None:
                continue
            seen.add(current)
            if not self._registry.makeable(node.kind, plain.locate(node.cls)):
                name = node.cls.partition(":")[2]
                if node.kind in CODE_KINDS:
                    return (
                        f"it holds {name.partition('|')[0]}, and code is not restored: run the cell that defines it"
                    )
                return f"it holds a {name}, {NEEDS_PICKLE}"
            stack.extend(part for part in node.state if isinstance(part, dict))
        self._known |= seen
        return None
