"""``tf.function``: its graphs stay, so that nothing is traced again, unless they hold what is no more.

A function makes variables in its first call only. One that made some since the
snapshot is rolled back to before that call: its graphs go on with variables that
nothing else has any more, at values nobody restored.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

from snapshot.adapters.containers import State


class FunctionKind:
    """State: the Python function behind it, which is walked, and whether it has made variables."""

    name = "tf.function"
    fixed = False
    hashes = False
    lead = 0

    def take(self, obj: Any) -> State:
        return (obj._python_function, bool(obj._created_variables))

    def put(self, obj: Any, state: State) -> None:
        made_none = len(state) > 1 and state[1] is False
        if made_none and not all(map(_is_of_keras, obj._created_variables or ())):
            _start_over(obj)

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("a tf.function is made by running its cell")

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return [("", state[0])]


FUNCTION = FunctionKind()


def forget_graphs_with(variable: Any) -> None:
    """Roll the functions that made ``variable``, or call those that did, back to before their first call.

    A variable that a graph did not make outlives nothing: whoever made it still has it.
    """
    users = list(_users(variable))
    if not any(_made(function, variable) for function in users):
        return
    for function in users:
        _start_over(function)


def _made(function: Any, variable: Any) -> bool:
    return any(reference() is variable for reference in function._created_variables or ())


def _start_over(function: Any) -> None:
    function._created_variables = function._variable_creation_config = function._no_variable_creation_config = None
    function._concrete_variable_creation_fn = None
    # as in its __init__
    function._function_cache = type(function._function_cache)()
    function._function_captures = type(function._function_captures)()


def _users(variable: Any) -> Iterator[Any]:
    """Functions with graphs that use ``variable``; those of a module's methods are known to nobody but its class."""
    for function in gc.get_objects():
        if type(function) is not Function:
            continue
        graphs = [concrete.graph for concrete in function._function_cache.values()]
        captured = [reference() for graph in graphs for reference in graph._weak_variables]
        if _made(function, variable) or any(each is variable for each in captured):
            yield function


def _is_of_keras(reference: Any) -> bool:
    """Whether a variable lies behind one of Keras's: it stays with that, and gets its start value."""
    variable = reference()
    keras = sys.modules.get("keras.src.backend.common.variables")
    if variable is None or keras is None:
        return False
    for holder in gc.get_referrers(variable):
        owners = gc.get_referrers(holder) if type(holder) is dict else [holder]
        if any(issubclass(type(owner), keras.Variable) for owner in owners):
            return True
    return False
