"""From a path to what lies there, step by step: every way is a way, not only the shortest one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from snapshot.capture import Capture
from snapshot.handles import AnyHandle, Handle
from snapshot.paths import paths_of
from snapshot.registry import Registry
from snapshot.selection import root_of
from snapshot.walk import Record


class Step(NamedTuple):
    """From a holder to one of its children; ``text`` is what the holder's own edges call it."""

    holder: Record
    text: str
    child: Any


class Way(NamedTuple):
    """A name, the steps from it, and what lies at the end."""

    root: str
    steps: tuple[Step, ...]
    found: Any


def way_to(capture: Capture, registry: Registry, path: str, *, leaf: bool = False) -> Way | None:
    """The way that ``path`` spells in ``capture``; None when it leads nowhere.

    With ``leaf`` the array is meant where it goes by the path of what holds it (a variable of flax).
    """
    holding: Way | None = None
    starts = [name for name in capture.roots if path == name or _begins(path, name)]
    waiting: list[Way] = []
    rests: list[str] = []
    for name in sorted(starts, key=len):
        waiting.append(Way(name, (), capture.roots[name]))
        rests.append(path[len(name) :])
    seen: set[tuple[int, str]] = set()
    while waiting:
        way, rest = waiting.pop(), rests.pop()
        if not rest and not (leaf and type(way.found) is not Handle):
            return way
        if not rest:
            holding = holding or way
        record = capture.records.get(id(way.found))
        if record is None or (id(way.found), rest) in seen:
            continue
        seen.add((id(way.found), rest))
        for text, steps in _onward(record, capture, registry):
            if rest == text or _begins(rest, text):
                waiting.append(Way(way.root, (*way.steps, *steps), steps[-1].child))
                rests.append(rest[len(text) :])
    return holding


def spelled_from_roots(
    capture: Capture, registry: Registry, patterns: tuple[str, ...]
) -> Mapping[AnyHandle, tuple[str, ...]]:
    """The paths that leaves have from the names that ``patterns`` start with, whatever other name is nearer."""
    found: dict[AnyHandle, tuple[str, ...]] = {}
    for root in dict.fromkeys(map(root_of, patterns)):
        if root in capture.roots:
            alone = replace(capture, roots={root: capture.roots[root]}, paths=None)
            for handle, (path, _, aliases) in paths_of(alone, registry).leaves.items():
                if root_of(path) == root:
                    found[handle] = (*found.get(handle, ()), path, *aliases)
    return found


def _begins(path: str, start: str) -> bool:
    return bool(start) and path.startswith(start) and path[len(start) : len(start) + 1] in (".", "[", "{")


def _onward(record: Record, capture: Capture, registry: Registry) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """What a user writes behind the path of ``record``, and the steps that means."""
    if hasattr(record.kind, "places"):
        live = tuple(child.get() if type(child) is Handle else child for child in record.state)
        for text, child, _, own in record.kind.places(record.state, live):
            if not own:
                yield text, (Step(record, text, child),)
        return
    naming = registry.naming(record.owner) if record.kind.name == "instance" else {}
    for text, child in record.kind.edges(record.state):
        yield text, (Step(record, text, child),)
        step = naming.get(text[1:]) if naming else None
        if step is None or not step.transparent:
            continue
        if type(child) is Handle:
            yield "", (Step(record, text, child),)
            continue
        inner = capture.records.get(id(child))
        if inner is None:
            continue
        # a module's own naming leaves the dict out: model.weight is model._parameters['weight']
        keys = inner.state[: len(inner.state) // 2]
        for key, (inside, grandchild) in zip(keys, inner.kind.edges(inner.state)):
            yield f".{key}", (Step(record, text, child), Step(inner, inside, grandchild))
