"""Layers, models, optimizers, metrics and seed generators.

State is what a user would call so: the variables, plain settings (``rate``,
``momentum``), what the user's own code set, and the objects inside. What Keras keeps
for itself is never put back: a ``train_function`` taken away is traced again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from sys import intern
from typing import Any, ClassVar, NamedTuple
from weakref import WeakSet

import keras
import numpy as np
from keras.src.backend.common.variables import Variable
from keras.src.optimizers.base_optimizer import BaseOptimizer
from keras.src.trainers.compile_utils import CompileLoss

from snapshot.adapters import keras_optimizers
from snapshot.adapters.containers import State
from snapshot.adapters.keras_layers import forget_functions, put_layers, remember
from snapshot.adapters.keras_names import compile_names, learned_names, own_names
from snapshot.adapters.keras_settings import PLAIN, equal, is_bound, is_setting
from snapshot.adapters.keras_variables import VARIABLE, was_made_here
from snapshot.adapters.objects import attribute_dict
from snapshot.errors import DoesNotFit
from snapshot.model import Role

STATEFUL = (
    keras.Layer,
    keras.Metric,
    BaseOptimizer,
    keras.random.SeedGenerator,
    keras.Loss,
    keras.optimizers.schedules.LearningRateSchedule,
)
#: Where objects keep their variables.
_LISTS = ("_trainable_variables", "_non_trainable_variables", "_variables")
_MEMBERS = ("_parameters", "_buffers", "_modules")  # of a module of PyTorch
#: What Keras makes of a compiled model; a new ``compile`` makes it again.
_COMPILED = frozenset(("train_function", "test_function", "predict_function", "_compiled_trainable_state"))


class Place(NamedTuple):
    """One child: the text of its step, or a path of its own, and its role."""

    text: str
    child: Any
    role: Role | None = None
    own: bool = False


class ObjectKind:
    """State: keys, then values. ``[1]`` follows the list that holds a variable or an inner object."""

    name = "keras"
    fixed = False
    hashes = False
    lead = 0
    partly_pickled = VARIABLE.kind  #: Keras writes what a saved model needs
    _unpickled: ClassVar[WeakSet[Any]] = WeakSet()

    def take(self, obj: Any) -> State:
        _synchronize(obj)
        remember(obj)
        found = dict(_pairs(obj))
        return (*found, *found.values())

    def put(self, obj: Any, state: State) -> None:
        half = len(state) // 2
        wanted, present = dict(zip(state[:half], state[half:])), dict(_pairs(obj))
        _put_variables(obj, wanted, present)
        _put_attributes(obj, wanted, present)
        put_layers(obj, wanted, present)
        made_since = {key: value for key, value in present.items() if key not in wanted}
        self.start_over(obj, [value for value in made_since.values() if _is_variable(value)])
        for value in made_since.values():
            if issubclass(type(value), keras.Metric):
                self.start_over(value, value.variables)

    def came_from_pickle(self, obj: Any) -> None:
        """``obj`` was just made, and nothing else knows it."""
        self._unpickled.add(obj)

    def stays(self, obj: Any, state: State, present: State) -> Iterable[Any]:
        """Weights and layers that ``present`` has and ``state`` has not: Keras cannot take them out."""
        if not issubclass(type(obj), keras.Layer) or issubclass(type(obj), keras.Sequential):
            return ()
        half = len(present) // 2
        wanted = set(state[: len(state) // 2])
        made_since = ((key, child) for key, child in zip(present[:half], present[half:]) if key not in wanted)
        return [child for key, child in made_since if key.startswith(("_layers", "_trainable", "_non_"))]

    def start_over(self, obj: Any, variables: list[Any]) -> None:
        """Variables that the snapshot does not have yet: totals begin at zero, weights stay as they are."""
        if issubclass(type(obj), keras.Metric):
            fresh = variables
        else:
            # states of a recurrent layer, which begin at zero; weights are on the lists
            listed = _listed(obj)
            fresh = [variable for variable in variables if id(variable) not in listed]
        if not issubclass(type(obj), keras.random.SeedGenerator):
            for variable in fresh:
                VARIABLE.assign(variable, np.zeros_like(VARIABLE.view(variable)))

    def build(self, cls: type, state: State) -> Any:
        raise TypeError(f"a {cls.__qualname__} is made by running its cell")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        half = len(state) // 2
        return ((key if key.startswith(".") else f".{key}", child) for key, child in zip(state[:half], state[half:]))

    def places(self, state: State, live: State) -> Iterator[Place]:
        """Variables go by the path Keras gave them, whoever holds them; ``live`` is ``state`` with the objects."""
        half = len(state) // 2
        for key, child, obj in zip(state[:half], state[half:], live[half:]):
            if key.startswith(".") or obj is None:
                yield Place(key, child)
            elif _is_variable(obj):
                yield Place(obj.path, child, self.role(key, obj), True)
            else:
                # a schedule of the user's need not have a name
                name = key.rpartition(".")[2] if key.startswith(_MEMBERS) else getattr(obj, "name", key)
                yield Place(f".{name}", child)

    def role(self, key: str, variable: Any) -> Role | None:
        """The role of one of the object's variables; None when the variable itself knows."""
        return Role.VALUE if key.startswith("_variables") else None


class OptimizerKind(ObjectKind):
    """An optimizer; its state begins with what it trains, so that a new one can be built."""

    name = "keras optimizer"
    hashes = True  # written last: by then the layers have said whether they take their weights

    def put(self, obj: Any, state: State) -> None:
        half = len(state) // 2
        keys = state[:half]
        trained = [value for key, value in zip(keys, state[half:]) if key.startswith("_trainable_variables")]
        if trained and not obj.built:
            if any(map(was_made_here, trained)) and obj not in self._unpickled:
                raise DoesNotFit(f"{obj.name}: its model has not the weights it trained; make the model as it was")
            obj.build(trained)
        super().put(obj, state)

    def start_over(self, obj: Any, variables: list[Any]) -> None:
        slots = [v for v in variables if any(v is known for known in obj._variables)]
        if slots:
            keras_optimizers.reset(obj, slots)

    def role(self, key: str, variable: Any) -> Role | None:
        if not key.startswith("_variables"):
            return None
        return Role.VALUE if variable.name == "learning_rate" else Role.SLOT


OBJECT = ObjectKind()
OPTIMIZER = OptimizerKind()


def _is_variable(value: Any) -> bool:
    return issubclass(type(value), Variable)


def _synchronize(obj: Any) -> None:
    # while JAX trains, the values are in the trainer's hands and the variables hold donated buffers
    attributes = attribute_dict(obj) or {}
    if attributes.get("_jax_state") and not attributes.get("_jax_state_synced", True):
        obj.jax_state_sync()


def _pairs(obj: Any) -> Iterator[tuple[str, Any]]:
    """(key, value) of everything that is state; keys of what the user set begin with a dot."""
    cls: Any = type(obj)
    own = own_names(cls)
    learned = learned_names(cls)
    compiled = _set_by_compile(obj)
    listed = _listed(obj)
    for name, value in (attribute_dict(obj) or {}).items():
        if name in learned:
            yield intern(f".{name}"), value
        elif name in _LISTS:
            yield from _variables(name, value, issubclass(type(obj), keras.Layer))
        elif name in compiled or (name not in own and not name.startswith(("_self_", "_obj_reference"))):
            yield intern(f".{name}"), value
        elif issubclass(type(value), STATEFUL) or (name == "state" and _is_variable(value)):
            yield name, value
        elif (
            issubclass(type(value), list | tuple)
            and value
            and all(issubclass(type(each), STATEFUL) for each in value)
        ):
            # an input has no state, and appears in front of the layers once the shape is known
            inner = [each for each in value if type(each) is not keras.layers.InputLayer]
            yield from ((intern(f"{name}[{index}]"), each) for index, each in enumerate(inner))
        elif is_setting(obj, name, value) or (name == "built" and _looks_ahead(obj)):
            yield intern(f".{name}"), value
        elif issubclass(type(value), list | tuple) and value and name != "_tracked":
            unlisted = _unlisted(value, listed)
            yield from ((intern(f"{name}[{index}]"), variable) for index, variable in enumerate(unlisted))
    yield from _torch_members(obj)


def _listed(obj: Any) -> set[int]:
    """Ids of the variables that Keras lists for the object."""
    attributes = attribute_dict(obj) or {}
    return {id(variable) for name in _LISTS for variable in attributes.get(name) or ()}


def _unlisted(value: Any, listed: set[int]) -> list[Any]:
    """The variables that a list is made of, and the lists in it, when it is made of nothing else and none is listed.

    A stateful recurrent layer keeps its states so: Keras saves them with no model.
    """
    found: list[Any] = []
    for part in value:
        if issubclass(type(part), list | tuple):
            inner = _unlisted(part, listed)
            if not inner:
                return []
            found += inner
        elif _is_variable(part) and id(part) not in listed:
            found.append(part)
        else:
            return []
    return found


def _set_by_compile(obj: Any) -> frozenset[str]:
    return compile_names() - _COMPILED if issubclass(type(obj), keras.Model) else frozenset()


def _variables(name: str, value: Any, by_name: bool) -> Iterator[tuple[str, Any]]:
    """Weights go by name, so that a model with one more takes the others; slots by position."""
    seen: dict[str, int] = {}
    for index, variable in enumerate(value):
        if not by_name:
            yield intern(f"{name}[{index}]"), variable
            continue
        count = seen[variable.name] = seen.get(variable.name, -1) + 1
        yield intern(f"{name}[{variable.name}{f' {count}' if count else ''}]"), variable


def _looks_ahead(obj: Any) -> bool:
    # to build it, the first fit takes one epoch's order from the generator that shuffles; without
    # that the first fit after a restore would see the data in another order
    return type(obj) is CompileLoss and keras.backend.backend() != "tensorflow"


def _torch_members(obj: Any) -> Iterator[tuple[str, Any]]:
    """On PyTorch a layer is a module, and what the user put into it lies in the module's own dicts."""
    attributes = attribute_dict(obj) or {}
    for holder in _MEMBERS:
        for name, value in (attributes.get(holder) or {}).items():
            if name != "_torch_params" and value is not None:
                yield intern(f"{holder}.{name}"), value


def _put_variables(obj: Any, wanted: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        live: Any = present.get(key)
        if live is value or not _is_variable(value):
            continue
        if not _is_variable(live):
            raise DoesNotFit(_why_absent(obj, value))
        # a stored one that found no live object when it was looked for, or did not fit
        reason = VARIABLE.misfit(live, VARIABLE.form(value))
        if reason is not None:
            raise DoesNotFit(f"{live.path} {reason}: make the model as it was, or restore other names only")
        VARIABLE.assign(live, VARIABLE.view(value).copy())


def _why_absent(obj: Any, variable: Any) -> str:
    if getattr(obj, "built", False):
        how = "make it as it was, or restore other names only; what quantize() did cannot be taken back"
        return f"{obj.name} has no {variable.name} any more: {how}"
    return f"{variable.name} does not exist here yet: call the model on data once, then restore again"


def _put_attributes(obj: Any, wanted: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    attributes = attribute_dict(obj)
    if attributes is None:
        return
    compiled = _set_by_compile(obj)
    cls: Any = type(obj)
    own = own_names(cls) - compiled
    learned = learned_names(cls)
    kept = {id(value) for key, value in present.items() if not key.startswith(".")}
    recompiled = wanted.get(".optimizer") is not present.get(".optimizer")
    for key in dict.fromkeys((*wanted, *present)):
        name = key[1:]
        if not key.startswith(".") or (name in compiled and not recompiled):
            continue
        if name in learned:
            _put_learned(obj, attributes, key, wanted)
        elif name in own and key != ".built":
            if key in wanted:
                _put_setting(obj, attributes, name, wanted[key])
        elif key not in wanted:
            # what ``build`` made since stays, and so does what leads to it
            if not _leads_to(present[key], kept):
                attributes.pop(name, None)
        elif key == ".built" and wanted[key]:
            continue  # only Keras can make it so
        elif key not in present or present[key] is not wanted[key]:
            attributes[name] = wanted[key]
    if recompiled:
        # they were made for the other optimizer
        attributes.update({name: None for name in _COMPILED if name in attributes and name.endswith("function")})


def _put_learned(obj: Any, attributes: dict[str, Any], key: str, wanted: Mapping[str, Any]) -> None:
    name = key[1:]
    if key not in wanted:
        attributes.pop(name)
    elif name in attributes and attributes[name] is wanted[key]:
        return
    else:
        attributes[name] = wanted[key]
    forget_functions(obj)


def _put_setting(obj: Any, attributes: dict[str, Any], name: str, value: Any) -> None:
    live = attributes.get(name)
    if (equal(live, value) and name in attributes) or any(name in (attributes.get(each) or ()) for each in _MEMBERS):
        return
    if _is_variable(live) or (value is None and not (type(live) in PLAIN or is_bound(live))):
        return  # a weight that ``build`` made since
    attributes[name] = value
    forget_functions(obj)


def _leads_to(value: Any, kept: set[int]) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
    return bool(parts) and all(id(part) in kept for part in parts)
