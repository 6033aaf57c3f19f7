"""The variables in memory, their timeline and their repository: what ``%snapshot`` acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import RLock
from time import perf_counter
from types import ModuleType
from typing import Any

from snapshot.apply import interrupts_wait
from snapshot.archive import Archive
from snapshot.binding import Bound
from snapshot.assigning import assigned
from snapshot.budget import default_budget, human_bytes
from snapshot.capture import Capture
from snapshot.compare import Comparison, compare
from snapshot.content import MemoryContent
from snapshot.engine import Engine, Wanted
from snapshot.model import Snapshot
from snapshot.paths import Named
from snapshot.plan import Choice
from snapshot.report import status_of
from snapshot.retention import Policy, to_drop
from snapshot.selection import Patterns, as_patterns, matches, names_of, not_found, split
from snapshot.status import RestoreStatus
from snapshot.timeline import check_label, resolve
from snapshot.undo import Before, UndoStack
from snapshot.walk import Limits

Reference = str | Snapshot


@dataclass(frozen=True)
class StoreResult:
    """What the last store did; its text is the line after ``%snapshot store``."""

    snapshot: Snapshot
    variables: int
    new_bytes: int
    seconds: float
    costliest: tuple[str, int] | None
    moved_from: Snapshot | None
    excluded_count: int
    unstored: int

    def __str__(self) -> str:
        label = f" {self.snapshot.label}" if self.snapshot.label else ""
        variables = f"{self.variables} variable{'' if self.variables == 1 else 's'}"
        parts = [
            f"stored{label} (#{self.snapshot.id}, step {self.snapshot.step}): {variables}, "
            f"{human_bytes(self.new_bytes)} new, {self.seconds * 1000:.0f} ms"
        ]
        if self.costliest:
            parts.append(f"most: {self.costliest[0]} ({human_bytes(self.costliest[1])})")
        if self.moved_from:
            parts.append(f"the label moved here from #{self.moved_from.id}")
        if self.unstored:
            parts.append(f"{self.unstored} by reference (%snapshot show {self.snapshot.reference} --report)")
        return "; ".join(parts)


@dataclass(frozen=True)
class Undone:
    """What ``undo`` or ``redo`` did; its text is the line to print."""

    text: str
    status: RestoreStatus

    def __str__(self) -> str:
        return self.text


class Workspace:
    """Store, restore and compare the variables of ``namespace`` (a dict such as ``globals()``).

    ``repository`` is None (memory only), a path, a URL or a ``Repository``. One lock
    guards everything, so a training thread may store too.
    """

    def __init__(
        self,
        namespace: MutableMapping[str, Any],
        repository: Any = None,
        *,
        notebook: str = "",
        hidden: Mapping[str, Any] | None = None,
        memory_budget: int | None = None,
        limits: Limits | None = None,
        cells_run: Callable[[], int] | None = None,
    ) -> None:
        budget = default_budget() if memory_budget is None else memory_budget
        self._engine = Engine(namespace, hidden, budget, limits or Limits())
        self._archive = Archive(repository, notebook, self._engine)
        self._lock = RLock()
        self._timeline: list[Snapshot] = []
        self._undo = UndoStack(self._engine.blocks)
        self._cells_run = cells_run or (lambda: 0)
        self._latest: Capture | None = None
        self._next_id = 1
        self.notebook = notebook
        self.excluded: tuple[str, ...] = ()
        self.head: Snapshot | None = None
        self.last_store: StoreResult | None = None

    def __repr__(self) -> str:
        where = self._archive.place or "memory only"
        return f"<Workspace: {len(self._timeline)} snapshots, {human_bytes(self.nbytes_in_memory)}, {where}>"

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
    def timeline(self) -> Sequence[Snapshot]:
        """This notebook's snapshots, oldest first: earlier runs' from the repository, then this run's."""
        return self.snapshots()

    def snapshots(self, all: bool = False) -> list[Snapshot]:
        """The timeline; with ``all`` other notebooks' snapshots of the repository too."""
        with self._lock:
            return [*self._archive.earlier(all), *self._timeline]

    def __getitem__(self, reference: Reference) -> Snapshot:
        return self._resolve(reference)

    def _resolve(self, reference: Reference) -> Snapshot:
        with self._lock:
            head = self.head
            return resolve(reference, self.snapshots(), run=self.run, head=head)

    @property
    def nbytes_in_memory(self) -> int:
        """Bytes of all blocks in memory, equal ones counted once."""
        return self._engine.blocks.nbytes

    @property
    def undo_depth(self) -> int:
        """How many changes can be taken back."""
        return self._undo.undo_depth

    @property
    def redo_depth(self) -> int:
        """How many can be brought again."""
        return self._undo.redo_depth

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
        Raises :class:`InvalidName`, :class:`PathNotFound`, :class:`OverBudget`; then
        nothing was stored.
        """
        started = perf_counter()
        if label is not None:
            check_label(label)
        wanted = Wanted(as_patterns(only), (*self.excluded, *as_patterns(exclude)), also)
        if wanted.exclude:
            split(as_patterns(exclude), self._engine.names())
        with self._lock:
            try:
                capture, added = self._engine.look(wanted, self._latest)
                snapshot = self._new_snapshot(label, step, note, capture)
                content = snapshot.content
                assert isinstance(content, MemoryContent)
                costs = {self._engine.paths(capture).of(handle): size for handle, size in added.items()}
                with interrupts_wait():
                    moved = self._commit(snapshot, capture)
            except BaseException:
                self._engine.blocks.sweep()
                raise
            if not memory:
                self._archive.write(snapshot)
            costliest = max(costs.items(), key=lambda item: item[1], default=None)
            self.last_store = StoreResult(
                snapshot,
                sum(not isinstance(root, ModuleType) for name, root in capture.roots.items() if name[0] != "("),
                sum(added.values()),
                perf_counter() - started,
                costliest,
                moved,
                len(self.excluded),
                len(snapshot.report),
            )
            return snapshot

    def _new_snapshot(self, label: str | None, step: int | None, note: str, capture: Capture) -> Snapshot:
        if step is None:
            known = [group.step for _, _, group in capture.groups.values() if group.step is not None]
            step = known[0] if known else (self.head.step + 1 if self.head else 1)
        parent: int | str | None = None
        if self.head is not None:
            parent = self.head.id if self.head.run == self.run else f"{self.head.run}.{self.head.id}"
        return Snapshot(
            id=self._next_id,
            label=label,
            step=int(step),
            time=datetime.now(UTC),
            run=self.run,
            parent=parent,
            note=note,
            notebook=self.notebook,
            content=MemoryContent(capture, self._engine),
        )

    def _commit(self, snapshot: Snapshot, capture: Capture) -> Snapshot | None:
        moved = self._take_label(snapshot.label) if snapshot.label else None
        self._engine.blocks.retain(capture.digests())
        self._timeline.append(snapshot)
        self._latest = capture
        self.head = snapshot
        self._next_id += 1
        return moved

    def _take_label(self, label: str) -> Snapshot | None:
        """Take a label from the snapshot that has it; returns that one."""
        for index, snapshot in enumerate(self._timeline):
            if snapshot.label == label:
                self._replace(index, replace(snapshot, label=None))
                return snapshot
        return None

    def _replace(self, index: int, new: Snapshot) -> None:
        old = self._timeline[index]
        self._timeline[index] = new
        if self.head is old:
            self.head = new

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
    ) -> RestoreStatus:
        """Put a stored state back into the live objects; returns a :class:`RestoreStatus`.

        ``only`` takes names, paths, globs and roles; ``into`` maps stored names or paths
        to live ones; ``created`` ("keep", "remove") is about names made since, ``code``
        ("keep", "restore") about functions and classes redefined since. With ``dry_run``
        nothing is written. Raises :class:`RestoreFailed` when an object refuses; then
        everything is as it was.
        """
        _one_of("created", created, ("keep", "remove"))
        _one_of("code", code, ("keep", "restore"))
        with self._lock:
            snapshot = self._resolve(reference)
            patterns = as_patterns(only)
            return self._restore_to(snapshot, patterns, dict(into or {}), created, code, defer, dry_run)

    def _restore_to(
        self,
        snapshot: Snapshot,
        patterns: tuple[str, ...],
        into: dict[str, str],
        created: str,
        code: str,
        defer: bool,
        dry_run: bool,
    ) -> RestoreStatus:
        bound = self._archive.bind(snapshot, into, names_of(patterns))
        target = bound.capture
        choice = replace(self._choose(target, patterns, into), created=created, code=code)
        what = f"restore {snapshot.reference}"
        return self._change(target, choice, snapshot, what, dry_run, bound)

    def _choose(self, target: Capture, patterns: tuple[str, ...], into: Mapping[str, str]) -> Choice:
        if into:
            return Choice(names=frozenset(into.values()), removable=lambda name: False)
        if not patterns:
            return Choice()
        names, inner = split(patterns, target.roots)
        named = self._engine.paths(target)
        content = MemoryContent(target, self._engine)
        leaves = {
            handle
            for handle, known in named.leaves.items()
            if any(_leaf_matches(pattern, known) for pattern in patterns)
        }
        leaves.update(handle for pattern in inner if (handle := content.handle_at(pattern)) is not None)
        if not names and not leaves:
            raise not_found(patterns, (*target.roots, *named.lookup))
        return Choice(
            names=names, leaves=leaves, removable=lambda name: any(matches(p, name) for p in patterns)
        )

    def _change(
        self,
        target: Capture,
        choice: Choice,
        head: Snapshot | None,
        what: str,
        dry_run: bool = False,
        bound: Bound | None = None,
    ) -> RestoreStatus:
        """Make the live objects what ``target`` says, undoably."""
        engine = self._engine
        try:
            present, _ = engine.look(Wanted(), self._latest, extra=target, limited=False)
            before = dict(engine.names())
            made = engine.plan(target, present, choice)
            if bound is not None:
                made.unused.update(bound.unused)
                made.fresh.update(bound.made)
            reference = head.reference if head else what
            status = status_of(reference, made, target, present, engine, choice.names, before)
            if dry_run:
                status.dry_run = True
                return status
            new_names = frozenset(name for name in made.bind if name not in before)
            entry = Before(what, present, self.head, self._cells_run(), new_names)
            engine.apply(made, target, present)
            self._undo.push(entry)
            if head is not None and choice.names is None and not choice.leaves:
                self.head = head
            return status
        finally:
            engine.blocks.sweep()

    def assign(self, values: Mapping[str, Any]) -> RestoreStatus:
        """Put given values into live variables, by path; all of them or none.

        Raises :class:`PathNotFound` for a path nothing lives at and :class:`DoesNotFit`
        for a shape or dtype the variable refuses.
        """
        with self._lock:
            try:
                present, _ = self._engine.look(Wanted(), self._latest, limited=False)
                target, choice = assigned(values, present, self._engine)
                status = self._change(target, choice, None, f"assign {', '.join(values)}")
                return RestoreStatus(
                    status.reference,
                    assigned=tuple(values),
                    rebuilt=status.rebuilt,
                    changed=status.changed,
                    verb="assign",
                )
            finally:
                self._engine.blocks.sweep()

    def undo(self) -> Undone:
        """Take back the last restore or assign; raises :class:`NothingToUndo`."""
        return self._go("undo")

    def redo(self) -> Undone:
        """Bring back what was undone last; raises :class:`NothingToUndo`."""
        return self._go("redo")

    def _go(self, verb: str) -> Undone:
        redo = verb == "redo"
        with self._lock:
            entry = self._undo.last(redo=redo)
            engine = self._engine
            try:
                present, _ = engine.look(Wanted(), self._latest, extra=entry.capture, limited=False)
                choice = Choice(created="remove", code="restore", removable=lambda name: name in entry.made)
                before = dict(engine.names())
                made = engine.plan(entry.capture, present, choice)
                status = status_of(verb, made, entry.capture, present, engine, None, before)
                new = frozenset(name for name in made.bind if name not in before)
                back = Before(entry.what, present, self.head, self._cells_run(), new)
                engine.apply(made, entry.capture, present)
                if redo:
                    self._undo.push(back, again=True)
                else:
                    self._undo.push_redo(back)
                self._undo.pop(redo=redo)
            finally:
                engine.blocks.sweep()
            self.head = entry.head
            return Undone(_sentence(verb, entry, self._cells_run() - entry.cells), status)

    @contextmanager
    def rollback(self) -> Iterator[None]:
        """Whatever happens inside is undone at the end, names and code included."""
        with self._lock:
            before, _ = self._engine.look(Wanted(), self._latest, limited=False)
            digests = tuple(before.digests())
            self._engine.blocks.retain(digests)
        head = self.head
        try:
            yield
        finally:
            with self._lock:
                self._change(before, Choice(created="remove", code="restore"), None, "rollback")
                self._undo.pop()
                self._engine.blocks.release(digests)
                self.head = head

    # --- looking and keeping order

    def compare(self, first: Reference, second: Reference | None = None) -> Comparison:
        """What differs between two snapshots, or between one and what is live now."""
        with self._lock:
            one = self._resolve(first)
            if second is not None:
                return compare(one, self._resolve(second))
            capture, _ = self._engine.look(Wanted(exclude=self.excluded), self._latest, limited=False)
            now = self._new_snapshot(None, None, "", capture)
            try:
                return compare(one, now)
            finally:
                self._engine.blocks.sweep()

    def label(self, reference: Reference, new: str) -> Snapshot:
        """Name a snapshot; a label in use moves. Returns the snapshot with its new label."""
        check_label(new)
        with self._lock:
            found = self._resolve(reference)
            if found not in self._timeline:
                self._archive.relabel(found, new)
                return replace(found, label=new)
            self._take_label(new)
            index = next(i for i, snapshot in enumerate(self._timeline) if snapshot.id == found.id)
            renamed = replace(found, label=new)
            self._replace(index, renamed)
            self._archive.relabel(renamed, new)
            return renamed

    def drop(self, *references: Reference) -> list[Snapshot]:
        """Forget snapshots, in memory and on disk; all of them or, if one is unknown, none."""
        with self._lock:
            found = list(dict.fromkeys(self._resolve(reference) for reference in references))
            for snapshot in found:
                self._drop_one(snapshot)
            return found

    def _drop_one(self, snapshot: Snapshot) -> None:
        self._archive.drop(snapshot)
        if snapshot not in self._timeline:
            return
        self._timeline.remove(snapshot)
        content = snapshot.content
        assert isinstance(content, MemoryContent)
        self._engine.blocks.release(content.capture.digests())
        for index, child in enumerate(self._timeline):
            if child.parent == snapshot.id:
                self._replace(index, replace(child, parent=snapshot.parent))
        if self.head is snapshot:
            self.head = self._timeline[-1] if self._timeline else None
        if self._latest is content.capture:
            last = self._timeline[-1].content if self._timeline else None
            self._latest = last.capture if isinstance(last, MemoryContent) else None

    def prune(self, *policies: Policy) -> list[Snapshot]:
        """Drop what none of the policies keeps; returns what was dropped."""
        with self._lock:
            return self.drop(*to_drop(self.snapshots(), policies))

    def exclude(self, *patterns: str) -> tuple[str, ...]:
        """Leave these out of every store from now on; returns all patterns in force."""
        with self._lock:
            new = as_patterns(patterns)
            self.excluded = tuple(dict.fromkeys((*self.excluded, *new)))
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

    def open(self, target: Any, *, trust: bool = False) -> Any:
        """Use another repository from now on; snapshots in memory stay. Returns it."""
        with self._lock:
            self._archive.close()
            self._archive = Archive(target, self.notebook, self._engine, run=self.run, trust=trust)
            return self._archive.repository

    def flush(self) -> None:
        """Return when everything stored so far is on disk."""
        self._archive.flush()

    def close(self) -> None:
        """Finish writing; the workspace goes on in memory only."""
        with self._lock:
            self._archive.close()


def _one_of(option: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{option}={value!r}: expected one of {', '.join(map(repr, allowed))}")


def _sentence(verb: str, entry: Before, cells: int) -> str:
    done = "took back" if verb == "undo" else "brought again"
    since = f" ({cells} cell{'' if cells == 1 else 's'} ran since)" if cells > 0 else ""
    return f"{verb}: {done} {entry.what}{since}"


def _leaf_matches(pattern: str, known: Named) -> bool:
    return any(matches(pattern, path, known.role) for path in (known.path, *known.aliases))
