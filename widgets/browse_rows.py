"""The timeline as rows of text: for the list in the view, and as a table for everybody else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from snapshot.budget import human_bytes
from snapshot.errors import SnapshotError
from snapshot.model import Snapshot
from snapshot.timeline import key_of
from snapshot.widgets.branches import tree
from snapshot.widgets.series import Key
from snapshot.widgets.words import shorten
from snapshot.wording import clock, counted, enumerated, printable, reference_of

COLUMNS = ("branch", "id", "label", "step", "time", "size", "note")
#: Rows shown before the rest is counted instead: describing one may read its table from disk.
MOST_ROWS = 300
_NUMERIC = frozenset({"step", "size"})
_SPACE = "\u00a0"  # lists in a browser run ordinary blanks together


@dataclass(frozen=True, slots=True)
class Row:
    """One snapshot. ``cells`` follow :data:`COLUMNS`."""

    key: Key
    snapshot: Snapshot
    cells: tuple[str, ...]


def rows_of(snapshots: Sequence[Snapshot], run: str, head: Snapshot | None, text: str = "") -> list[Row]:
    """The newest :data:`MOST_ROWS` of those whose id, label, step or note contains ``text``, oldest first."""
    wanted = text.strip().casefold()
    drawings = tree(snapshots, head)
    found = [
        (snapshot, drawing)
        for snapshot, drawing in zip(snapshots, drawings, strict=True)
        if not wanted or any(wanted in part.casefold() for part in _searched(snapshot, run))
    ]
    here = None if head is None else key_of(head)
    return [
        # between rows that are left out lines would lead nowhere
        _row(snapshot, run, ("◉" if key_of(snapshot) == here else "●") if wanted else drawing)
        for snapshot, drawing in found[-MOST_ROWS:]
    ]


def lines_of(rows: Sequence[Row]) -> tuple[str, list[str]]:
    """The headings and a line for each row, padded so that columns line up in type of one width."""
    cells = [COLUMNS, *(row.cells for row in rows)]
    widths = [max(len(column[index]) for column in cells) for index in range(len(COLUMNS))]
    heading, *lines = (_line(one, widths) for one in cells)
    return heading, lines


def html_of(rows: Iterable[Row], sentence: str) -> str:
    """A plain table, every cell escaped."""
    head = "".join(f'<th scope="col" {_side(column)}>{column}</th>' for column in COLUMNS)
    body = "".join(f"<tr>{_html_cells(row.cells)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    return f"<div>{escape(sentence)}</div>{table}"


def details_of(snapshot: Snapshot, run: str) -> str:
    """One snapshot in a few sentences."""
    label = f" {printable(snapshot.label)}" if snapshot.label else ""
    about = f"{reference_of(snapshot, run)}{label}, step {snapshot.step:,}, stored {clock(snapshot.time)}"
    try:
        held = f"{counted(len(snapshot.variables), 'value')}, {human_bytes(snapshot.nbytes)}"
        report = list(snapshot.report)
    except (SnapshotError, OSError) as error:
        return f"{about}: cannot be read: {printable(str(error))}"
    parts = [f"{about}: {held}."]
    if snapshot.parent is not None:
        parts.append(f"It descends from #{snapshot.parent}.")
    if snapshot.notebook:
        parts.append(f"Stored by {printable(snapshot.notebook)}.")
    if report:
        parts.append(f"Not stored by value: {printable(enumerated(report))}.")
    if snapshot.note:
        parts.append(f"Note: {printable(snapshot.note)}")
    return " ".join(parts)


def _row(snapshot: Snapshot, run: str, drawing: str) -> Row:
    label, note = printable(snapshot.label or ""), printable(snapshot.note)
    cells = (
        drawing,
        reference_of(snapshot, run),
        shorten(label, 32),
        f"{snapshot.step:,}",
        clock(snapshot.time),
        _size(snapshot),
        shorten(note, 48),
    )
    return Row(key_of(snapshot), snapshot, cells)


def _size(snapshot: Snapshot) -> str:
    try:
        return human_bytes(snapshot.nbytes)
    except (SnapshotError, OSError):
        return "unreadable"


def _searched(snapshot: Snapshot, run: str) -> tuple[str, ...]:
    return reference_of(snapshot, run), snapshot.label or "", f"@{snapshot.step}", snapshot.note


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column in _NUMERIC else cell.ljust(width)
        for column, cell, width in zip(COLUMNS, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip().replace(" ", _SPACE)


def _html_cells(cells: Sequence[str]) -> str:
    kept = (cell.replace(" ", _SPACE) if index == 0 else cell for index, cell in enumerate(cells))
    return "".join(f"<td {_side(column)}>{escape(cell)}</td>" for column, cell in zip(COLUMNS, kept, strict=True))


def _side(column: str) -> str:
    face = "; font-family: monospace" if column == "branch" else ""
    return f'style="text-align: {"right" if column in _NUMERIC else "left"}{face}"'
