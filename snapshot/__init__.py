"""Store the state of the variables in memory, experiment, and restore it by assignment.

``%load_ext snapshot`` gives a notebook the ``%snapshot`` magic. In Python,
:class:`Workspace` works on any namespace, :func:`open` looks into a repository on
disk, and :func:`store`, :func:`restore` and their kin act on the running notebook's
workspace. The names are loaded when they are first used, so that importing this
package costs next to nothing.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

_here = Path(__file__).resolve().parent
if not (_here / "magics").is_dir():
    # A checkout keeps snapshot/, magics/ and widgets/ side by side; installed, the
    # last two are folders of this package.
    __path__.append(str(_here.parent))

__version__ = "0.1.0"

_HOMES = {
    "Comparison": "snapshot.compare",
    "KeepEvery": "snapshot.retention",
    "KeepLabelled": "snapshot.retention",
    "KeepLast": "snapshot.retention",
    "Repository": "snapshot.repository",
    "RestoreStatus": "snapshot.status",
    "Role": "snapshot.model",
    "Snapshot": "snapshot.model",
    "SnapshotError": "snapshot.errors",
    "SnapshotWarning": "snapshot.errors",
    "Variable": "snapshot.model",
    "Workspace": "snapshot.workspace",
    "assign": "snapshot.current",
    "open": "snapshot.current",
    "redo": "snapshot.current",
    "register_adapter": "snapshot.adapters.added",
    "restore": "snapshot.current",
    "resume": "snapshot.current",
    "rollback": "snapshot.current",
    "store": "snapshot.current",
    "undo": "snapshot.current",
}

__all__ = [*sorted(_HOMES), "load_ipython_extension", "unload_ipython_extension"]

if TYPE_CHECKING:
    from snapshot.adapters.added import register_adapter as register_adapter
    from snapshot.compare import Comparison as Comparison
    from snapshot.current import assign as assign
    from snapshot.current import open as open
    from snapshot.current import redo as redo
    from snapshot.current import restore as restore
    from snapshot.current import resume as resume
    from snapshot.current import rollback as rollback
    from snapshot.current import store as store
    from snapshot.current import undo as undo
    from snapshot.errors import SnapshotError as SnapshotError
    from snapshot.errors import SnapshotWarning as SnapshotWarning
    from snapshot.model import Role as Role
    from snapshot.model import Snapshot as Snapshot
    from snapshot.model import Variable as Variable
    from snapshot.repository import Repository as Repository
    from snapshot.retention import KeepEvery as KeepEvery
    from snapshot.retention import KeepLabelled as KeepLabelled
    from snapshot.retention import KeepLast as KeepLast
    from snapshot.status import RestoreStatus as RestoreStatus
    from snapshot.workspace import Workspace as Workspace


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'snapshot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def load_ipython_extension(ipython: Any) -> None:
    """Register ``%snapshot`` with a running IPython (``%load_ext snapshot``)."""
    import_module("snapshot.magics").load_ipython_extension(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magic and every hook away again (``%unload_ext snapshot``)."""
    import_module("snapshot.magics").unload_ipython_extension(ipython)
