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
from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import BENIGN
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

    def get(self, obj: Any) -> Any:
        raise NotImplementedError

    def set(self, obj: Any, state: Any) -> None:
        raise NotImplementedError

    def form(self, obj: Any) -> Form:
        cls = type(obj)
        return Form((), "uint8", (("class", f"{cls.__module__}:{cls.__qualname__}"),), Role.RNG)

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
        name = dict(form.meta)["class"].partition(":")[2]
        makers = {"Random": random.Random, "RandomState": np.random.RandomState}
        maker = makers.get(name) or getattr(np.random, name, None)
        if maker is None:
            raise TypeError(f"no random generator called {name}")
        made = maker()
        self.assign(made, contents)
        return made

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)


class RandomAdapter(_StateAdapter):
    """``random.Random``."""

    kind = "random.Random"

    def get(self, obj: Any) -> Any:
        return random.Random.getstate(obj)

    def set(self, obj: Any, state: Any) -> None:
        version, words, gauss = state
        random.Random.setstate(obj, (version, tuple(words), gauss))


class RandomStateAdapter(_StateAdapter):
    """``numpy.random.RandomState``."""

    kind = "numpy.random.RandomState"

    def get(self, obj: Any) -> Any:
        return obj.get_state(legacy=False)

    def set(self, obj: Any, state: Any) -> None:
        obj.set_state(state)


class BitGeneratorAdapter(_StateAdapter):
    """The bit generators behind ``numpy.random.Generator``, with their seed sequence.

    The seed sequence counts the children spawned so far, so a generator spawned after
    a restore is the same as the one spawned before it.
    """

    kind = "numpy.random.BitGenerator"

    def get(self, obj: Any) -> Any:
        seed = obj.seed_seq
        if not isinstance(seed, np.random.SeedSequence):
            return [obj.state, None]
        spawn = [seed.entropy, list(seed.spawn_key), seed.pool_size, seed.n_children_spawned]
        return [obj.state, spawn]

    def set(self, obj: Any, state: Any) -> None:
        numbers, spawn = state
        present = obj.seed_seq
        if spawn is None:
            obj.state = numbers
            return
        if isinstance(present, np.random.SeedSequence) and self.get(obj)[1] == spawn:
            obj.state = numbers
            return
        entropy, key, pool, spawned = spawn
        seed = np.random.SeedSequence(entropy, spawn_key=tuple(key), pool_size=pool, n_children_spawned=spawned)
        obj.__setstate__((numbers, seed))


GENERATOR = FixedKind("numpy.random.Generator", "bit_generator")
RANDOM = RandomAdapter()
RANDOM_STATE = RandomStateAdapter()
BIT_GENERATOR = BitGeneratorAdapter()


RANDOM_TYPES = (random.Random, np.random.RandomState, np.random.Generator, np.random.BitGenerator)


def handler_for(cls: type) -> Any:
    """How random generators of this class are captured."""
    if issubclass(cls, random.SystemRandom):
        return BENIGN
    if issubclass(cls, random.Random):
        return RANDOM
    if issubclass(cls, np.random.RandomState):
        return RANDOM_STATE
    return GENERATOR if issubclass(cls, np.random.Generator) else BIT_GENERATOR


def implicit() -> dict[str, Any]:
    """The global generators, under names no variable can have."""
    return {
        "(random)": random._inst,
        "(numpy.random)": np.random.mtrand._rand,
    }
