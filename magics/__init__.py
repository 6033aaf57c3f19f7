"""The door from IPython: ``%load_ext snapshot`` and what it adds to a shell.

* ``commands`` the table; ``grammar`` what a row is; ``words`` how a line is cut;
* ``actions``, ``where`` what the commands do; ``listing`` what they show;
* ``dispatch`` a line -> its command; ``completion``, ``manual`` the table's other readers;
* ``door`` the workspace of a shell.

Loading imports neither zarr nor NumPy nor anything that draws: the workspace is made by
the first command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snapshot.magics import completion, dispatch
from snapshot.magics.door import door_of

if TYPE_CHECKING:
    from snapshot.workspace import Workspace

__all__ = ["load_ipython_extension", "unload_ipython_extension", "workspace_of"]


def workspace_of(shell: Any) -> Workspace:
    """The workspace over the variables of ``shell``, an IPython ``InteractiveShell``.

    It is the one that ``%snapshot`` works on; where the extension is not loaded it is
    made over the present working directory.
    """
    return door_of(shell).workspace


def load_ipython_extension(shell: Any) -> None:
    """Add ``%snapshot`` and its completion to ``shell``; a second call changes nothing."""
    door = door_of(shell)
    if door.loaded:
        return
    door.settle()
    door.loaded = True
    dispatch.register(shell, door)
    completion.register(shell, door)
    shell.events.register("post_run_cell", door.cell_ended)
    door.take_over()
    if door.announcement:
        print(door.announcement)


def unload_ipython_extension(shell: Any) -> None:
    """Take everything away again that :func:`load_ipython_extension` added.

    What was stored is flushed to disk; the timeline stays with the shell.
    """
    door = door_of(shell)
    if not door.loaded:
        return
    door.loaded = False
    dispatch.unregister(shell)
    completion.unregister(shell)
    shell.events.unregister("post_run_cell", door.cell_ended)
    door.give_up()
