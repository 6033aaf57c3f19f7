"""The running notebook's workspace, for training functions: ``snapshot.store(...)``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapshot.workspace import Workspace

if TYPE_CHECKING:
    from snapshot.changes import Undone
    from snapshot.model import Snapshot
    from snapshot.repository import Repository
    from snapshot.status import RestoreStatus

_current: Workspace | None = None


def use(workspace: Workspace | None) -> None:
    """Make ``workspace`` the one that the functions of this module act on."""
    global _current
    _current = workspace


def current_workspace() -> Workspace:
    """The notebook's workspace; without a notebook, one in memory over ``__main__``."""
    global _current
    magics = sys.modules.get("snapshot.magics")
    if _current is None and magics is not None:
        _current = magics.running_workspace()
    if _current is None:
        _current = Workspace(vars(sys.modules["__main__"]))
    return _current


def store(label: str | None = None, *, step: int | None = None, note: str = "", **objects: Any) -> Snapshot:
    """Store the notebook's variables, and ``objects`` (a function's locals) by the given names."""
    return current_workspace().store(label, step=step, note=note, also=objects or None)


def restore(reference: Any = "latest", **options: Any) -> RestoreStatus:
    """Restore into the notebook's variables; options as for :meth:`Workspace.restore`."""
    return current_workspace().restore(reference, **options)


def resume(**options: Any) -> RestoreStatus | None:
    """Go on where this notebook stopped: restore its latest snapshot, or return None when there is none yet."""
    return current_workspace().resume(**options)


def assign(values: dict[str, Any]) -> RestoreStatus:
    """Put given values into the notebook's variables, by path."""
    return current_workspace().assign(values)


def undo() -> Undone:
    """Take back the last restore or assign."""
    return current_workspace().undo()


def redo() -> Undone:
    """Bring back what was undone last."""
    return current_workspace().redo()


def rollback() -> AbstractContextManager[None]:
    """``with snapshot.rollback():`` undoes whatever happens inside."""
    return current_workspace().rollback()


def open(target: str | Path, *, storage_options: Mapping[str, Any] | None = None) -> Repository:
    """Look into a repository in a folder or at a URL: reads no values, unpickles nothing, never writes.

    ``storage_options`` (``endpoint``, ``region``, ...) go to obstore, for a URL such as ``s3://bucket/run.zarr``.
    """
    from snapshot.reading import open_repository

    return open_repository(target, storage_options)
