"""An optimizer's slots: made where a snapshot has some, and set to their start values where it has none."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras.src.backend.common import global_state
from keras.src.optimizers.schedules.learning_rate_schedule import LearningRateSchedule

from snapshot.adapters.keras_names import own_names
from snapshot.adapters.keras_variables import VARIABLE
from snapshot.adapters.objects import attribute_dict
from snapshot.errors import SnapshotWarning

_COUNTERS = "object_name_uids"


def reset(optimizer: Any, variables: Sequence[Any]) -> None:
    """Give ``variables`` of an optimizer the values they had when it was built.

    Where nobody can say they become zeros, which almost every slot begins with; a
    :class:`SnapshotWarning` says so.
    """
    fresh = _made_again(optimizer)
    starts = [] if fresh is None else [VARIABLE.view(variable).copy() for variable in fresh._variables]
    if fresh is not None:
        _reattach(optimizer, fresh)
    guessed = 0
    for variable in variables:
        place = next(index for index, known in enumerate(optimizer._variables) if known is variable)
        start = starts[place] if place < len(starts) else None
        if start is None or start.shape != tuple(variable.shape):
            start = np.zeros_like(VARIABLE.view(variable))
            guessed += 1
        VARIABLE.assign(variable, start.copy())
    if guessed:
        warnings.warn(
            f"{guessed} variables of the optimizer {optimizer.name} are newer than the snapshot and begin with zeros "
            f"now: a new {type(optimizer).__name__} could not be made from its get_config()",
            SnapshotWarning,
            stacklevel=2,
        )


def _made_again(optimizer: Any) -> Any | None:
    """An equal optimizer that was just built, made the way Keras clones one; None when that fails.

    What a slot began with is kept nowhere, so that of a class of the user's the
    constructor and ``build`` are run once more, on a new object.
    """
    if not optimizer.built:
        return None
    counters = global_state.get_global_attribute(_COUNTERS)
    kept = None if counters is None else dict(counters)
    try:
        config = _config(optimizer)
        fresh = type(optimizer).from_config(config)
        fresh.build(list(optimizer._trainable_variables))
        return fresh
    except Exception:
        # whatever a configuration cannot express, or a class of the user's cannot do
        return None
    finally:
        if counters is not None and kept is not None:
            # names that the user's next objects get
            counters.clear()
            counters.update(kept)


def _config(optimizer: Any) -> dict[str, Any]:
    """Its configuration; a schedule is given as it is, since one of the user's own may have none."""
    rate = optimizer._learning_rate
    if not isinstance(rate, LearningRateSchedule):
        return optimizer.get_config()  # type: ignore[no-any-return]
    twin = object.__new__(type(optimizer))
    vars(twin).update({**vars(optimizer), "_learning_rate": 0.0})
    return {**twin.get_config(), "learning_rate": rate}


def _reattach(optimizer: Any, fresh: Any) -> None:
    """Where the user's ``build`` keeps the slots: they stay, so what leads to them must."""
    places = {id(new): live for new, live in zip(fresh._variables, optimizer._variables)}
    attributes = attribute_dict(optimizer)
    cls: Any = type(optimizer)
    own = own_names(cls)
    for name, value in (attribute_dict(fresh) or {}).items():
        found = None if name in own else _mapped(value, places)
        if found is None or attributes is None:
            continue
        live = attributes.get(name)
        if isinstance(live, list) and isinstance(found, list):
            live[:] = found
        elif isinstance(live, dict) and isinstance(found, dict):
            live.update(found)
        else:
            attributes[name] = found


def _mapped(value: Any, places: Mapping[int, Any]) -> Any | None:
    """``value`` with the live optimizer's slots in place of the new one's; None when it holds anything else."""
    if id(value) in places:
        return places[id(value)]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    if not parts or not all(id(part) in places for part in parts):
        return None
    if isinstance(value, dict):
        return {key: places[id(part)] for key, part in value.items()}
    return [places[id(part)] for part in parts]
