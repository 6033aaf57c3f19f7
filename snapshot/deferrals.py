"""Everything that waits in one workspace, and when it waits no longer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import RLock

from snapshot.deferred import Deferral
from snapshot.engine import Engine
from snapshot.status import RestoreStatus
from snapshot.undo_stack import Before, UndoStack


class Deferrals:
    """Everything that waits in one workspace."""

    def __init__(self, engine: Engine, stack: UndoStack, lock: RLock) -> None:
        self._engine = engine
        self._stack = stack
        self._lock = lock
        self._writing = 0
        self._all: list[Deferral] = []

    @property
    def paths(self) -> list[str]:
        """What waits, as paths."""
        return [path for deferral in self.active for path in deferral.waiting.values()]

    @property
    def active(self) -> tuple[Deferral, ...]:
        """Those of which something waits."""
        self._all = [deferral for deferral in self._all if deferral.waiting]
        return tuple(self._all)

    def new(self) -> Deferral:
        """One for a restore that is about to be made."""
        return Deferral(self._engine, self._stack, self._lock, lambda: bool(self._writing))

    def start(self, deferral: Deferral, status: RestoreStatus, entry: Before | None) -> None:
        """The restore was made; what it could not place waits from now on."""
        if deferral.waiting:
            self._all.append(deferral)
            deferral.start(status, entry)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While we write ourselves, nothing that this builds takes waiting values."""
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1

    def of(self, status: RestoreStatus) -> Deferral | None:
        """The newest that reports to ``status``."""
        return next((each for each in reversed(self.active) if status in each.reports), None)

    def stop(self, reason: str, *, names: Collection[str] | None = None, but: Collection[Deferral] = ()) -> None:
        """Give up what waits for ``names`` (None: for anything); ``but`` are left waiting."""
        for deferral in self.active:
            if deferral not in but:
                deferral.stop(reason, names)

    def taken_back(self, entry: Before) -> None:
        """The restore that ``entry`` takes back was undone."""
        for deferral in self.active:
            if deferral.entry is entry:
                deferral.stop("its restore was undone")
