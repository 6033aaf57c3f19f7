"""What each command does: one function from a :class:`Call` to what the cell displays.

Commands that act print their line and return None; commands that show something return
it, and ``dispatch`` displays it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from snapshot.budget import human_bytes
from snapshot.magics.door import Door
from snapshot.magics.listing import MOST_ROWS, Table
from snapshot.magics.where import after_flush
from snapshot.wording import clock, counted, enumerated, reference_of, shortened

if TYPE_CHECKING:
    from snapshot.model import Snapshot
    from snapshot.retention import Policy
    from snapshot.workspace import Workspace
#: Characters of a label that a list shows.
MOST_OF_A_LABEL = 40


@dataclass(frozen=True)
class Call:
    """One command as it was called: what was given, and the names an expression may use."""

    door: Door
    given: argparse.Namespace
    names: dict[str, Any]

    @property
    def workspace(self) -> Workspace:
        """The workspace of the shell; made when a command first needs it."""
        return self.door.workspace

    def timeline(self) -> Sequence[Snapshot]:
        """The timeline; completion remembers what was seen, since it must not read the disk."""
        self.door.seen = self.workspace.timeline
        return self.door.seen


def store(call: Call) -> None:
    """``%snapshot store``: one line says what it took."""
    given = call.given
    call.workspace.store(
        given.label,
        only=given.only,
        exclude=given.exclude,
        step=given.step,
        note=given.note or "",
        memory=given.memory,
    )
    print(call.workspace.last_store)


def restore(call: Call) -> None:
    """``%snapshot restore``: the status, in a line or two."""
    given = call.given
    status = call.workspace.restore(
        given.ref or "latest",
        only=given.only,
        into=dict(given.into) if given.into else None,
        created=given.created or "keep",
        code=given.code or "keep",
        defer=given.defer,
        dry_run=given.dry_run,
        initialize_rest=given.initialize_rest,
    )
    print(status)


def resume(call: Call) -> None:
    """``%snapshot resume``: the status of a restore, or that there is nothing to go on from."""
    given = call.given
    status = call.workspace.resume(only=given.only, code=given.code or "keep", defer=given.defer)
    if status is None:
        if call.door.refused is not None and call.workspace.repository is None:
            raise call.door.refused  # what lies there is no reason to start anew
        print(f"nothing to resume from yet ({_place(call.workspace)}): starting from scratch")
    else:
        print(status)


def list_(call: Call) -> Table:
    """``%snapshot list``: oldest first, an arrow at the one the present descends from."""
    from snapshot.timeline import key_of, shadowed

    workspace, everything = call.workspace, call.given.all
    snapshots = workspace.snapshots(all=True) if everything else call.timeline()
    # describing one reads its table from disk, and the newest are what people look for
    hidden = shadowed(snapshots, workspace.run)
    listed = snapshots[-MOST_ROWS:]
    rows = [(*_row(snap, workspace, key_of(snap) in hidden), snap.notebook) for snap in listed]
    about = ("", "id", "label", "step", "time", "values", "size", "state", "after", "note", "notebook")
    columns: tuple[str, ...] = about
    if not everything:
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    older = f"; the newest {len(rows)}" if len(rows) < len(snapshots) else ""
    notes = () if rows else ("%snapshot store NAME makes the first.",)
    if not hidden.isdisjoint(map(key_of, listed)):
        notes = ("A label in brackets means another snapshot, which has it too: take this one by its id.",)
    numeric = frozenset({"step", "values", "size"})
    return Table(f"{counted(len(snapshots), 'snapshot')}{older}", columns, rows, numeric, notes)


def _row(snap: Snapshot, workspace: Workspace, hidden: bool) -> tuple[str, ...]:
    head = workspace.head
    here = head is not None and (snap.run, snap.id) == (head.run, head.id)
    parent = _parent(snap, workspace.run)
    label = shortened(snap.label or "", MOST_OF_A_LABEL)
    return (
        "→" if here else "",
        reference_of(snap, workspace.run),
        f"({label})" if hidden else label,
        f"{snap.step:,}",
        clock(snap.time),
        f"{len(snap.variables):,}",
        human_bytes(snap.nbytes),
        shortened(workspace.state(snap)),
        parent,
        snap.note,
    )


def _parent(snap: Snapshot, run: str) -> str:
    """The id of the snapshot it descends from, as commands take it."""
    if snap.parent is None:
        return ""
    return f"#{snap.parent}" if isinstance(snap.parent, str) or snap.run == run else f"#{snap.run}.{snap.parent}"


def diff(call: Call) -> Any:
    """``%snapshot diff``: a Comparison, which displays itself."""
    others = [call.given.other] if call.given.other else []
    return call.workspace.compare(call.given.ref, *others)


def label(call: Call) -> None:
    """``%snapshot label``: says so when another snapshot loses the label."""
    workspace, given = call.workspace, call.given
    snap = workspace[given.ref]
    bearers = _bearers(call, given.label)
    workspace.label(snap, given.label)
    remarks = [f"was {snap.label}"] if snap.label and snap.label != given.label else []
    left = bearers - _bearers(call, given.label) - {reference_of(snap, workspace.run)}
    remarks += [f"moved here from {', '.join(sorted(left))}"] if left else []
    kept = _bearers(call, given.label) - {reference_of(snap, workspace.run)}
    remarks += [f"{', '.join(sorted(kept))} of another run keeps it, but it means this one"] if kept else []
    now = f"{reference_of(snap, workspace.run)} is now {given.label}"
    print(f"{now} ({'; '.join(remarks)})" if remarks else now)


def _bearers(call: Call, label: str) -> set[str]:
    return {reference_of(snap, call.workspace.run) for snap in call.timeline() if snap.label == label}


def drop(call: Call) -> None:
    """``%snapshot drop``: every reference is looked up before anything is deleted."""
    dropped = call.workspace.drop(*call.given.refs)
    print(f"dropped {', '.join(_names(call, dropped))}; {counted(len(call.timeline()), 'snapshot')} left")


def prune(call: Call) -> None:
    """``%snapshot prune``: what any option keeps stays, and so does what has a label."""
    from snapshot.retention import KeepEvery, KeepLabelled, KeepLast

    given = call.given
    if given.keep is None and given.every is None and not given.collect:
        raise UsageError("prune needs --keep N, --every HOURS or both; else nothing but labels would stay")
    rules: list[Policy] = [KeepLabelled()] if given.keep is not None or given.every is not None else []
    rules += [KeepLast(given.keep)] if given.keep is not None else []
    rules += [KeepEvery(hours=given.every)] if given.every is not None else []
    dropped = call.workspace.prune(*rules)
    what = f"dropped {enumerated(_names(call, dropped))}" if dropped else "nothing to drop"
    print(f"{what}; {counted(len(call.timeline()), 'snapshot')} left")
    if given.collect and (collected := call.workspace.collect(timedelta(0))) is not None:
        print(f"{human_bytes(collected.freed)} of disk space given back")
        for what, why in collected.kept.items():
            print(f"kept {what}: {why}")


def _names(call: Call, snapshots: list[Snapshot]) -> list[str]:
    ids = [reference_of(snap, call.workspace.run) for snap in snapshots]
    return [f"{snap.label} ({name})" if snap.label else name for snap, name in zip(snapshots, ids, strict=True)]


def assign(call: Call) -> None:
    """``%snapshot assign``: evaluate, then write in place."""
    path, expression = call.given.assignment
    try:
        value = eval(expression, call.names)
    except (SyntaxError, NameError) as error:
        # whatever else it raises is the user's own, and comes with its traceback
        problem = error.msg if isinstance(error, SyntaxError) else error
        raise UsageError(f"assign {path}: cannot evaluate {expression}: {problem}") from error
    print(call.workspace.assign({path: value}))


def exclude(call: Call) -> None:
    """``%snapshot exclude``: more patterns or fewer, then those in force."""
    from snapshot.selection import as_patterns

    workspace, given = call.workspace, call.given
    again = getattr(given, "not") or []
    if again and not workspace.excluded:
        raise UsageError(f"nothing is left out of stores, so {enumerated(again)} need not be taken back")
    as_patterns(given.names)  # refuses before anything has changed
    workspace.include(*again)
    workspace.exclude(*given.names)
    excluded = workspace.excluded
    print(
        f"left out of every store from now on: {', '.join(excluded)}" if excluded else "no name is left out of stores"
    )


def undo(call: Call) -> None:
    """``%snapshot undo``."""
    print(call.workspace.undo())


def redo(call: Call) -> None:
    """``%snapshot redo``."""
    print(call.workspace.redo())


def open_(call: Call) -> None:
    """``%snapshot open``."""
    call.workspace.open(call.given.path, trust=call.given.trust)
    print(f"snapshots go to {_place(call.workspace)} from now on; {counted(len(call.timeline()), 'snapshot')} known")


def flush(call: Call) -> None:
    """``%snapshot flush``."""
    call.workspace.flush()
    print(after_flush(call.workspace))


def close(call: Call) -> None:
    """``%snapshot close``."""
    if call.workspace.repository is None:
        print("no repository is open, so there is none to close; snapshots are in memory (%snapshot open PATH)")
        return
    place = _place(call.workspace)
    call.workspace.close()
    print(f"closed {place}; snapshots stay in memory from now on")


def _place(workspace: Workspace) -> str:
    repository = workspace.repository
    return "memory only" if repository is None else str(repository.location)
