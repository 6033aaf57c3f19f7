"""From the patterns of a restore to the names and leaves of one capture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from snapshot.capture import AnyHandle, Capture
from snapshot.content import MemoryContent
from snapshot.engine import Engine
from snapshot.handles import Handle, PartHandle
from snapshot.model import Snapshot
from snapshot.paths import Named
from snapshot.plan import Choice
from snapshot.selection import matches, not_found, split


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
    leaves: set[AnyHandle] = {
        handle for handle, known in named.leaves.items() if any(_leaf_matches(pattern, known) for pattern in wide)
    }
    leaves.update(handle for pattern in inner if (handle := content.handle_at(pattern)) is not None)
    if any(pattern.startswith("role:") for pattern in patterns):
        # a name bound to such a leaf is where it goes
        names |= {name for name, root in target.roots.items() if type(root) is Handle and root in leaves}
    nowhere = [p for p in inner if content.handle_at(p) is None and not _any_leaf(p, named.leaves.values())]
    if nowhere:
        raise not_found(nowhere, (*target.roots, *named.lookup))
    return Choice(
        names=names,
        leaves=frozenset(leaves),
        removable=lambda name: any(matches(pattern, name) for pattern in patterns),
    )


def values_into(snapshot: Snapshot, into: Mapping[str, str]) -> dict[str, Any]:
    """Live path -> stored value, for paths inside objects; :class:`PathNotFound` for unknown ones."""
    return {live: snapshot[stored] for stored, live in into.items()}


def _leaf_matches(pattern: str, known: Named) -> bool:
    return any(matches(pattern, path, known.role) for path in (known.path, *known.aliases))


def _any_leaf(pattern: str, known: Iterable[Named]) -> bool:
    return any(_leaf_matches(pattern, one) for one in known)
