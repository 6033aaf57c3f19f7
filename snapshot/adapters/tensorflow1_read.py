"""Reading a session's variables: one run for all values, and who has none yet.

The first run asks for everything at once. Only when it fails are the variables
asked one by one, or half by half, and the rest then read together, so that the
values always come from one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from snapshot.adapters.protocol import Array
from snapshot.adapters.tensorflow1_graph import GraphVariable
from snapshot.adapters.tensorflow1_values import to_plain


@dataclass(slots=True)
class Reading:
    """``failed`` maps a variable to TensorFlow's reason for not giving its value."""

    values: dict[str, Array] = field(default_factory=dict)
    uninitialized: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def read(session: Any, variables: Iterable[GraphVariable]) -> Reading:
    """The values of ``variables``, each of which has a ``read``. Raises for a closed session only."""
    readable = list(variables)
    found = Reading()
    try:
        found.values = _run(session, readable)
    except tf.errors.OpError as error:
        if isinstance(error, _SESSION_WIDE):
            found.failed = {variable.name: first_line(error) for variable in readable}
            return found
        found = Reading()
        ready = sort_out(session, readable, found)
        try:
            found.values = _run(session, ready)
        except tf.errors.OpError as again:  # somebody reset or destroyed a variable meanwhile
            found.failed.update((variable.name, first_line(again)) for variable in ready)
    return found


def sort_out(session: Any, variables: Sequence[GraphVariable], found: Reading) -> list[GraphVariable]:
    """The variables that hold a value; the others are noted in ``found``."""
    known = _probe(session, [variable for variable in variables if variable.probe])
    found.uninitialized += [variable.name for variable in variables if known.get(variable.name) is False]
    suspects = [variable for variable in variables if known.get(variable.name) is not False]
    ready = {variable.name for variable in _bisect(session, suspects, found)}
    order = {variable.name: place for place, variable in enumerate(variables)}
    found.uninitialized.sort(key=order.__getitem__)
    return [variable for variable in variables if variable.name in ready]


def first_line(error: BaseException) -> str:
    """What TensorFlow said, without the listing of where each node was defined."""
    text = str(getattr(error, "message", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(_FRAMING)]
    return f"{type(error).__name__}: {(telling or lines or [''])[0]}"


# One of these says that the session or its server is gone: asking again would only wait again.
_SESSION_WIDE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_FRAMING = (
    "Graph execution error",
    "Detected at node",
    "Node:",
    "File ",
    "Original stack trace",
    "[[",
    "node ",
)


def _run(session: Any, variables: Sequence[GraphVariable]) -> dict[str, Array]:
    arrays = session.run([variable.read for variable in variables]) if variables else []
    return {variable.name: to_plain(array) for variable, array in zip(variables, arrays, strict=True)}


def _probe(session: Any, variables: Sequence[GraphVariable]) -> Mapping[str, bool]:
    if not variables:
        return {}
    try:
        answers = session.run([variable.probe for variable in variables])
    except tf.errors.OpError:
        return {}
    return {variable.name: bool(answer) for variable, answer in zip(variables, answers, strict=True)}


def _bisect(session: Any, variables: Sequence[GraphVariable], found: Reading) -> list[GraphVariable]:
    """Those of ``variables`` whose read succeeds, by halving the list."""
    ready: list[GraphVariable] = []
    groups = [list(variables)] if variables else []
    while groups:
        group = groups.pop()
        try:
            _touch(session, group)
        except tf.errors.OpError as error:
            half = len(group) // 2
            if half:
                groups += [group[half:], group[:half]]
            elif isinstance(error, tf.errors.FailedPreconditionError):
                found.uninitialized.append(group[0].name)
            else:
                found.failed[group[0].name] = first_line(error)
        else:
            ready += group
    return ready


def _touch(session: Any, variables: Sequence[GraphVariable]) -> None:
    """Run the reads without bringing their values here."""
    fetches = []
    for variable in variables:
        tensor = str(variable.read)
        # A ref variable's own op runs without looking at the value: only its tensor tells.
        own = tensor == f"{variable.name}:0"
        fetches.append(tensor if own else tensor.removesuffix(":0"))
    session.run(fetches)
