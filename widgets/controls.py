"""The view in the notebook: stock ipywidgets, laid out; what they do is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets

from snapshot.widgets.curves import STATISTICS
from snapshot.widgets.published import hiding_rule

CSS_CLASS = "snapshot-evolution"
#: Milliseconds between two steps while playing.
PLAY_INTERVAL = 400


class Controls:
    """Filter, list of variables, play, previous, next, slider of steps, what to compare with, picture and caption."""

    def __init__(self, size: tuple[int, int]) -> None:
        wide = ipywidgets.Layout(flex="1 1 auto", width="auto", min_width="12em")
        self.filter = ipywidgets.Text(description="Filter", placeholder="part of a name", layout=_width("16em"))
        self.variable = ipywidgets.Dropdown(description="Variable", layout=wide)
        self.statistic = ipywidgets.Dropdown(
            description="Statistic", options=list(STATISTICS), layout=_width("14em", hidden=True)
        )
        # In the browser play turns the slider, which alone is heard here: moved from here as well, it would be
        # put back by an answer to its last move but one.
        self.play = ipywidgets.Play(interval=PLAY_INTERVAL, max=0, layout=_width("auto"))
        self.previous = ipywidgets.Button(description="Previous", layout=_width("6.5em"))
        self.next = ipywidgets.Button(description="Next", layout=_width("6.5em"))
        self.step = ipywidgets.SelectionSlider(options=[("", 0)], description="Step", layout=wide)
        self._link = ipywidgets.jslink((self.play, "value"), (self.step, "index"))
        self.reference = ipywidgets.Dropdown(description="Compare with", options=[("", "")], layout=_width("22em"))
        self.reference.style.description_width = "7em"
        self.span = ipywidgets.IntRangeSlider(
            description="Steps shown", min=0, max=1, value=(0, 1), continuous_update=False, layout=wide
        )
        self.span.style.description_width = "7em"
        self.logarithmic = ipywidgets.Checkbox(description="Log", indent=False, layout=_width("4.5em"))
        self.following = ipywidgets.Checkbox(description="Follow", value=True, indent=False, layout=_width("5.5em"))
        self.picture = ipywidgets.Image(
            format="png", width=size[0], height=size[1], layout=ipywidgets.Layout(max_width="100%", height="auto")
        )
        self.caption = ipywidgets.HTML()
        rows = [
            ipywidgets.HBox([self.filter, self.variable, self.statistic]),
            ipywidgets.HBox([self.play, self.previous, self.next, self.step]),
            ipywidgets.HBox([self.reference, self.span, self.logarithmic, self.following]),
        ]
        layout = ipywidgets.Layout(max_width=f"{size[0]}px")
        self.view = ipywidgets.VBox([*rows, self.picture, self.caption, hiding_rule(CSS_CLASS)], layout=layout)
        self.view.add_class(CSS_CLASS)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The widgets a person moves."""
        buttons = self.play, self.previous, self.next
        chosen = self.filter, self.variable, self.statistic, self.step, self.reference, self.span
        return *buttons, *chosen, self.logarithmic, self.following

    def offer_variables(self, labels: Sequence[tuple[str, str]], chosen: str) -> None:
        """List (label, path); ``chosen`` is one of the paths."""
        _offer(self.variable, labels, chosen)

    def offer_steps(self, labels: Sequence[str], chosen: int) -> None:
        """One stop of the slider for each label; ``chosen`` is an index."""
        if self.step.options != (options := tuple((label, index) for index, label in enumerate(labels))):
            # another slider's end is not to be beyond its own for a moment
            self.play.max = max(self.play.max, len(options) - 1)
            self.step.options = options
        self.play.max = len(options) - 1
        self.step.value = chosen
        self.previous.disabled, self.next.disabled = chosen == 0, chosen == len(options) - 1

    def offer_references(self, labels: Sequence[tuple[str, Any]], chosen: Any, shown: bool) -> None:
        """What a step may be compared with; ``shown`` where there is something to compare."""
        _offer(self.reference, labels, chosen)
        _show(self.reference, shown)

    def offer_span(self, ends: tuple[int, int], chosen: tuple[int, int] | None) -> None:
        """The steps there are, and those that are shown; None for all."""
        low, high = ends
        if (self.span.min, self.span.max) != (low, max(high, low + 1)):
            with self.span.hold_trait_notifications():
                self.span.min, self.span.max = low, max(high, low + 1)
                self.span.value = chosen or (low, self.span.max)
        self.span.value = chosen or (low, self.span.max)
        self.span.disabled = high <= low

    def offer_statistic(self, chosen: str, shown: bool) -> None:
        """The number that is drawn of several variables."""
        self.statistic.value = chosen
        _show(self.statistic, shown)

    def say(self, sentence: str) -> None:
        """Put a sentence below the picture; screen readers speak it."""
        self.caption.value = f'<div role="status">{escape(sentence)}</div>'

    def show(self, png: bytes) -> None:
        self.picture.value = png


def _width(width: str, hidden: bool = False) -> Any:
    return ipywidgets.Layout(width=width, flex="0 0 auto", display="none" if hidden else None)


def _show(widget: Any, shown: bool) -> None:
    wanted = None if shown else "none"
    if widget.layout.display != wanted:
        widget.layout.display = wanted


def _offer(dropdown: Any, labels: Sequence[tuple[str, Any]], chosen: Any) -> None:
    if tuple(dropdown.options) != tuple(labels):
        dropdown.options = labels
    dropdown.value = chosen
