"""What a store shares with the one before: only what changed is described anew."""

import numpy as np
import pytest

from snapshot.workspace import Workspace


@pytest.fixture
def names():
    return {"w": np.zeros(10_000), "items": [1, [2]], "lr": 0.5}


@pytest.fixture
def workspace(names):
    return Workspace(names)


def captures(workspace):
    return [snap.content.capture for snap in workspace.timeline]


def test_paths_are_found_once_while_only_contents_change(workspace, names):
    first = workspace.store()
    assert "w" in first.variables
    names["w"] += 1
    second = workspace.store()
    assert second["w"][0] == 1
    before, after = captures(workspace)
    assert after.paths is before.paths


@pytest.mark.parametrize(
    "change",
    [
        lambda names: setattr(names["w"], "shape", (100, 100)),
        lambda names: names["items"][1].append(3),
        lambda names: names.update(again=names["w"]),
        lambda names: names.pop("lr"),
    ],
    ids=["shape", "record", "alias", "name"],
)
def test_paths_are_found_anew_when_more_than_contents_changed(workspace, names, change):
    assert workspace.store().variables
    change(names)
    second = workspace.store()
    assert {path for path in second.variables if path[0] != "("} == {"w", "lr"} & names.keys()
    before, after = captures(workspace)
    assert after.paths is not before.paths


def test_a_number_that_changes_is_the_new_one_on_disk(names, tmp_path):
    workspace = Workspace(names, tmp_path / "run.zarr")
    for value in (0.5, 0.25):
        names["lr"] = value
        names["w"] += 1
        workspace.store(str(value))
    workspace.flush()
    stored = workspace.repository
    assert [(stored[label]["lr"], stored[label]["w"][0]) for label in ("0.5", "0.25")] == [(0.5, 1), (0.25, 2)]
