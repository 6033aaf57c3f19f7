"""How the values of a variable evolve over the stored steps: ``%snapshot plot``.

:class:`Evolution` reads stored snapshots and nothing else, so that it may answer on
another thread while a cell is running. It works without a notebook too:
:meth:`Evolution.figure`, :meth:`Evolution.savefig` and :meth:`Evolution.data`.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from os import PathLike
from typing import Any, BinaryIO

from matplotlib.figure import Figure

from snapshot.widgets.figures import DRAWING, SIZE
from snapshot.widgets.live import LiveView, draw
from snapshot.widgets.published import Published
from snapshot.widgets.theme import find_theme
from snapshot.widgets.viewpoint import Source, Viewpoint, numbers


class Evolution(Published):
    """Percentiles over steps, size of each update, the values and their distribution.

    ``source`` has a ``timeline``. ``paths`` restricts the list of variables: paths, names,
    globs or ``role:parameter``; one that nothing answers to raises
    :class:`snapshot.errors.PathNotFound` with the nearest. ``theme`` is ``"light"`` or
    ``"dark"``.
    """

    def __init__(self, source: Source, paths: str | Iterable[str] | None = None, theme: str = "light") -> None:
        self._theme = find_theme(theme)
        self._viewpoint = Viewpoint(source, [paths] if isinstance(paths, str) else paths or ())
        self._live: LiveView | None = None

    def select(self, path: str | None = None, index: int | None = None) -> None:
        """Show another variable, or another step by its index (0 is the first, -1 the last).

        Raises :class:`snapshot.errors.PathNotFound` for a path that is not in the list.
        """
        with DRAWING:
            if path is not None:
                self._viewpoint.choose(path)
            if index is not None:
                self._viewpoint.move(index)
            self._update()

    def refresh(self) -> None:
        """Take in the snapshots stored since; the chosen step stays, unless it was the newest."""
        with DRAWING:
            self._viewpoint.refresh()
            self._update()

    def figure(self) -> Figure:
        """The picture as a matplotlib Figure of its own, which nothing here changes later."""
        return draw(self._viewpoint, self._theme).figure

    def savefig(self, file: str | PathLike[str] | BinaryIO, scale: float = 2.0) -> None:
        """Write the picture: PNG, PDF or SVG by the file's ending; ``scale`` 1 is 1080 x 590 pixels."""
        draw(self._viewpoint, self._theme).save(file, scale=scale)

    def data(self) -> dict[str, Any]:
        """The numbers behind the picture.

        ``steps``, ``names``, ``shapes``; ``percentiles`` of shape (steps, 7) at
        ``percentile_levels``; ``update_sizes``, log10 |dw| / |w| since the parent;
        ``mean``, ``std``, ``norm``, ``count`` and ``finite``.
        """
        with DRAWING:
            return numbers(self._viewpoint.series)

    @property
    def view(self) -> Any:
        """The ipywidgets view, made when it is first asked for."""
        with DRAWING:
            if self._live is None:
                self._live = LiveView(self._viewpoint, self._theme)
            return self._live.controls.view

    def sentence(self) -> str:
        """What the picture shows, or why there is none."""
        with DRAWING:
            return self._viewpoint.sentence()

    def _still(self) -> dict[str, Any]:
        with DRAWING, BytesIO() as file:
            self.savefig(file)
            return {"image/png": file.getvalue(), "text/plain": self._viewpoint.sentence()}

    def _still_metadata(self) -> dict[str, Any]:
        return {"image/png": {"width": SIZE[0], "height": SIZE[1]}}

    def _is_empty(self) -> bool:
        return self._viewpoint.series is None

    def _update(self) -> None:
        if self._live is not None:
            self._live.update()
