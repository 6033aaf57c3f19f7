"""Every plain value of a stored graph by its path, as text: what two snapshots are compared by.

Arrays are not in it (they are compared by their hashes), code goes by a hash of its
instructions, and a long run of plain values is one line with a hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from xxhash import xxh3_64_hexdigest

from snapshot import plain
from snapshot.adapters import code
from snapshot.adapters.containers import CONTAINERS
from snapshot.adapters.named_tuples import NAMED_TUPLE
from snapshot.adapters.objects import ContainerInstanceKind
from snapshot.graph import CODE_KINDS, Graph, Node
from snapshot.kinds import PLAIN

#: More plain values than this in one container are one line.
_MOST = 200

_KINDS = {
    **PLAIN,
    **{f"{kind.name} instance": ContainerInstanceKind(kind) for kind in (*CONTAINERS, NAMED_TUPLE)},
    "class": code.CLASS,
    "cell": code.CELL,
}


class _Ref:
    """Stands for a stored child that is not a plain value."""

    def __init__(self, stored: dict[str, Any]) -> None:
        self.stored = stored


def outline(graph: Graph) -> dict[str, str]:
    """Path -> text of the value there, from every name down."""
    found: dict[str, str] = {}
    seen: dict[int, str] = {}
    stack = [(name, root) for name, root in reversed(graph.roots.items()) if not name.startswith("(")]
    while stack:
        path, stored = stack.pop()
        number = stored.get("node") if isinstance(stored, dict) else None
        node = graph.nodes.get(number) if number is not None else None
        if node is None:
            text = _text(stored)
            if text is not None:
                found[path] = text
        elif node.number in seen:
            found[path] = f"the same as {seen[node.number]}"
        else:
            seen[node.number] = path
            children = list(_children(node, graph))
            if len(children) > _MOST and not any(isinstance(child, dict) for _, child in children):
                found[path] = f"{len(children)} values, {xxh3_64_hexdigest(json.dumps(node.state).encode())[:8]}"
                continue
            found[path] = _head(node, len(children))
            stack.extend((path + text, child) for text, child in reversed(children))
    return found


def _text(stored: Any) -> str | None:
    if not isinstance(stored, dict):
        return repr(stored)
    ((tag, content),) = stored.items()
    if tag in ("leaf", "group", "module"):
        return None
    if tag in ("opaque", "sealed", "code"):
        return f"a {str(content).partition(':')[2]}"
    value = plain.decode(stored)
    return str(content) if value is plain.NOT_PLAIN else repr(value)


def _head(node: Node, children: int) -> str:
    name, _, digest = node.cls.partition(":")[2].partition("|")
    if node.kind in CODE_KINDS:
        return f"{name} {digest}".rstrip()
    return f"{name} of {children}" if node.kind in ("list", "tuple", "dict", "set", "frozenset", "deque") else name


def _children(node: Node, graph: Graph) -> Iterator[tuple[str, Any]]:
    kind = _KINDS.get(node.kind)
    if kind is None:
        return
    if node.kind in ("set", "frozenset"):
        # members have no order, so no place either
        yield "{…}", json.dumps(sorted(json.dumps(part, sort_keys=True) for part in node.state))
        return
    state = tuple(_stand_in(part, graph) for part in node.state)
    for text, child in kind.edges(((None,) * kind.lead) + state):
        if not text.startswith("<key") and text != ".__class__":
            yield text, child.stored if isinstance(child, _Ref) else child


def _stand_in(part: Any, graph: Graph) -> Any:
    """A stored child as the edges of a kind need it: a class where they look for slots, else a reference."""
    if not isinstance(part, dict):
        return part
    node = graph.nodes.get(part.get("node", 0))
    if node is not None and node.kind == "class":
        return object
    found = plain.decode(part) if "code" in part else None
    return found if isinstance(found, type) else _Ref(part)
