"""What could not be written, in the order in which it was asked for, until another attempt succeeds.

A disk that was full has room again, a server answers again: what failed before is tried
again by the next store, and by every flush, before what comes later. A snapshot that was
dropped meanwhile is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snapshot.errors import Damaged
from snapshot.forking import forked_lock

if TYPE_CHECKING:
    from snapshot.jobs import Change, Write
    from snapshot.outbox import Outbox


class Unwritten:
    """Jobs that failed, oldest first, and what has not been said of them yet. Any thread may call any method."""

    def __init__(self) -> None:
        self.lock = forked_lock()  #: held while a job moves from here to those that are on their way
        self._jobs: list[Write | Change] = []
        self._reasons: dict[str, str] = {}  #: what failed -> why, said or not
        self._unsaid: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __contains__(self, job: object) -> bool:
        return job in self._jobs

    def has(self, number: int) -> bool:
        """Whether anything about a snapshot waits here."""
        return any(job.number == number for job in self._jobs)

    def add(self, job: Write | Change) -> None:
        """Try a job again some time; nothing is said."""
        with self.lock:
            self._jobs.append(job)
            self._jobs.sort(key=lambda one: one.order)

    def could_not(self, what: str, error: BaseException) -> None:
        """Have a failure said at the next call, unless that very reason was said before."""
        reason = reason_of(error)
        with self.lock:
            if self._reasons.get(what) != reason:
                self._reasons[what] = self._unsaid[what] = reason

    def succeeded(self, what: str) -> None:
        """It is written after all."""
        with self.lock:
            self._reasons.pop(what, None)
            self._unsaid.pop(what, None)

    def take(self, job: Write | Change) -> bool:
        """Take a job out, if it is still here."""
        with self.lock:
            if job not in self._jobs:
                return False
            self._jobs.remove(job)
            return True

    def forget(self, number: int) -> list[Write | Change]:
        """Nobody wants anything about a snapshot any more; returns what there was."""
        with self.lock:
            gone = [job for job in self._jobs if job.number == number]
            for job in gone:
                self._jobs.remove(job)
                self.succeeded(job.what)
        return gone

    def all(self, *, say_again: bool = False) -> list[Write | Change]:
        """The jobs, oldest first; with ``say_again`` their next failure is said whatever was said before."""
        with self.lock:
            if say_again:
                for job in self._jobs:
                    self.succeeded(job.what)
            return [*self._jobs]

    def clear(self) -> None:
        """Nothing of this is to be done any more."""
        with self.lock:
            self._jobs.clear()
            self._reasons.clear()
            self._unsaid.clear()

    def failures(self) -> str:
        """What has not been said yet, by reason; empty when there is nothing."""
        with self.lock:
            unsaid, self._unsaid = self._unsaid, {}
            order = {job.what: job.order for job in self._jobs}
        by_reason: dict[str, list[str]] = {}
        for what, reason in sorted(unsaid.items(), key=lambda one: order.get(one[0], 0)):
            by_reason.setdefault(reason, []).append(what)
        return "; ".join(f"{', '.join(what)} could not be written to disk: {why}" for why, what in by_reason.items())


class Again:
    """Another attempt at what failed before, in its order.

    Unless ``everything`` is to be tried, a place that refuses one is not asked for the rest.
    """

    nbytes = 0

    def __init__(self, outbox: Outbox, jobs: Sequence[Write | Change], *, everything: bool) -> None:
        self._outbox = outbox
        self._jobs = jobs
        self._everything = everything

    def run(self) -> None:
        for job in self._jobs:
            if not self._outbox.begin_again(job):
                continue  # nobody wants it any more
            try:
                job.run()
            except BaseException as error:
                job.failed(error)
                if not self._everything and isinstance(error, OSError) and not isinstance(error, Damaged):
                    return
            finally:
                job.over()

    def failed(self, error: BaseException) -> None:
        pass

    def over(self) -> None:
        pass


def reason_of(error: BaseException) -> str:
    """Why something failed, in words."""
    return str(error) or type(error).__name__
