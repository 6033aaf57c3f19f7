"""Where things stand: what ``%snapshot`` alone shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from snapshot.budget import human_bytes
from snapshot.magics.listing import Facts, Table
from snapshot.wording import clock, counted, enumerated, named, reference_of, shortened

if TYPE_CHECKING:
    from snapshot.magics.actions import Call
    from snapshot.model import Snapshot
    from snapshot.workspace import Workspace


def things_stand(call: Call) -> Facts:
    """Facts about the workspace, with the commands below them."""
    from snapshot.magics.commands import COMMANDS

    rows = [(command.name, command.help) for command in COMMANDS if command.name]
    title = "Commands; %snapshot COMMAND --help tells more of one, %snapshot? of all."
    return Facts(tuple(_facts(call.workspace, call.timeline())), Table(title, ("%snapshot", ""), rows))


def _facts(workspace: Workspace, timeline: Sequence[Snapshot]) -> Iterator[tuple[str, str]]:
    labels = list(dict.fromkeys(shortened(snap.label) for snap in reversed(timeline) if snap.label))
    yield "snapshots", _present(workspace, len(timeline))
    if labels:
        yield "labels", enumerated(labels, 12)
    yield "memory", _in_memory(workspace)
    yield "on disk", _home(workspace)
    if workspace.progress.waiting:
        yield "writing", str(workspace.progress)
    if workspace.excluded:
        yield "excluded", ", ".join(workspace.excluded)
    head = workspace.head
    if head is not None and head.report:
        reported = f"{enumerated(list(head.report))} (%snapshot show {named(head, workspace.run)} --report says why)"
        yield "not by value", reported
    if workspace.waiting:
        yield "waiting", f"{enumerated(list(workspace.waiting))}, for variables that do not exist yet"
    yield "undo", f"{counted(workspace.undo_depth, 'step')} back, {workspace.redo_depth:,} forward"


def _present(workspace: Workspace, number: int) -> str:
    head = workspace.head
    if head is None:
        if not number:
            return "none yet"
        return f"{number:,}; at none of them" if workspace.in_memory else f"{number:,}, of earlier runs"
    name = reference_of(head, workspace.run) + (f" {shortened(head.label)}" if head.label else "")
    return f"{number:,}; now at {name} (step {head.step:,}, {clock(head.time)})"


def _in_memory(workspace: Workspace) -> str:
    held = human_bytes(workspace.nbytes_in_memory)
    away = workspace.nbytes_on_disk_only
    return f"{held}; {human_bytes(away)} more on disk only" if away else held


def _home(workspace: Workspace) -> str:
    repository = workspace.repository
    return "nowhere: memory only" if repository is None else str(repository.location)


def after_flush(workspace: Workspace) -> str:
    """Where this run's snapshots are once writing is over: those that are not in the repository with the reason."""
    if workspace.repository is None:
        return "nothing goes to disk: memory only"
    states: dict[str, list[str]] = {}
    for snap in workspace.in_memory:
        states.setdefault(workspace.state(snap), []).append(f"#{snap.id}")
    there = states.pop("on disk", [])
    home = _home(workspace)
    if not states:
        return f"everything stored is in {home}"
    first = f"{counted(len(there), 'snapshot')} of this run {_are(there)} in {home}"
    return "; ".join([first, *(f"{enumerated(ids)} {_are(ids)} {_in_words(state)}" for state, ids in states.items())])


def _in_words(state: str) -> str:
    return f"in {state}" if state.startswith("memory only") else state


def _are(ids: Sequence[str]) -> str:
    return "is" if len(ids) == 1 else "are"
