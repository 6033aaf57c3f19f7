"""The variables in memory, their timeline and their repository: what ``%snapshot`` acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from snapshot.apply import interrupts_wait
from snapshot.archive import Archive
from snapshot.budget import default_budget, human_bytes
from snapshot.capture import AnyHandle, Capture
from snapshot.changes import Changes, Undone
from snapshot.choosing import choose, values_into
from snapshot.collecting import GRACE
from snapshot.compare import Comparison, compare
from snapshot.deferrals import Deferrals
from snapshot.deferred import Deferral
from snapshot.engine import Engine, Wanted
from snapshot.errors import PathNotFound
from snapshot.forking import forked_lock
from snapshot.model import Snapshot
from snapshot.outbox import Progress
from snapshot.plan import Choice
from snapshot.retention import Policy, to_drop
from snapshot.selection import Patterns, as_patterns, names_of, not_found, root_of, split
from snapshot.shelf import Shelf
from snapshot.status import RestoreStatus
from snapshot.store_result import StoreResult
from snapshot.timeline import check_label, resolve
from snapshot.walk import Limits

if TYPE_CHECKING:
    from snapshot.repository.collector import Collected

Reference = str | Snapshot


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
        budget = default_budget() if memory_budget is None else memory_budget
        self._engine = Engine(namespace, hidden, budget, limits or Limits())
        self._lock = forked_lock()
        about = {"trust": trust, "durable": durable, "storage_options": storage_options}
        self._archive = Archive(repository, notebook, self._engine, self._lock, **about)  # type: ignore[arg-type]
        self._shelf = Shelf(self._engine, self._archive.run, notebook)
        self._changes = Changes(self._engine, self._shelf, cells_run or (lambda: 0))
        self._deferrals = Deferrals(self._engine, self._changes.stack, self._lock)
        self.notebook = notebook
        self.excluded: tuple[str, ...] = ()
        self.last_store: StoreResult | None = None

    def __repr__(self) -> str:
        where = self._archive.place or "memory only"
        count = len(self._shelf.snapshots)
        return f"<Workspace: {count} snapshots, {human_bytes(self.nbytes_in_memory)}, {where}>"

    # --- what there is

    @property
    def run(self) -> str:
        """The name of this run: what this process writes."""
        return self._archive.run

    @property
    def repository(self) -> Any:
        """The repository on disk, or None."""
        return self._archive.repository

    @property
    def head(self) -> Snapshot | None:
        """The snapshot that the present descends from."""
        return self._shelf.head

    @property
    def timeline(self) -> Sequence[Snapshot]:
        """This notebook's snapshots, oldest first: earlier runs' from the repository, then this run's."""
        return self.snapshots()

    def snapshots(self, all: bool = False) -> list[Snapshot]:
        """The timeline; with ``all`` other notebooks' snapshots of the repository too."""
        with self._lock:
            self._archive.settle()
            return [*self._archive.earlier(all), *self._shelf.snapshots]

    @property
    def in_memory(self) -> Sequence[Snapshot]:
        """This run's snapshots, oldest first, without a look at the disk."""
        return tuple(self._shelf.snapshots)

    def __getitem__(self, reference: Reference) -> Snapshot:
        if isinstance(reference, Snapshot):
            return reference
        # #run.n names one snapshot whoever stored it; everything else is this notebook's
        full = reference.startswith("#") and "." in reference
        with self._lock:
            return resolve(reference, self.snapshots(all=full), run=self.run, head=self.head, own_first=True)

    @property
    def nbytes_in_memory(self) -> int:
        """Bytes of all blocks in memory, equal ones counted once."""
        return self._engine.blocks.nbytes

    @property
    def nbytes_on_disk_only(self) -> int:
        """Bytes of blocks that left memory because it was getting full, and come back from disk when needed."""
        return self._engine.blocks.nbytes_away

    @property
    def progress(self) -> Progress:
        """How far writing is: how many snapshots are on their way, and how many bytes of them."""
        return self._archive.progress

    def state(self, snapshot: Snapshot) -> str:
        """Where a snapshot is: ``"on disk"``, ``"writing"``, ``"memory only: no space left on device"``."""
        return self._archive.state(snapshot)

    @property
    def undo_depth(self) -> int:
        """How many changes can be taken back."""
        return self._changes.stack.undo_depth

    @property
    def redo_depth(self) -> int:
        """How many can be brought again."""
        return self._changes.stack.redo_depth

    @property
    def waiting(self) -> Sequence[str]:
        """Paths of restored values that wait for variables which do not exist yet."""
        return tuple(self._deferrals.paths)

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
        Raises :class:`InvalidName`, :class:`PathNotFound`, :class:`OverBudget`; then
        nothing was stored.
        """
        started = perf_counter()
        if label is not None:
            check_label(label)
        wanted = Wanted(as_patterns(only), (*self.excluded, *as_patterns(exclude)), also)
        with self._lock:
            self._archive.settle()
            before = self._shelf.mark()
            self._check_excluded(as_patterns(exclude), also or {})
            try:
                capture, added = self._engine.look(wanted, self._shelf.latest)
                snapshot = self._shelf.describe(label, step, note, capture)
                unstored = self._newly_unstored(snapshot)
                with interrupts_wait():
                    moved = self._shelf.add(snapshot)
                if memory:
                    self._archive.skip(snapshot)
                send = None if memory else self._archive.write(snapshot, sum(added.values()))
                result = StoreResult(
                    snapshot,
                    sum(type(root) is not ModuleType for name, root in capture.roots.items() if name[:1] != "("),
                    sum(added.values()),
                    perf_counter() - started,
                    partial(self._costliest, capture, added),
                    moved,
                    len(self.excluded),
                    unstored,
                )
                if send is not None:
                    # last of all: whatever is interrupted before this never gets to the thread
                    with interrupts_wait():
                        send()
            except BaseException:
                # whoever interrupts a store expects no snapshot, neither here nor on disk
                with interrupts_wait():
                    for made in self._shelf.back_to(before):
                        self._archive.take_back(made)
                    self._engine.blocks.sweep()
                raise
            self.last_store = result
            return snapshot

    def _check_excluded(self, patterns: Sequence[str], also: Mapping[str, Any]) -> None:
        """An exclusion that means nothing is a spelling mistake; those said once and for all may wait for theirs."""
        if not patterns:
            return
        known = {**self._engine.names(), **also}
        _, inner = split(patterns, known)
        # with a slash it may be a session's variable
        literal = [p for p in inner if not p.startswith("role:") and not set(p) & set("*?/")]
        unknown = [p for p in literal if root_of(p) not in known]
        if unknown:
            raise not_found(unknown, known)

    def _newly_unstored(self, snapshot: Snapshot) -> int:
        """How many paths are by reference; 0 when the last store has said the same already."""
        before = self.last_store.snapshot.report if self.last_store is not None else {}
        report = snapshot.report
        return 0 if report.keys() == before.keys() else len(report)

    def _costliest(self, capture: Capture, added: Mapping[AnyHandle, int]) -> tuple[str, int] | None:
        if not added:
            return None
        handle, size = max(added.items(), key=lambda item: item[1])
        return self._engine.paths(capture).of(handle), size

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
        with self._lock:
            snapshot = self[reference]
            inner = [path for path in into or {} if path not in snapshot.names]
            if into and inner:
                return self._changes.assign(values_into(snapshot, into), make_names=True, dry_run=dry_run)
            later = self._deferrals.new() if defer else None
            bound = self._archive.bind(snapshot, into or {}, names_of(patterns), later)
            at_once = patterns if later is None else later.narrow(patterns, bound.unused)
            choice = choose(bound.capture, at_once, into or {}, self._engine)
            if patterns and not at_once:
                choice = Choice(names=frozenset())
            choice = replace(choice, created=created, code=code)
            whole = not patterns and not into
            with self._deferrals.writing():
                status = self._changes.restore(
                    bound, choice, snapshot, whole=whole, dry_run=dry_run, initialize_rest=initialize_rest
                )
            if not dry_run:
                self._deferrals.stop("a later restore took its place", names=choice.names)
            if later is not None:
                later.report(status, snapshot.names)
                if not dry_run:
                    laters = [later]
                    status.waiting = lambda: self._apply_deferred(laters, status, snapshot, into or {})
                    self._deferrals.start(later, status, self._changes.stack.last())
            return status

    def resume(self, **options: Any) -> RestoreStatus | None:
        """Restore the latest snapshot if there is one; None when this notebook has stored nothing yet.

        One line behind what makes the objects, so that the same code starts from scratch
        the first time and goes on after a crash. ``options`` are those of :meth:`restore`.
        Raises RepositoryError when the repository cannot be read: that is no reason to
        start anew.
        """
        with self._lock:
            if not self.snapshots():
                if self.repository is not None:
                    len(self.repository)
                return None
            return self.restore("latest", **options)

    def _apply_deferred(
        self, laters: list[Deferral], status: RestoreStatus, snapshot: Snapshot, into: Mapping[str, str]
    ) -> None:
        """Values for variables that exist by now, then names that do; each is assigned once."""
        with self._lock:
            for later in laters:
                later.again()
            live = self._engine.names()
            values = {path for later in laters for path in later.waiting.values()}
            names = [path for path in status.deferred if path not in values]
            # what is no name is a session's variable, and finds its session by itself
            ready = [path for path in names if into.get(path, path) in live or path not in snapshot.names]
            if not ready:
                return
            renamed = {path: into[path] for path in ready if path in into}
            try:
                found = self.restore(snapshot, None if renamed else ready, renamed or None, defer=True)
            except PathNotFound:
                return
            status.take_over(found, ready)
            more = self._deferrals.of(found)
            if more is not None:
                more.reports.append(status)
                laters.append(more)

    def assign(self, values: Mapping[str, Any]) -> RestoreStatus:
        """Put given values into live variables, by path; all of them or none.

        Raises :class:`PathNotFound` for a path nothing lives at and :class:`DoesNotFit`
        for a shape or dtype the variable refuses.
        """
        with self._lock:
            return self._changes.assign(values)

    def undo(self) -> Undone:
        """Take back the last restore or assign; raises :class:`NothingToUndo`."""
        with self._lock:
            return self._undo()

    def redo(self) -> Undone:
        """Bring back what was undone last; raises :class:`NothingToUndo`."""
        with self._lock:
            return self._undo(redo=True)

    def _undo(self, redo: bool = False) -> Undone:
        entry = self._changes.stack.last(redo=redo)
        with self._deferrals.writing():
            done = self._changes.undo(redo=redo)
        self._deferrals.taken_back(entry)
        return done

    @contextmanager
    def rollback(self) -> Iterator[None]:
        """Whatever happens inside is undone at the end, names and code included."""
        # not locked in between: a training thread may store, a widget may look
        with self._lock:
            before, waiting = self._changes.remember(), self._deferrals.active
        try:
            yield
        finally:
            with self._lock:
                with self._deferrals.writing():
                    self._changes.go_back(before)
                self._deferrals.stop("its restore was rolled back", but=waiting)

    # --- looking and keeping order

    def compare(self, first: Reference, second: Reference | None = None) -> Comparison:
        """What differs between two snapshots, or between one and what is live now."""
        with self._lock:
            one = self[first]
            if second is not None:
                return compare(one, self[second])
            try:
                capture, _ = self._engine.look(Wanted(exclude=self.excluded), self._shelf.latest, limited=False)
                return compare(one, self._shelf.describe("now", None, "", capture))
            finally:
                self._engine.blocks.sweep()

    def label(self, reference: Reference, new: str) -> Snapshot:
        """Name a snapshot; a label in use moves. Returns the snapshot with its new label."""
        check_label(new)
        with self._lock:
            found = self[reference]
            self._archive.relabel(found, new)
            if found.run == self.run:
                return self._shelf.relabel(found, new)
            return replace(found, label=new)

    def drop(self, *references: Reference) -> list[Snapshot]:
        """Forget snapshots, in memory and on disk; all of them or, if one is unknown, none."""
        with self._lock:
            found = list(dict.fromkeys(self[reference] for reference in references))
            for snapshot in found:
                self._archive.drop(snapshot)
                self._shelf.drop(snapshot)
            self._archive.dropped(self._shelf.snapshots)
            return found

    def prune(self, *policies: Policy) -> list[Snapshot]:
        """Drop what none of the policies keeps; returns what was dropped."""
        with self._lock:
            return self.drop(*to_drop(self.snapshots(), policies))

    def collect(self, grace: timedelta = GRACE) -> Collected | None:
        """Give back the disk space of what was dropped at least ``grace`` ago; None without a repository.

        Without a call this happens an hour after a drop, or whenever later a kernel that writes to
        the repository is there to do it. Within that hour whoever has a snapshot open can read it.
        """
        return self._archive.collect(grace)

    def exclude(self, *patterns: str) -> tuple[str, ...]:
        """Leave these out of every store from now on; returns all patterns in force."""
        with self._lock:
            self.excluded = tuple(dict.fromkeys((*self.excluded, *as_patterns(patterns))))
            return self.excluded

    def include(self, *patterns: str) -> tuple[str, ...]:
        """Take patterns back that were excluded; returns those still in force."""
        with self._lock:
            unknown = [pattern for pattern in patterns if pattern not in self.excluded]
            if unknown:
                raise not_found(unknown, self.excluded)
            self.excluded = tuple(pattern for pattern in self.excluded if pattern not in patterns)
            return self.excluded

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
        with self._lock:
            opened = Archive(target, self.notebook, self._engine, self._lock, **about)  # type: ignore[arg-type]
            self._archive.close()
            self._archive = opened
            return opened.repository

    def flush(self) -> None:
        """Return when everything stored so far is on disk; a :class:`SnapshotWarning` says what failed.

        An interrupt ends the wait, not the writing.
        """
        # without the lock: other threads may store meanwhile
        self._archive.flush()

    def close(self) -> None:
        """Wait until everything is on disk; the workspace goes on in memory only."""
        with self._lock:
            self._deferrals.stop("the workspace was closed")
            self._archive.close()


def _one_of(option: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{option}={value!r}: expected one of {', '.join(map(repr, allowed))}")
