"""The timeline to look through and to act on: ``%snapshot browse``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snapshot.widgets.browse_desk import Desk
from snapshot.widgets.browse_rows import COLUMNS, html_of, lines_of
from snapshot.widgets.browse_view import BrowseView
from snapshot.widgets.published import Published
from snapshot.widgets.turns import AtOnce, Turns

if TYPE_CHECKING:
    from snapshot.workspace import Workspace


class Browse(Published):
    """A workspace's snapshots as a list with their branches; a click stores, restores, drops or labels.

    ``turns`` says when a click may touch the variables; left out, at once. After every
    cell the list is read again.
    """

    def __init__(self, workspace: Workspace, turns: Turns | None = None) -> None:
        self._desk = Desk(workspace, turns or AtOnce())
        self._live: BrowseView | None = None

    def refresh(self) -> None:
        """Read the timeline again."""
        self._desk.reread()

    def data(self) -> list[dict[str, str]]:
        """The rows that are listed, by column."""
        return [dict(zip(COLUMNS, row.cells, strict=True)) for row in self._desk.rows]

    @property
    def view(self) -> Any:
        """The ipywidgets view, made when it is first asked for."""
        with self._desk.lock:
            if self._live is None:
                self._live = BrowseView(self._desk)
            return self._live.box

    def sentence(self) -> str:
        """How many snapshots there are."""
        return self._desk.sentence()

    def __repr__(self) -> str:
        heading, lines = lines_of(self._desk.rows)
        shown = [heading, *lines] if lines else []
        return "\n".join([self.sentence(), *(line.replace("\u00a0", " ") for line in shown)])

    def _repr_html_(self) -> str:
        return html_of(self._desk.rows, self.sentence())

    def _still(self) -> dict[str, Any]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}
