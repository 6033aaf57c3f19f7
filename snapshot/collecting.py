"""Giving back the space of dropped snapshots some time after they were dropped, without anybody asking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from snapshot.errors import SnapshotError
from snapshot.forking import forked_lock

#: A dropped snapshot can be read for so long by whoever has it open.
GRACE = timedelta(hours=1)


class Collecting:
    """Calls ``collect(GRACE)`` when what was dropped is that old, and again while it says that something was kept.

    A daemon timer, and none while there is nothing to collect. What fails is tried again.
    """

    def __init__(self, collect: Callable[[timedelta], Any]) -> None:
        self._collect = collect
        self._lock = forked_lock()
        self._timer: threading.Timer | None = None
        self._over = False

    def begin(self) -> None:
        """Something was dropped, or is found to have been."""
        with self._lock:
            if self._timer is None and not self._over:
                self._timer = threading.Timer(GRACE.total_seconds() + 60, self._now)
                self._timer.daemon = True
                self._timer.name = "snapshot-collector"
                with suppress(RuntimeError):  # the interpreter is ending, and starts no threads any more
                    self._timer.start()

    def _now(self) -> None:
        kept: Any = True
        with suppress(SnapshotError):
            kept = self._collect(GRACE).kept
        with self._lock:
            self._timer = None
        if kept:
            self.begin()

    def end(self) -> None:
        """Wait no longer: what is old enough goes now, the rest when somebody else collects."""
        with self._lock:
            timer, self._timer, self._over = self._timer, None, True
        if timer is not None:
            timer.cancel()
            with suppress(SnapshotError):
                self._collect(GRACE)
