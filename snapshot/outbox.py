"""Snapshots on their way to disk.

The owner of all this is the archive. :class:`Outbox` gives each change of what is on
disk (a snapshot, its label, its end) to one :class:`~snapshot.background.Background`, so
that they happen in the order in which they were asked for, and knows where each snapshot
stands. What fails is said at the next call; the snapshot stays in memory, and is tried
again (:mod:`snapshot.unwritten`).
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from snapshot.background import Background, finish_at_exit
from snapshot.budget import human_bytes
from snapshot.content import MemoryContent
from snapshot.engine import Engine
from snapshot.entries import Entries
from snapshot.errors import RepositoryError, SnapshotWarning
from snapshot.forking import forked_lock, renew_after_fork
from snapshot.jobs import Change, Describe, Write
from snapshot.model import Snapshot
from snapshot.pickling import Pickled, names_to_pickle
from snapshot.places import Place, Stored, places_of
from snapshot.standing import Standing
from snapshot.unwritten import Again, Unwritten, reason_of
from snapshot.vanished import Watch, described, lost_paths, sources_in

if TYPE_CHECKING:
    from snapshot.repository import Repository, Writer

#: So many stores at most wait to be written: each also holds descriptions that no budget counts.
MOST_WAITING = 64
#: The part of the memory budget that contents may fill which are not on disk yet. The pool
#: holds them anyway; but what is not written cannot leave it for what is stored next, is
#: lost if the kernel is killed, and has to be waited for when it ends.
UNWRITTEN = 0.25
#: After so many seconds without a store the numbers for plots are computed.
QUIET = 0.25


@dataclass(frozen=True)
class Progress:
    """How far writing is: numbers of snapshots and bytes."""

    waiting: int
    written: int
    total: int

    def __str__(self) -> str:
        if not self.waiting:
            return "everything is written"
        return f"{self.waiting} on their way, {human_bytes(self.written)} of {human_bytes(self.total)} written"


class Outbox:
    """What one archive still has to write, and where each of this run's snapshots stands.

    Foreground methods are called under the workspace's ``lock``; the thread itself takes
    it only when it is free.
    """

    def __init__(self, repository: Repository, writer: Writer, engine: Engine, lock: Any) -> None:
        self.repository = repository
        self.writer = writer
        self.disk = forked_lock()  #: held while the repository is read, or changed otherwise than by its writer
        self._lock = lock
        self._engine = engine
        self.blocks = engine.blocks
        self.blocks.elsewhere = self._elsewhere
        self._entries = Entries(engine)
        self._background = Background("snapshot-writer", when_idle=self.blocks.free_buffers)
        self._spare = Background("snapshot-statistics", turns=nullcontext)  #: nobody waits for what it does
        self._ended = False
        self._quiet_since = 0.0
        self._jobs: dict[int, Write] = {}
        self.standing = Standing(repository, self.disk)
        self._watch = Watch(repository, self.disk)
        self._labels: dict[int, str | None] = {}  #: those given, or taken away, since the store
        self.unwritten = Unwritten()
        self._unreleased: deque[tuple[bytes, ...]] = deque()
        self._gone: list[Stored] = []
        renew_after_fork(self)
        finish_at_exit(self)

    def begin_anew(self) -> None:
        """In a forked process: what the parent was writing is the parent's to write."""
        parents = {*self._jobs, *(job.number for job in self.unwritten.all())}
        self.standing.belong_to_another(parents, "the process that this one was forked from writes it")
        self.unwritten.clear()
        self._spare.begin_anew()
        for job in self._background.begin_anew():
            job.over()
        for write in [*self._jobs.values()]:  # it was being tried again
            write.over()

    # --- what is asked for

    def write(self, snapshot: Snapshot, nbytes: int) -> Callable[[], None]:
        """Prepare a snapshot, of which so many bytes are new in memory; returns what puts it on its way.

        What failed before is tried again ahead of it. Waits while too much is on its way
        already, see :data:`UNWRITTEN`.
        """
        job = Write(self, nbytes)
        self.standing.know(snapshot)
        try:
            job.entry, more = self._entries.of(snapshot, job.borrow, job.wrote)
        except Exception as error:  # whatever it is, the snapshot in memory is not to be lost for it
            self._stays(snapshot, error)
            self.settle(again=False)
            return lambda: None
        job.nbytes += more
        refusal = self.repository.refusal()
        if refusal is not None:
            self.unwritten.add(job)
            self._stays(snapshot, refusal)
            self.settle()
            return lambda: None
        limit = self.blocks.limit
        self._background.wait_for_room(int(limit * UNWRITTEN) if limit else sys.maxsize, MOST_WAITING)

        def send() -> None:
            self._try_again(everything=False)
            job.hold()
            self._jobs[snapshot.id] = job
            self._takes_label(snapshot.label)
            self._background.add(job)

        return send

    def take_back(self, snapshot: Snapshot) -> None:
        """Undo :meth:`write` after an interrupt, however far it came; nothing is left on disk."""
        job = self._jobs.get(snapshot.id)
        if job is not None and not self._call_off(job):
            self._background.wait_until(lambda: self._jobs.get(snapshot.id) is not job)
        self.unwritten.forget(snapshot.id)
        self.standing.forget(snapshot)
        if self.standing.stored.pop(snapshot.id, None) is not None:
            self.writer.take_back(snapshot)
        self.standing.skip(snapshot)

    def relabel(self, snapshot: Snapshot, label: str | None) -> None:
        """Change a label on disk, if the snapshot is there or on its way."""
        number = snapshot.id
        if label is not None:
            self._takes_label(label)
        # the last one given is the last in this order, too
        self._labels.pop(number, None)
        self._labels[number] = label
        self._change(self._label_change(number, label))

    def _label_change(self, number: int, label: str | None) -> Change:
        def change(to: Snapshot) -> None:
            # an attempt that comes late must not take a label from whom it was given to meanwhile
            self.repository.relabel(to, self._labels.get(number, label))

        return Change(self, number, f"the new label of #{number}", change)

    def _takes_label(self, label: str | None) -> None:
        """Some snapshot has this label from now on; another one that was given it has it no longer."""
        for number in [number for number, given in self._labels.items() if label is not None and given == label]:
            self._labels[number] = None

    def drop(self, snapshot: Snapshot) -> None:
        """Drop a snapshot on disk; one that is still on its way never gets there."""
        self.standing.forget(snapshot)
        job = self._jobs.get(snapshot.id)
        if job is not None and self._call_off(job):
            self.standing.skip(snapshot)
            return
        with self.unwritten.lock:
            forgotten = self.unwritten.forget(snapshot.id)
            if snapshot.id not in self._jobs and any(isinstance(one, Write) for one in forgotten):
                return
        stored = self.standing.drop(snapshot.id)
        if stored is not None:
            self._gone.append(stored)
        self._change(Change(self, snapshot.id, f"that #{snapshot.id} was dropped", self.repository.drop))

    def _call_off(self, job: Write) -> bool:
        job.unwanted = True
        return self._background.cancel(job)

    def _change(self, change: Change) -> None:
        number = change.number
        with self.unwritten.lock:
            there = number in self.standing.stored or number in self._jobs
            waits = self.unwritten.has(number) and not there
            if waits:
                self.unwritten.add(change)
        if there:
            self._background.add(change)

    def _try_again(self, *, everything: bool) -> None:
        """Put what failed before on its way once more; with ``everything`` what fails again is said again."""
        if self.unwritten:
            jobs = self.unwritten.all(say_again=everything)
            self._background.add(Again(self, jobs, everything=everything))

    def begin_again(self, job: Write | Change) -> bool:
        """From the thread: take up a job that failed; False when nobody wants it any more."""
        with self.unwritten.lock:
            if not self.unwritten.take(job):
                return False
            if isinstance(job, Write):
                job.hold()
                self._jobs[job.number] = job
            return True

    def move_blocks(self, remaining: Iterable[Snapshot]) -> None:
        """After drops: find blocks that lay in what was dropped elsewhere on disk, else keep them in memory."""
        sources, self._gone = self._gone, []
        lost = self.blocks.placed_in(sources) if sources else set()
        for snapshot in reversed(list(remaining)):
            stored = self.standing.stored.get(snapshot.id)
            if lost and stored is not None and isinstance(snapshot.content, MemoryContent):
                held = snapshot.content.capture.leaves
                leaves = ((handle.number, one.leaf.blocks) for handle, one in held.items())
                found = places_of(leaves, stored, lost)
                self.blocks.written(found)
                lost -= found.keys()
        self.blocks.stay(lost)

    def hold_dropped(self) -> None:
        """Bring into memory what lies in snapshots that were dropped, by whomever, as long as it can be read.

        What cannot be read any more is forgotten, so that a store copies it again.
        """
        if not self.blocks.nbytes_away:
            return
        with suppress(RepositoryError), self.disk:
            gone = self.repository.gone()
            self.blocks.stay(self.blocks.placed_in([one for one in self.blocks.sources() if one.key in gone]))

    def look_for_repository(self) -> None:
        """Whether what was written is still there. If not, a :class:`SnapshotWarning` says what is lost.

        What is whole in memory is written again by the next store or flush; what is not in
        memory is forgotten, so that a store copies it again.
        """
        stored = dict(self.standing.stored)
        lost, there = self._watch.look(stored, has_away=bool(self.blocks.nbytes_away))
        if there is None:
            return
        away = self.blocks.placed_in(sources_in(self.blocks.sources(), lost.values(), there))
        for number in lost:
            self.standing.stored.pop(number, None)
        self.blocks.stay(away)
        if lost or away:
            gone = {digest for digest in away if digest not in self.blocks}
            text = self._begin_anew_in_repository(lost, gone)
            warnings.warn(text, SnapshotWarning, stacklevel=5)

    def _begin_anew_in_repository(self, lost: dict[int, Stored], gone: set[bytes]) -> str:
        damaged: dict[int, list[str]] = {}
        unpickled: dict[int, list[str]] = {}
        whole: list[int] = []
        entries = Entries(self._engine)
        for number, stored in sorted(lost.items()):
            content = self.standing.content(number)
            self.standing.skip(stored.snapshot)
            if content is None:
                continue  # it was dropped
            paths = lost_paths(content.capture, gone, self._engine)
            if paths:
                damaged[number] = paths
                self.standing.stays(stored.snapshot, f"incomplete, {', '.join(paths)} went with its repository")
                continue
            whole.append(number)
            self.standing.stays(stored.snapshot, "the repository it was in is gone")
            job = Write(self, sum(held.leaf.nbytes for held in content.capture.leaves.values()))
            snapshot = replace(stored.snapshot, content=content)
            pickled = self._entries.kept_pickles(content.capture)
            # what a pickle walks through has changed since
            if pickled is None and (names := names_to_pickle(content.capture)):
                unpickled[number] = names
            job.entry, _ = entries.of(snapshot, job.borrow, job.wrote, pickled=pickled or Pickled())
            self.unwritten.add(job)
        for number, label in self._labels.items():
            if number in whole:
                self.unwritten.add(self._label_change(number, label))
        return described(self.repository.location, damaged, whole, unpickled)

    def _elsewhere(self, digest: bytes) -> Iterator[Place]:
        """Where a block lies in snapshots of this run, newest first."""
        for stored in reversed(list(self.standing.stored.values())):
            yield from stored.find(digest)

    # --- how it stands

    def until_quiet(self) -> float | None:
        """Seconds until it has been quiet for :data:`QUIET`, if nothing is stored; None when all is about to end."""
        if self._ended:
            return None
        return QUIET if self._jobs else self._quiet_since + QUIET - monotonic()

    def state(self, snapshot: Snapshot) -> str:
        """Where a snapshot of this run is, in a few words."""
        job = self._jobs.get(snapshot.id)
        if job is None or snapshot.id in self.standing.stored:
            return self.standing.in_words(snapshot)
        return f"writing, {human_bytes(job.written)} of {human_bytes(job.nbytes)}" if job.written else "writing"

    @property
    def progress(self) -> Progress:
        """How far what is on its way has come."""
        jobs = list(self._jobs.values())
        return Progress(len(jobs), sum(job.written for job in jobs), sum(job.nbytes for job in jobs))

    def wait_for_write(self) -> bool:
        """Wait until something more is on disk; False when nothing is on its way."""
        return self._background.wait_for_next()

    def settle(self, *, again: bool = True) -> None:
        """At the beginning of a call: let go what the thread could not, and say what went wrong.

        ``again`` is whether that is tried again.
        """
        while self._unreleased:
            self.blocks.release(self._unreleased.popleft())
        if text := self.unwritten.failures():
            later = "; the next store, or a flush, tries again" if again else ""
            warnings.warn(f"{text} (what is in memory stays as it was{later})", SnapshotWarning, stacklevel=4)

    def flush(self) -> None:
        """Return when everything that was asked for is done, what failed before included.

        A :class:`SnapshotWarning` says what is still missing, whatever was said before.
        """
        self._try_again(everything=True)
        self.wait()
        with self._lock:
            self.settle()

    def wait(self) -> None:
        """Return when everything that was asked for is done."""
        self._background.flush()

    def finish(self) -> None:
        """At the end of the interpreter."""
        self._ended = True
        self._try_again(everything=False)
        self.wait()
        if text := self.unwritten.failures():
            print(text, file=sys.stderr)

    # --- from the thread

    def arrived(self, job: Write) -> None:
        """A snapshot is on disk."""
        snapshot = job.entry.snapshot
        stored = Stored(self.repository, replace(snapshot, run=self.writer.run), self.disk)
        self._watch.wrote_to(self.writer.root)
        if not job.unwanted:
            leaves = ((one.number, one.leaf.blocks) for one in job.entry.leaves)
            self.blocks.written(places_of(leaves, stored))
        self.standing.arrived(stored)
        self.unwritten.succeeded(job.what)
        if not len(self._spare):
            self._spare.add(Describe(self))

    def failed(self, job: Write, error: BaseException) -> None:
        """A snapshot did not get to the disk: it stays in memory, and its children descend from its parent."""
        with self.unwritten.lock:
            if job.unwanted:
                self.standing.skip(job.entry.snapshot)
                return
            self._stays(job.entry.snapshot, error)
            self.unwritten.add(job)

    def _stays(self, snapshot: Snapshot, error: BaseException) -> None:
        self.standing.stays(snapshot, reason_of(error))
        self.unwritten.could_not(f"#{snapshot.id}", error)

    def over(self, job: Write) -> None:
        """Its blocks may go."""
        number = job.entry.snapshot.id
        if self._jobs.get(number) is job:
            del self._jobs[number]
        self._quiet_since = monotonic()
        # A store that is under way counts its blocks only at its end: none that it found
        # in the pool may leave under it.
        if self._lock.acquire(blocking=False):
            try:
                self.blocks.release(job.held)
            finally:
                self._lock.release()
        else:
            self._unreleased.append(job.held)
