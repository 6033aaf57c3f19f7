"""What the controls of a comparison do: from a message of the browser to a new picture.

As in :mod:`snapshot.widgets.live`, callbacks may run on another thread while a cell is
running; they read what is stored, never the user's variables, and hold the drawing lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import ipywidgets

from snapshot.widgets.acting import Acting
from snapshot.widgets.compare_figure import ComparePicture, TextPicture
from snapshot.widgets.compare_items import RANKINGS, matching
from snapshot.widgets.compare_numbers import has_spectrum
from snapshot.widgets.compare_viewpoint import CompareViewpoint
from snapshot.widgets.figures import DRAWING, SIZE, MessagePicture, Picture
from snapshot.widgets.published import hiding_rule, list_style
from snapshot.widgets.theme import Theme

CSS_CLASS = "snapshot-compare"
_LINES = 3, 8  # the list is as tall as what it lists, within these


def draw(viewpoint: CompareViewpoint, theme: Theme) -> Picture:
    """A new picture of what is looked at."""
    with DRAWING:
        if viewpoint.item is None:
            return MessagePicture(viewpoint.summary(), theme)
        texts = viewpoint.texts()
        if texts is not None:
            return TextPicture(viewpoint.item.path, viewpoint.names, texts, theme)
        pair = viewpoint.pair()
        if not pair.sides:
            return MessagePicture(f"{pair.path}: {pair.problem}", theme)
        return ComparePicture(pair, theme)


class CompareView(Acting):
    """The list of what differs, ranked; a picture of the chosen one; its caption."""

    def __init__(self, viewpoint: CompareViewpoint, theme: Theme) -> None:
        super().__init__(DRAWING)
        self._viewpoint = viewpoint
        self._theme = theme
        wide = ipywidgets.Layout(width="auto")
        narrow = ipywidgets.Layout(width="16em")
        self.filter = ipywidgets.Text(description="Filter", placeholder="part of a name", layout=narrow)
        self.ranking = ipywidgets.Dropdown(
            description="Ranked by", options=[(words, by) for by, words in RANKINGS.items()], layout=narrow
        )
        self.spectra = ipywidgets.Button(description="Singular values", disabled=True)
        self.list = ipywidgets.Select(description="Changed", layout=wide)
        self.picture = ipywidgets.Image(
            format="png", width=SIZE[0], layout=ipywidgets.Layout(max_width="100%", height="auto")
        )
        self.caption = ipywidgets.HTML()
        top = ipywidgets.HBox([self.filter, self.ranking, self.spectra])
        parts = [top, self.list, self.picture, self.caption, hiding_rule(CSS_CLASS), list_style(CSS_CLASS)]
        self.box = ipywidgets.VBox(parts, layout=ipywidgets.Layout(max_width=f"{SIZE[0]}px"))
        self.box.add_class(CSS_CLASS)
        self._connect()
        self.update()

    @property
    def inputs(self) -> Iterable[Any]:
        return self.filter, self.ranking, self.spectra, self.list

    def update(self) -> None:
        """Bring every control, the picture and the caption in line with the viewpoint."""
        with self._changing():
            self._offer()
            self.picture.value = draw(self._viewpoint, self._theme).png()
            self.say(self._viewpoint.sentence())

    def say(self, sentence: str) -> None:
        """Put a sentence below the picture; screen readers speak it."""
        self.caption.value = f'<div role="status">{escape(sentence)}</div>'

    def _offer(self) -> None:
        viewpoint, item = self._viewpoint, self._viewpoint.item
        listed = matching(viewpoint.listed(), self.filter.value)
        if item is not None and item not in listed:
            # What is on the screen stays in the list, whatever the filter says.
            listed.insert(0, item)
        options = [(one.label, one.path) for one in listed]
        if list(self.list.options) != options:
            self.list.options = options
            self.list.rows = min(max(len(options), _LINES[0]), _LINES[1])
        self.list.value = item.path if item else None
        drawn = item is not None and viewpoint.texts() is None
        pair = viewpoint.pair() if drawn else None
        self.spectra.disabled = pair is None or pair.spectra is not None or not has_spectrum(pair)

    def _connect(self) -> None:
        viewpoint = self._viewpoint
        self.list.observe(lambda change: self._act(lambda: self._choose(change["new"])), "value")
        self.ranking.observe(lambda change: self._act(lambda: setattr(viewpoint, "ranking", change["new"])), "value")
        self.spectra.on_click(lambda button: self._act(viewpoint.compute_spectra))
        self.filter.observe(lambda change: self._filter(change["new"]), "value")

    def _choose(self, path: str | None) -> None:
        if path:
            self._viewpoint.choose(path)

    def _filter(self, text: str) -> None:
        """Narrow the list; a filter that leaves one item shows it."""
        found = matching(self._viewpoint.items, text)
        if not found:
            with self._changing():
                self.say(f"Nothing that differs contains “{text}”; there are {len(self._viewpoint.items)}.")
            return
        self._act(lambda: self._viewpoint.choose(found[0].path) if len(found) == 1 else None)
