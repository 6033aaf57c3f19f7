"""Jitted functions: what their Python function holds is state; what they compiled stays.

An array that a jitted function reads from outside is a constant of its compiled code.
Where another array has taken its place since, putting the first one back is not enough:
the code is compiled again when it is next called, and the status says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CellType, FunctionType
from typing import Any

import jax

from snapshot.adapters.containers import State

JITTED_TYPE = type(jax.jit(lambda: None))


class JittedKind:
    """State: the Python function, then the arrays it reads from its closure and its globals."""

    name = "jax.jit"
    fixed = False
    hashes = False
    lead = 0
    note = "arrays it closes over had changed: it is compiled again when next called"

    def take(self, obj: Any) -> State:
        function = getattr(obj, "__wrapped__", None)
        return (function, *_constants(function))

    def put(self, obj: Any, state: State) -> None:
        if len(state) > 1:
            obj.clear_cache()

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("a jitted function is made by running its cell")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return [("", state[0])]


JITTED = JittedKind()


def _constants(function: Any) -> Iterator[Any]:
    if type(function) is not FunctionType:
        return
    for cell in function.__closure__ or ():
        yield from filter(_is_array, _content(cell))
    names = function.__globals__
    for name in function.__code__.co_names:
        value = names.get(name)
        if _is_array(value):
            yield value


def _content(cell: CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # not bound yet
        return ()


def _is_array(value: Any) -> bool:
    # by type: isinstance would ask a proxy for its __class__
    return issubclass(type(value), jax.Array) and not issubclass(type(value), jax.core.Tracer)
