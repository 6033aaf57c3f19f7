"""Help text, derived from the table of commands."""

from __future__ import annotations

from snapshot.magics.commands import COMMANDS


def docstring() -> str:
    """What ``%snapshot?`` shows."""
    commands = "\n".join(f"{command.usage}\n    {command.help}" for command in COMMANDS)
    return f"""Store the state of the variables in memory, experiment, and restore it by assignment.

{commands}

REF is a label, #12 (an id), @1000 (a step), latest, or one of these with ~1 behind it:
one before that. NAME is a name, a path (model.0.weight), a glob (model.*) or a role
(role:parameter). Quote what contains blanks. $name and {{expression}} are replaced by
their values as in every magic, except in assign.

`%snapshot COMMAND --help` explains the options of one command.
"""
