"""Jobs done one after the other by a thread of their own.

The thread is started by the first job and ends when there has been nothing to do for a
while. It is a daemon, so that a kernel that is told to end does not hang on it; what is
still waiting at a normal exit is finished first.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol
from weakref import WeakSet

from snapshot.short_turns import short_turns

#: How long the thread waits for another job before it ends, in seconds.
IDLE = 10.0
#: Waits are cut into pieces of so many seconds: on Windows Ctrl-C is delivered only between them.
_PIECE = 0.5


class Job(Protocol):
    """Something to do. ``nbytes`` is how much memory it keeps busy until then."""

    nbytes: int

    def run(self) -> None:
        """Do it; whatever it raises goes to :meth:`failed`."""

    def failed(self, error: BaseException) -> None:
        """It raised ``error``."""

    def over(self) -> None:
        """It ran, or never will."""


class Background:
    """A queue of jobs and the thread that does them, in the order in which they were added."""

    def __init__(
        self,
        name: str,
        idle: float = IDLE,
        when_idle: Callable[[], None] = lambda: None,
        turns: Callable[[], AbstractContextManager[None]] = short_turns,
    ) -> None:
        self._name = name
        self._turns = turns
        self._idle = idle
        self._when_idle = when_idle
        self.begin_anew()

    def begin_anew(self) -> list[Job]:
        """After a fork: nothing to do, and no thread. Returns the jobs, which are the parent's to do."""
        left = [*getattr(self, "_waiting", ())]
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()  #: the one that is being done is among them, and the first
        self._current: Job | None = None
        self._thread: threading.Thread | None = None
        self._done = 0
        self.nbytes = 0
        return left

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is one of the jobs."""
        return threading.current_thread() is self._thread

    def add(self, job: Job) -> None:
        """Have a job done after all others; starts the thread if there is none."""
        with self._changed:
            self._waiting.append(job)
            self.nbytes += job.nbytes
            self._changed.notify_all()
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is ending, and starts no threads any more
                self._thread = None
        if self._thread is None:
            while self._waiting:
                self._do(self._begin())

    def cancel(self, job: Job) -> bool:
        """Take a job back; False when it has begun already, or is over."""
        with self._changed:
            if job is self._current or job not in self._waiting:
                return False
            self._waiting.remove(job)
            self._finished(job)
        job.over()
        return True

    def wait_until(self, is_over: Callable[[], bool]) -> None:
        """Return when ``is_over`` says so, which is asked after each job."""
        self._wait(is_over)

    def wait_for_next(self) -> bool:
        """Return when one more job is over; False at once when there is none."""
        target = self._done + 1
        if not self._waiting or self.is_own_thread:
            return False
        self._wait(lambda: self._done >= target)
        return True

    def wait_for_room(self, nbytes: int, jobs: int) -> None:
        """Return when less than so many bytes and jobs are waiting."""
        self._wait(lambda: (self.nbytes < nbytes and len(self._waiting) < jobs) or not self._waiting)

    def flush(self) -> None:
        """Return when all that was added before is over. An interrupt ends the wait, not the work."""
        with self._changed:
            before = [*self._waiting]
        if not self.is_own_thread:
            self._wait(lambda: not any(job in self._waiting for job in before))

    def _wait(self, is_over: Callable[[], bool]) -> None:
        with self._changed:
            while not is_over():
                self._changed.wait(_PIECE)

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._changed.wait_for(lambda: self._waiting, self._idle)
                if not self._waiting:
                    self._thread = None
                    break
                job = self._begin()
            self._do(job)
            # until the next one arrives nothing of this one is to be kept alive here
            del job
        self._when_idle()

    def _begin(self) -> Job:
        with self._changed:
            self._current = self._waiting[0]
            return self._current

    def _do(self, job: Job) -> None:
        try:
            with self._turns():
                job.run()
        except BaseException as error:  # the thread goes on, and the next call of the user says so
            job.failed(error)
        finally:
            job.over()
            with self._changed:
                self._current = None
                self._waiting.popleft()
                self._finished(job)

    def _finished(self, job: Job) -> None:
        self._done += 1
        self.nbytes -= job.nbytes
        self._changed.notify_all()


class Finishing(Protocol):
    """Something that may have work going on."""

    def wait(self) -> None:
        """Return when it is done."""

    def finish(self) -> None:
        """Return when it is done; nobody will ask any more what came of it, so say it now."""


_all: WeakSet[Any] = WeakSet()
_registered = False


def finish_at_exit(owner: Finishing) -> None:
    """Have ``owner.finish()`` called at a normal end of the interpreter, if it still lives by then."""
    global _registered
    _all.add(owner)
    if not _registered:
        # The functions of atexit run when thread pools accept no work any more, which
        # writing needs. These run just before that, newest first; the name is private,
        # and the same since Python 3.9.
        getattr(threading, "_register_atexit", atexit.register)(_finish)
        _registered = True


def _finish() -> None:
    for owner in list(_all):
        owner.finish()


def wait_for_all() -> None:
    """Return when all that was begun in this process is done, whoever began it."""
    for owner in list(_all):
        owner.wait()
