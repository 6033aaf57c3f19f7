"""What was asked for -> the variables to choose from, expressions computed from stored ones among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from snapshot.errors import PathNotFound
from snapshot.model import Snapshot, Variable
from snapshot.widgets.choices import nearest, numeric_variables, select
from snapshot.widgets.derived import Computed, by_any_path, derived
from snapshot.widgets.expressions import Expression, looks_like_one, parse


class Wanted:
    """``texts`` are paths, names, globs, roles or expressions; none of them means everything."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(texts)
        self._expressions: dict[str, Expression] = {}
        self._computed = Computed()

    def among(self, snapshots: list[Snapshot]) -> tuple[list[Snapshot], dict[str, Variable]]:
        """The snapshots with what is computed in them, and the variables that were asked for.

        What matches nothing raises :class:`PathNotFound` or :class:`BadExpression`, unless
        there are no snapshots at all.
        """
        variables = numeric_variables(snapshots)
        if not self.texts or not snapshots:
            return snapshots, variables
        for text in self.texts:
            if text not in self._expressions and looks_like_one(text) and not _is_stored(text, variables):
                self._expressions[text] = _parsed(text, variables)
        if self._expressions:
            snapshots = derived(snapshots, list(self._expressions.values()), self._computed)
            variables = numeric_variables(snapshots)
        return snapshots, select(variables, self.texts, exact=self._expressions)


def _parsed(text: str, variables: Mapping[str, Variable]) -> Expression:
    if text.strip("+-*/@%<>=!&|^~. ") == "":
        raise PathNotFound(nearest(text, variables))  # a sign alone: the quotes were forgotten
    known = by_any_path(variables)
    return parse(text, known, lambda path: nearest(path, known).partition(": ")[2])


def _is_stored(text: str, variables: Mapping[str, Variable]) -> bool:
    try:
        return bool(select(variables, [text]))
    except PathNotFound:
        return False
