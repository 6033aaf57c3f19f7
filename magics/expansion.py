"""``$name`` and ``{expression}`` in a line -> their values, as in every magic of IPython."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.utils.text import DollarFormatter

from snapshot.magics.words import without_comment


def expanded(line: str, names: dict[str, Any]) -> str:
    """The line with its values filled in.

    Raises :class:`UsageError` for what has no value, where IPython would pass the braces
    on as if they were meant: a label ``{nope}`` helps nobody. In a comment they are left alone.
    """
    try:
        return _filled(line, names)
    except Exception as error:  # the user's expression may raise anything
        command = without_comment(line)
        if command != line:
            return expanded(command, names)
        problem = error.msg if isinstance(error, SyntaxError) else error
        raise UsageError(
            f"cannot fill in {{...}} or $...: {problem} (for the characters themselves write {{{{, }}}} and $$)"
        ) from error


def literal(text: str) -> str:
    """``text`` as it must be typed so that its braces stay."""
    return text.replace("{", "{{").replace("}", "}}")


def _filled(line: str, names: dict[str, Any]) -> str:
    return str(DollarFormatter().vformat(line, (), names))
