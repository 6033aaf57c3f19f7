"""The view in the notebook: stock ipywidgets, laid out; what they do is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from html import escape
from typing import Any

import ipywidgets

from snapshot.widgets.published import hiding_rule

CSS_CLASS = "snapshot-evolution"


class Controls:
    """Filter, list of variables, previous, next, slider of steps, picture and caption."""

    def __init__(self, size: tuple[int, int]) -> None:
        wide = ipywidgets.Layout(flex="1 1 auto", width="auto", min_width="12em")
        self.filter = ipywidgets.Text(
            description="Filter", placeholder="part of a name", layout=ipywidgets.Layout(width="16em")
        )
        self.variable = ipywidgets.Dropdown(description="Variable", layout=wide)
        self.previous = ipywidgets.Button(description="Previous", layout=ipywidgets.Layout(width="6.5em"))
        self.next = ipywidgets.Button(description="Next", layout=ipywidgets.Layout(width="6.5em"))
        self.step = ipywidgets.SelectionSlider(options=[("", 0)], description="Step", layout=wide)
        self.picture = ipywidgets.Image(
            format="png", width=size[0], height=size[1], layout=ipywidgets.Layout(max_width="100%", height="auto")
        )
        self.caption = ipywidgets.HTML()
        rows = [
            ipywidgets.HBox([self.filter, self.variable]),
            ipywidgets.HBox([self.previous, self.next, self.step]),
        ]
        layout = ipywidgets.Layout(max_width=f"{size[0]}px")
        self.view = ipywidgets.VBox([*rows, self.picture, self.caption, hiding_rule(CSS_CLASS)], layout=layout)
        self.view.add_class(CSS_CLASS)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The widgets a person moves."""
        return self.filter, self.variable, self.previous, self.next, self.step

    def offer_variables(self, labels: Sequence[tuple[str, str]], chosen: str) -> None:
        """List (label, path); ``chosen`` is one of the paths."""
        if tuple(self.variable.options) != tuple(labels):
            self.variable.options = labels
        self.variable.value = chosen

    def offer_steps(self, labels: Sequence[str], chosen: int) -> None:
        """One stop of the slider for each label; ``chosen`` is an index."""
        options = [(label, index) for index, label in enumerate(labels)]
        if list(self.step.options) != options:
            self.step.options = options
        self.step.value = chosen
        self.previous.disabled, self.next.disabled = chosen == 0, chosen == len(options) - 1

    def say(self, sentence: str) -> None:
        """Put a sentence below the picture; screen readers speak it."""
        self.caption.value = f'<div role="status">{escape(sentence)}</div>'

    def show(self, png: bytes) -> None:
        self.picture.value = png


def answer_on_any_shell(widgets: Iterable[Any]) -> None:
    """Let messages of these widgets be handled by the subshell they arrive on.

    ipykernel 7.4 binds a comm to the shell that wrote to it last. Written by a cell,
    that is the main shell, and a slider would then wait until a running loop ends.
    """
    for widget in widgets:
        # Private, and absent in other versions of ipykernel and outside a kernel.
        with suppress(AttributeError):
            del widget.comm._reply_subshell_id
