"""The layers of a ``Sequential`` model, which ``add`` and ``pop`` change, and the models a layer is in.

Keras makes a ``Functional`` of the layers and keeps it; the one that a snapshot saw is
put back with them, so that the graph it ran is run again and no layer is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import keras

_FUNCTIONS = ("train_function", "test_function", "predict_function")
#: Model -> layers that were seen in it. Those of another instance are never put into it.
_seen: WeakKeyDictionary[Any, WeakSet[Any]] = WeakKeyDictionary()


def remember(obj: Any) -> None:
    """``obj`` is being captured: what is in it may have to come back."""
    if issubclass(type(obj), keras.Model):
        _seen.setdefault(obj, WeakSet()).update(obj._layers)


def put_layers(model: Any, wanted: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    """Give a ``Sequential`` the layers of ``wanted``; the keys are those of its state."""
    if not issubclass(type(model), keras.Sequential):
        return
    layers, live = _layers(wanted), _layers(present)
    made = _functional(wanted)
    if made is not None and not _consists_of(made, layers):
        made = None
    if _same(layers, live) and (made is None or made is _functional(present)):
        return
    known = _seen.get(model, ())
    if not all(any(layer is each for each in known) for layer in layers):
        return  # they lie in another instance, or in the kernel that stored them
    source = model._layers if made is None else made._operations
    inputs = [each for each in source if type(each) is keras.layers.InputLayer][:1]
    for layer in live:
        model._tracker.untrack(layer)
    for layer in layers:
        model._tracker.track(layer)
    list.__setitem__(model._layers, slice(None), [*inputs, *layers])
    model._functional = made
    model.built = made is not None
    if made is None and inputs and layers:
        model._maybe_rebuild()
    if model.built and "_torch_params" in getattr(model, "_modules", {}):
        model._track_variables()
    forget_functions(model)


def forget_functions(part: Any) -> None:
    """Let Keras make the functions again that a model made with ``part``, itself or a layer or optimizer of it."""
    for model in list(_seen):
        attributes = vars(model)
        if not any(attributes.get(name) is not None for name in _FUNCTIONS):
            continue
        inside = (*model._flatten_layers(), attributes.get("optimizer"), attributes.get("loss"))
        if any(part is each for each in inside):
            attributes.update({name: None for name in _FUNCTIONS if name in attributes})


def _layers(pairs: Mapping[str, Any]) -> list[Any]:
    return [value for key, value in pairs.items() if key.startswith("_layers[")]


def _functional(pairs: Mapping[str, Any]) -> Any:
    # on PyTorch it is a member of a module
    return pairs.get("_functional", pairs.get("_modules._functional"))


def _consists_of(functional: Any, layers: list[Any]) -> bool:
    operations = [each for each in functional._operations if type(each) is not keras.layers.InputLayer]
    return {id(each) for each in operations} == {id(each) for each in layers}


def _same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(one is other for one, other in zip(left, right))
