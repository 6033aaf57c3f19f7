"""What the controls do: from a message of the browser to a new picture.

These callbacks may run on another thread while a cell is running. They read stored
snapshots, never the user's variables, and hold the drawing lock throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from snapshot.widgets.acting import Acting
from snapshot.widgets.choices import containing, variable_label
from snapshot.widgets.controls import Controls
from snapshot.widgets.curves_figure import CurvesPicture
from snapshot.widgets.figures import DRAWING, SIZE, EvolutionPicture, MessagePicture, MovingPicture
from snapshot.widgets.frames import Frame
from snapshot.widgets.theme import Theme
from snapshot.widgets.viewpoint import REFERENCES, TOGETHER, Viewpoint

# More steps than this are not listed to be compared with, labelled ones excepted.
_LISTED = 300


def draw(viewpoint: Viewpoint, theme: Theme) -> MovingPicture | MessagePicture:
    """A new picture of what is looked at."""
    with DRAWING:
        frame = viewpoint.frame()
        if frame is None:
            return MessagePicture(viewpoint.sentence(), theme)
        return EvolutionPicture(frame, theme) if isinstance(frame, Frame) else CurvesPicture(frame, theme)


class LiveView(Acting):
    """Controls that move a viewpoint, and the picture that follows."""

    def __init__(self, viewpoint: Viewpoint, theme: Theme) -> None:
        super().__init__(DRAWING)
        self.controls = Controls(SIZE)
        self._viewpoint = viewpoint
        self._theme = theme
        self._picture: MovingPicture | MessagePicture | None = None
        self._connect()
        self.update()

    @property
    def inputs(self) -> Iterable[Any]:
        return self.controls.inputs

    def update(self) -> None:
        """Bring every control, the picture and the caption in line with the viewpoint."""
        with self._changing():
            viewpoint, controls = self._viewpoint, self.controls
            if viewpoint.path is not None:
                self._offer_variables(viewpoint.path)
                controls.offer_steps(viewpoint.step_labels(), viewpoint.index)
                controls.offer_span(viewpoint.steps(), viewpoint.span)
                self._offer_references()
                controls.offer_statistic(viewpoint.statistic, self._has_statistics())
                controls.logarithmic.value = viewpoint.logarithmic
            controls.show(self._png())
            controls.say(viewpoint.sentence())

    def say(self, sentence: str) -> None:
        """Put a sentence below the picture."""
        with self._changing():
            self.controls.say(sentence)

    def _png(self) -> bytes:
        frame, picture = self._viewpoint.frame(), self._picture
        if frame is not None and isinstance(picture, MovingPicture) and picture.fits(frame):
            picture.show(frame)
            return picture.png()
        self._picture = draw(self._viewpoint, self._theme)
        return self._picture.png()

    def _offer_variables(self, chosen: str) -> None:
        matching = containing(self._viewpoint.variables, self.controls.filter.value)
        # What is on the screen stays in the list, whatever the filter says.
        listed = {path: one for path, one in self._viewpoint.variables.items() if path in matching or path == chosen}
        labels = [(variable_label(one), path) for path, one in listed.items()]
        if self._viewpoint.can_be_together:
            labels.insert(0, (f"all {len(self._viewpoint.variables)} together", TOGETHER))
        self.controls.offer_variables(labels, chosen)

    def _offer_references(self) -> None:
        viewpoint = self._viewpoint
        points = viewpoint.points
        labels: list[tuple[str, Any]] = [(f"the {name} step", name) for name in REFERENCES]
        for label, point in zip(viewpoint.step_labels(), points, strict=True):
            if len(points) <= _LISTED or " " in point.name or point.key == viewpoint.reference:
                labels.append((label, point.key))
        known = any(viewpoint.reference == value for _, value in labels)
        series = viewpoint.series
        compares = viewpoint.path != TOGETHER and series is not None and not series.is_single
        self.controls.offer_references(labels, viewpoint.reference if known else "first", compares)

    def _has_statistics(self) -> bool:
        curves = self._viewpoint.curves
        return curves is not None and not all(curve.series.is_single for curve in curves.curves)

    def _connect(self) -> None:
        controls, viewpoint = self.controls, self._viewpoint
        for widget, change in (
            (controls.variable, viewpoint.choose),
            (controls.step, viewpoint.move),
            (controls.reference, viewpoint.compare_with),
            (controls.statistic, viewpoint.measure),
            (controls.span, self._restrict),
            (controls.logarithmic, self._scale),
        ):
            self._on_change(widget, change)
        controls.previous.on_click(lambda button: self._act(lambda: viewpoint.move(max(0, viewpoint.index - 1))))
        controls.next.on_click(lambda button: self._act(lambda: viewpoint.move(viewpoint.index + 1)))
        controls.filter.observe(lambda change: self._filter(change["new"]), "value")

    def _on_change(self, widget: Any, act: Callable[[Any], None]) -> None:
        widget.observe(lambda change: self._act(lambda: act(change["new"])), "value")

    def _scale(self, logarithmic: bool) -> None:
        self._viewpoint.logarithmic = logarithmic

    def _restrict(self, span: tuple[int, int]) -> None:
        low, high = self._viewpoint.steps()
        # at both ends it stays there when further steps are stored
        self._viewpoint.restrict(None if span[0] <= low and span[1] >= high else span)

    def _filter(self, text: str) -> None:
        """Narrow the list; a filter that leaves one variable shows it."""
        matching = containing(self._viewpoint.variables, text)
        if not matching:
            with self._changing():
                count = len(self._viewpoint.variables)
                self.controls.say(f"No variable's path contains “{text}”; there are {count}.")
            return
        only = next(iter(matching)) if len(matching) == 1 else None
        self._act(lambda: self._viewpoint.choose(only) if only else None)
