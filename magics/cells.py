"""Whether a cell runs now, and a turn between cells for what a click asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod


class Cells:
    """The cells of one shell, as :class:`snapshot.widgets.turns.Turns`.

    ``began`` and ``ended`` are IPython's ``pre_run_cell`` and ``post_run_cell``.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._listener: WeakMethod[Callable[[], None]] | None = None
        self.busy = False

    def began(self, _info: object = None) -> None:
        self.busy = True

    def ended(self, _result: object = None) -> None:
        self.busy = False
        listen = self._listener and self._listener()
        if listen:
            listen()

    def submit(self, act: Callable[[], None]) -> None:
        """Hand ``act`` to the loop that runs cells; at once where there is none, or we are on its thread."""
        loop = getattr(getattr(self._shell, "kernel", None), "io_loop", None)
        if loop is None or threading.current_thread() is threading.main_thread():
            act()
        else:
            loop.add_callback(act)

    def follow(self, listen: Callable[[], None]) -> None:
        """Call a bound method after every cell, for as long as its object lives; the newest takes over.

        A view lives as long as the kernel, even when its cell has been run again.
        """
        self._listener = WeakMethod(listen)
