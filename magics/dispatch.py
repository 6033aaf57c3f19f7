"""A line of ``%snapshot`` -> its command, and errors -> one line for the user."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand
from IPython.utils.text import DollarFormatter

from snapshot.errors import SnapshotError
from snapshot.magics import commands, manual
from snapshot.magics.actions import Call
from snapshot.magics.door import Door
from snapshot.magics.grammar import HelpShown, parse
from snapshot.magics.listing import one_line

MAGIC = "snapshot"


def register(shell: Any, door: Door) -> None:
    """Make ``%snapshot`` known to ``shell``."""

    def magic(line: str, local_ns: dict[str, Any] | None = None) -> Any:
        return run(door, line, local_ns)

    magic.__doc__ = manual.docstring()
    magic.__name__ = MAGIC
    # how IPython is asked for the names at the place of the call
    vars(magic)["needs_local_scope"] = True
    no_var_expand(magic)  # assign takes Python as it is typed; run() expands for the others
    shell.register_magic_function(magic, "line", MAGIC)


def unregister(shell: Any) -> None:
    """Forget ``%snapshot``."""
    manager = shell.magics_manager
    manager.magics["line"].pop(MAGIC, None)
    # registering also leaves an attribute there
    if hasattr(manager.user_magics, MAGIC):
        delattr(manager.user_magics, MAGIC)


def run(door: Door, line: str, local: dict[str, Any] | None = None) -> Any:
    """Run one line (without ``%snapshot``) and return what the cell should display.

    ``local`` are the names at the place of the call where that is not the top level. Our own
    errors become :class:`UsageError`, which IPython prints as one line without a traceback.
    """
    names = door.namespace if local is None or local is door.namespace else {**door.namespace, **local}
    word, rest = _first(line)
    if word == "#":  # a comment behind the bare command
        word, line = "", ""
    if word not in commands.BY_NAME or not commands.BY_NAME[word].verbatim:
        word, rest = _first(_expanded(line, names))
    if word in ("-h", "--help", "help"):
        print(manual.docstring())
        return None
    try:
        command = commands.find(word)
        call = Call(door, parse(command, rest), names)
        door.rewrote = door.rewrote or command.rewrites
        return command.run(call)
    except HelpShown:
        return None
    except SnapshotError as error:
        raise UsageError(one_line(str(error))) from error
    except UsageError as error:
        raise UsageError(one_line(str(error))) from error.__cause__


def _first(line: str) -> tuple[str, str]:
    word, *rest = line.split(None, 1) or [""]
    return word, rest[0] if rest else ""


def _expanded(line: str, names: dict[str, Any]) -> str:
    try:
        return str(DollarFormatter().vformat(line, (), names))
    except Exception:  # as IPython does: what cannot be expanded stays as it is
        return line
