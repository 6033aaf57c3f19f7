"""Stores of what did not change: each is whole on disk, whatever happened to the one before it."""

from datetime import timedelta

import numpy as np
import pytest

from snapshot import Workspace
from snapshot.errors import RepositoryError, SnapshotWarning
from snapshot.repository import Repository
from snapshot.repository.commit import Commit
from snapshot.repository.writer import Writer

NOW = timedelta(0)


def restored(home, label, like):
    found = {name: np.zeros_like(value) if isinstance(value, np.ndarray) else None for name, value in like.items()}
    Workspace(found, home).restore(label)
    return found


@pytest.fixture
def namespace():
    return {
        "big": np.arange(1_000_000.0),
        "small": np.arange(1_000.0),
        "step": 3,
        "name": "a",
        "nothing": np.zeros(0),
    }


def fail(*_):
    raise RepositoryError("the disk is full")


def assert_equal(found, expected):
    for name, value in expected.items():
        assert type(found[name]) is type(value), name
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_nothing_is_looked_up_for_it(namespace, tmp_path, monkeypatch):
    workspace = Workspace(namespace, tmp_path / "home.zarr")
    workspace.store("first")
    workspace.flush()
    planned = []
    monkeypatch.setattr(Commit, "_plan", lambda self: planned.append(self))
    workspace.store("second")
    workspace.flush()
    assert not planned
    assert_equal(restored(tmp_path / "home.zarr", "second", namespace), namespace)
    workspace.close()


@pytest.mark.parametrize("collected", [False, True])
@pytest.mark.parametrize("gone", [["first"], ["second"], ["first", "second"]], ids="+".join)
def test_it_is_whole_when_another_process_dropped_what_it_equals(namespace, tmp_path, gone, collected):
    home = tmp_path / "home.zarr"
    workspace = Workspace(namespace, home)
    for label in ("first", "second"):
        workspace.store(label)
    workspace.flush()
    other = Repository(home)
    other.drop(*gone)
    if collected:
        other.collect(NOW)
    workspace.store("third")
    workspace.flush()
    other.collect(NOW)
    assert not Repository(home).verify().damaged
    assert_equal(restored(home, "third", namespace), namespace)
    workspace.close()


def test_it_is_whole_when_a_store_failed_that_had_seen_what_it_equals_go(namespace, tmp_path, monkeypatch):
    home = tmp_path / "home.zarr"
    workspace = Workspace(namespace, home)
    workspace.store("first")
    workspace.flush()
    other = Repository(home)
    other.drop("first")
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "_make_exist", fail)
        workspace.store("second")
        with pytest.warns(SnapshotWarning, match="full"):
            workspace.flush()
    other.collect(NOW)
    workspace.store("third")
    workspace.flush()
    assert not Repository(home).verify().damaged
    assert_equal(restored(home, "third", namespace), namespace)
    workspace.close()


@pytest.mark.parametrize("values", [(1, True), (1, 1.0), (0.0, -0.0), (float("nan"), float("nan")), (1, np.int64(1))])
def test_a_number_that_equals_another_is_not_the_same(namespace, tmp_path, values):
    workspace = Workspace(namespace, tmp_path / "home.zarr")
    for number, value in enumerate(values):
        namespace["step"] = value
        workspace.store(f"s{number}")
    workspace.close()
    for number, value in enumerate(values):
        found = restored(tmp_path / "home.zarr", f"s{number}", namespace)["step"]
        assert type(found) is type(value)
        assert repr(found) == repr(value)


def test_a_name_that_came_or_went_is_a_change(namespace, tmp_path):
    workspace = Workspace(namespace, tmp_path / "home.zarr")
    workspace.store("first")
    namespace["alias"] = namespace["big"]
    workspace.store("both")
    del namespace["alias"]
    workspace.store("one")
    workspace.close()
    found = [restored(tmp_path / "home.zarr", label, {}) for label in ("first", "both", "one")]
    assert ["alias" in one for one in found] == [False, True, False]
    assert found[1]["alias"] is found[1]["big"]


def test_arrays_that_share_memory_are_told_from_those_that_do_not(tmp_path):
    base = np.arange(100_000.0)
    namespace = {"base": base, "view": base[10:20], "other": base.copy()}
    workspace = Workspace(namespace, tmp_path / "home.zarr")
    workspace.store("shared")
    namespace["view"] = base[10:20].copy()
    workspace.store("apart")
    workspace.close()
    shares = [
        np.shares_memory(found["view"], found["base"])
        for found in (restored(tmp_path / "home.zarr", label, {}) for label in ("shared", "apart"))
    ]
    assert shares == [True, False]
