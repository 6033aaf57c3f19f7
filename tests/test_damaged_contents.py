"""Large contents in a folder are checked while they are written: the damaged are named, and nothing is half done."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from snapshot import Workspace
from snapshot import open as snapshot_open
from snapshot.adapters import torch as torch_adapter
from snapshot.errors import RestoreFailed

SIZE = 2_500_000  # three blocks
STORED = {"a": 1.0, "b": 2.0, "c": 3.0, "t": 4.0}


def made(offset=0.0):
    # all blocks differ: one that is damaged would be read from where an equal one lies
    ramp = np.arange(SIZE, dtype=np.float32)
    names = {name: ramp + np.float32(value + offset) for name, value in STORED.items()}
    return names | {"t": torch.from_numpy(names["t"]).clone()}


@pytest.fixture
def home(tmp_path):
    workspace = Workspace(made(), tmp_path / "run.zarr")
    workspace.store("kept")
    workspace.close()
    return tmp_path / "run.zarr"


def damage(home, name):
    """Change a byte in the middle of the second block of a variable."""
    blocks = sorted(home.glob(f"runs/*/variables/{name}-*/*/c*"))
    data = bytearray(blocks[1].read_bytes())
    data[len(data) // 2] ^= 1
    blocks[1].write_bytes(data)


def equal(names, expected):
    for name, value in expected.items():
        assert_array_equal(np.asarray(names[name]), np.asarray(value), err_msg=name)


@pytest.mark.parametrize("name", ["a", "b", "t"])
def test_a_damaged_variable_stays_as_it_was_and_is_named_and_the_others_are_restored(home, name):
    damage(home, name)
    names = made(10.0)
    objects, views = dict(names), names["b"][:10]
    workspace = Workspace(names, home)
    status = workspace.restore("kept")
    assert "does not match its hash" in status.unused_reasons[name]
    assert STORED.keys() - set(status.assigned) == {name}
    equal(names, {**made(), name: made(10.0)[name]})
    assert all(names[one] is objects[one] for one in STORED)
    assert np.shares_memory(views, names["b"])


@pytest.mark.parametrize("size", [SIZE, 10])
def test_a_file_that_cannot_be_read_costs_only_what_lies_in_it(tmp_path, size):
    names = {"a": np.arange(float(size)), "s": -np.arange(600_000.0)}
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("kept")
    workspace.close()
    # root may read every file; nobody can read a folder as one
    folder = "variables/a-*/*/c*" if size == SIZE else "packs/1/c.0"
    block = sorted(tmp_path.glob(f"run.zarr/runs/*/{folder}"))[0]
    block.unlink()
    block.mkdir()
    verified = snapshot_open(tmp_path / "run.zarr").verify()
    assert any("'a'" in damage.what and "Is a directory" in damage.problem for damage in verified.damaged)
    assert not any("'s'" in damage.what for damage in verified.damaged)
    if size == SIZE:
        names["a"][:] = names["s"][:] = 7
        status = Workspace(names, tmp_path / "run.zarr").restore("kept")
        assert "Is a directory" in status.unused_reasons["a"]
        assert_array_equal(names["s"], -np.arange(600_000.0))
        assert (names["a"] == 7).all()


def test_undo_after_it_brings_everything_back(home):
    damage(home, "b")
    names = made(10.0)
    workspace = Workspace(names, home)
    workspace.restore("kept")
    workspace.undo()
    equal(names, made(10.0))


def test_a_dry_run_says_which_variable_is_damaged_and_writes_nothing(home):
    damage(home, "b")
    names = made(10.0)
    status = Workspace(names, home).restore("kept", dry_run=True)
    assert "does not match its hash" in status.unused_reasons["b"]
    assert "a" in status.changed
    equal(names, made(10.0))


def test_a_variable_that_is_gone_from_the_namespace_and_damaged_is_named_and_not_made(home):
    damage(home, "b")
    names = made(10.0)
    del names["b"]
    status = Workspace(names, home).restore("kept")
    assert "b" not in names
    assert "does not match its hash" in status.unused_reasons["b"]
    equal(names, {name: value for name, value in made().items() if name != "b"})


def test_a_graph_recorded_before_raises_at_backward_though_the_memory_was_written_straight(home):
    names = made(10.0)
    names["t"].requires_grad_()
    loss = (names["t"] ** 2).sum()
    workspace = Workspace(names, home)
    workspace.restore("kept", "t")
    assert names["t"][0] == 4
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("layout", ["read-only", "strided", "fortran"])
def test_arrays_of_every_layout_take_their_contents_from_disk(tmp_path, layout):
    whole = np.arange(2_000_000.0).reshape(1000, 2000)
    array = {"read-only": whole, "strided": whole[:, ::2], "fortran": np.asfortranarray(whole)}[layout]
    names = {"x": array}
    expected = array.copy()
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("kept", only="x")
    workspace.close()
    array += 1
    if layout == "read-only":
        array.flags.writeable = False
    Workspace(names, tmp_path / "run.zarr").restore("kept")
    assert names["x"] is array
    assert_array_equal(array, expected)


def test_contents_that_vanish_while_they_are_written_leave_everything_as_it_was(home, monkeypatch):
    names = made(10.0)
    workspace = Workspace(names, home)
    damage(home, "b")
    monkeypatch.setattr("snapshot.engine.leave_out", lambda *given: None)  # as if the look had found nothing
    with pytest.raises(RestoreFailed, match=r"does not match its hash.*everything is as it was"):
        workspace.restore("kept")
    equal(names, made(10.0))


def test_a_restore_that_fails_counts_no_change_of_a_tensor_that_it_had_not_reached(monkeypatch):
    names = {"first": torch.zeros(5), "second": torch.zeros(5)}
    workspace = Workspace(names)
    workspace.store("kept")
    names["first"] += 1
    names["second"] += 1
    before = names["second"]._version
    ordinary, calls = torch_adapter.write, []

    def refusing_once(*given):
        calls.append(given)
        if len(calls) == 1:
            raise ValueError("not now")
        ordinary(*given)

    monkeypatch.setattr(torch_adapter, "write", refusing_once)
    with pytest.raises(RestoreFailed, match="not now"):
        workspace.restore("kept")
    assert names["second"]._version == before
    assert names["first"].tolist() == [1] * 5
