"""An optimizer's slots: made where a snapshot has some, and set to their start values where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras.src.backend.common import global_state
from keras.src.optimizers.schedules.learning_rate_schedule import LearningRateSchedule

from snapshot.adapters.keras_variables import VARIABLE
from snapshot.adapters.protocol import Array

_COUNTERS = "object_name_uids"


def reset(optimizer: Any, variables: Sequence[Any]) -> None:
    """Give ``variables`` of an optimizer the values they had when it was built."""
    starts = _start_values(optimizer)
    for variable in variables:
        place = next(index for index, known in enumerate(optimizer._variables) if known is variable)
        start = starts[place] if place < len(starts) else None
        if start is None or start.shape != tuple(variable.shape):
            start = np.zeros_like(VARIABLE.view(variable))
        VARIABLE.assign(variable, start.copy())


def _start_values(optimizer: Any) -> list[Array]:
    """What an equal optimizer begins with; empty when none can be made without the user's code."""
    if not type(optimizer).__module__.startswith("keras.") or not optimizer.built:
        return []
    counters = global_state.get_global_attribute(_COUNTERS)
    kept = None if counters is None else dict(counters)
    try:
        config = optimizer.get_config()
        if isinstance(optimizer._learning_rate, LearningRateSchedule):
            config["learning_rate"] = 0.0
        fresh = type(optimizer).from_config(config)
        fresh.build(list(optimizer._trainable_variables))
        return [VARIABLE.view(variable).copy() for variable in fresh._variables]
    except Exception:
        # whatever a configuration cannot express; slots begin with zeros almost everywhere
        return []
    finally:
        if counters is not None and kept is not None:
            # names that the user's next objects get
            counters.clear()
            counters.update(kept)
