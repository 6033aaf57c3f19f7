"""Which variables there are to look at, which were asked for, and where to begin."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import chain
from math import prod

from snapshot.errors import PathNotFound
from snapshot.history import newest_variables
from snapshot.model import Role, Snapshot, Variable
from snapshot.statistics import is_numeric
from snapshot.widgets.words import shape_text, shorten

_SEPARATORS = (".", "[", "/")
_NEAREST = 5
_TOGETHER = 12
_SIGNS = frozenset({"+", "-", "*", "/", "//", "@", "**", "%", "<", ">", "<=", ">=", "==", "!=", "&", "|", "^"})


def numeric_variables(snapshots: Sequence[Snapshot]) -> dict[str, Variable]:
    """Every variable of numbers in any snapshot, by path, as it is in the newest that has it."""
    # The insides of a random generator are numbers that say nothing.
    return newest_variables(snapshots, lambda one: one.role != Role.RNG and is_numeric(one.dtype))


def select(
    variables: Mapping[str, Variable], wanted: Iterable[str], exact: Container[str] = ()
) -> dict[str, Variable]:
    """Those asked for: paths, names and other beginnings of paths, globs, ``role:parameter``.

    What is in ``exact`` means the path only. Raises :class:`PathNotFound`, with the nearest paths there are.
    """
    chosen: dict[str, Variable] = {}
    for text in wanted:
        matching = {path: one for path, one in variables.items() if text not in exact and _matches(text, one)}
        if text in exact and text in variables:
            matching = {text: variables[text]}
        if not matching:
            raise PathNotFound(nearest(text, variables))
        # The path itself comes first when it is also the beginning of others.
        chosen |= {text: matching[text]} if text in matching else {}
        chosen |= matching
    return chosen


def are_drawn_together(variables: Mapping[str, Variable], wanted: Sequence[str]) -> bool:
    """Whether those that were asked for are a few numbers, such as a loss and an accuracy."""
    single = all(prod(one.shape) == 1 for one in variables.values())
    return bool(wanted) and "*" not in wanted and single and 2 <= len(variables) <= _TOGETHER


def first_choice(variables: Mapping[str, Variable]) -> str | None:
    """The first parameter with two dimensions or more, else the first array, else a number."""
    matrices = (path for path, one in variables.items() if one.role == Role.PARAMETER and len(one.shape) >= 2)
    arrays = (path for path, one in variables.items() if one.shape)
    return next(chain(matrices, arrays, variables), None)


def containing(variables: Mapping[str, Variable], text: str) -> dict[str, Variable]:
    """Those whose path contains ``text``, whatever its case; globs work too."""
    text = text.strip().casefold()
    pattern = f"*{text}*"
    return {
        path: one
        for path, one in variables.items()
        # Brackets are part of paths (``w[0]``), so only * and ? make a glob.
        if text in path.casefold() or fnmatchcase(path.casefold(), pattern.replace("[", "[[]"))
    }


def variable_label(variable: Variable) -> str:
    """``model.0.weight   64 × 40 float32``, for a list."""
    return f"{shorten(variable.path, 60)}   {shape_text(tuple(variable.shape))} {variable.dtype}"


def nearest(text: str, variables: Mapping[str, Variable]) -> str:
    """A sentence that says ``text`` is no path, and which ones come closest."""
    if not variables:
        return f"{text}: there is no variable with numbers in any snapshot"
    near = get_close_matches(text, variables, n=_NEAREST, cutoff=0.5) or list(containing(variables, text))[:_NEAREST]
    listed = ", ".join(near or list(variables)[:_NEAREST])
    if text in _SIGNS:
        return f'{text}: an expression with blanks in it is written in quotes: "{_example(text, variables)}"'
    word = "nearest" if near else f"there are {len(variables)}, such as"
    return f"{text}: no stored variable has this path; {word}: {listed}"


def _example(sign: str, variables: Mapping[str, Variable]) -> str:
    first, *others = variables
    return f"{first} {sign} {others[0] if others else first}"


def _matches(text: str, variable: Variable) -> bool:
    if text.startswith("role:"):
        return variable.role == text.removeprefix("role:")
    paths = (variable.path, *variable.aliases)
    starts = tuple(text + separator for separator in _SEPARATORS)
    glob = text.replace("[", "[[]")
    return any(path == text or path.startswith(starts) or fnmatchcase(path, glob) for path in paths)
