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

from snapshot.errors import SnapshotError
from snapshot.listeners import listen
from snapshot.model import Snapshot
from snapshot.timeline import resolve
from snapshot.widgets.figures import DRAWING, SIZE
from snapshot.widgets.following import FOLLOWER
from snapshot.widgets.live import LiveView, draw
from snapshot.widgets.numbers import curves_numbers, series_numbers
from snapshot.widgets.published import Published
from snapshot.widgets.theme import find_theme
from snapshot.widgets.viewpoint import REFERENCES, Source, Viewpoint


class Evolution(Published):
    """Percentiles and histogram over steps, size of each update, the values, and their difference to another step.

    ``source`` has a ``timeline``. ``paths`` restricts the list of variables: paths, names,
    globs, ``role:parameter``, or expressions over paths such as ``"norm(w - w0)"``; one that
    nothing answers to raises :class:`snapshot.errors.PathNotFound` with the nearest, an expression
    that cannot be :class:`snapshot.errors.BadExpression`. Several single numbers, or with a
    ``statistic`` (mean, std, norm, min, median, max, update) several of anything, are lines in one
    picture. ``steps`` are the first and the last to show. ``reference`` is what a step is compared
    with: ``"first"``, ``"previous"``, ``"last"``, or a reference such as ``"before"`` or ``"#12"``.
    ``theme`` is ``"light"`` or ``"dark"``. While ``follow`` holds, the view takes in what a
    workspace stores.
    """

    def __init__(
        self,
        source: Source,
        paths: str | Iterable[str] | None = None,
        theme: str = "light",
        *,
        statistic: str | None = None,
        steps: tuple[int | None, int | None] | None = None,
        reference: str | Snapshot = "first",
        log: bool = False,
        follow: bool = True,
    ) -> None:
        self._theme = find_theme(theme)
        self._viewpoint = Viewpoint(source, [paths] if isinstance(paths, str) else paths or (), statistic)
        self._viewpoint.logarithmic = log
        self._follow = follow
        self._live: LiveView | None = None
        self.select(steps=steps, reference=reference)

    def select(
        self,
        path: str | None = None,
        index: int | None = None,
        *,
        steps: tuple[int | None, int | None] | None = None,
        reference: str | Snapshot | None = None,
        statistic: str | None = None,
        log: bool | None = None,
    ) -> None:
        """Show another variable, or another step by its index (0 is the first, -1 the last).

        ``""`` as ``path`` shows several together. The rest is as for :class:`Evolution`; an end of
        ``steps`` that is None is the very first or last. Raises :class:`snapshot.errors.PathNotFound`
        for a path that is not in the list and ``ReferenceNotFound`` for steps that nothing lies in.
        """
        with DRAWING:
            if path is not None:
                self._viewpoint.choose(path)
            if steps is not None and self._viewpoint.path is not None:
                low, high = self._viewpoint.steps()
                ends = low if steps[0] is None else steps[0], high if steps[1] is None else steps[1]
                self._viewpoint.restrict(None if steps == (None, None) else ends)
            if reference is not None:
                self._viewpoint.compare_with(self._key_of(reference))
            if statistic is not None:
                self._viewpoint.measure(statistic)
            if log is not None:
                self._viewpoint.logarithmic = log
            if index is not None:
                self._viewpoint.move(index)
            self._update()

    def _key_of(self, reference: str | Snapshot) -> str | tuple[str, int]:
        if isinstance(reference, str) and reference in REFERENCES:
            return reference
        source: Any = self._viewpoint.source
        found = resolve(
            reference, source.timeline, run=getattr(source, "run", None), head=getattr(source, "head", None),
            own_first=True,
        )  # fmt: skip
        return found.run, found.id

    def refresh(self) -> None:
        """Take in the snapshots stored since; the chosen step stays, unless it was the newest."""
        # Before the lock: a store that goes on for long must not hold up a slider.
        snapshots = list(self._viewpoint.source.timeline)
        with DRAWING:
            self._viewpoint.refresh(snapshots)
            self._update()

    def figure(self) -> Figure:
        """The picture as a matplotlib Figure of its own, which nothing here changes later."""
        return draw(self._viewpoint, self._theme).figure

    def savefig(self, file: str | PathLike[str] | BinaryIO, scale: float = 2.0) -> None:
        """Write the picture: PNG, PDF or SVG by the file's ending; ``scale`` 1 is 1080 x 590 pixels."""
        draw(self._viewpoint, self._theme).save(file, scale=scale)

    def data(self) -> dict[str, Any]:
        """The numbers behind the picture, one entry or row for each step shown.

        ``steps``, ``names``, ``runs``; of one variable ``path``, ``shapes``, ``on_branch`` (whether the newest
        descends from it), ``percentiles`` of shape (steps, 7) at ``percentile_levels``,
        ``update_sizes`` (log10 |dw| / |w| since the parent), ``mean``, ``std``, ``norm``, ``count`` and
        ``finite``; of several together ``statistic`` and ``values``, a dict of arrays by path with NaN where
        a variable is not.
        """
        with DRAWING:
            curves = self._viewpoint.curves
            return curves_numbers(curves) if curves else series_numbers(self._viewpoint.series)

    @property
    def view(self) -> Any:
        """The ipywidgets view, made when it is first asked for."""
        with DRAWING:
            if self._live is None:
                self._live = LiveView(self._viewpoint, self._theme)
                self._live.controls.following.value = self._follow
                self._live.controls.following.observe(self._followed, "value")
                FOLLOWER.admit(self)
                listen(self._viewpoint.source, self._noticed)
            return self._live.controls.view

    def _followed(self, change: Any) -> None:
        self._follow = change["new"]
        if self._follow:
            self._take_in()

    def _noticed(self) -> None:
        """Something was stored, on the thread that stores."""
        if self._follow:
            FOLLOWER.notice(self, self._take_in)

    def _take_in(self) -> None:
        """:meth:`refresh` where nobody is there to see an error."""
        try:
            self.refresh()
        except (SnapshotError, OSError) as error:
            if self._live is not None:
                self._live.say(f"The view could not follow: {error}")

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
        return self._viewpoint.path is None

    def _update(self) -> None:
        if self._live is not None:
            self._live.update()
