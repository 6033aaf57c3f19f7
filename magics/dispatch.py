"""A line of ``%snapshot`` -> its command, and errors -> one line for the user."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand
from IPython.display import display

from snapshot.errors import SnapshotError
from snapshot.magics import commands, manual
from snapshot.magics.actions import Call
from snapshot.magics.door import Door
from snapshot.magics.expansion import expanded
from snapshot.magics.grammar import Command, HelpShown, parse
from snapshot.magics.progress import progress_of
from snapshot.magics.words import split
from snapshot.wording import one_line

MAGIC = "snapshot"


def register(shell: Any, door: Door) -> None:
    """Make ``%snapshot`` known to ``shell``."""

    def magic(line: str, local_ns: dict[str, Any] | None = None) -> None:
        run(door, line, local_ns)

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


def run(door: Door, line: str, local: dict[str, Any] | None = None) -> None:
    """Run one line (without ``%snapshot``) and display what it shows, wherever in a cell it stands.

    ``local`` are the names at the place of the call where that is not the top level. Our own
    errors become :class:`UsageError`, which IPython prints as one line without a traceback.
    """
    names = door.namespace if local is None or local is door.namespace else {**door.namespace, **local}
    try:
        word, rest = _command_and_rest(line, names)
        if word in ("-h", "--help", "help"):
            print(manual.docstring())
            return
        command = commands.find(word)
        call = Call(door, parse(command, rest), names)
        door.rewrote = door.rewrote or command.rewrites
        _act(command, call)
    except HelpShown:
        return
    except SnapshotError as error:
        raise UsageError(one_line(str(error))) from error
    except UsageError as error:
        raise UsageError(one_line(str(error))) from error.__cause__


def _act(command: Command, call: Call) -> None:
    try:
        with progress_of(call.door, command.doing):
            shown = command.run(call)
    except (OSError, ImportError) as error:
        if isinstance(error, SnapshotError) or command.verbatim:
            raise  # what a user's own expression raises comes with its traceback
        raise UsageError(f"{command.name}: {error}") from error
    if shown is not None:
        display(shown)


def _command_and_rest(line: str, names: dict[str, Any]) -> tuple[str, str]:
    word, rest = _first(line)
    if word == "#":  # a comment behind the bare command
        split(line)
        return "", ""
    command = commands.BY_NAME.get(word)
    return (word, rest) if command is not None and command.verbatim else _first(expanded(line, names))


def _first(line: str) -> tuple[str, str]:
    word, *rest = line.split(None, 1) or [""]
    # a semicolon belongs to Python, not to the command
    return word.rstrip(";"), rest[0] if rest else ""
