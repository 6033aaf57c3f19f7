"""The commands that draw: the only ones that load matplotlib and ipywidgets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from snapshot.magics.contents import kind_of

if TYPE_CHECKING:
    from snapshot.magics.actions import Call


def plot(call: Call) -> Any:
    """``%snapshot plot``: how values evolve."""
    widgets = _widgets("plot", "%snapshot list and show need neither")
    given = call.given
    chosen = {
        "statistic": given.statistic,
        "steps": (getattr(given, "from"), given.to),
        "reference": given.reference or "first",
        "log": given.log,
        "follow": not given.still,
    }
    return _plotted(call, partial(widgets.Evolution, **chosen))


def overview(call: Call) -> Any:
    """``%snapshot overview``: all variables over all snapshots."""
    widgets = _widgets("overview", "%snapshot list and show need neither")
    return _plotted(call, partial(widgets.Overview, statistic=call.given.statistic or "update"))


def _plotted(call: Call, view: Callable[..., Any]) -> Any:
    """A view of the paths given; of what cannot be drawn the message says what it is."""
    from snapshot.errors import PathNotFound

    try:
        return view(call.workspace, call.given.paths, theme=call.given.theme or "light")
    except PathNotFound as error:
        raise PathNotFound(_why_not_plotted(call, str(error))) from error


def compare(call: Call) -> Any:
    """``%snapshot compare``: what differs between two snapshots, or between one and the present."""

    workspace, given = call.workspace, call.given
    widgets = _widgets("compare", "%snapshot diff shows the numbers without them")
    before = workspace[given.ref]
    after = workspace[given.other] if given.other else workspace.present()
    return widgets.Compare(before, after, theme=given.theme or "light")


def browse(call: Call) -> Any:
    """``%snapshot browse``: the timeline to look through and to act on."""
    widgets = _widgets("browse", "%snapshot list shows the timeline without them")
    return widgets.Browse(call.workspace, call.door.cells)


def _widgets(command: str, instead: str) -> ModuleType:
    """What draws; a :class:`UsageError` that says what is missing, and how to do without."""
    try:
        from snapshot import widgets
    except ImportError as error:
        missing = (error.name or str(error)).partition(".")[0]
        raise UsageError(
            f"{command} needs matplotlib and ipywidgets, and {missing} cannot be imported: "
            f"%pip install matplotlib ipywidgets; {instead}"
        ) from error
    return widgets


def _why_not_plotted(call: Call, message: str) -> str:
    """The message, unless the path is that of something stored that is no array and no number."""
    path = next((path for path in call.given.paths if message.startswith(f"{path}: ")), None)
    kinds = (kind_of(path, snap) for snap in reversed(call.timeline())) if path else ()
    kind = next(filter(None, kinds), None)
    if kind is None:
        return message
    return f"{path} is stored as {kind}; arrays and numbers can be plotted; {message.partition('; ')[2]}"
