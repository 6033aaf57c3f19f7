"""What each variable of a TensorFlow 1 graph is to the program: parameter, slot or value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from snapshot.model import Role

_TRAINING_OP = re.compile(r"(Resource)?(Sparse)?Apply[A-Z]\w*")
_POWER = re.compile(r"(.*/)?beta[12]_power(_\d+)?")
_OPTIMIZER = re.compile(
    r"(Adam|AdaMax|Momentum|Adagrad|AdagradDA|AdagradAccumulator|Adadelta|RMSProp|Ftrl"
    r"|ProximalAdagrad|ExponentialMovingAverage)(_\d+)?"
)


def slot_inputs(operations: Iterable[Any], spellings: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """(variables that training ops update, variables they keep beside them).

    ``ApplyAdam(W, m, v, ...)`` updates its first input and keeps the others.
    """
    updated: set[str] = set()
    kept: set[str] = set()
    for op in operations:
        if _TRAINING_OP.fullmatch(op.type):
            first, *others = op.inputs
            updated.update(_named([first], spellings))
            kept.update(_named(others, spellings))
    return updated, kept - updated


def _named(tensors: Iterable[Any], spellings: Mapping[str, str]) -> Iterable[str]:
    return (spellings[tensor.op.name] for tensor in tensors if tensor.op.name in spellings)


def role_of(name: str, parameters: Collection[str], slots: Collection[str]) -> Role:
    """The role of the variable ``name``, by the graph's ops first and by its name otherwise."""
    if name in parameters:
        return Role.PARAMETER
    if name in slots or _POWER.fullmatch(name) or _extends_a_parameter(name, parameters):
        return Role.SLOT
    return Role.VALUE


def _extends_a_parameter(name: str, parameters: Collection[str]) -> bool:
    parent, _, last = name.rpartition("/")
    if parent in parameters:
        return True
    if not _OPTIMIZER.fullmatch(last):
        return False
    # An optimizer used inside a variable scope puts the scope before the variable's name.
    scopes = [match.end() for match in re.finditer("/", parent)]
    return any(parent[start:] in parameters for start in scopes)
