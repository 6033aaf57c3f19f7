"""A line -> its words, and a word -> its two sides. The one place that knows about quotes."""

from __future__ import annotations

import argparse
import re

from IPython.core.error import UsageError

_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'')
_COMMENT = re.compile(r"#(?=\s|$)")
# what an id with a blank in it looks like: the number is all there is before the next option
_TORN_ID = re.compile(r"#\s+((?:\w+\.)?\d+(?:~\d+)?)\s*;*(?=$|\s--|\s#)")
_SEMICOLON = re.compile(r";[;\s]*(?=$|#(?:\s|$))")
_BARE = re.compile(r"""\[(?:"[^"]*"|'[^']*'|[^\]"'])*\]|\S""")


def split(line: str, *, unfinished: bool = False) -> list[str]:
    """Cut a line into words at blanks.

    Quotes hold a word together where it begins and after ``=``. Elsewhere they are
    ordinary characters, so that ``params['w']`` and ``don't`` need none around them, and
    a subscript may contain blanks. A lone ``#`` begins a comment, ``#12`` does not. A
    semicolon at the end, which silences a line of Python, is no part of the last word.
    ``unfinished`` is for a line still being typed: a quote not closed yet, a ``#`` at the end.
    Raises :class:`UsageError` for an open quote and for an id torn apart (``# 12``).
    """
    return _scan(line, unfinished)[0]


def without_comment(line: str) -> str:
    """The line up to its comment."""
    return line[: _scan(line, unfinished=True)[1]]


def _scan(line: str, unfinished: bool) -> tuple[list[str], int]:
    """The words, and where the last one ends or a comment begins."""
    words: list[str] = []
    position, word = 0, None
    while position < len(line) and not _SEMICOLON.match(line, position):
        if line[position].isspace():
            words += [] if word is None else [word]
            position, word = position + 1, None
            continue
        if word is None and _COMMENT.match(line, position) and not (unfinished and line[position:] == "#"):
            if not unfinished:
                _refuse_torn_id(line, position)
            break
        piece, position = _piece(line, position, word is None or word.endswith("="), unfinished)
        word = (word or "") + piece
    return words if word is None else [*words, word], position


def _piece(line: str, position: int, begins: bool, unfinished: bool) -> tuple[str, int]:
    """What stands at a position, without its quotes, and where it ends."""
    quoted = _QUOTED.match(line, position) if begins else None
    if quoted:
        return _unquoted(quoted), quoted.end()
    if begins and line[position] in "\"'":
        if not unfinished:
            raise UsageError(f"a quote is not closed: {line[position:]}")
        return line[position + 1 :], len(line)
    bare = _BARE.match(line, position)
    assert bare is not None  # \S matches whatever is no blank
    return bare[0], bare.end()


def _refuse_torn_id(line: str, position: int) -> None:
    torn = _TORN_ID.match(line, position)
    if torn:
        raise UsageError(f"an id has no blank in it: #{torn[1]}; a # with a blank behind it begins a comment")


def quote(text: str) -> str:
    """``text`` as it must be typed so that :func:`split` keeps it one word, unchanged."""
    # the bracket would close one left open in the text
    if split(f"{text} ]", unfinished=True) == [text, "]"] and not text.endswith(";"):
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
