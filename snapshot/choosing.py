"""From the patterns of a restore to the names and leaves of one capture."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from snapshot.capture import Capture
from snapshot.content import MemoryContent
from snapshot.engine import Engine
from snapshot.handles import AnyHandle, Handle, PartHandle
from snapshot.model import Snapshot
from snapshot.paths import Named
from snapshot.plan import Choice, reachable
from snapshot.selection import matches, not_found, split
from snapshot.ways import spelled_from_roots


def choose(target: Capture, patterns: tuple[str, ...], into: Mapping[str, str], engine: Engine) -> Choice:
    """What to restore of ``target``; raises :class:`PathNotFound` when a pattern means nothing."""
    if into:
        return Choice(names=frozenset(into.values()), removable=lambda name: False)
    if not patterns:
        return Choice()
    names, inner = split(patterns, target.roots)
    named = engine.paths(target)
    content = MemoryContent(target, engine)
    # a variable of a session is meant alone: below its name are its slots, which are variables too
    parts = {pattern: handle for pattern in inner if isinstance(handle := content.handle_at(pattern), PartHandle)}
    wide = [pattern for pattern in patterns if pattern not in parts]
    globs = tuple(pattern for pattern in inner if set(pattern) & set("*?"))
    more = spelled_from_roots(target, engine.registry, globs)
    asked: dict[str, Any] = {}
    leaves: set[AnyHandle] = set()
    for handle, known in named.leaves.items():
        path = _spelling(wide, known, more.get(handle, ()))
        if path is not None:
            leaves.add(handle)
            asked[path] = handle
    objects: list[Any] = []
    nowhere: list[str] = []
    for pattern in inner:
        found = content.handle_at(pattern)
        way = engine.way(target, pattern) if found is None else None
        if found is not None:
            leaves.add(found)
            asked[pattern] = found
        elif way is not None and way.steps:
            asked[pattern] = way.found
            objects.append(way.found)
        elif not any(_spelling([pattern], known, more.get(h, ())) for h, known in named.leaves.items()):
            nowhere.append(pattern)
    if any(pattern.startswith("role:") for pattern in patterns):
        # a name bound to such a leaf is where it goes
        names |= {name for name, root in target.roots.items() if type(root) is Handle and root in leaves}
    if nowhere:
        raise not_found(nowhere, (*target.roots, *named.lookup))
    # what a name or an object brings with it goes where these go, not where its own path leads
    below = {*reachable(target, Choice(names=names, objects=tuple(objects)))[1]}
    return Choice(
        names=names,
        leaves=frozenset(leaves),
        objects=tuple(objects),
        asked={path: child for path, child in asked.items() if not _among(child, below)},
        removable=lambda name: any(matches(pattern, name) for pattern in patterns),
    )


def values_into(snapshot: Snapshot, into: Mapping[str, str]) -> dict[str, Any]:
    """Live path -> stored value, for paths inside objects; :class:`PathNotFound` for unknown ones."""
    return {live: snapshot[stored] for stored, live in into.items()}


def _spelling(patterns: Iterable[str], known: Named, more: Iterable[str]) -> str | None:
    """The first path of a leaf that a pattern means."""
    spellings = (known.path, *known.aliases, *more)
    return next((path for pattern in patterns for path in spellings if matches(pattern, path, known.role)), None)


def _among(child: Any, handles: Collection[AnyHandle]) -> bool:
    return isinstance(child, Handle | PartHandle) and child in handles
