"""What the controls do: from a message of the browser to a new picture.

These callbacks may run on another thread while a cell is running. They read stored
snapshots, never the user's variables, and hold the drawing lock throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from snapshot.widgets.choices import containing, variable_label
from snapshot.widgets.controls import Controls, answer_on_any_shell
from snapshot.widgets.figures import DRAWING, SIZE, EvolutionPicture, MessagePicture
from snapshot.widgets.theme import Theme
from snapshot.widgets.viewpoint import Viewpoint


def draw(viewpoint: Viewpoint, theme: Theme) -> EvolutionPicture | MessagePicture:
    """A new picture of what is looked at."""
    with DRAWING:
        frame = viewpoint.frame()
        return MessagePicture(viewpoint.sentence(), theme) if frame is None else EvolutionPicture(frame, theme)


class LiveView:
    """Controls that move a viewpoint, and the picture that follows."""

    def __init__(self, viewpoint: Viewpoint, theme: Theme) -> None:
        self.controls = Controls(SIZE)
        self._viewpoint = viewpoint
        self._theme = theme
        self._picture: EvolutionPicture | MessagePicture | None = None
        self._busy = False
        self._connect()
        self.update()

    def update(self) -> None:
        """Bring every control, the picture and the caption in line with the viewpoint."""
        with self._changing():
            viewpoint, controls = self._viewpoint, self.controls
            if viewpoint.series is not None:
                self._offer_variables(viewpoint.series.path)
                controls.offer_steps(viewpoint.step_labels(), viewpoint.index)
            controls.show(self._png())
            controls.say(viewpoint.sentence())

    def _png(self) -> bytes:
        frame, picture = self._viewpoint.frame(), self._picture
        if frame is not None and isinstance(picture, EvolutionPicture) and picture.fits(frame):
            picture.show(frame)
            return picture.png()
        self._picture = draw(self._viewpoint, self._theme)
        return self._picture.png()

    def _offer_variables(self, chosen: str) -> None:
        matching = containing(self._viewpoint.variables, self.controls.filter.value)
        # What is on the screen stays in the list, whatever the filter says.
        listed = {path: one for path, one in self._viewpoint.variables.items() if path in matching or path == chosen}
        self.controls.offer_variables([(variable_label(one), path) for path, one in listed.items()], chosen)

    def _connect(self) -> None:
        controls, viewpoint = self.controls, self._viewpoint
        controls.variable.observe(lambda change: self._act(lambda: viewpoint.choose(change["new"])), "value")
        controls.step.observe(lambda change: self._act(lambda: viewpoint.move(change["new"])), "value")
        controls.previous.on_click(lambda button: self._act(lambda: viewpoint.move(max(0, viewpoint.index - 1))))
        controls.next.on_click(lambda button: self._act(lambda: viewpoint.move(viewpoint.index + 1)))
        controls.filter.observe(lambda change: self._filter(change["new"]), "value")

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

    def _act(self, change: Callable[[], Any]) -> None:
        with DRAWING:
            if self._busy:
                return  # our own update moved the control
            change()
            self.update()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with DRAWING:
            self._busy = True
            try:
                yield
            finally:
                self._busy = False
                answer_on_any_shell(self.controls.inputs)
