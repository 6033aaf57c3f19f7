"""The door from IPython: ``%load_ext snapshot`` and what it adds to a shell.

* ``commands`` the table; ``grammar`` what a row is; ``words`` how a line is cut;
  ``expansion`` how ``{expression}`` is filled in;
* ``actions``, ``contents``, ``where`` what the commands do; ``listing`` what they show;
* ``dispatch`` a line -> its command; ``completion``, ``manual`` the table's other readers;
* ``door`` the workspace of a shell, ``cells`` when a click may touch its variables.

Loading imports neither zarr nor NumPy nor anything that draws: the workspace is made by
the first command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snapshot.magics import completion, dispatch
from snapshot.magics.door import Door, door_of

if TYPE_CHECKING:
    from snapshot.workspace import Workspace

__all__ = ["load_ipython_extension", "running_workspace", "unload_ipython_extension", "workspace_of"]

#: The shells that have the extension now, by their doors; in practice one.
_loaded: list[Door] = []


def workspace_of(shell: Any) -> Workspace:
    """The workspace over the variables of ``shell``, an IPython ``InteractiveShell``.

    It is the one that ``%snapshot`` works on; where the extension is not loaded it is
    made over the present working directory.
    """
    return door_of(shell).workspace


def running_workspace() -> Workspace | None:
    """The workspace of the shell that loaded the extension last; None where none has it."""
    return _loaded[-1].workspace if _loaded else None


def load_ipython_extension(shell: Any) -> None:
    """Add ``%snapshot`` and its completion to ``shell``; a second call changes nothing."""
    door = door_of(shell)
    if door in _loaded:
        return
    door.settle()
    _loaded.append(door)
    dispatch.register(shell, door)
    completion.register(shell, door)
    shell.events.register("pre_run_cell", door.cells.began)
    shell.events.register("post_run_cell", door.cell_ended)
    door.take_over()
    if door.announcement:
        print(door.announcement)


def unload_ipython_extension(shell: Any) -> None:
    """Take everything away again that :func:`load_ipython_extension` added.

    What was stored is flushed to disk; the timeline stays with the shell.
    """
    door = door_of(shell)
    if door not in _loaded:
        return
    _loaded.remove(door)
    dispatch.unregister(shell)
    completion.unregister(shell)
    shell.events.unregister("pre_run_cell", door.cells.began)
    shell.events.unregister("post_run_cell", door.cell_ended)
    door.cells.ended()
    door.give_up()
