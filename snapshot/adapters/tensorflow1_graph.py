"""What a TensorFlow 1 graph says about its variables, as plain data.

* :class:`GraphVariable`: one piece of storage, with the ops that already exist to
  read it, to ask whether it is initialized, and to assign it (:class:`Assign`);
* :class:`GraphTable`: one mutable hash table, as two parts that are read like variables
  and set together;
* :class:`Scan`: all of them, the spellings users have for them, and what else in the
  graph keeps state.

Everything here is text and numbers: ops and tensors are named, never held, so that a
scan that is kept does not keep its graph alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snapshot.model import Role

#: A static shape: None for an unknown size, or for a wholly unknown shape.
StaticShape = tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class Assign:
    """An op of the graph that sets a variable when its second input is fed."""

    op: str
    target: str  #: tensor of the variable itself
    value: str  #: tensor to feed
    shape: StaticShape  #: shapes that tensor can be fed
    validates: bool  #: refuses values of another shape than the variable's


@dataclass(frozen=True, slots=True)
class GraphVariable:
    """One variable: ``read`` and ``probe`` are tensors, ``initializer`` is an op."""

    name: str
    dtype: str
    shape: StaticShape
    by_reference: bool  #: a TF1 "ref" variable, whose run-time shape may differ from ``shape``
    role: Role
    read: str | None = None
    probe: str | None = None
    initializer: str | None = None
    assigns: tuple[Assign, ...] = ()

    def assign_for(self, shape: tuple[int, ...]) -> Assign | None:
        """The assign that takes a value of ``shape``; one that validates shapes comes last."""
        fitting = [a for a in self.assigns if admits(a.shape, shape) and self._allows(a, shape)]
        return min(fitting, key=lambda assign: assign.validates, default=None)

    def _allows(self, assign: Assign, shape: tuple[int, ...]) -> bool:
        return (self.by_reference and not assign.validates) or admits(self.shape, shape)


@dataclass(frozen=True, slots=True)
class GraphTable:
    """A table: ``load`` is the op that sets it from the two fed tensors."""

    keys: GraphVariable
    values: GraphVariable
    load: str
    feed_keys: str
    feed_values: str

    @property
    def parts(self) -> dict[str, GraphVariable]:
        """Both parts by name."""
        return {part.name: part for part in (self.keys, self.values)}


@dataclass(frozen=True, slots=True)
class Scan:
    """The variables of a graph by name, in the order in which they were made."""

    variables: Mapping[str, GraphVariable]
    spellings: Mapping[str, str]  #: every op name of a variable -> its name in ``variables``
    report: Mapping[str, str]  #: op name -> why its state cannot be captured
    step: str | None = None  #: the variable that counts global steps
    tables: tuple[GraphTable, ...] = ()

    @property
    def readable(self) -> dict[str, GraphVariable]:
        """Everything with a value to read, by name: variables and parts of tables."""
        found = {name: variable for name, variable in self.variables.items() if variable.read is not None}
        for table in self.tables:
            found.update(table.parts)
        return found

    def resolve(self, name: str) -> str | None:
        """``W`` for ``W``, ``W:0`` and other handles to the same storage."""
        return self.spellings.get(name.removesuffix(":0"))


def admits(static: StaticShape, shape: tuple[int, ...]) -> bool:
    """Whether a value of ``shape`` may stand where the graph knows ``static``."""
    if static is None:
        return True
    return len(static) == len(shape) and all(s in (None, n) for s, n in zip(static, shape, strict=True))
