"""A line -> its words, and a word -> its two sides. The one place that knows about quotes."""

from __future__ import annotations

import argparse
import re

from IPython.core.error import UsageError

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
