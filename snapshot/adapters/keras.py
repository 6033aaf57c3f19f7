"""Keras 3 on any backend: which of our adapters takes which object."""

from __future__ import annotations

from typing import Any

from keras.src.backend.common import global_state
from keras.src.backend.common.variables import Variable
from keras.src.optimizers.base_optimizer import BaseOptimizer
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
from keras.src.utils.tracking import Tracker

from snapshot.adapters import keras_containers
from snapshot.adapters.keras_objects import OBJECT, OPTIMIZER, STATEFUL
from snapshot.adapters.keras_variables import VARIABLE
from snapshot.adapters.reference import BENIGN

LEAF_ADAPTERS = (VARIABLE,)
KINDS = (OBJECT, OPTIMIZER)
#: Python objects with ordinary attributes, and containers.
_WALKED = ("keras.src.callbacks", "keras.src.utils")


def handler_for(obj: Any) -> Any:
    """How a Keras object is captured; None for what is not Keras's, or is an ordinary instance."""
    cls = type(obj)
    if issubclass(cls, Variable):
        return VARIABLE
    if issubclass(cls, BaseOptimizer):
        return OPTIMIZER
    if issubclass(cls, STATEFUL):
        return OBJECT
    if cls in keras_containers.KINDS:
        return keras_containers.KINDS[cls]
    if not cls.__module__.startswith("keras.") or (cls is not Tracker and cls.__module__.startswith(_WALKED)):
        return None
    return BENIGN


def implicit() -> dict[str, Any]:
    """The seed generator that layers without one of their own share, once there is one."""
    found = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    return {} if found is None else {"(keras.random)": found}
