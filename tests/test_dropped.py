"""A snapshot that somebody still holds after it was dropped."""

import numpy as np
import pytest

from snapshot import Workspace
from snapshot.errors import ReferenceNotFound


@pytest.fixture(params=[False, True], ids=["memory", "disk"])
def workspace(request, tmp_path):
    """#1 a, #2 b, #3 c, one after the other."""
    made = Workspace({"w": np.zeros(4)}, tmp_path / "home.zarr" if request.param else None)
    for label in "abc":
        made.store(label)
    yield made
    made.close()


def test_it_cannot_be_dropped_again_and_nothing_else_is(workspace):
    held = workspace["b"]
    workspace.drop(held)
    with pytest.raises(ReferenceNotFound, match=r"#2 \(b\).* dropped"):
        workspace.drop("a", held)
    assert [one.label for one in workspace.timeline] == ["a", "c"]


def test_it_cannot_be_labelled(workspace):
    held = workspace["b"]
    workspace.drop(held)
    with pytest.raises(ReferenceNotFound, match=r"#2 \(b\).* dropped"):
        workspace.label(held, "a")
    assert [one.label for one in workspace.timeline] == ["a", "c"]


def test_named_in_two_ways_it_is_dropped_once(workspace):
    held = workspace["b"]
    workspace.label(held, "new")
    assert [one.label for one in workspace.drop(held, "new")] == ["new"]


def test_restored_it_is_not_what_the_present_descends_from(workspace):
    held = workspace["c"]
    workspace.drop("b", held)
    workspace.restore(held)
    assert workspace["latest"].label == "a"
    assert workspace.store("d").parent == 1


def test_an_undo_does_not_make_it_what_the_present_descends_from(workspace):
    workspace.restore("a")
    workspace.drop("c")
    workspace.undo()
    assert workspace["latest"].label == "b"


def test_a_label_does_not_bring_back_a_parent_that_was_dropped(workspace):
    held = workspace["c"]
    workspace.drop("b")
    assert workspace.label(held, "new").parent == 1


def test_of_an_earlier_run_it_is_gone_for_good_too(tmp_path):
    earlier = Workspace({"w": np.zeros(4)}, tmp_path / "home.zarr")
    for label in "ab":
        earlier.store(label)
    earlier.close()
    workspace = Workspace({"w": np.ones(4)}, tmp_path / "home.zarr")
    workspace.resume()
    held = workspace["latest"]
    workspace.drop(held)
    assert workspace["latest"].label == "a"
    workspace.restore(held)
    for refused in (lambda: workspace.drop(held), lambda: workspace.label(held, "new")):
        with pytest.raises(ReferenceNotFound, match=r"\.2 \(b\).* dropped"):
            refused()
    assert [one.label for one in workspace.timeline] == ["a"]
    assert workspace["latest"].label == "a"
    workspace.close()
