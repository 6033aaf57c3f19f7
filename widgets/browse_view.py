"""The timeline in the notebook: stock ipywidgets, laid out and joined to a :class:`Desk`."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets

from snapshot.widgets.acting import Acting
from snapshot.widgets.browse_desk import Desk, Problem
from snapshot.widgets.browse_rows import lines_of
from snapshot.widgets.published import hiding_rule, list_style
from snapshot.wording import printable

CSS_CLASS = "snapshot-browse"
_WIDTH = "1080px"
_LINES = 4, 14  # the list is as tall as what it lists, within these
_HEADING = "font-family: var(--jp-code-font-family, monospace); padding-left: 5px; opacity: 0.7; white-space: pre"


class BrowseView(Acting):
    """Filter, list, the chosen snapshot in words, what can be done with it, what was done."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.lock)
        self._desk = desk
        narrow, field = ipywidgets.Layout(width="16em"), ipywidgets.Layout(width="20em")
        self.filter = ipywidgets.Text(description="Filter", placeholder="label, id, step or note", layout=field)
        self.heading = ipywidgets.HTML(layout=ipywidgets.Layout(margin="0 0 -4px 2px", height="24px"))
        self.list = ipywidgets.Select(layout=ipywidgets.Layout(width="auto"))
        self.details = ipywidgets.HTML()
        self.restore = ipywidgets.Button(description="Restore", button_style="primary")
        self.drop = ipywidgets.Button(description="Drop")
        self.undo = ipywidgets.Button(description="Undo")
        self.new_label = ipywidgets.Text(description="New label", layout=field)
        self.label = ipywidgets.Button(description="Label it")
        self.name = ipywidgets.Text(description="Label", placeholder="may be empty", layout=narrow)
        self.note = ipywidgets.Text(description="Note", layout=field)
        self.store = ipywidgets.Button(description="Store the present")
        self.asked = ipywidgets.HTML()
        self.yes = ipywidgets.Button(button_style="warning")
        self.no = ipywidgets.Button(description="Cancel")
        self.said = ipywidgets.HTML()
        self.problems = ipywidgets.HTML()
        self.forgive = ipywidgets.Button(description="Dismiss errors")
        self.question = ipywidgets.HBox([self.asked, self.yes, self.no])
        self.box = self._laid_out()
        self._connect()
        desk.changed = self.update
        self.update()

    def update(self) -> None:
        """Bring everything in line with the desk."""
        with self._changing():
            desk = self._desk
            heading, lines = lines_of(desk.rows)
            self.heading.value = f'<div style="{_HEADING}">{escape(heading)}</div>' if lines else ""
            options = [(line, row.key) for line, row in zip(lines, desk.rows, strict=True)]
            if list(self.list.options) != options:
                self.list.options = options
                self.list.rows = min(max(len(options), _LINES[0]), _LINES[1])
            chosen = None if desk.chosen is None else (desk.chosen.run, desk.chosen.id)
            if self.list.value != chosen:
                self.list.value = chosen
            self.details.value = f"<div>{escape(desk.sentence())} {escape(desk.details())}</div>"
            for button in (self.restore, self.drop, self.label):
                button.disabled = chosen is None
            self.undo.disabled = not desk.workspace.undo_depth
            self._ask()
            self.said.value = f'<div role="status">{_lines(desk.said)}</div>'
            self.problems.value = "".join(map(_problem, reversed(desk.problems)))
            self.forgive.layout.display = "" if desk.problems else "none"

    def _ask(self) -> None:
        question = self._desk.question
        self.question.layout.display = "none" if question is None else ""
        if question is not None:
            self.asked.value = f'<div role="alert">{escape(printable(question.text))}</div>'
            self.yes.description = question.yes

    def _laid_out(self) -> Any:
        self.question.layout.align_items = "center"
        self.question.layout.flex_flow = "row wrap"
        wrapped = ipywidgets.Layout(flex_flow="row wrap")
        parts = [
            self.filter,
            self.heading,
            self.list,
            self.details,
            ipywidgets.HBox([self.restore, self.drop, self.undo, self.new_label, self.label], layout=wrapped),
            ipywidgets.HBox([self.store, self.name, self.note], layout=wrapped),
            self.question,
            self.said,
            self.problems,
            self.forgive,
            hiding_rule(CSS_CLASS),
            list_style(CSS_CLASS),
        ]
        box = ipywidgets.VBox(parts, layout=ipywidgets.Layout(max_width=_WIDTH))
        box.add_class(CSS_CLASS)
        return box

    def _connect(self) -> None:
        desk = self._desk
        self.filter.observe(lambda change: self._act(lambda: desk.narrow(change["new"])), "value")
        self.list.observe(lambda change: self._act(lambda: desk.choose(change["new"])), "value")
        acts: list[tuple[Any, Callable[[], None]]] = [
            (self.restore, desk.ask_to_restore),
            (self.drop, desk.ask_to_drop),
            (self.undo, desk.undo),
            (self.label, lambda: desk.label(self.new_label.value.strip())),
            (self.store, lambda: desk.store(self.name.value.strip(), self.note.value)),
            (self.yes, lambda: desk.answer(True)),
            (self.no, lambda: desk.answer(False)),
            (self.forgive, desk.forgive),
        ]
        for button, act in acts:
            button.on_click(lambda _, act=act: self._act(act))

    @property
    def inputs(self) -> tuple[Any, ...]:
        texts = (self.filter, self.list, self.new_label, self.name, self.note)
        buttons = (self.restore, self.drop, self.undo, self.label, self.store, self.yes, self.no, self.forgive)
        return (*texts, *buttons)

    def _act(self, change: Callable[[], Any]) -> None:
        with self._lock:  # held by an update on another thread, which is waited for
            if self._busy:
                return  # our own update moved the control
        change()  # the desk locks what it must, says what became of it, and asks for an update


def _lines(text: str) -> str:
    return "<br>".join(escape(printable(line)) for line in text.splitlines())


def _problem(problem: Problem) -> str:
    trace = f"<details><summary>where</summary><pre>{escape(problem.trace)}</pre></details>"
    return f'<div role="alert"><b>Error</b> {_lines(problem.text)}{trace}</div>'
