"""What the controls of the overview do, and where the chosen variable's Evolution opens."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import ipywidgets

from snapshot.widgets.acting import Acting
from snapshot.widgets.choices import containing, variable_label
from snapshot.widgets.evolution import Evolution
from snapshot.widgets.figures import DRAWING, SIZE, MessagePicture, Picture
from snapshot.widgets.many_statistics import STATISTICS, UNREAD
from snapshot.widgets.overview_figure import OverviewPicture
from snapshot.widgets.overview_viewpoint import OverviewViewpoint
from snapshot.widgets.published import hiding_rule, list_style
from snapshot.widgets.theme import Theme

CSS_CLASS = "snapshot-overview"
_LINES = 3, 8  # the list is as tall as what it lists, within these


def draw(viewpoint: OverviewViewpoint, theme: Theme) -> Picture:
    """A new picture of what is looked at."""
    with DRAWING:
        grid = None if viewpoint.is_empty else viewpoint.shown()
        if grid is None or not grid.paths:
            return MessagePicture(viewpoint.sentence(), theme)
        return OverviewPicture(grid, theme, viewpoint.chosen)


class OverviewView(Acting):
    """Filter, statistic, heat map, list; the chosen variable's Evolution below."""

    def __init__(self, viewpoint: OverviewViewpoint, theme: Theme, theme_name: str) -> None:
        super().__init__(DRAWING)
        self._viewpoint = viewpoint
        self._theme, self._theme_name = theme, theme_name
        self._evolution: Evolution | None = None
        narrow = ipywidgets.Layout(width="18em")
        self.filter = ipywidgets.Text(description="Filter", placeholder="part of a name", layout=narrow)
        titles = [(one.title, name) for name, one in STATISTICS.items()]
        self.statistic = ipywidgets.Dropdown(
            description="Colour", options=titles, value=viewpoint.statistic, layout=ipywidgets.Layout(width="24em")
        )
        self.more = ipywidgets.Button(description="Read more")
        self.picture = ipywidgets.Image(
            format="png", width=SIZE[0], layout=ipywidgets.Layout(max_width="100%", height="auto")
        )
        self.list = ipywidgets.Select(description="Open", layout=ipywidgets.Layout(width="auto"))
        self.caption = ipywidgets.HTML()
        self.below = ipywidgets.VBox([])
        top = ipywidgets.HBox([self.filter, self.statistic, self.more])
        hidden = [hiding_rule(CSS_CLASS), list_style(CSS_CLASS)]
        self.box = ipywidgets.VBox(
            [top, self.picture, self.caption, self.list, *hidden, self.below],
            layout=ipywidgets.Layout(max_width=f"{SIZE[0]}px"),
        )
        self.box.add_class(CSS_CLASS)
        self._connect()
        self.update()

    @property
    def inputs(self) -> Iterable[Any]:
        return self.filter, self.statistic, self.more, self.list

    def update(self) -> None:
        """Bring every control, the picture, the caption and the view below in line."""
        with self._changing():
            viewpoint = self._viewpoint
            listed = containing(viewpoint.variables, self.filter.value)
            if viewpoint.chosen is not None:
                listed.setdefault(viewpoint.chosen, viewpoint.variables[viewpoint.chosen])
            options = [(variable_label(one), path) for path, one in listed.items()]
            if list(self.list.options) != options:
                self.list.options = options
                self.list.rows = min(max(len(options), _LINES[0]), _LINES[1])
            self.list.value = viewpoint.chosen
            self.statistic.value = viewpoint.statistic
            self.more.layout.display = "" if (viewpoint.grid.states == UNREAD).any() else "none"
            self.picture.value = draw(viewpoint, self._theme).png()
            self.say(viewpoint.sentence())
            self._open(viewpoint.chosen)

    def say(self, sentence: str) -> None:
        """Put a sentence below the picture; screen readers speak it."""
        self.caption.value = f'<div role="status">{escape(sentence)}</div>'

    def refresh(self) -> None:
        """Take in the snapshots stored since, above and below."""
        if self._evolution is not None:
            self._evolution.refresh()
        self.update()

    def _open(self, path: str | None) -> None:
        if path is None:
            return
        if self._evolution is None:
            # the first one asked for is the only one it reads
            self._evolution = Evolution(self._viewpoint.source, [path, "*"], theme=self._theme_name)
        self._evolution.select(path)
        self.below.children = (self._evolution.view,)

    def _connect(self) -> None:
        viewpoint = self._viewpoint
        self.list.observe(lambda change: self._act(lambda: self._choose(change["new"])), "value")
        self.statistic.observe(lambda change: self._act(lambda: viewpoint.measure(change["new"])), "value")
        self.filter.observe(lambda change: self._act(lambda: setattr(viewpoint, "text", change["new"])), "value")
        self.more.on_click(lambda button: self._act(viewpoint.read_more))

    def _choose(self, path: str | None) -> None:
        if path:
            self._viewpoint.choose(path)
