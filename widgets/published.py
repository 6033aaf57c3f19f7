"""How a view gets into a notebook and stays readable there: live, saved, and as text.

A view is published as a widget and, below it, once more as a plain output. A trusted
notebook that is opened without its kernel shows an error for the widget and never falls
back to a picture in the same output; an output of its own is shown. While the view lives
a rule inside it hides that second output.
"""

from __future__ import annotations

from typing import Any

import ipywidgets


class Published:
    """What a notebook, a converter and a terminal show of one view.

    A subclass gives :attr:`view`, :meth:`sentence` and :meth:`_still`, and may give
    more ``metadata`` and text.
    """

    @property
    def view(self) -> Any:
        """The ipywidgets view, made when it is first asked for."""
        raise NotImplementedError

    def sentence(self) -> str:
        """What is seen, in words with the numbers."""
        raise NotImplementedError

    def _still(self) -> dict[str, Any]:
        """The plain output: a picture or a table, with text."""
        raise NotImplementedError

    def _still_metadata(self) -> dict[str, Any]:
        return {}

    def _is_empty(self) -> bool:
        """Whether the sentence is all there is to see."""
        return False

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.sentence()}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """View and plain output in one, for readers that take only one."""
        return self._widget() | self._still()

    def _ipython_display_(self) -> None:
        from IPython import get_ipython
        from IPython.display import display

        shell = get_ipython()
        in_terminal = shell is not None and not hasattr(shell, "kernel")
        if in_terminal or self._is_empty():
            # both outputs would be the same words there
            display({"text/plain": repr(self) if in_terminal else self.sentence()}, raw=True)
            return
        display(self._widget(), raw=True)
        display(self._still(), raw=True, metadata=self._still_metadata())

    def _widget(self) -> dict[str, Any]:
        bundle = self.view._repr_mimebundle_() or {}
        return bundle | {"text/plain": self.sentence()}


def hiding_rule(css_class: str) -> Any:
    """An invisible widget that hides the output below the view of this class."""
    rule = f".jp-OutputArea-child:has(.{css_class}) + .jp-OutputArea-child {{display: none}}"
    return ipywidgets.HTML(f"<style>{rule}</style>", layout=ipywidgets.Layout(display="none"))


def list_style(css_class: str) -> Any:
    """An invisible widget that sets the lists of this view in type of one width: their columns line up."""
    rule = f".{css_class} .widget-select select {{font-family: var(--jp-code-font-family, monospace)}}"
    return ipywidgets.HTML(f"<style>{rule}</style>", layout=ipywidgets.Layout(display="none"))
