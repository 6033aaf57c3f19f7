"""One shell's door: its workspace, made at first use, and what it was told at loading.

A shell owns its :class:`Door`; the door owns the workspace. It outlives
``%unload_ext``, so that loading the extension again finds the same timeline.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from snapshot.workspace import Workspace

#: The folder in the working directory that takes the snapshots unless told otherwise.
DEFAULT_REPOSITORY = "snapshots.zarr"

_ATTRIBUTE = "_snapshot_door"


class Door:
    """The variables of a shell, where their snapshots go, and the workspace over both."""

    def __init__(self, namespace: dict[str, Any], folder: Path) -> None:
        self.namespace = namespace
        self.home = folder / DEFAULT_REPOSITORY
        self.loaded = False
        self._workspace: Workspace | None = None

    @property
    def workspace(self) -> Workspace:
        """The workspace; the first call makes it, which imports the library proper."""
        if self._workspace is None:
            from snapshot.workspace import Workspace

            self._workspace = Workspace(self.namespace, self.home)
        return self._workspace

    @property
    def made(self) -> Workspace | None:
        """The workspace if there is one already."""
        return self._workspace

    def settle(self) -> None:
        """Fix the default repository in the present working directory, unless it is in use already."""
        if self._workspace is None:
            self.home = Path.cwd() / DEFAULT_REPOSITORY

    @property
    def announcement(self) -> str | None:
        """One line about a repository that is there already, without opening it."""
        if not (self.home / "runs").is_dir():
            return None
        return f"Snapshots of earlier runs are in {self.home} (%snapshot list --all shows them)."


def door_of(shell: Any) -> Door:
    """The door of ``shell``; made with the present working directory when there is none."""
    door = getattr(shell, _ATTRIBUTE, None)
    if door is None:
        door = Door(shell.user_ns, Path.cwd())
        setattr(shell, _ATTRIBUTE, door)
    return cast(Door, door)
