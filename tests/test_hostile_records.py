"""A repository that somebody forged: without trust nothing in it is called."""

import functools
import sys
from contextlib import suppress
from types import ModuleType

import numpy as np
import pytest

from snapshot import plain
from snapshot.workspace import Workspace

HOLDERS = {
    "partial": lambda: functools.partial(print),
    "slice": lambda: slice(1, 2),
    "generator": lambda: np.random.default_rng(0),
}


@pytest.fixture
def forged(monkeypatch, tmp_path):
    """Stores an object as if it were of another class; gives what that class was called with."""
    calls: list = []
    module = ModuleType("somewhere")
    module.Bomb = type("Bomb", (), {"__init__": lambda self, *arguments: calls.append(arguments)})
    monkeypatch.setitem(sys.modules, "somewhere", module)

    def store(obj):
        real = plain.name_of
        with monkeypatch.context() as patch:
            patch.setattr(plain, "name_of", lambda cls: "somewhere:Bomb" if cls is type(obj) else real(cls))
            Workspace({"x": obj, "y": [1]}, tmp_path / "run.zarr").store("before")
        return tmp_path / "run.zarr", calls

    return store


@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
def test_a_class_that_a_record_names_is_not_called(make, forged):
    path, calls = forged(make())
    names = {}
    with suppress(TypeError):
        Workspace(names, path).restore("before")
    assert calls == []
    assert "x" not in names


@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
def test_a_record_that_lies_costs_its_own_name_only(make, forged):
    path, _ = forged(make())
    names = {}
    status = Workspace(names, path).restore("before")
    assert names == {"y": [1]}
    assert "x" in status.unused_reasons
