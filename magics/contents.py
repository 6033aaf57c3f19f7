"""What one snapshot holds: what ``%snapshot show`` shows.

A row is a name or a value below one: a list or a dict is a row with its type, and the
arrays and numbers in it are the rows behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from snapshot.budget import human_bytes
from snapshot.magics.listing import Table
from snapshot.wording import clock, counted, enumerated, named, reference_of, shortened

if TYPE_CHECKING:
    from snapshot.magics.actions import Call
    from snapshot.model import Snapshot, Variable

_COLUMNS = ("path", "role", "shape", "type", "size", "also known as")


def show(call: Call) -> Table:
    """``%snapshot show``: what one snapshot holds, or what is not held by value."""
    snap, run = call.workspace[call.given.ref], call.workspace.run
    if call.given.report:
        title = f"{_title(snap, run)}: {counted(len(snap.report), 'object')} not stored by value"
        return Table(title, ("path", "reason"), list(snap.report.items()))
    names, values = stored_names(snap), snap.variables
    notes = []
    if snap.note:
        notes.append(snap.note)
    if snap.report:
        hint = f"%snapshot show {named(snap, run)} --report"
        notes.append(f"Not stored by value: {enumerated(list(snap.report))}. {hint} says why.")
    held = f"{counted(len(names), 'name')}, {values_text(len(values))}"
    title = f"{_title(snap, run)}: {held}, {human_bytes(snap.nbytes)}"
    return Table(title, _COLUMNS, list(_rows(snap, names)), frozenset({"size"}), tuple(notes))


def stored_names(snap: Snapshot) -> dict[str, str]:
    """The names whose objects a snapshot holds -> their types; modules are left out.

    Unlike ``snap.names`` without those that ``only`` and ``exclude`` kept out.
    """
    types = {name: snap.names.get(name, "") for name in _held(snap) if not name.startswith("(")}
    return {name: kind for name, kind in types.items() if kind != "module"}


def _held(snap: Snapshot) -> Iterable[str]:
    from snapshot.content import MemoryContent
    from snapshot.repository.content import StoredContent

    content = snap.content
    if isinstance(content, MemoryContent):
        return content.capture.roots
    return content.entry.groups if isinstance(content, StoredContent) else snap.names


def kind_of(path: str, snap: Snapshot) -> str | None:
    """What is stored at a path, in words (``a list``); None where nothing is stored by value."""
    if path in snap.variables:
        return f"an array of {snap.variables[path].dtype}"
    kind = None if path in snap.report else stored_names(snap).get(path)
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}" if kind else None


def values_text(number: int) -> str:
    """``1 array or number``, ``47 arrays and numbers``."""
    return "1 array or number" if number == 1 else f"{number:,} arrays and numbers"


def _rows(snap: Snapshot, names: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """Name after name, each with what lies below it; then what has no name, such as random states."""
    from snapshot.selection import root_of

    below: dict[str, list[Variable]] = {name: [] for name in names}
    rest: list[Variable] = []
    shown = set(snap.variables).union(*(one.aliases for one in snap.variables.values()))
    for path, variable in snap.variables.items():
        below.get(path if path in names else root_of(path), rest).append(variable)
    for name, kind in names.items():
        if name not in shown:
            yield name, "by reference" if name in snap.report else "", "", kind, "", ""
        yield from map(_row, below[name])
    for parts in _partitioned(rest):
        yield _row(parts[0]) if len(parts) == 1 else _row_of_parts(parts)


def _partitioned(variables: Iterable[Variable]) -> Iterable[list[Variable]]:
    """TensorFlow keeps a partitioned ``p`` as ``p/part_0``, ``p/part_1``, ...: these belong together."""
    found: dict[str, list[Variable]] = {}
    for variable in variables:
        found.setdefault(_PART.sub("", variable.path), []).append(variable)
    return found.values()


def _row_of_parts(parts: list[Variable]) -> tuple[str, ...]:
    path, role, _, dtype, _, _ = _row(parts[0])
    shapes = " + ".join(_row(part)[2] for part in parts)
    size = human_bytes(sum(part.nbytes for part in parts))
    return _PART.sub("", path), role, shapes, dtype, size, f"{parts[0].path} … {parts[-1].path}"


#: Where a path says which part of a variable it is; a slot's name comes behind it.
_PART = re.compile(r"/part_\d+(?=/|$)")


def _row(variable: Variable) -> tuple[str, ...]:
    shape = "×".join(map(str, variable.shape)) or "scalar"
    size, aliases = human_bytes(variable.nbytes), ", ".join(variable.aliases)
    return variable.path, str(variable.role), shape, str(variable.dtype), size, aliases


def _title(snap: Snapshot, run: str) -> str:
    label = f" {shortened(snap.label)}" if snap.label else ""
    return f"{reference_of(snap, run)}{label}, step {snap.step:,}, {clock(snap.time)}"
