"""The object graph as plain data: what lets a new kernel restore by path, without pickle.

Each name has a group: the records first reached from it, as JSON. A node is
``[number, kind, type, state...]``; ``{"node": n}`` and ``{"leaf": n}`` refer to nodes
and leaves of any group, ``{"opaque": type}`` stands for what is by reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from xxhash import xxh3_64_hexdigest

from snapshot import plain
from snapshot.adapters.objects import is_bare_member
from snapshot.capture import Capture
from snapshot.handles import Handle, PartHandle
from snapshot.registry import PLAIN_KINDS
from snapshot.walk import Record

#: Kinds that are code; by themselves they need no pickle, they need their cell to be run.
CODE_KINDS = {"function", "class", "cached function"}


@dataclass(frozen=True, slots=True)
class Node:
    """One stored object: its kind, its type's name, and its encoded state without the lead."""

    number: int
    kind: str
    cls: str
    state: tuple[Any, ...]
    leaf: int | None = None  #: for the attributes of a leaf: that leaf's number


@dataclass
class Graph:
    """Everything stored of one snapshot, decoded from its groups."""

    roots: dict[str, Any] = field(default_factory=dict)
    nodes: dict[int, Node] = field(default_factory=dict)
    attributes: dict[int, Node] = field(default_factory=dict)


def encode_groups(
    capture: Capture, cache: Mapping[str, tuple[Any, bytes]], own: dict[int, Any] | None = None
) -> dict[str, tuple[Any, bytes]]:
    """Group name -> (what it was made from, UTF-8 JSON); groups equal to ``cache`` are reused.

    For a graph that stays in this process ``own`` collects, by id, the objects that are
    by reference; they are then ``{"live": id}`` instead of opaque.
    """
    found: dict[str, tuple[Any, bytes]] = {}
    parts_of: dict[int, list[tuple[str, int]]] = {}
    for handle in capture.leaves:
        if isinstance(handle, PartHandle):
            parts_of.setdefault(id(handle.owner), []).append((handle.name, handle.number))
    for name, records in _grouped(capture):
        parts = tuple(parts_of.get(id(capture.roots[name]), ()))
        source = (capture.roots[name], records, parts)
        known = cache.get(name)
        if known is not None and _same_source(known[0], source):
            found[name] = known
            continue
        nodes = [_node(record, capture, own) for record in records]
        if parts:
            owner = capture.roots[name]
            nodes.append([_group_number(name), "group", plain.name_of(type(owner)), dict(parts)])
        document = {"root": _child(capture.roots[name], capture, own), "nodes": nodes}
        found[name] = (source, json.dumps(document, separators=(",", ":")).encode())
    return found


def decode_groups(groups: Mapping[str, bytes]) -> Graph:
    """What :func:`encode_groups` wrote."""
    found = Graph()
    for name, data in groups.items():
        document = json.loads(data)
        found.roots[name] = document["root"]
        for number, kind, cls, *state in document["nodes"]:
            if kind == "group":
                found.roots[name] = {"group": [cls, state[0]]}
            elif kind == "attributes":
                found.attributes[int(cls)] = Node(number, kind, "", tuple(state), int(cls))
            else:
                found.nodes[number] = Node(number, kind, cls, tuple(state))
    return found


def needs_pickle(name: str, capture: Capture) -> bool:
    """Whether anything behind a name can only be made anew by pickle."""
    seen: set[int] = set()
    stack = [capture.roots[name]]
    while stack:
        child = stack.pop()
        record = capture.records.get(id(child))
        if id(child) in seen or (type(child) is Handle and not getattr(child.adapter, "whole", False)):
            continue
        seen.add(id(child))
        if record is None or is_bare_member(child):
            if plain.encode(child) is plain.NOT_PLAIN and id(child) not in capture.groups:
                return True
            continue
        of_plain = record.kind.name in PLAIN_KINDS | CODE_KINDS and _of_python(type(child))
        if not of_plain and type(child) is not Handle and not record.kind.name.startswith("pandas."):
            return True
        stack.extend(record.state[record.kind.lead :])
    return False


def _of_python(cls: type) -> bool:
    return cls.__module__ in ("builtins", "collections", "functools", "numpy", "numpy.random._generator")


def _grouped(capture: Capture) -> Iterator[tuple[str, tuple[Record, ...]]]:
    """(name, records first reached from it)."""
    records = list(capture.records.values())
    names = sorted(capture.roots, key=lambda name: capture.starts.get(name, 0))
    if not capture.starts:
        # a narrowed capture has no order of discovery: everything goes with the first name
        yield from ((name, tuple(records) if index == 0 else ()) for index, name in enumerate(names))
        return
    ends = [capture.starts[name] for name in names[1:]] + [len(records)]
    for name, end in zip(names, ends, strict=True):
        yield name, tuple(records[capture.starts[name] : end])


def _same_source(left: Any, right: Any) -> bool:
    return (
        left[0] is right[0]
        and len(left[1]) == len(right[1])
        and all(a is b for a, b in zip(left[1], right[1]))
        and left[2] == right[2]
    )


def _node(record: Record, capture: Capture, own: dict[int, Any] | None) -> list[Any]:
    state = [_child(child, capture, own) for child in record.state[record.kind.lead :]]
    if type(record.owner) is Handle:
        lead = list(record.state[: record.kind.lead])
        return [record.number, "attributes", str(record.owner.number), *lead, *state]
    named = record.owner if record.kind.name in CODE_KINDS else type(record.owner)
    cls = plain.name_of(named)
    if record.kind.name == "function":
        cls += f"|{_code_digest(record.owner.__code__)}"
    return [record.number, record.kind.name, cls, *state]


def _code_digest(code: CodeType) -> str:
    """Equal for functions that do the same; where in a notebook they stand does not count."""
    constants = [_code_digest(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return xxh3_64_hexdigest(repr((code.co_code, code.co_names, code.co_varnames, constants)).encode())[:8]


def _child(child: Any, capture: Capture, own: dict[int, Any] | None) -> Any:
    if type(child) is Handle and child in capture.leaves:
        return {"leaf": child.number}
    if type(child) is Handle:  # could not be read, or was not wanted: it stays what it is
        return {"opaque": plain.name_of(type(child.get()))}
    record = capture.records.get(id(child))
    if record is not None and record.owner is child and not is_bare_member(child):
        return {"node": record.number}
    sealed = id(child) in capture.sealed
    found = plain.NOT_PLAIN if sealed else plain.encode(child)
    if found is not plain.NOT_PLAIN:
        return found
    if own is not None:
        own[id(child)] = child
        return {"live": id(child)}
    return {"sealed" if sealed else "opaque": plain.name_of(type(child))}


def _group_number(name: str) -> int:
    # groups have no record of their own; a negative number cannot meet a real one
    return -1 - len(name)
