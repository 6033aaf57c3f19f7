"""What commands show: a plain table or a few lines, as text and as HTML.

No colours and no sizes of type, so that the front end's own style decides; every cell is
escaped, because a name may be any text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from snapshot.wording import printable

#: Rows shown before the rest is counted instead: beyond it a notebook gets slow to open.
MOST_ROWS = 200


@dataclass(frozen=True)
class Table:
    """Rows of text under headings, with a line above and lines below.

    ``numeric`` names the columns that are aligned to the right.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numeric: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def _shown(self) -> list[tuple[str, ...]]:
        return [tuple(printable(cell) for cell in row) for row in self.rows[:MOST_ROWS]]

    @property
    def _below(self) -> tuple[str, ...]:
        hidden = len(self.rows) - MOST_ROWS
        return (*((f"… and {hidden:,} more",) if hidden > 0 else ()), *map(printable, self.notes))

    def __repr__(self) -> str:
        lines = [printable(self.title)]
        if self.rows:
            cells = [self.columns, *self._shown]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            lines += [self._line(row, widths) for row in cells]
        return "\n".join([*lines, *self._below])

    def _line(self, row: tuple[str, ...], widths: list[int]) -> str:
        aligned = (
            cell.rjust(width) if column in self.numeric else cell.ljust(width)
            for column, cell, width in zip(self.columns, row, widths, strict=True)
        )
        return "  " + "  ".join(aligned).rstrip()

    def _repr_html_(self) -> str:
        below = "".join(f"<div>{escape(line)}</div>" for line in self._below)
        title = f"<div>{escape(printable(self.title))}</div>"
        if not self.rows:
            return title + below
        head = "".join(f'<th scope="col" {self._side(c)}>{escape(c)}</th>' for c in self.columns)
        body = "".join(f"<tr>{self._cells(row)}</tr>" for row in self._shown)
        return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"

    def _cells(self, row: tuple[str, ...]) -> str:
        return "".join(f"<td {self._side(c)}>{escape(cell)}</td>" for c, cell in zip(self.columns, row))

    def _side(self, column: str) -> str:
        return f'style="text-align: {"right" if column in self.numeric else "left"}"'


@dataclass(frozen=True)
class Facts:
    """Lines of ``what: how it is``, with a table below them."""

    facts: tuple[tuple[str, str], ...]
    below: Table

    def __repr__(self) -> str:
        width = max(len(what) for what, _ in self.facts)
        lines = [f"{what.ljust(width)}  {printable(how)}" for what, how in self.facts]
        return "\n".join([*lines, "", repr(self.below)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align: left">{escape(what)}</th>'
            f'<td style="text-align: left">{escape(printable(how))}</td></tr>'
            for what, how in self.facts
        )
        return f"<table><tbody>{rows}</tbody></table>{self.below._repr_html_()}"
