"""Random generators of Python and NumPy, as their encoded state.

A state is kept as UTF-8 JSON in an array of bytes, so it is compared, stored and
read back like any other contents, without pickle.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from snapshot.adapters.code import FixedKind
from snapshot.adapters.objects import attribute_dict
from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import BENIGN
from snapshot.adapters.subclasses import find_class, name_class
from snapshot.model import Role


def encode(state: Any) -> Array:
    """Plain values and arrays -> bytes."""
    return np.frombuffer(json.dumps(state, default=_encode_special).encode(), np.uint8)


def decode(contents: Array) -> Any:
    """What :func:`encode` was given, with tuples as lists."""
    return json.loads(contents.tobytes(), object_hook=_decode_special)


def _encode_special(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "array": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot encode {type(value).__name__}")


def _decode_special(value: dict[str, Any]) -> Any:
    return np.array(value["array"], value["dtype"]) if value.keys() == {"dtype", "array"} else value


class _StateAdapter:
    """Shared by all generators: contents are the encoded state, of any length."""

    kind: str
    immutable = False
    base: type

    def get(self, obj: Any) -> Any:
        raise NotImplementedError

    def set(self, obj: Any, state: Any) -> None:
        raise NotImplementedError

    def form(self, obj: Any) -> Form:
        return Form((), "uint8", (("class", name_class(type(obj))),), Role.RNG)

    def view(self, obj: Any) -> Array:
        return encode(self.get(obj))

    def misfit(self, obj: Any, form: Form) -> str | None:
        found = dict(self.form(obj).meta)["class"]
        wanted = dict(form.meta)["class"]
        return None if found == wanted else f"is a {found}, stored was a {wanted}"

    def assign(self, obj: Any, contents: Array) -> None:
        self.set(obj, decode(contents))

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Any:
        cls = find_class(dict(form.meta)["class"], self.base)
        made = self.new(cls, decode(contents))
        self.assign(made, contents)
        return made

    def new(self, cls: Any, state: Any) -> Any:
        """A generator of that class, in any state; no ``__init__`` of a subclass runs."""
        return cls.__new__(cls)

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)


class RandomAdapter(_StateAdapter):
    """``random.Random``."""

    kind = "random.Random"
    base = random.Random

    def get(self, obj: Any) -> Any:
        return random.Random.getstate(obj)

    def set(self, obj: Any, state: Any) -> None:
        version, words, gauss = state
        random.Random.setstate(obj, (version, tuple(words), gauss))

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        if type(obj) is random.Random:
            return ()
        return tuple((name, value) for name, value in _own_dict(obj).items() if name != "gauss_next")

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        _own_dict(obj)[name] = value


def _own_dict(obj: Any) -> dict[str, Any]:
    found = attribute_dict(obj)
    return {} if found is None else found


class RandomStateAdapter(_StateAdapter):
    """``numpy.random.RandomState``."""

    kind = "numpy.random.RandomState"
    base = np.random.RandomState

    def new(self, cls: Any, state: Any) -> Any:
        return cls(getattr(np.random, state["bit_generator"])())

    def get(self, obj: Any) -> Any:
        return obj.get_state(legacy=False)

    def set(self, obj: Any, state: Any) -> None:
        obj.set_state(state)


class SeedSequenceAdapter(_StateAdapter):
    """``numpy.random.SeedSequence``: what counts the children that a generator spawned.

    Its attributes are read-only, and a copy would part it from the generators that
    share it; the state that pickle sets is all of it.
    """

    kind = "numpy.random.SeedSequence"
    base = np.random.SeedSequence

    def get(self, obj: Any) -> Any:
        return [obj.entropy, list(obj.spawn_key), obj.pool_size, obj.n_children_spawned]

    def set(self, obj: Any, state: Any) -> None:
        made = self.new(np.random.SeedSequence, state)
        _, arguments, *found = made.__reduce_ex__(4)
        obj.__setstate_cython__(found[0] if found else arguments[2])

    def new(self, cls: Any, state: Any) -> Any:
        entropy, key, pool, spawned = state
        return cls(entropy, spawn_key=tuple(key), pool_size=pool, n_children_spawned=spawned)


class BitGeneratorAdapter(_StateAdapter):
    """The bit generators behind ``numpy.random.Generator``, with their seed sequence.

    The seed sequence counts the children spawned so far, so a generator spawned after
    a restore is the same as the one spawned before it.
    """

    kind = "numpy.random.BitGenerator"

    base = np.random.BitGenerator

    def get(self, obj: Any) -> Any:
        seed = obj.seed_seq
        return [obj.state, SEED_SEQUENCE.get(seed) if isinstance(seed, np.random.SeedSequence) else None]

    def set(self, obj: Any, state: Any) -> None:
        numbers, spawn = state
        obj.state = numbers
        seed = obj.seed_seq
        if spawn is not None and isinstance(seed, np.random.SeedSequence) and SEED_SEQUENCE.get(seed) != spawn:
            SEED_SEQUENCE.set(seed, spawn)

    def new(self, cls: Any, state: Any) -> Any:
        # from a seed, so that it has a sequence which can count
        return cls(0)


GENERATOR = FixedKind("numpy.random.Generator", "bit_generator", base=np.random.Generator)
RANDOM = RandomAdapter()
RANDOM_STATE = RandomStateAdapter()
SEED_SEQUENCE = SeedSequenceAdapter()
BIT_GENERATOR = BitGeneratorAdapter()

RANDOM_TYPES = (
    random.Random,
    np.random.RandomState,
    np.random.Generator,
    np.random.BitGenerator,
    np.random.SeedSequence,
)


def handler_for(cls: type) -> Any:
    """How random generators of this class are captured."""
    if issubclass(cls, random.SystemRandom):
        return BENIGN
    if issubclass(cls, random.Random):
        return RANDOM
    if issubclass(cls, np.random.RandomState):
        return RANDOM_STATE
    if issubclass(cls, np.random.SeedSequence):
        return SEED_SEQUENCE
    return GENERATOR if issubclass(cls, np.random.Generator) else BIT_GENERATOR


def implicit() -> dict[str, Any]:
    """The global generators, under names no variable can have."""
    return {
        "(random)": random._inst,
        "(numpy.random)": np.random.mtrand._rand,
    }
