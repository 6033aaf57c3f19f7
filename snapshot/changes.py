"""Everything that writes to live objects, and taking it back: restore, assign, undo, redo, rollback."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from snapshot.apply import interrupts_wait
from snapshot.assigning import assigned
from snapshot.binding import Bound
from snapshot.capture import Capture
from snapshot.engine import Engine, Wanted
from snapshot.initializing import Valueless
from snapshot.model import Snapshot
from snapshot.plan import Choice, Plan
from snapshot.redirecting import redirect
from snapshot.report import status_of
from snapshot.shelf import Shelf
from snapshot.status import RestoreStatus
from snapshot.undo_stack import Before, UndoStack
from snapshot.walk import collector_paused
from snapshot.wording import named


@dataclass(frozen=True)
class Undone:
    """What ``undo`` or ``redo`` did; its text is the line to print."""

    text: str
    status: RestoreStatus

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class _Step:
    """One planned change, with the present it starts from."""

    plan: Plan
    target: Capture
    present: Capture
    names: Collection[str]  #: bound before it
    describe: Callable[[], RestoreStatus]  #: to be asked when it is made, or is not going to be
    valueless: Valueless

    @property
    def new_names(self) -> frozenset[str]:
        """Names that did not exist before."""
        return frozenset(name for name in self.plan.bind if name not in self.names)


class Changes:
    """Makes live objects what a capture says; each change can be taken back."""

    def __init__(self, engine: Engine, shelf: Shelf, cells_run: Callable[[], int]) -> None:
        self._engine = engine
        self._shelf = shelf
        self._cells_run = cells_run
        self.stack = UndoStack(engine.blocks, engine.budget)

    def restore(
        self,
        bound: Bound,
        choice: Choice,
        head: Snapshot,
        *,
        whole: bool,
        dry_run: bool = False,
        initialize_rest: bool = False,
    ) -> RestoreStatus:
        """Make ``bound`` true; ``whole`` makes ``head`` what the present descends from."""
        with self._swept():
            name = named(head, self._shelf.run)
            step = self._plan(bound.capture, choice, name, bound, thorough=dry_run)
            if dry_run:
                status = step.describe()
                status.dry_run = True
                status.notes = (*status.notes, *step.valueless.notes(would_start=initialize_rest))
                return status
            # a change that is made is also noted, so that it can be taken back
            with interrupts_wait():
                self._make(step, step.target, f"restore {name}")
                if whole:
                    self._shelf.stand_on(head)
            # after the stored values: an initializer may read them
            started = step.valueless.start() if initialize_rest else []
            status = step.describe()
            status.notes = (*status.notes, *step.valueless.notes(started))
            return status

    def assign(self, values: Mapping[str, Any], *, make_names: bool = False, dry_run: bool = False) -> RestoreStatus:
        """Put given values into live variables; all of them or none."""
        with self._swept():
            now, _ = self._engine.look(Wanted(), self._shelf.latest, limited=False)
            target, choice = assigned(values, now, self._engine, make_names=make_names)
            step = self._plan(target, choice, "assign")
            if not dry_run:
                with interrupts_wait():
                    self._make(step, target, f"assign {', '.join(values)}")
            status = step.describe()
            return RestoreStatus(
                "assign",
                assigned=tuple(values),
                rebuilt=status.rebuilt,
                changed=status.changed,
                verb="assign",
                dry_run=dry_run,
            )

    def undo(self, *, redo: bool = False) -> Undone:
        """Take back the newest change, or bring back what was undone last."""
        entry = self.stack.last(redo=redo)
        verb = "redo" if redo else "undo"
        choice = Choice(created="remove", code="restore", removable=lambda name: name in entry.made)
        with self._swept():
            target = entry.target()
            step = self._plan(target, choice, verb)
            with interrupts_wait():
                self._engine.apply(step.plan, target, step.present)
                back = Before(entry.what, step.present, self._shelf.head, self._cells_run(), step.new_names)
                if redo:
                    self.stack.push(back, again=True)
                else:
                    self.stack.push_redo(back)
                self.stack.pop(redo=redo)
                self._shelf.stand_on(entry.head)
            return Undone(_sentence(verb, entry, self._cells_run() - entry.cells), step.describe())

    def remember(self) -> Before:
        """The present, to go back to with :meth:`go_back`; its blocks are held until then."""
        capture, _ = self._engine.look(Wanted(), self._shelf.latest, limited=False)
        digests = tuple(capture.digests())
        self._engine.blocks.retain(digests)
        return Before("rollback", capture, self._shelf.head, self._cells_run(), digests=digests)

    def go_back(self, before: Before) -> None:
        """Make everything what it was, names and code included."""
        with interrupts_wait(), self._swept():
            try:
                step = self._plan(before.capture, Choice(created="remove", code="restore"), before.what)
                self._engine.apply(step.plan, before.capture, step.present)
            finally:
                self._engine.blocks.release(before.digests)
            self._shelf.stand_on(before.head)

    def _plan(
        self, target: Capture, choice: Choice, reference: str, bound: Bound | None = None, *, thorough: bool = False
    ) -> _Step:
        present, _ = self._engine.look(Wanted(), self._shelf.latest, extra=target, limited=False)
        target, choice, refused = redirect(target, present, choice, self._engine)
        made = self._engine.plan(target, present, choice, thorough=thorough)
        if not self._engine.can_take_back(made, present):
            # it had been stored, and its only copy was on a disk that fails: now it is copied
            present, _ = self._engine.look(Wanted(), self._shelf.latest, extra=target, limited=False)
            made = self._engine.plan(target, present, choice, thorough=thorough)
        made.unused.update(refused)
        if bound is not None:
            made.unused.update(bound.unused)
            made.fresh.update(bound.made)
        names = self._engine.names()
        describe = partial(status_of, reference, made, target, present, self._engine, choice, names)
        return _Step(made, target, present, names, describe, Valueless(made, target, present, choice.names))

    def _make(self, step: _Step, target: Capture, what: str) -> None:
        entry = Before(what, step.present, self._shelf.head, self._cells_run(), step.new_names)
        self._engine.apply(step.plan, target, step.present)
        self.stack.push(entry)

    @contextmanager
    def _swept(self) -> Iterator[None]:
        """What was copied into the pool and not kept leaves it, however this ends."""
        try:
            with collector_paused():
                yield
        finally:
            self._engine.blocks.sweep()


def _sentence(verb: str, entry: Before, cells: int) -> str:
    done = "took back" if verb == "undo" else "back to how it was before the undo of"
    since = f" ({cells} cell{'' if cells == 1 else 's'} ran since)" if cells > 0 else ""
    return f"{verb}: {done} {entry.what}{since}"
