"""What a command of ``%snapshot`` is made of, and how its line is read.

A :class:`Command` is a row of the table in ``snapshot.magics.commands``: a name, one
line of help, its :class:`Argument` s and the function that runs it. Everything a user
meets (usage, help, errors, completion) is derived from that row here or in a module
beside this one, so a command is added by adding a row.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any, NoReturn

from IPython.core.error import UsageError


class Fits(Enum):
    """What may stand where an argument is expected; completion offers it."""

    ANYTHING = auto()
    REFERENCE = auto()
    NAME = auto()
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
    it was typed: nothing is split, unquoted or expanded.
    """

    name: str
    help: str
    run: Callable[[Any], Any]
    arguments: tuple[Argument, ...] = ()
    verbatim: bool = False

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
    text = rest.strip()
    return parser.parse_args([text] if text in ("-h", "--help") else ["--", text] if text else [])


_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'')
_COMMENT = re.compile(r"#(?=\s|$)")
_BARE = re.compile(r"""\[(?:"[^"]*"|'[^']*'|[^\]"'])*\]|\S""")


def split(line: str, *, unfinished: bool = False) -> list[str]:
    """Cut a line into words at blanks.

    Quotes hold a word together where it begins and after ``=``. Elsewhere they are
    ordinary characters, so that ``params['w']`` and ``don't`` need none around them, and
    a subscript may contain blanks. A lone ``#`` begins a comment, ``#12`` does not.
    ``unfinished`` is for a line still being typed: a quote not closed yet, a ``#`` at the end.
    """
    words: list[str] = []
    position, word = 0, None
    while position < len(line):
        if line[position].isspace():
            if word is not None:
                words.append(word)
            position, word = position + 1, None
            continue
        if word is None and _COMMENT.match(line, position) and not (unfinished and line[position:] == "#"):
            break
        begins = word is None or word.endswith("=")
        quoted = _QUOTED.match(line, position) if begins else None
        if quoted:
            piece = _unquoted(quoted)
            position = quoted.end()
        elif begins and line[position] in "\"'":
            if not unfinished:
                raise UsageError(f"a quote is not closed: {line[position:]}")
            piece, position = line[position + 1 :], len(line)
        else:
            piece = _BARE.match(line, position)[0]  # type: ignore[index]  # \S always matches here
            position += len(piece)
        word = (word or "") + piece
    return words if word is None else [*words, word]


def quote(text: str) -> str:
    """``text`` as it must be typed so that :func:`split` keeps it one word, unchanged."""
    if split(text, unfinished=True) == [text] and text != "#":
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquoted(quoted: re.Match[str]) -> str:
    return quoted[2] if quoted[1] is None else re.sub(r'\\(["\\])', r"\1", quoted[1])


_EQUALS = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\[(?:"[^"]*"|'[^']*'|[^\]"'])*\]|[^="'\[])*=(?!=)""")


def pair(text: str) -> tuple[str, str]:
    """``OLD=NEW`` as its two sides; an ``=`` inside a subscript or quotes does not count."""
    found = _EQUALS.match(text)
    left, right = (text[: found.end() - 1].strip(), text[found.end() :].strip()) if found else ("", "")
    if not left or not right:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form LEFT=RIGHT")
    quoted = _QUOTED.fullmatch(left)
    return _unquoted(quoted) if quoted else left, right


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """A number above zero, for argparse's ``type``."""

    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind("0")
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
        return value

    return number
