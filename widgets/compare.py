"""What differs between two snapshots, to look at: ``%snapshot compare``.

:class:`Compare` reads what is stored and nothing else, so that it may answer on another
thread while a cell is running. It works without a notebook too: :meth:`Compare.figure`,
:meth:`Compare.savefig` and :meth:`Compare.data`.
"""

from __future__ import annotations

from io import BytesIO
from os import PathLike
from typing import Any, BinaryIO

from matplotlib.figure import Figure

from snapshot.compare import compare
from snapshot.model import Snapshot
from snapshot.widgets.compare_view import CompareView, draw
from snapshot.widgets.compare_viewpoint import CompareViewpoint, numbers
from snapshot.widgets.figures import DRAWING
from snapshot.widgets.published import Published
from snapshot.widgets.theme import find_theme


class Compare(Published):
    """A ranking of what changed from ``before`` to ``after``, and a picture of the chosen one.

    ``path`` is the variable to begin with, by default the one that changed most; one that
    did not change raises :class:`snapshot.errors.PathNotFound`. ``theme`` is ``"light"`` or
    ``"dark"``. What is live is compared as ``workspace.present()``.
    """

    def __init__(self, before: Snapshot, after: Snapshot, path: str | None = None, theme: str = "light") -> None:
        self._theme = find_theme(theme)
        self.comparison = compare(before, after)
        self._viewpoint = CompareViewpoint(self.comparison)
        self._live: CompareView | None = None
        if path is not None:
            self._viewpoint.choose(path)

    def select(self, path: str) -> None:
        """Show another variable; raises :class:`snapshot.errors.PathNotFound` for one that did not change."""
        with DRAWING:
            self._viewpoint.choose(path)
            if self._live is not None:
                self._live.update()

    def figure(self) -> Figure:
        """The picture as a matplotlib Figure of its own, which nothing here changes later."""
        return draw(self._viewpoint, self._theme).figure

    def savefig(self, file: str | PathLike[str] | BinaryIO, scale: float = 2.0) -> None:
        """Write the picture: PNG, PDF or SVG by the file's ending; ``scale`` 1 is 1080 pixels wide."""
        draw(self._viewpoint, self._theme).save(file, scale=scale)

    def data(self, path: str | None = None) -> dict[str, Any]:
        """The numbers behind the picture of the chosen variable, or of ``path``, which is chosen then.

        ``ranking`` (a list of dicts: ``path``, ``relative``, ``share``, ``largest``, ``norms``,
        ``shapes``), ``added``, ``removed``, ``unchanged``; of an array ``a``, ``b``, ``b_minus_a``,
        ``histogram`` (``edges`` and ``shares`` of both), ``singular_values`` and ``stable_rank`` where
        they were computed; of anything else ``texts``.
        """
        with DRAWING:
            if path is not None:
                self.select(path)
            return numbers(self._viewpoint)

    @property
    def view(self) -> Any:
        """The ipywidgets view, made when it is first asked for."""
        with DRAWING:
            if self._live is None:
                self._live = CompareView(self._viewpoint, self._theme)
            return self._live.box

    def sentence(self) -> str:
        """How many variables changed, and the chosen one with its numbers."""
        with DRAWING:
            return self._viewpoint.sentence()

    def __repr__(self) -> str:
        return f"{self.comparison!r}\n{self.sentence()}"

    def _repr_html_(self) -> str:
        return self.comparison._repr_html_()

    def _still(self) -> dict[str, Any]:
        with DRAWING, BytesIO() as file:
            self.savefig(file)
            return {"image/png": file.getvalue(), "text/plain": repr(self)}

    def _still_metadata(self) -> dict[str, Any]:
        width, height = self.figure().get_size_inches() * 100
        return {"image/png": {"width": int(width), "height": int(height)}}

    def _is_empty(self) -> bool:
        return self._viewpoint.item is None
