from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import pytest

from snapshot.errors import Damaged
from snapshot.model import Role, Snapshot, Variable


@dataclass
class Stored:
    """A content in a dict; ``reads`` lists what was read, ``damaged`` what cannot be."""

    values: dict
    roles: dict = field(default_factory=dict)
    names: dict = field(default_factory=dict)
    report: dict = field(default_factory=dict)
    damaged: frozenset = frozenset()
    reads: list = field(default_factory=list)

    @cached_property
    def variables(self):
        arrays = {path: np.asarray(value) for path, value in self.values.items()}
        return {
            path: Variable(path, self.role(path), a.shape, a.dtype, a.nbytes, a.tobytes() + repr(a.shape).encode())
            for path, a in arrays.items()
        }

    def role(self, path):
        return self.roles.get(path, Role.PARAMETER)

    def outline(self):
        return {}

    def read(self, path):
        self.reads.append(path)
        if path in self.damaged:
            raise Damaged(f"{path}: block 0 does not match its hash")
        return self.values[path]


def make_timeline(*values, steps=None, parents=None, labels=None, **more):
    """One snapshot for each dict of values; steps 0, 10, 20, ...; each the child of the one before."""
    count = len(values)
    steps = steps or [10 * index for index in range(count)]
    parents = parents or [None, *range(1, count)]
    labels = labels or {}
    when = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        Snapshot(index + 1, labels.get(index), steps[index], when, "run", parents[index], content=Stored(one, **more))
        for index, one in enumerate(values)
    ]


@pytest.fixture
def timeline():
    """The function that makes a timeline."""
    return make_timeline


@pytest.fixture
def source():
    """A source of three steps: a 6 x 4 weight that moves, a bias that starts at zero, a rate."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.1, (6, 4)) * (1 + index) for index in range(3)]
    values = [
        {"lr": 0.1, "model.b": np.full(4, float(index)), "model.w": weight} for index, weight in enumerate(weights)
    ]
    return SimpleNamespace(timeline=make_timeline(*values, labels={0: "before", 2: "trained"}))


@pytest.fixture
def widgets_of():
    """The function that finds the widgets behind a view by description, else by kind."""

    def find(view):
        found = {}

        def look(widget):
            name = getattr(widget, "description", "") or type(widget).__name__
            found.setdefault(name, widget)
            for child in getattr(widget, "children", ()):
                look(child)

        look(view)
        return found

    return find
