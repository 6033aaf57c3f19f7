"""Going back: a stored state into the live objects, values that wait for theirs, and taking all that back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from snapshot.changes import Undone
from snapshot.choosing import choose, values_into
from snapshot.deferred import Deferral
from snapshot.errors import PathNotFound
from snapshot.model import Snapshot
from snapshot.parts import Parts
from snapshot.pausing import collector_paused
from snapshot.plan import Choice
from snapshot.selection import names_of
from snapshot.status import RestoreStatus


@dataclass(frozen=True)
class Asked:
    """What of a snapshot to restore, and how: the arguments of :meth:`snapshot.Workspace.restore`."""

    patterns: tuple[str, ...] = ()
    into: Mapping[str, str] = field(default_factory=dict)
    created: str = "keep"
    code: str = "keep"
    defer: bool = False
    dry_run: bool = False
    initialize_rest: bool = False


@collector_paused()
def restore(parts: Parts, snapshot: Snapshot, asked: Asked) -> RestoreStatus:
    """Make the live objects what ``snapshot`` says."""
    patterns, into = asked.patterns, asked.into
    if any(path not in snapshot.names for path in into):
        return parts.changes.assign(values_into(snapshot, into), make_names=True, dry_run=asked.dry_run)
    later = parts.deferrals.new() if asked.defer else None
    bound = parts.archive.bind(snapshot, into, names_of(patterns), later)
    at_once = patterns if later is None else later.narrow(patterns, bound.unused)
    choice = choose(bound.capture, at_once, into, parts.engine)
    if patterns and not at_once:
        choice = Choice(names=frozenset())
    choice = replace(choice, created=asked.created, code=asked.code)
    with parts.deferrals.writing():
        status = parts.changes.restore(
            bound,
            choice,
            snapshot,
            whole=not patterns and not into,
            dry_run=asked.dry_run,
            initialize_rest=asked.initialize_rest,
        )
    if not asked.dry_run:
        parts.deferrals.stop("a later restore took its place", names=choice.names)
    if later is not None:
        later.report(status, snapshot.names)
        if not asked.dry_run:
            laters = [later]
            status.waiting = lambda: _apply_deferred(parts, laters, status, snapshot, into)
            parts.deferrals.start(later, status, parts.changes.stack.last())
    return status


def _apply_deferred(
    parts: Parts, laters: list[Deferral], status: RestoreStatus, snapshot: Snapshot, into: Mapping[str, str]
) -> None:
    """Values for variables that exist by now, then names that do; each is assigned once."""
    with parts.lock:
        for later in laters:
            later.again()
        live = parts.engine.names()
        values = {path for later in laters for path in later.waiting.values()}
        names = [path for path in status.deferred if path not in values]
        # what is no name is a session's variable, and finds its session by itself
        ready = [path for path in names if into.get(path, path) in live or path not in snapshot.names]
        if not ready:
            return
        renamed = {path: into[path] for path in ready if path in into}
        try:
            found = restore(parts, snapshot, Asked(() if renamed else tuple(ready), renamed, defer=True))
        except PathNotFound:
            return
        status.take_over(found, ready)
        more = parts.deferrals.of(found)
        if more is not None:
            more.reports.append(status)
            laters.append(more)


def take_back(parts: Parts, *, redo: bool = False) -> Undone:
    """Undo the newest change, or bring back what was undone last."""
    entry = parts.changes.stack.last(redo=redo)
    with parts.deferrals.writing():
        done = parts.changes.undo(redo=redo)
    parts.deferrals.taken_back(entry)
    return done


@contextmanager
def rolled_back(parts: Parts) -> Iterator[None]:
    """Whatever happens inside is undone at the end."""
    # not locked in between: a training thread may store, a widget may look
    with parts.lock:
        before, waiting = parts.changes.remember(), parts.deferrals.active
    try:
        yield
    finally:
        with parts.lock:
            with parts.deferrals.writing():
                parts.changes.go_back(before)
            parts.deferrals.stop("its restore was rolled back", but=waiting)
