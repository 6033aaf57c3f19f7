"""Controls that act on what is looked at, and are brought in line with it: our own changes are nobody's clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from snapshot.errors import SnapshotError


class Acting:
    """A view with controls. ``lock`` is held while they change: callbacks may run on another thread."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._busy = False

    @property
    def inputs(self) -> Iterable[Any]:
        """The controls a user can move."""
        raise NotImplementedError

    def update(self) -> None:
        """Bring everything in line with what is looked at."""
        raise NotImplementedError

    def say(self, sentence: str) -> None:
        """Show a sentence to the user; screen readers speak it."""
        raise NotImplementedError

    def _act(self, change: Callable[[], Any]) -> None:
        """Do what a control asks for; what cannot be done is said."""
        with self._lock:
            if self._busy:
                return  # our own update moved the control
            try:
                change()
            except SnapshotError as error:
                self.update()
                self.say(f"{error}.")
                return
            self.update()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            self._busy = True
            try:
                yield
            finally:
                self._busy = False
                _answer_on_any_shell(self.inputs)


def _answer_on_any_shell(widgets: Iterable[Any]) -> None:
    """Let messages of these widgets be handled by the subshell they arrive on.

    ipykernel 7.4 binds a comm to the shell that wrote to it last. Written by a cell,
    that is the main shell, and a slider would then wait until a running loop ends.
    """
    for widget in widgets:
        # Private, and absent in other versions of ipykernel and outside a kernel.
        with suppress(AttributeError):
            del widget.comm._reply_subshell_id
