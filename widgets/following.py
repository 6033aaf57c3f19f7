"""Open views follow what is stored, at a pace that leaves the training its time.

One thread for all views: it lives while there is something to draw, draws at most four times
a second, and rests four times as long as a picture took. A store only says that there is news.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from time import perf_counter
from weakref import WeakMethod, ref

from snapshot.forking import forked_lock

#: Seconds from one picture to the next, at least.
INTERVAL = 0.25
#: A picture that takes a second is followed by a rest of so many.
REST = 4
#: The newest views that are followed; one whose cell was run again still lives in the kernel.
MOST_VIEWS = 4


class Follower:
    """Calls each follower's method some time after :meth:`notice`, one at a time, the newest ones only."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._lock = forked_lock()
        self._news: dict[WeakMethod[Callable[[], None]], Context] = {}
        self._known: deque[ref[object]] = deque(maxlen=MOST_VIEWS)
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    def admit(self, view: object) -> None:
        """Follow this view, and in its place no longer the oldest of :data:`MOST_VIEWS`."""
        with self._lock:
            self._known.append(ref(view))

    def notice(self, view: object, refresh: Callable[[], None]) -> None:
        """There is news for ``view``: call ``refresh``, a bound method of it, soon."""
        with self._lock:
            if not any(known() is view for known in self._known):
                return
            # with the context of the cell that stores: what is written belongs to it
            self._news[WeakMethod(refresh)] = copy_context()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="snapshot-follower", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                news, self._news = self._news, {}
                if not news:
                    self._thread = None
                    return
            started = perf_counter()
            for method, context in news.items():
                refresh = method()
                if refresh is not None:
                    context.run(refresh)
            took = perf_counter() - started
            self._wake.wait(max(self._interval - took, REST * took))


FOLLOWER = Follower()
