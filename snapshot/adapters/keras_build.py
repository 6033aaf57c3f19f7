"""Keras 3: how layers, optimizers and metrics tell that they were built, for values that wait.

Keras has no door for this. It wraps ``build`` of every layer in the instance itself; one
more wrapper of the same sort around it, on the objects that wait only, is the narrowest
way in: no class is touched, other objects never notice, and it is taken off again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any
from weakref import ref

import keras
from keras.src.backend.common.variables import Variable
from keras.src.optimizers.base_optimizer import BaseOptimizer
from keras.src.trainers.compile_utils import CompileLoss

from snapshot.adapters.builders import Builder, Tell

_BUILT = (keras.Layer, keras.Metric, BaseOptimizer, CompileLoss)
#: ``compile`` makes an optimizer and metrics, which are built later still.
_METHODS = ("build", "compile")


class BuildBuilder:
    """Anything of Keras with variables of its own, and a variable inside a symbolic build, which has no value yet."""

    def unbuilt(self, obj: Any) -> bool:
        return issubclass(type(obj), Variable) and obj._value is None

    def prepare(self, obj: Any) -> None:
        """Nothing: Keras begins when it makes an object."""

    def makes(self, place: str) -> bool:
        # what the user's own code sets goes by a name that begins with a dot
        return place.startswith("['") and not place.startswith("['.")

    def private(self, place: str) -> bool:
        return False

    def watch(self, obj: Any, places: Collection[str], tell: Tell) -> Callable[[], None]:
        if issubclass(type(obj), Variable):
            # the value comes at the end of the outermost scope, outside of any trace
            return _wrap(obj, "_deferred_initialize", tell)
        ends = [_wrap(obj, name, tell) for name in _METHODS if callable(getattr(obj, name, None))]

        def end() -> None:
            for each in ends:
                each()

        return end


def _wrap(obj: Any, name: str, tell: Tell) -> Callable[[], None]:
    """Call ``tell`` after each ``obj.name(...)``; returns what takes the wrapper off."""
    method = getattr(obj, name)
    own = name in vars(obj)

    @wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found = method(*args, **kwargs)
        tell()
        return found

    vars(obj)[name] = wrapper
    held = ref(obj)

    def end() -> None:
        live = held()
        # one that somebody wrapped again stays, and tells nobody
        if live is not None and vars(live).get(name) is wrapper:
            if own:
                vars(live)[name] = method
            else:
                del vars(live)[name]

    # the wrapper is in the object, so neither may be held by who waits for the other
    del obj
    return end


BUILD = BuildBuilder()


def builder_for(cls: type) -> Builder | None:
    """Layers, models, optimizers, metrics and variables of Keras."""
    return BUILD if issubclass(cls, (Variable, *_BUILT)) else None
