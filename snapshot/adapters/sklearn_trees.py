"""scikit-learn's compiled decision trees: their nodes as one array, a row a node.

A tree is read and written through the state that pickle sees. What an array says is
checked before a tree is made of it, because the compiled code follows it without a look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snapshot.adapters.protocol import Array, Form
from snapshot.model import parse_dtype

_LEAF = -1  # TREE_LEAF: there is no child
_OTHER_NODES = "was stored by a version of scikit-learn whose trees have other nodes"


class TreeAdapter:
    """``sklearn.tree._tree.Tree``, the ``tree_`` of every decision tree.

    Contents are of shape ``(node_count,)``: the fields of a node, and its ``value`` of
    shape ``(n_outputs, max_n_classes)``.
    """

    kind = "sklearn.tree.Tree"
    immutable = False

    def form(self, obj: Any) -> Form:
        _, (features, classes, _), state = obj.__reduce__()
        meta = (
            ("n_features", int(features)),
            ("n_classes", " ".join(str(int(count)) for count in classes)),
            ("max_depth", int(state["max_depth"])),
        )
        return Form(state["nodes"].shape, repr(_row(state).descr), meta)

    def view(self, obj: Any) -> Array:
        state = obj.__getstate__()
        nodes, values = state["nodes"], state["values"]
        found = np.empty(nodes.shape, _row(state))
        for name, _ in _fields(nodes.dtype):
            found[name] = nodes[name]
        found["value"] = values
        return found

    def misfit(self, obj: Any, form: Form) -> str | None:
        present = self.form(obj)
        now, stored = dict(present.meta), dict(form.meta)
        if present.shape != form.shape or obj.capacity != form.shape[0]:
            return f"has {present.shape[0]} nodes, stored were {form.shape[0]}"
        for what in ("n_features", "n_classes", "max_depth"):
            if now[what] != stored[what]:
                return f"has {what} {now[what]}, stored was {stored[what]}"
        return None if present.dtype == form.dtype else _OTHER_NODES

    def refusal(self, form: Form) -> str | None:
        """Why no tree of the scikit-learn that is here can hold contents of ``form``; None when one can."""
        from sklearn.tree._tree import NODE_DTYPE

        fields = parse_dtype(form.dtype).descr[:-1]
        return None if fields == _fields(NODE_DTYPE) else _OTHER_NODES

    def assign(self, obj: Any, contents: Array) -> None:
        # with as many nodes as it has its memory stays where it is, and so do arrays that look into it
        obj.__setstate__(_state(contents, obj, obj.max_depth))

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        # sklearn.tree takes as long to import as the rest of what most notebooks use of the library
        from sklearn.tree._tree import Tree

        meta = dict(form.meta)
        classes = np.array(meta["n_classes"].split(), np.intp)
        made = Tree(meta["n_features"], classes, len(classes))
        expected = np.dtype([*_fields(made.__getstate__()["nodes"].dtype), _value(made)])
        if contents.dtype != expected:
            raise ValueError(_OTHER_NODES)
        made.__setstate__(_state(contents, made, meta["max_depth"]))
        return made

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)


TREE = TreeAdapter()


def _fields(nodes: np.dtype[Any]) -> list[tuple[Any, ...]]:
    """The fields of a node, without what pads them in memory."""
    return [(name, nodes[name].str) for name in nodes.names or ()]


def _value(tree: Any) -> tuple[Any, ...]:
    return ("value", "<f8", (tree.n_outputs, tree.max_n_classes))


def _row(state: dict[str, Any]) -> np.dtype[Any]:
    return np.dtype([*_fields(state["nodes"].dtype), ("value", "<f8", state["values"].shape[1:])])


def _state(contents: Array, tree: Any, max_depth: int) -> dict[str, Any]:
    """What ``__setstate__`` takes; raises ``ValueError`` where the compiled code would leave the tree's memory."""
    nodes = np.zeros(contents.shape, tree.__getstate__()["nodes"].dtype)
    for name in nodes.dtype.names or ():
        nodes[name] = contents[name]
    _check(nodes, tree.n_features, max_depth)
    values = np.ascontiguousarray(contents["value"])
    return {"max_depth": max_depth, "node_count": len(nodes), "nodes": nodes, "values": values}


def _check(nodes: Array, n_features: int, max_depth: int) -> None:
    numbers = np.arange(len(nodes))
    inner = nodes["left_child"] != _LEAF
    for side in ("left_child", "right_child"):
        children = nodes[side][inner]
        # a child comes after its parent, so a walk down ends
        if not ((numbers[inner] < children) & (children < len(nodes))).all():
            raise ValueError("its nodes name children that are not there")
    features = nodes["feature"][inner]
    if not ((features >= 0) & (features < n_features)).all():
        raise ValueError("its nodes name features that are not there")
    if len(nodes) and _depth(nodes, inner) > max_depth:
        raise ValueError(f"its nodes lie deeper than {max_depth}")


def _depth(nodes: Array, inner: Array) -> int:
    """How many steps lead from the root to the deepest node below it."""
    depth, level = 0, np.zeros(1, np.intp)
    while (parents := level[inner[level]]).size and depth < len(nodes):
        level = np.unique(np.concatenate([nodes["left_child"][parents], nodes["right_child"][parents]]))
        depth += 1
    return depth
