"""Snapshots that seem to hold, beside what was stored, the values of expressions over it.

Everything that draws a stored variable draws a derived one without knowing: the expression's
text is its path, and its digest comes from those of what it is computed from, so that equal
contents are computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from snapshot.errors import BadExpression, SnapshotError
from snapshot.model import Content, Role, Snapshot, Variable
from snapshot.statistics import as_numbers, is_numeric
from snapshot.widgets.expressions import Expression

Array = np.ndarray[Any, np.dtype[Any]]

_BYTES_KEPT = 128 << 20
_UNREADABLE = (SnapshotError, LookupError, OSError, TypeError)


@dataclass(slots=True)
class Computed:
    """What was computed so far, by digest: every shape, the newest values, and what went wrong."""

    variables: dict[bytes, Variable] = field(default_factory=dict)
    failed: dict[bytes, Exception] = field(default_factory=dict)
    _values: dict[bytes, Array] = field(default_factory=dict)

    def variable(self, expression: Expression, content: Content, operands: Sequence[Variable]) -> Variable:
        """The expression as a variable of ``content``; a scalar that cannot be read if it fails."""
        digest = _digest(expression, operands)
        if digest not in self.variables:
            try:
                value = self.value(expression, content, operands)
            except _UNREADABLE as error:
                self.failed[digest] = error
                value = np.zeros(())
            self.variables[digest] = Variable(
                expression.text, Role.VALUE, value.shape, value.dtype, value.nbytes, digest
            )
        return self.variables[digest]

    def value(self, expression: Expression, content: Content, operands: Sequence[Variable]) -> Array:
        """Its value; raises :class:`BadExpression`, and what reading raises."""
        digest = _digest(expression, operands)
        if digest in self.failed:
            raise self.failed[digest]
        if digest not in self._values:
            read = dict(zip(expression.paths, operands, strict=True))
            value = expression.value(lambda path: as_numbers(content.read(read[path].path), read[path].dtype))
            room = _BYTES_KEPT - value.nbytes
            while self._values and sum(one.nbytes for one in self._values.values()) > room:
                del self._values[next(iter(self._values))]
            self._values[digest] = value
        self._values[digest] = self._values.pop(digest)  # the newest is last, the first goes first
        return self._values[digest]


class DerivedContent:
    """``content`` with expressions among its variables, wherever it holds all their operands."""

    def __init__(self, content: Content, expressions: Iterable[Expression], computed: Computed) -> None:
        self._content = content
        self._computed = computed
        known = by_any_path(content.variables)
        self._operands = {
            one.text: (one, [known[path] for path in one.paths])
            for one in expressions
            if all(path in known for path in one.paths)
        }
        added = {text: computed.variable(one, content, held) for text, (one, held) in self._operands.items()}
        self._variables = {**added, **content.variables}

    @property
    def variables(self) -> Mapping[str, Variable]:
        return self._variables

    @property
    def names(self) -> Mapping[str, str]:
        return self._content.names

    @property
    def report(self) -> Mapping[str, str]:
        return self._content.report

    def outline(self) -> Mapping[str, str]:
        return self._content.outline()

    def read(self, path: str) -> Any:
        if path not in self._operands:
            return self._content.read(path)
        expression, operands = self._operands[path]
        return self._computed.value(expression, self._content, operands)


def derived(snapshots: Iterable[Snapshot], expressions: Sequence[Expression], computed: Computed) -> list[Snapshot]:
    """The snapshots with the expressions in them.

    Raises :class:`BadExpression` for one that no snapshot can compute.
    """
    found = [replace(one, content=DerivedContent(one.content, expressions, computed)) for one in snapshots]
    for expression in expressions:
        holding = [one.variables[expression.text] for one in found if expression.text in one.variables]
        errors = [computed.failed.get(one.digest) for one in holding]
        if not holding:
            raise BadExpression(f"{expression.text}: no snapshot holds all of {', '.join(expression.paths)}")
        if (first := errors[0]) is not None and None not in errors:
            raise first
    return found


def by_any_path(variables: Mapping[str, Variable]) -> dict[str, Variable]:
    """The variables of numbers by each of their paths; a path of one's own goes before another's alias."""
    numeric = [one for one in variables.values() if is_numeric(one.dtype)]
    aliases = {alias: one for one in numeric for alias in one.aliases}
    return aliases | {one.path: one for one in numeric}


def _digest(expression: Expression, operands: Iterable[Variable]) -> bytes:
    found = blake2b(expression.text.encode(errors="surrogatepass"), digest_size=16)
    for one in operands:
        found.update(one.digest)
        found.update(repr((one.shape, str(one.dtype))).encode())
    return found.digest()
