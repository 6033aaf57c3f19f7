"""All variables over all snapshots in one picture: ``%snapshot overview``."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from os import PathLike
from typing import Any, BinaryIO

from matplotlib.figure import Figure

from snapshot.widgets.figures import DRAWING
from snapshot.widgets.overview_view import OverviewView, draw
from snapshot.widgets.overview_viewpoint import OverviewViewpoint
from snapshot.widgets.published import Published
from snapshot.widgets.theme import find_theme
from snapshot.widgets.viewpoint import Source


class Overview(Published):
    """A heat map with a row for each variable and a column for each snapshot; choosing one opens its Evolution.

    ``source`` has a ``timeline``. ``paths`` restricts the variables: paths, names, globs or
    ``role:parameter``; one that nothing answers to raises :class:`snapshot.errors.PathNotFound`.
    ``statistic`` is ``"update"`` (log10 |dw| / |w| since the parent), ``"mean"``, ``"std"``,
    ``"zeros"`` or ``"nan"`` (shares); ``theme`` is ``"light"`` or ``"dark"``.
    """

    def __init__(
        self,
        source: Source,
        paths: str | Iterable[str] | None = None,
        statistic: str = "update",
        theme: str = "light",
    ) -> None:
        self._theme, self._theme_name = find_theme(theme), theme
        self._viewpoint = OverviewViewpoint(source, [paths] if isinstance(paths, str) else paths or (), statistic)
        self._live: OverviewView | None = None

    def select(self, path: str | None = None, statistic: str | None = None) -> None:
        """Open a variable, or look at another statistic."""
        with DRAWING:
            if statistic is not None:
                self._viewpoint.measure(statistic)
            if path is not None:
                self._viewpoint.choose(path)
            self._update()

    def read_more(self) -> None:
        """Read more of the values whose cells are "not read yet"."""
        with DRAWING:
            self._viewpoint.read_more()
            self._update()

    def refresh(self) -> None:
        """Take in the snapshots stored since."""
        with DRAWING:
            self._viewpoint.refresh()
            if self._live is not None:
                self._live.refresh()

    def figure(self) -> Figure:
        """The heat map as a matplotlib Figure of its own."""
        return draw(self._viewpoint, self._theme).figure

    def savefig(self, file: str | PathLike[str] | BinaryIO, scale: float = 2.0) -> None:
        """Write the heat map: PNG, PDF or SVG by the file's ending; ``scale`` 1 is 1080 pixels wide."""
        draw(self._viewpoint, self._theme).save(file, scale=scale)

    def data(self) -> dict[str, Any]:
        """The numbers behind the heat map.

        ``statistic``, ``paths``, ``steps``, ``names``; ``values`` of shape (paths, snapshots), -inf for
        an update that changed nothing and NaN where there is no number; ``states`` of the same
        shape: 0 absent, 1 not read yet, 2 unchanged, 3 a number, 4 not finite or not readable.
        """
        with DRAWING:
            grid = self._viewpoint.grid
            return {
                "statistic": grid.statistic, "paths": list(grid.paths), "steps": list(grid.steps),
                "names": list(grid.names), "values": grid.values.copy(), "states": grid.states.copy(),
            }  # fmt: skip

    @property
    def view(self) -> Any:
        """The ipywidgets view, made when it is first asked for."""
        with DRAWING:
            if self._live is None:
                self._live = OverviewView(self._viewpoint, self._theme, self._theme_name)
            return self._live.box

    def sentence(self) -> str:
        """What the heat map shows, or why there is none."""
        with DRAWING:
            return self._viewpoint.sentence()

    def _update(self) -> None:
        if self._live is not None:
            self._live.update()

    def _still(self) -> dict[str, Any]:
        with DRAWING, BytesIO() as file:
            self.savefig(file)
            return {"image/png": file.getvalue(), "text/plain": self.sentence()}

    def _still_metadata(self) -> dict[str, Any]:
        width, height = self.figure().get_size_inches() * 100
        return {"image/png": {"width": int(width), "height": int(height)}}

    def _is_empty(self) -> bool:
        return self._viewpoint.is_empty
