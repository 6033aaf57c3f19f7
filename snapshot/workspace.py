"""The variables in memory, their timeline and their repository: what ``%snapshot`` acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from snapshot.archive import Archive
from snapshot.assigning import check_values
from snapshot.budget import default_budget, human_bytes
from snapshot.changes import Changes, Undone
from snapshot.collecting import GRACE
from snapshot.compare import Comparison, compare
from snapshot.deferrals import Deferrals
from snapshot.engine import Engine, Wanted
from snapshot.forking import forked_lock
from snapshot.keeping_order import drop, label
from snapshot.listeners import tell
from snapshot.model import Snapshot
from snapshot.outbox import Progress
from snapshot.parts import Parts, Reference
from snapshot.present import present
from snapshot.restoring import Asked, restore, rolled_back, take_back
from snapshot.retention import Policy, to_drop
from snapshot.selection import Patterns, as_patterns, not_found
from snapshot.shelf import Shelf
from snapshot.status import RestoreStatus
from snapshot.store_result import StoreResult
from snapshot.storing import store
from snapshot.timeline import check_label, check_step, key_of
from snapshot.walk import Limits
from snapshot.wording import found

if TYPE_CHECKING:
    from snapshot.repository.collector import Collected


class Workspace:
    """Store, restore and compare the variables of ``namespace`` (a dict such as ``globals()``).

    ``repository`` is None (memory only), a path, a URL or a ``Repository``. For a URL
    (``s3://bucket/run.zarr``) the user's ordinary credentials are taken; ``storage_options``
    (``endpoint``, ``region``, ...) go to obstore. With ``trust`` pickles in the repository
    are loaded whoever wrote them; with ``durable`` what was written to a folder survives a power
    cut. One lock guards everything, so a training thread may store too.
    """

    def __init__(
        self,
        namespace: MutableMapping[str, Any],
        repository: Any = None,
        *,
        notebook: str = "",
        trust: bool = False,
        durable: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        hidden: Mapping[str, Any] | None = None,
        memory_budget: int | None = None,
        limits: Limits | None = None,
        cells_run: Callable[[], int] | None = None,
    ) -> None:
        if not isinstance(namespace, MutableMapping):
            raise TypeError(
                f"The namespace of a Workspace is a dict of variables, not {found(namespace)}: "
                "write Workspace(globals(), 'run.zarr')."
            )
        budget = default_budget() if memory_budget is None else memory_budget
        engine, lock = Engine(namespace, hidden, budget, limits or Limits()), forked_lock()
        about = {"trust": trust, "durable": durable, "storage_options": storage_options}
        archive = Archive(repository, notebook, engine, lock, **about)  # type: ignore[arg-type]
        shelf = Shelf(engine, archive.run, notebook)
        changes = Changes(engine, shelf, cells_run or (lambda: 0))
        shelf.others = lambda: self._parts.archive.earlier(all=True)
        self._parts = Parts(engine, lock, archive, shelf, changes, Deferrals(engine, changes.stack, lock))
        self.notebook = notebook

    def __repr__(self) -> str:
        where = self._parts.archive.place or "memory only"
        count = len(self._parts.shelf.snapshots)
        return f"<Workspace: {count} snapshots, {human_bytes(self.nbytes_in_memory)}, {where}>"

    # --- what there is

    @property
    def excluded(self) -> tuple[str, ...]:
        """The patterns that every store leaves out."""
        return self._parts.excluded

    @property
    def last_store(self) -> StoreResult | None:
        """What the last store did."""
        return self._parts.last_store

    @property
    def run(self) -> str:
        """The name of this run: what this process writes."""
        return self._parts.archive.run

    @property
    def repository(self) -> Any:
        """The repository on disk, or None."""
        return self._parts.archive.repository

    @property
    def head(self) -> Snapshot | None:
        """The snapshot that the present descends from."""
        return self._parts.shelf.head

    @property
    def timeline(self) -> Sequence[Snapshot]:
        """This notebook's snapshots, oldest first: earlier runs' from the repository, then this run's."""
        return self.snapshots()

    def snapshots(self, all: bool = False) -> list[Snapshot]:
        """The timeline; with ``all`` other notebooks' snapshots of the repository too."""
        with self._parts.lock:
            return self._parts.snapshots(all)

    @property
    def in_memory(self) -> Sequence[Snapshot]:
        """This run's snapshots, oldest first, without a look at the disk."""
        return tuple(self._parts.shelf.snapshots)

    def __getitem__(self, reference: Reference) -> Snapshot:
        with self._parts.lock:
            return self._parts.find(reference)

    @property
    def nbytes_in_memory(self) -> int:
        """Bytes of all blocks in memory, equal ones counted once."""
        return self._parts.engine.blocks.nbytes

    @property
    def nbytes_on_disk_only(self) -> int:
        """Bytes of blocks that left memory because it was getting full, and come back from disk when needed."""
        return self._parts.engine.blocks.nbytes_away

    @property
    def progress(self) -> Progress:
        """How far writing is: how many snapshots are on their way, and how many bytes of them."""
        return self._parts.archive.progress

    def state(self, snapshot: Snapshot) -> str:
        """Where a snapshot is: ``"on disk"``, ``"writing"``, ``"memory only: no space left on device"``."""
        return self._parts.state(snapshot)

    @property
    def undo_depth(self) -> int:
        """How many changes can be taken back."""
        return self._parts.changes.stack.undo_depth

    @property
    def redo_depth(self) -> int:
        """How many can be brought again."""
        return self._parts.changes.stack.redo_depth

    @property
    def waiting(self) -> Sequence[str]:
        """Paths of restored values that wait for variables which do not exist yet."""
        return tuple(self._parts.deferrals.paths)

    # --- storing

    def store(
        self,
        label: str | None = None,
        only: Patterns = None,
        exclude: Patterns = None,
        step: int | None = None,
        note: str = "",
        *,
        also: Mapping[str, Any] | None = None,
        memory: bool = False,
    ) -> Snapshot:
        """Keep the present state; returns its :class:`Snapshot`.

        ``only`` and ``exclude`` take names, paths, globs and roles. ``also`` adds objects
        under names that are not in the namespace. With ``memory`` nothing goes to disk.
        Returns when the state is captured; writing goes on behind it, see :meth:`flush`.
        Raises :class:`InvalidName`, :class:`PathNotFound`, :class:`OverBudget`, and TypeError
        for a ``step`` that is no whole number; then nothing was stored.
        """
        if label is not None:
            check_label(label)
        step = None if step is None else check_step(step)
        wanted = Wanted(as_patterns(only), (*self._parts.excluded, *as_patterns(exclude)), also)
        with self._parts.lock:
            now = as_patterns(exclude)
            told = partial(tell, self)
            return store(self._parts, label, wanted, now, step=step, note=note, memory=memory, told=told)

    # --- restoring

    def restore(
        self,
        reference: Reference = "latest",
        only: Patterns = None,
        into: Mapping[str, str] | None = None,
        created: str = "keep",
        code: str = "keep",
        defer: bool = False,
        dry_run: bool = False,
        initialize_rest: bool = False,
    ) -> RestoreStatus:
        """Put a stored state back into the live objects; returns a :class:`RestoreStatus`.

        ``only`` takes names, paths, globs and roles; ``into`` maps stored names or paths
        to live ones; ``created`` ("keep", "remove") is about names made since, ``code`` ("keep",
        "restore") about functions and classes redefined since. With ``defer`` values whose
        variables do not exist yet wait until a framework makes these, and names that do not
        exist yet wait for ``status.apply_deferred()``; with ``dry_run`` nothing is written.
        With ``initialize_rest`` variables of a session that have no value even then get
        their initial one, and no others. Raises :class:`RestoreFailed` when an object
        refuses; then everything is as it was.
        """
        _one_of("created", created, ("keep", "remove"))
        _one_of("code", code, ("keep", "restore"))
        patterns = as_patterns(only)
        with self._parts.lock:
            snapshot = self[reference]
            asked = Asked(patterns, into or {}, created, code, defer, dry_run, initialize_rest)
            return restore(self._parts, snapshot, asked)

    def resume(self, **options: Any) -> RestoreStatus | None:
        """Restore the latest snapshot if there is one; None when this notebook has stored nothing yet.

        One line behind what makes the objects, so that the same code starts from scratch
        the first time and goes on after a crash. ``options`` are those of :meth:`restore`.
        Raises RepositoryError when the repository cannot be read: that is no reason to
        start anew.
        """
        with self._parts.lock:
            if not self.snapshots():
                if self.repository is not None:
                    len(self.repository)
                return None
            return self.restore("latest", **options)

    def assign(self, values: Mapping[str, Any]) -> RestoreStatus:
        """Put given values into live variables, by path; all of them or none.

        Raises :class:`PathNotFound` for a path nothing lives at, :class:`DoesNotFit`
        for a shape or dtype the variable refuses, and TypeError for what is no mapping of paths to values.
        """
        check_values(values)
        with self._parts.lock:
            return self._parts.changes.assign(values)

    def undo(self) -> Undone:
        """Take back the last restore or assign; raises :class:`NothingToUndo`."""
        with self._parts.lock:
            return take_back(self._parts)

    def redo(self) -> Undone:
        """Bring back what was undone last; raises :class:`NothingToUndo`."""
        with self._parts.lock:
            return take_back(self._parts, redo=True)

    @contextmanager
    def rollback(self) -> Iterator[None]:
        """Whatever happens inside is undone at the end, names and code included."""
        with rolled_back(self._parts):
            yield

    # --- looking and keeping order

    def compare(self, first: Reference, second: Reference | None = None) -> Comparison:
        """What differs between two snapshots, or between one and what is live now."""
        with self._parts.lock:
            one = self[first]
            if second is not None:
                return compare(one, self[second])
            with self._parts.looked_at() as now:
                return compare(one, now)

    def present(self) -> Snapshot:
        """What is live now as a snapshot labelled ``now``, on no timeline: to look at, never to go back to.

        Its contents may be given up when a later call needs their room.
        """
        with self._parts.lock:
            return present(self._parts)

    def label(self, reference: Reference, new: str) -> Snapshot:
        """Name a snapshot; a label in use moves. Returns the snapshot with its new label, which means it from now on.

        Raises :class:`InvalidName`, and :class:`ReferenceNotFound` for one that was dropped.
        """
        check_label(new)
        with self._parts.lock:
            labelled = label(self._parts, self[reference], new)
        tell(self)
        return labelled

    def drop(self, *references: Reference) -> list[Snapshot]:
        """Forget snapshots, in memory and on disk; all of them or, if one is unknown, none.

        One that another kernel has dropped meanwhile is unknown; if it is still in memory here it is
        forgotten, with a :class:`SnapshotWarning`.
        """
        with self._parts.lock:
            found = list({key_of(one): one for one in map(self.__getitem__, references)}.values())
            drop(self._parts, found)
        tell(self)
        return found

    def prune(self, *policies: Policy) -> list[Snapshot]:
        """Drop what none of the policies keeps; returns what was dropped. TypeError for what is no policy."""
        with self._parts.lock:
            found = to_drop(self.snapshots(), policies)
            drop(self._parts, found, named=False)
        tell(self)
        return found

    def collect(self, grace: timedelta = GRACE) -> Collected | None:
        """Give back the disk space of what was dropped at least ``grace`` ago; None without a repository.

        Without a call this happens an hour after a drop, or whenever later a kernel that writes to
        the repository is there to do it. Within that hour whoever has a snapshot open can read it.
        """
        return self._parts.archive.collect(grace)

    def exclude(self, *patterns: str) -> tuple[str, ...]:
        """Leave these out of every store from now on; returns all patterns in force."""
        with self._parts.lock:
            self._parts.excluded = tuple(dict.fromkeys((*self._parts.excluded, *as_patterns(patterns))))
            return self._parts.excluded

    def include(self, *patterns: str) -> tuple[str, ...]:
        """Take patterns back that were excluded; returns those still in force."""
        with self._parts.lock:
            unknown = [pattern for pattern in patterns if pattern not in self._parts.excluded]
            if unknown:
                raise not_found(unknown, self._parts.excluded)
            self._parts.excluded = tuple(pattern for pattern in self._parts.excluded if pattern not in patterns)
            return self._parts.excluded

    # --- disk

    def open(
        self,
        target: Any,
        *,
        trust: bool = False,
        durable: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Use another repository from now on; snapshots in memory stay. Returns it."""
        about = {"run": self.run, "trust": trust, "durable": durable, "storage_options": storage_options}
        with self._parts.lock:
            opened = Archive(target, self.notebook, self._parts.engine, self._parts.lock, **about)  # type: ignore[arg-type]
            self._parts.leave()
            self._parts.archive = opened
            opened.adopt(self._parts.shelf.snapshots)
            return opened.repository

    def flush(self) -> None:
        """Return when everything stored so far is on disk; a :class:`SnapshotWarning` says what failed.

        An interrupt ends the wait, not the writing.
        """
        # without the lock: other threads may store meanwhile
        self._parts.archive.flush()

    def close(self) -> None:
        """Wait until everything is on disk; the workspace goes on in memory only."""
        with self._parts.lock:
            self._parts.deferrals.stop("the workspace was closed")
            self._parts.leave()


def _one_of(option: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{option}={value!r}: expected one of {', '.join(map(repr, allowed))}")
