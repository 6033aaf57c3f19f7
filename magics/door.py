"""One shell's door: its workspace, made at first use, and what was told at loading.

A shell owns its :class:`Door`; the door owns the workspace. It outlives
``%unload_ext``, so that loading the extension again finds the same timeline.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from snapshot.magics.cells import Cells

if TYPE_CHECKING:
    from snapshot.errors import RepositoryError
    from snapshot.model import Snapshot
    from snapshot.workspace import Workspace

#: The folder in the working directory that takes the snapshots unless told otherwise.
DEFAULT_REPOSITORY = "snapshots.zarr"

_ATTRIBUTE = "_snapshot_door"


class Door:
    """The variables of a shell, where their snapshots go, and the workspace over both."""

    def __init__(self, shell: Any) -> None:
        self.namespace: dict[str, Any] = shell.user_ns
        self.hidden: dict[str, Any] = shell.user_ns_hidden
        self.has_front_end = hasattr(shell, "kernel")  #: whether widgets can be seen; a terminal has none
        self.home = Path.cwd() / DEFAULT_REPOSITORY
        self.made: Workspace | None = None  #: the workspace if there is one already
        self.refused: RepositoryError | None = None  #: why a repository that is there is not used
        self.seen: Sequence[Snapshot] = ()  #: what the timeline was when a command last looked
        self.rewrote = False  #: whether a command in this cell changed variables
        self._cells = 0
        self.cells = Cells(shell)

    @property
    def workspace(self) -> Workspace:
        """The workspace; the first call makes it, which imports the library proper."""
        if self.made is None:
            self.made = self._make()
            self.take_over()
        return self.made

    def _make(self) -> Workspace:
        from snapshot.errors import RepositoryError
        from snapshot.workspace import Workspace

        about = {"notebook": self._notebook(), "hidden": self.hidden, "cells_run": lambda: self._cells}
        try:
            return Workspace(self.namespace, self.home, **about)  # type: ignore[arg-type]
        except RepositoryError as error:
            # a stranger's folder of that name must not stand in the way of a store
            print(f"Snapshots stay in memory until %snapshot open: {error}", file=sys.stderr)
            if os.path.exists(self.home / "runs"):
                self.refused = error
            return Workspace(self.namespace, None, **about)  # type: ignore[arg-type]

    def _notebook(self) -> str:
        """The file name of the notebook, from whoever started the kernel; empty in a terminal."""
        path = self.namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
        return Path(str(path)).name

    def known(self) -> list[Snapshot]:
        """The timeline without a look at the disk: earlier runs' as last seen, and this run's."""
        if self.made is None:
            return []
        return [*(snap for snap in self.seen if snap.run != self.made.run), *self.made.in_memory]

    def settle(self) -> None:
        """Fix the default repository in the present working directory, unless it is in use."""
        if self.made is None:
            self.home = Path.cwd() / DEFAULT_REPOSITORY

    def take_over(self) -> None:
        """Let ``snapshot.store`` and its kin act on this workspace, once there is one."""
        if self.made is not None:
            from snapshot.current import use

            use(self.made)

    def give_up(self) -> None:
        """The opposite of :meth:`take_over`; what was stored is written out first."""
        if self.made is not None:
            from snapshot.current import use

            use(None)
            self.made.flush()

    def cell_ended(self, _result: object = None) -> None:
        """Count a cell, for ``undo`` to say how many ran since; a restore is not one of them."""
        self._cells += not self.rewrote
        self.rewrote = False
        self.cells.ended()

    @property
    def announcement(self) -> str | None:
        """One line about a repository that is there already, without opening it."""
        # false as well where it may not be looked at
        if not os.path.isdir(self.home / "runs"):
            return None
        return f"{self.home} is here already: %snapshot list shows this notebook's snapshots, --all everybody's."


def door_of(shell: Any) -> Door:
    """The door of ``shell``; made with the present working directory when there is none."""
    door = getattr(shell, _ATTRIBUTE, None)
    if door is None:
        door = Door(shell)
        setattr(shell, _ATTRIBUTE, door)
    return cast(Door, door)
