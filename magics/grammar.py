"""What a command of ``%snapshot`` is made of, and how its line is read.

A :class:`Command` is a row of the table in ``snapshot.magics.commands``: a name, one
line of help, its :class:`Argument` s and the function that runs it. Everything a user
meets (usage, help, errors, completion) is derived from that row here or in a module
beside this one, so a command is added by adding a row.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any, NoReturn

from IPython.core.error import UsageError

from snapshot.magics.words import split


class Fits(Enum):
    """What may stand where an argument is expected; completion offers it."""

    ANYTHING = auto()
    REFERENCE = auto()
    NAME = auto()
    EXCLUDED = auto()
    FILE = auto()


@dataclass(frozen=True)
class Argument:
    """One argument: an option when ``name`` begins with ``--``, else a positional.

    ``count`` is argparse's ``nargs``; an option without ``value`` is a switch. An
    option with count ``"+"`` may be given several times, the values add up.
    """

    name: str
    help: str
    value: str = ""  #: how the value is called in the usage line
    count: str | None = None
    type: Callable[[str], Any] = str
    choices: tuple[str, ...] | None = None
    fits: Fits = Fits.ANYTHING

    @property
    def is_option(self) -> bool:
        """Whether it is written ``--name``."""
        return self.name.startswith("--")

    @property
    def usage(self) -> str:
        """``[--only NAME ...]``, ``REF``, ``[LABEL]``."""
        value = "|".join(self.choices) if self.choices else self.value
        shown = f"{value} ..." if self.count in ("+", "*") else value
        if self.is_option:
            return f"[{self.name} {shown}]" if value else f"[{self.name}]"
        return f"[{shown}]" if self.count in ("?", "*") else shown

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Declare this argument to argparse."""
        if self.is_option and not self.value and not self.choices:
            parser.add_argument(self.name, action="store_true", help=self.help)
            return
        options: dict[str, Any] = {"type": self.type, "choices": self.choices, "help": self.help}
        if self.count is not None:
            options["nargs"] = self.count
        if self.is_option and self.count == "+":
            options["action"] = "extend"
        if not self.choices:
            options["metavar"] = self.value
        parser.add_argument(self.name, **options)


@dataclass(frozen=True)
class Command:
    """One command. ``run`` takes a :class:`snapshot.magics.actions.Call`.

    A ``verbatim`` command has one positional, which receives the rest of the line as
    it was typed: nothing is split, unquoted or expanded. One that ``rewrites`` changes the
    variables, so that its cell is not counted among those that ran since. ``doing`` says what
    one that may take long is doing.
    """

    name: str
    help: str
    run: Callable[[Any], Any]
    arguments: tuple[Argument, ...] = ()
    verbatim: bool = False
    rewrites: bool = False
    doing: str = ""

    @property
    def usage(self) -> str:
        """The line that help and the command reference show."""
        return " ".join(filter(None, ["%snapshot", self.name, *(a.usage for a in self.arguments)]))


class HelpShown(Exception):
    """``--help`` was printed; there is nothing left to do."""


class _Parser(argparse.ArgumentParser):
    """argparse without its way out: a kernel must not exit over a typing mistake."""

    def error(self, message: str) -> NoReturn:
        usage = (self.usage or "").replace("%%", "%")
        raise UsageError(f"{message}. Usage: {usage}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise HelpShown


@cache
def parser_of(command: Command) -> argparse.ArgumentParser:
    """The argparse parser of one command; made when it is first needed."""
    usage = command.usage.replace("%", "%%")
    parser = _Parser(command.name, usage, command.help.replace("%", "%%"), allow_abbrev=False)
    for argument in command.arguments:
        argument.add_to(parser)
    return parser


def parse(command: Command, rest: str) -> argparse.Namespace:
    """Read what follows the command's name.

    Raises :class:`UsageError` in one line, or :class:`HelpShown` after printing help.
    """
    parser = parser_of(command)
    if not command.verbatim:
        return parser.parse_args(split(rest))
    text = rest.strip().rstrip("; \t")  # an expression cannot end with a semicolon
    return parser.parse_args([text] if text in ("-h", "--help") else ["--", text] if text else [])


#: Beyond it neither a count of snapshots nor one of hours means anything.
_MOST = 1_000_000_000


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """A number above zero, up to a thousand million, for argparse's ``type``."""

    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind("0")
        if not 0 < value <= _MOST:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero and up to {_MOST:,}")
        return value

    return number
