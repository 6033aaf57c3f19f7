"""``"norm(w - w0)"`` -> a value computed from stored ones. Nothing of the user's code is run.

The names in an expression are paths of stored variables, the longest one there is at each
place, so ``model.0.weight.T`` is the transpose of ``model.0.weight``. Each path is replaced by
a plain name, Python's own parser makes the tree, and :mod:`snapshot.widgets.evaluation` walks
it; whatever is not in its tables is refused, and the error quotes the part.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from snapshot.errors import BadExpression
from snapshot.widgets.evaluation import CONSTANTS, FUNCTIONS, Refused, check, evaluate

Array = np.ndarray[Any, np.dtype[Any]]

_LONGEST = 1000
_LOOKS_LIKE_ONE = re.compile(r"[-+@*%<>&|^~()/ ]|\[|\.T$")
_WORD = re.compile(r"[^\W\d]\w*")
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.\w+|\[\d+\]|\['[^']*'\]|\[\"[^\"]*\"\])*")
_NUMBER = re.compile(r"\d[\d_]*\.?\d*(?:[eE][-+]?\d+)?")
_TRANSPOSED = re.compile(r"\.T(?!\w)")
_PYTHON = frozenset({"True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "for", "lambda"})


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A parsed expression: its text and the stored paths in it, in order of appearance."""

    text: str
    paths: tuple[str, ...]
    _tree: ast.expr
    _pieces: tuple[_Piece, ...]

    def value(self, read: Callable[[str], Any]) -> Array:
        """Its value, where ``read`` gives the value at a path. Raises :class:`BadExpression`."""
        names = {piece.name: piece.path for piece in self._pieces if piece.path is not None}
        try:
            return evaluate(self._tree, lambda name: read(names[name]))
        except Refused as error:
            raise _located(self.text, self._pieces, error) from None


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the text, and what stands for it in what Python parses."""

    start: int
    end: int
    name: str
    path: str | None = None


def looks_like_one(text: str) -> bool:
    """Whether a text that is no stored path may be meant as an expression."""
    return _LOOKS_LIKE_ONE.search(text) is not None


def parse(text: str, known: Iterable[str], unknown: Callable[[str], str]) -> Expression:
    """The expression ``text`` over the paths ``known``.

    ``unknown`` makes the sentence about a path that is not stored. Raises
    :class:`BadExpression`, which says what is wrong and quotes where.
    """
    if len(text) > _LONGEST:
        raise BadExpression(f"{text[:40]}…: an expression has at most {_LONGEST:,} characters, found {len(text):,}")
    pieces = tuple(_cut(text, sorted(known, key=len, reverse=True), unknown))
    source = "".join(piece.name for piece in pieces)
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None)
        place = at - 1 if isinstance(at, int) and at > 0 else 0
        start = min(_original(pieces, place), len(text) - 1)
        message = error.msg if isinstance(error, SyntaxError) else "it cannot be parsed"
        raise _error(text, message, start, len(text)) from None
    names = {piece.name for piece in pieces if piece.path is not None}
    try:
        check(tree, names)
    except Refused as error:
        raise _located(text, pieces, error) from None
    paths = dict.fromkeys(piece.path for piece in pieces if piece.path is not None)
    if not paths:
        raise BadExpression(f"{text}: there is no stored variable in it")
    return Expression(text, tuple(paths), tree, pieces)


def _cut(text: str, longest_first: list[str], unknown: Callable[[str], str]) -> Iterator[_Piece]:
    names: dict[str, str] = {}
    position = 0
    while position < len(text):
        end = _other(text, position)
        if end > position:
            yield _Piece(position, end, text[position:end])
            position = end
            continue
        word = _WORD.match(text, position)
        assert word is not None  # _other stops at nothing else
        behind = text[word.end() :].lstrip()
        if behind.startswith("(") and word[0] in FUNCTIONS:
            end, path = word.end(), None
        else:
            path = _longest(text, position, longest_first)
            end = position + len(path) if path else word.end()
        if path is not None:
            name = names.setdefault(path, f"_{len(names)}_")
            yield _Piece(position, end, name, path)
        elif _is_python(word[0], behind):
            yield _Piece(position, end, text[position:end])
        else:
            dotted = _DOTTED.match(text, position)
            assert dotted is not None
            if behind.startswith("("):
                message = f"there is no function {word[0]}; there are {', '.join(sorted(FUNCTIONS))}"
                raise _error(text, message, position, word.end())
            found = dotted[0].removesuffix(".T")
            raise _error(text, unknown(found), position, position + len(found))
        position = end


def _is_python(word: str, behind: str) -> bool:
    """A function, a keyword, a constant, or the name of an argument."""
    named = behind.startswith("=") and not behind.startswith("==")
    return named or word in _PYTHON or word in CONSTANTS or (word in FUNCTIONS and behind.startswith("("))


def _other(text: str, position: int) -> int:
    """The end of what begins at ``position`` and is no word: signs, numbers, ``.T``."""
    while position < len(text):
        found = _NUMBER.match(text, position) or _TRANSPOSED.match(text, position)
        if found:
            position = found.end()
        elif _WORD.match(text, position):
            break
        else:
            position += 1
    return position


def _longest(text: str, position: int, longest_first: list[str]) -> str | None:
    for path in longest_first:
        end = position + len(path)
        if text.startswith(path, position) and not (path[-1:].isalnum() and _goes_on(text, end)):
            return path
    return None


def _goes_on(text: str, end: int) -> bool:
    """Whether the word or the dotted path goes on behind ``end``; ``.T`` does not count."""
    rest = text[end : end + 2]
    if rest[:1] == "_" or rest[:1].isalnum():
        return True
    return rest[:1] == "." and (rest[1:].isalnum() or rest[1:] == "_") and not _TRANSPOSED.match(text, end)


def _original(pieces: Iterable[_Piece], place: int, end: bool = False) -> int:
    """Where a place in what Python parsed is in the text."""
    begin = 0
    last = 0
    for piece in pieces:
        stop = begin + len(piece.name)
        if place < stop or (end and place == stop):
            if piece.path is None:
                return piece.start + place - begin
            return piece.end if end else piece.start
        begin, last = stop, piece.end
    return last


def _located(text: str, pieces: tuple[_Piece, ...], error: Refused) -> BadExpression:
    node = error.node
    start = _original(pieces, node.col_offset)
    end = _original(pieces, node.end_col_offset or node.col_offset + 1, end=True)
    return _error(text, str(error), start, end)


def _error(text: str, message: str, start: int, end: int) -> BadExpression:
    if (start, end) == (0, len(text)):
        return BadExpression(f"{text}: {message}")
    return BadExpression(f"{text}: at “{text[start:end]}” (character {start + 1}): {message}")
