"""Writing a session's variables through the assign ops their graph already has.

Each op is run with its value input fed. Variables made from one initial value share
that input, and one feed would set them all alike, so the ops are run in *waves*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from snapshot.adapters.protocol import Array
from snapshot.adapters.tensorflow1_graph import Assign, GraphVariable, Scan
from snapshot.adapters.tensorflow1_read import first_line
from snapshot.adapters.tensorflow1_tables import load
from snapshot.adapters.tensorflow1_values import to_feed
from snapshot.errors import RestoreFailed
from snapshot.wording import enumerated


@dataclass(slots=True)
class Wave:
    """Assigns that one run can do together."""

    assigns: list[Assign] = field(default_factory=list)
    fed: set[str] = field(default_factory=set)
    targets: set[str] = field(default_factory=set)

    def takes(self, assign: Assign) -> bool:
        """Whether feeding ``assign`` leaves every other assign of the wave what it was.

        A ref variable can itself be the value of another's assign; feeding it would
        take the variable away from its own assign.
        """
        return assign.value not in self.fed and assign.value not in self.targets and assign.target not in self.fed

    def add(self, assign: Assign) -> None:
        """Put ``assign`` into this wave."""
        self.assigns.append(assign)
        self.fed.add(assign.value)
        self.targets.add(assign.target)


def plan_waves(assigns: Iterable[Assign]) -> list[Wave]:
    """As few runs as a first fit gives, in which no tensor is fed twice."""
    waves: list[Wave] = []
    for assign in assigns:
        wave = next((wave for wave in waves if wave.takes(assign)), None)
        if wave is None:
            waves.append(wave := Wave())
        wave.add(assign)
    return waves


def write(session: Any, found: Scan, values: Mapping[str, Array]) -> None:
    """Assign ``values`` by variable name. Raises RestoreFailed naming the variables it stopped at."""
    for table in found.tables:
        given = {name: values[name] for name in table.parts if name in values}
        if given:
            with _refusals(list(given)):
                load(session, table, given)
    # In the graph's order: TensorFlow prepares a run once for each order of feeds.
    chosen: dict[str, tuple[str, Assign]] = {}
    for variable in found.variables.values():
        if variable.name in values:
            assign = _assign_for(variable, values[variable.name].shape)
            chosen[assign.op] = (variable.name, assign)
    for wave in plan_waves(assign for _, assign in chosen.values()):
        names = [chosen[assign.op][0] for assign in wave.assigns]
        feeds = {
            assign.value: to_feed(values[name], found.variables[name].dtype)
            for name, assign in zip(names, wave.assigns, strict=True)
        }
        with _refusals(names, chosen):
            session.run([assign.op for assign in wave.assigns], feeds)


def _assign_for(variable: GraphVariable, shape: tuple[int, ...]) -> Assign:
    assign = variable.assign_for(shape)
    if assign is None:
        raise RestoreFailed(f"{variable.name}: no assign op of the graph takes a value of shape {shape}")
    return assign


@contextmanager
def _refusals(names: Sequence[str], chosen: Mapping[str, tuple[str, Assign]] | None = None) -> Iterator[None]:
    """TensorFlow's errors as ours, naming the variable at fault where TensorFlow says which op it was."""
    try:
        yield
    except (tf.errors.OpError, RuntimeError, ValueError, TypeError) as error:
        raise RestoreFailed(_message(error, names, chosen or {})) from error


def _message(error: Exception, names: Sequence[str], chosen: Mapping[str, tuple[str, Assign]]) -> str:
    failing = str(getattr(getattr(error, "op", None), "name", None))
    where = chosen[failing][0] if failing in chosen else enumerated(names, 5)
    return f"{where}: TensorFlow refused the assignment ({first_line(error)})"
