"""What the thread that writes has to do, one object each: a snapshot, or a change to one that is on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from snapshot.model import Snapshot
from snapshot.repository.entry import Entry
from snapshot.walk import collector_paused

if TYPE_CHECKING:
    from snapshot.outbox import Outbox


#: Up to so many bytes are written in a moment.
QUICK = 64 * 1024 * 1024
#: Waits are cut into pieces of so many seconds, in case all is about to end.
_PIECE = 0.25


#: Jobs that are tried again keep the order in which they were asked for.
_order = count()


class Waits(Exception):
    """What a change is about is not on disk yet, and is still to be tried again."""


class Unwanted(Exception):
    """A snapshot was dropped, or its store interrupted, while it was written."""


class Write:
    """One snapshot on its way."""

    entry: Entry

    def __init__(self, outbox: Outbox, nbytes: int) -> None:
        self.order = next(_order)
        self.nbytes = nbytes
        self.unwanted = False
        self.held: tuple[bytes, ...] = ()
        self._outbox = outbox
        self._borrowed: list[bytes] = []
        self._sizes: list[int] = []  # appending is safe from any thread
        self._paused = ExitStack()
        self._soon = 0.0

    @property
    def number(self) -> int:
        """Of the snapshot."""
        return self.entry.snapshot.id

    @property
    def what(self) -> str:
        """For messages."""
        return f"#{self.number}"

    def hold(self) -> None:
        """Keep its blocks in the pool, even if the snapshot is dropped meanwhile."""
        self._sizes = []  # of an earlier attempt
        self.held = tuple(digest for one in self.entry.leaves for digest in one.leaf.blocks)
        self._outbox.blocks.retain(self.held)

    def borrow(self, digest: bytes) -> Any:
        """The bytes of one block, unchanged until this is over."""
        block = self._outbox.blocks.borrow(digest)
        self._borrowed.append(digest)
        return block.data

    @property
    def written(self) -> int:
        """How many bytes have been written, or are just being."""
        return min(sum(self._sizes), self.nbytes)

    def wrote(self, nbytes: int) -> None:
        """Some more bytes go to the disk; ends the writing of what nobody wants any more."""
        if self.nbytes > QUICK or monotonic() > self._soon:
            self._paused.close()
        if self.unwanted:
            raise Unwanted
        self._sizes.append(nbytes)

    def run(self) -> None:
        # Planning makes many small objects, and every pass of the collector over all that the
        # process holds stops everybody. What takes long is writing, and needs no such pause.
        self._paused.enter_context(collector_paused())
        self._soon = monotonic() + 1
        snapshot = self.entry.snapshot
        parent = self._outbox.standing.ancestor(snapshot.parent)
        self._outbox.writer.commit(replace(self.entry, snapshot=replace(snapshot, parent=parent)))
        self._outbox.arrived(self)

    def failed(self, error: BaseException) -> None:
        self._outbox.failed(self, error)

    def over(self) -> None:
        self._paused.close()
        self._outbox.blocks.give_back(self._borrowed)
        self._borrowed = []
        self._outbox.over(self)


class Change:
    """Something about a snapshot that is on disk by then, or is not, and then there is nothing to do."""

    nbytes = 0

    def __init__(self, outbox: Outbox, number: int, what: str, change: Callable[[Snapshot], None]) -> None:
        self.order = next(_order)
        self.number = number
        self.what = what
        self._outbox = outbox
        self._change = change

    def run(self) -> None:
        stored = self._outbox.standing.stored.get(self.number)
        if stored is not None:
            with self._outbox.disk:
                self._change(stored.snapshot)
            self._outbox.unwritten.succeeded(self.what)
        elif self._outbox.unwritten.has(self.number):
            raise Waits

    def failed(self, error: BaseException) -> None:
        self._outbox.unwritten.add(self)
        if not isinstance(error, Waits):
            self._outbox.unwritten.could_not(self.what, error)

    def over(self) -> None:
        pass


class Describe:
    """The numbers of what was committed, as long as nothing waits to be written; plots are faster with them."""

    nbytes = 0

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def run(self) -> None:
        # between the stores of a loop there is time, but two threads that run Python wait for each other
        while (seconds := self._outbox.until_quiet()) is not None:
            if seconds > 0:
                sleep(min(seconds, _PIECE))
            elif not self._outbox.writer.describe():
                return

    def failed(self, error: BaseException) -> None:
        pass

    def over(self) -> None:
        pass
