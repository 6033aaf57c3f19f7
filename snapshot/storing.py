"""Keeping the present state: capture it, note it on the shelf, hand it to the archive; all of that, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from types import ModuleType

from snapshot.apply import interrupts_wait
from snapshot.capture import Capture
from snapshot.engine import Engine, Wanted
from snapshot.errors import OverBudget
from snapshot.handles import AnyHandle
from snapshot.model import Snapshot
from snapshot.parts import Parts
from snapshot.selection import not_found, root_of, split
from snapshot.store_result import StoreResult


def store(
    parts: Parts,
    label: str | None,
    wanted: Wanted,
    excluded: Sequence[str],
    *,
    step: int | None,
    note: str,
    memory: bool,
    told: Callable[[], None],
) -> Snapshot:
    """Store what is ``wanted``, then call ``told``.

    ``excluded`` are the patterns among its exclusions that were given just now.
    """
    started = perf_counter()
    parts.archive.settle()
    before = parts.shelf.mark()
    _check_excluded(parts, excluded, wanted.also or {})
    try:
        capture, added = _look(parts, wanted)
        snapshot = parts.shelf.describe(label, step, note, capture)
        unstored = _newly_unstored(parts, snapshot)
        with interrupts_wait():
            moved = parts.shelf.add(snapshot)
        if memory:
            parts.archive.skip(snapshot)
        send = None if memory else parts.archive.write(snapshot, sum(added.values()))
        result = StoreResult(
            snapshot,
            sum(type(root) is not ModuleType for name, root in capture.roots.items() if name[:1] != "("),
            sum(added.values()),
            perf_counter() - started,
            partial(_costliest, parts.engine, capture, added),
            moved,
            len(parts.excluded),
            unstored,
        )
        # last of all: whatever is interrupted before this never gets to the thread
        with interrupts_wait():
            if send is not None:
                send()
            told()
    except BaseException:
        # whoever interrupts a store expects no snapshot, neither here nor on disk
        with interrupts_wait():
            for made in parts.shelf.back_to(before):
                parts.archive.take_back(made)
            parts.engine.blocks.sweep()
        raise
    parts.last_store = result
    return snapshot


def _look(parts: Parts, wanted: Wanted) -> tuple[Capture, dict[AnyHandle, int]]:
    """Capture what is wanted; what could be undone goes when it fits only then."""
    try:
        return parts.engine.look(wanted, parts.shelf.latest)
    except OverBudget as error:
        parts.engine.blocks.sweep()
        if not parts.changes.stack.make_room(error.excess):
            raise
    return parts.engine.look(wanted, parts.shelf.latest)


def _check_excluded(parts: Parts, patterns: Sequence[str], also: Mapping[str, object]) -> None:
    """An exclusion that means nothing is a spelling mistake; those said once and for all may wait for theirs."""
    if not patterns:
        return
    known = {**parts.engine.names(), **also}
    _, inner = split(patterns, known)
    # with a slash it may be a session's variable
    literal = [p for p in inner if not p.startswith("role:") and not set(p) & set("*?/")]
    unknown = [p for p in literal if root_of(p) not in known]
    if unknown:
        raise not_found(unknown, known)


def _newly_unstored(parts: Parts, snapshot: Snapshot) -> int:
    """How many paths are by reference; 0 when the last store has said the same already."""
    before = parts.last_store.snapshot.report if parts.last_store is not None else {}
    report = snapshot.report
    return 0 if report.keys() == before.keys() else len(report)


def _costliest(engine: Engine, capture: Capture, added: Mapping[AnyHandle, int]) -> tuple[str, int] | None:
    if not added:
        return None
    handle, size = max(added.items(), key=lambda item: item[1])
    return engine.paths(capture).of(handle), size
