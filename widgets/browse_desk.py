"""What is chosen in the timeline, what waits for a yes, what was done and what went wrong.

No widgets here. Whatever reads or writes the user's variables waits for its turn between
cells and is refused while a cell runs; dropping and labelling touch stored snapshots only.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from snapshot.errors import SnapshotError
from snapshot.model import Snapshot
from snapshot.timeline import key_of
from snapshot.widgets.browse_rows import Row, details_of, rows_of
from snapshot.widgets.series import Key
from snapshot.widgets.turns import Turns
from snapshot.wording import counted, reference_of

if TYPE_CHECKING:
    from snapshot.workspace import Workspace

BUSY = "Refused: a cell is running, and {} would change the variables under it. Click again when it has ended."
_PROBLEMS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that went wrong: in a line, and where."""

    text: str
    trace: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a yes would do."""

    text: str
    yes: str  #: what the button says
    act: Callable[[], None]


class Desk:
    """The timeline of a workspace and what a person does with it; ``changed`` is called after everything."""

    def __init__(self, workspace: Workspace, turns: Turns) -> None:
        self.workspace = workspace
        self.lock = RLock()
        self.filter = ""
        self.rows: list[Row] = []
        self.total = 0
        self.chosen: Snapshot | None = None
        self.question: Question | None = None
        self.said = ""
        self.problems: list[Problem] = []
        self.changed: Callable[[], None] = lambda: None
        self._turns = turns
        self._seen: object = None
        self.refresh()
        turns.follow(self.cell_ended)

    def refresh(self) -> None:
        """Read the timeline again; what is chosen stays, or the newest is."""
        with self.lock:
            snapshots = list(self.workspace.timeline)
            self.total = len(snapshots)
            self.rows = rows_of(snapshots, self.workspace.run, self.workspace.head, self.filter)
            key = None if self.chosen is None else key_of(self.chosen)
            found = next((row.snapshot for row in self.rows if row.key == key), None)
            self.chosen = found or (self.rows[-1].snapshot if self.rows else None)
            self._seen = self._state()

    def cell_ended(self) -> None:
        """A cell may have stored, restored or dropped something."""
        if self._state() != self._seen:
            self.reread()

    def reread(self) -> None:
        """Read the timeline again, and show whatever is wrong with it."""
        self._attempt(lambda: self.said)

    def _state(self) -> object:
        """What tells whether the list must be made anew."""
        try:
            head, depth = self.workspace.head, self.workspace.undo_depth
            return head and key_of(head), depth, [(key_of(one), one.label) for one in self.workspace.timeline]
        except (SnapshotError, OSError):
            return None

    def choose(self, key: Key | None) -> None:
        """Look at another snapshot; an open question is about the former one and goes."""
        with self.lock:
            self.chosen = next((row.snapshot for row in self.rows if row.key == key), self.chosen)
            self.question = None
        self.changed()

    def narrow(self, text: str) -> None:
        """List those only whose id, label, step or note contains ``text``."""
        self.filter = text
        self.reread()

    # --- what changes stored snapshots

    def label(self, new: str) -> None:
        """Label the chosen one; a label in use moves."""
        chosen = self.chosen
        if chosen is None:
            return

        def act() -> str:
            bearers = [
                snap for snap in self.workspace.timeline if snap.label == new and key_of(snap) != key_of(chosen)
            ]
            self.workspace.label(chosen, new)
            still = {key_of(snap) for snap in self.workspace.timeline if snap.label == new}
            left = [snap for snap in bearers if key_of(snap) not in still]
            moved = f"; the label was moved from {self._name(left[-1])}" if left else ""
            return f"{reference_of(chosen, self.workspace.run)} is now {new}{moved}."

        self._attempt(act)

    def ask_to_drop(self) -> None:
        """Ask before the chosen one is deleted."""
        chosen = self.chosen
        if chosen is not None:
            text = f"Delete {self._name(chosen)} in memory and on disk? This cannot be taken back."
            self._ask(Question(text, "Yes, drop it", lambda: self._attempt(lambda: self._drop(chosen))))

    def _drop(self, chosen: Snapshot) -> str:
        self.workspace.drop(chosen)
        return f"Dropped {self._name(chosen)}; {counted(len(self.workspace.timeline), 'snapshot')} left."

    # --- what touches the variables

    def store(self, label: str, note: str) -> None:
        """Store the present under ``label``, without one if it is empty."""

        def act() -> str:
            self.chosen = self.workspace.store(label or None, note=note)
            return str(self.workspace.last_store)

        self._in_turn("storing", act)

    def ask_to_restore(self) -> None:
        """Ask before the variables become what they were in the chosen one."""
        chosen = self.chosen
        if chosen is not None:
            text = f"Make the variables what they were in {self._name(chosen)}? Undo takes it back."
            act = lambda: self._in_turn("restoring", lambda: str(self.workspace.restore(chosen)))  # noqa: E731
            self._ask(Question(text, "Yes, restore", act))

    def undo(self) -> None:
        """Take back the last restore or assign."""
        self._in_turn("undoing", lambda: str(self.workspace.undo()))

    # --- questions, turns and errors

    def answer(self, yes: bool) -> None:
        """Do what was asked, or not."""
        with self.lock:
            question, self.question = self.question, None
        if question is not None and yes:
            question.act()
        else:
            self.changed()

    def forgive(self) -> None:
        """Put the problems out of sight."""
        self.problems.clear()
        self.changed()

    def _ask(self, question: Question) -> None:
        self.question = question
        self.changed()

    def _in_turn(self, what: str, act: Callable[[], str]) -> None:
        if self._refused(what):
            return
        self.said = f"{what.capitalize()} waits for its turn."
        self.changed()

        def perform() -> None:
            # A cell that awaits something lets the loop go on while it runs.
            if not self._refused(what):
                self._attempt(act)

        self._turns.submit(perform)

    def _refused(self, what: str) -> bool:
        if self._turns.busy:
            self.said = BUSY.format(what)
            self.changed()
            return True
        return False

    def _attempt(self, act: Callable[[], str]) -> None:
        """Do it and read the timeline again; whatever is raised stays to be seen."""
        try:
            with self.lock:
                self.said = act()
                self.refresh()
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            self.problems = [*self.problems, Problem(text, traceback.format_exc())][-_PROBLEMS_KEPT:]
            self.said = "That did not work; see below."
        self.changed()

    def _name(self, snapshot: Snapshot) -> str:
        reference = reference_of(snapshot, self.workspace.run)
        return f"{snapshot.label} ({reference}, step {snapshot.step:,})" if snapshot.label else reference

    def sentence(self) -> str:
        """How many snapshots there are and how many are listed."""
        if not self.total:
            return "There are no snapshots yet; Store, or %snapshot store, makes the first one."
        if len(self.rows) == self.total:
            return f"{counted(self.total, 'snapshot')}, oldest first."
        listed = f"the newest {len(self.rows):,}" if not self.filter else f"{len(self.rows):,}"
        return f"{counted(self.total, 'snapshot')}, {listed} of them listed."

    def details(self) -> str:
        """The chosen snapshot in words."""
        return "" if self.chosen is None else details_of(self.chosen, self.workspace.run)
