"""A bar for a command that takes long: after half a second, at most ten times a second, gone when it is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any

from snapshot.budget import human_bytes

if TYPE_CHECKING:
    from snapshot.magics.door import Door

#: Seconds before there is anything to see, and between two looks.
DELAY, INTERVAL = 0.5, 0.1


@contextmanager
def progress_of(door: Door, doing: str) -> Iterator[None]:
    """While the body runs: a bar that says what is being done, in a notebook; nothing in a terminal or a script."""
    if not doing or not door.has_front_end:
        yield
        return
    done = threading.Event()
    # with the context of the cell, below which it is shown
    context = copy_context()
    thread = threading.Thread(
        target=context.run, args=(_show, door, doing, done), name="snapshot-progress", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _show(door: Door, doing: str, done: threading.Event) -> None:
    began = monotonic()
    if done.wait(DELAY):
        return
    with suppress(ImportError):  # a library that works without ipywidgets; then there is no bar
        import ipywidgets
        from IPython.display import display

        bar = ipywidgets.IntProgress(0, 0, 1000, bar_style="info", layout=ipywidgets.Layout(width="20em"))
        words = ipywidgets.Label(doing)
        box = ipywidgets.HBox([bar, words])
        _put(door, doing, bar, words, began)
        shown: Any = display(box, display_id=True)
        while not done.wait(INTERVAL):
            _put(door, doing, bar, words, began)
        # A view whose model is gone would be an error in the notebook that is saved.
        shown.update({"text/plain": ""}, raw=True)
        for widget in (bar, words, box):
            widget.close()


def _put(door: Door, doing: str, bar: Any, words: Any, began: float) -> None:
    """How far what is on its way to disk has come; where nothing is, for how long we have been at it."""
    seconds = monotonic() - began
    progress = door.made.progress if door.made is not None else None
    if progress is not None and progress.total:
        bar.value = int(1000 * min(progress.written / progress.total, 1))
        words.value = f"{doing}: {human_bytes(progress.written)} of {human_bytes(progress.total)} written"
    else:
        bar.value = int(1000 * (seconds % 2) / 2)
        words.value = f"{doing}: {seconds:.0f} s"
