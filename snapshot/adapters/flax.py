"""flax: modules are walked like any instance; what its variables are is said here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flax import nnx

from snapshot.adapters.protocol import Step
from snapshot.model import Role

# the most particular class first: what an optimizer keeps of a parameter is a slot
_ROLES: tuple[tuple[type, Role | None], ...] = (
    (nnx.OptState, Role.SLOT),
    (nnx.RngState, Role.RNG),
    (nnx.Param, Role.PARAMETER),
    (nnx.BatchStat, Role.BUFFER),
    (nnx.Cache, Role.BUFFER),
    (nnx.Variable, None),
)
_STEPS = {cls: {"_raw_value": Step(True, role)} for cls, role in _ROLES}
_STATE = {"_mapping": Step(True, None)}


def naming(obj: Any) -> Mapping[str, Step]:
    """A variable goes by its own name, without the slot its value lies in."""
    cls = type(obj)
    if issubclass(cls, nnx.State):
        return _STATE
    return next((_STEPS[known] for known, _ in _ROLES if issubclass(cls, known)), {})
