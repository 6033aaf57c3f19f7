"""The present as a snapshot: it can be read for as long as it is kept, and holds what differs only."""

import numpy as np
import pytest

from snapshot import Workspace
from snapshot.compare import compare
from snapshot.errors import SnapshotError


def megabyte(value):
    return np.full(125_000, float(value))


def test_the_present_can_be_read_after_the_live_variables_have_moved_on():
    names = {"w": megabyte(1)}
    workspace = Workspace(names)
    workspace.store("before")
    names["w"][:] = 2
    now = workspace.present()
    names["w"][:] = 3
    assert now["w"][0] == 2
    assert [change.path for change in compare(workspace["before"], now).ranked()] == ["w"]


def test_the_present_is_on_no_timeline_and_takes_only_what_no_snapshot_has():
    names = {"w": megabyte(1), "b": np.zeros(10)}
    workspace = Workspace(names)
    workspace.store("before")
    used = workspace.nbytes_in_memory
    names["b"] += 1
    workspace.present()
    assert [snap.label for snap in workspace.timeline] == ["before"]
    assert workspace.nbytes_in_memory - used == 80


def test_the_oldest_present_gives_its_contents_up_and_says_so():
    names = {"w": megabyte(1)}
    workspace = Workspace(names, memory_budget=6_000_000)
    first = workspace.present()
    names["w"][:] = 2
    second = workspace.present()
    assert workspace.nbytes_in_memory < 1_100_000
    assert second["w"][0] == 2
    assert first.variables["w"].shape == (125_000,)
    with pytest.raises(SnapshotError, match="w: what was live then is no longer kept"):
        first["w"]


def test_what_the_workspace_excludes_is_not_in_the_present():
    workspace = Workspace({"w": np.ones(2), "data": megabyte(1)})
    workspace.exclude("data")
    assert "data" not in workspace.present().variables
