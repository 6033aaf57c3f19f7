"""Two kernels on one repository: what one drops or labels, the other says and counts as it is."""

import warnings

import numpy as np
import pytest

from snapshot import KeepLast, Workspace
from snapshot.errors import ReferenceNotFound, SnapshotWarning


@pytest.fixture
def start(tmp_path):
    """Begin kernels on one repository; what they have stored is on disk when another begins."""
    running = []

    def started(*labels, **options):
        for one in running:
            one.flush()
        made = Workspace({"w": np.zeros(4)}, tmp_path / "home.zarr", notebook="a.ipynb", **options)
        running.append(made)
        for label in labels:
            made.store(label)
        made.flush()
        return made

    yield started
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in running:
            one.close()


@pytest.fixture
def two(start):
    """This kernel with #1 a, #2 b, #3 c, and another one that sees them."""
    mine = start("a", "b", "c")
    return mine, start()


def full(workspace, number):
    return f"#{workspace.run}.{number}"


def states(workspace):
    return {one.id: workspace.state(one) for one in workspace.timeline if one.run == workspace.run}


# --- dropped by the other


def test_a_prune_takes_it_along_without_a_word(two):
    mine, other = two
    other.drop(full(mine, 2))
    other.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gone = mine.prune(KeepLast(1))
    assert [one.id for one in gone] == [1, 2]
    assert [one.label for one in mine.timeline] == ["c"]


def test_what_another_kernel_dropped_is_in_memory_only_and_the_state_says_why(two):
    mine, other = two
    other.drop("b")
    assert states(mine) == {1: "on disk", 2: "memory only: another kernel dropped it on disk", 3: "on disk"}
    mine.restore("b")
    assert mine.head.id == 2


def test_what_this_kernel_dropped_itself_is_not_laid_on_another(two):
    mine, _ = two
    mine.drop("b")
    mine.flush()
    assert states(mine) == {1: "on disk", 3: "on disk"}


@pytest.mark.parametrize("held", [True, False])
def test_labelling_what_another_kernel_dropped_says_that_it_is_in_memory_only(two, held):
    mine, other = two
    reference = mine["b"] if held else "b"
    other.drop("b")
    with pytest.warns(SnapshotWarning, match=r"another kernel has dropped #2 \(b\).*label is there too"):
        mine.label(reference, "good")
    assert mine["good"].id == 2


@pytest.mark.parametrize("held", [True, False])
def test_dropping_what_another_kernel_dropped_says_so(two, held):
    mine, other = two
    reference = mine["b"] if held else "b"
    other.drop("b")
    with pytest.warns(SnapshotWarning, match=r"another kernel has dropped #2 \(b\).*forgotten here as well"):
        mine.drop(reference)
    assert [one.label for one in mine.timeline] == ["a", "c"]


@pytest.mark.parametrize("act", [lambda ws, one: ws.drop(one), lambda ws, one: ws.label(one, "good")])
def test_of_another_run_and_dropped_by_that_it_is_there_no_more(two, act):
    mine, other = two
    held = other["b"]
    mine.drop("b")
    mine.flush()
    with pytest.raises(ReferenceNotFound, match=rf"#{mine.run}.2 \(b\) any more: it was dropped"):
        act(other, held)
    with pytest.raises(ReferenceNotFound, match=full(mine, 2)):
        act(other, full(mine, 2))
    assert [one.label for one in other.timeline] == ["a", "c"]


def test_children_on_disk_of_what_another_kernel_dropped_descend_from_its_parent(two):
    mine, other = two
    mine.restore("b")
    other.drop("b")
    mine.store("d")
    mine.flush()
    assert other["d"].parent == f"{mine.run}.1" or other["d"].parent == 1


# --- where the present stands


def test_restored_and_dropped_its_nearest_ancestor_is_the_head(two):
    _, other = two
    other.restore("b")
    other.drop("b")
    assert other.head.label == "a"
    assert other["latest"].label == "a"


def test_restored_and_dropped_by_another_kernel_its_nearest_ancestor_is_the_head(two):
    mine, other = two
    other.restore("c")
    mine.drop("b", "c")
    mine.flush()
    assert [one.label for one in other.timeline] == ["a"]
    assert other.head.label == "a"


def test_held_and_restored_after_it_was_dropped_its_nearest_ancestor_is_the_head(two):
    mine, other = two
    held = other["b"]
    other.drop("b")
    other.restore(held)
    assert other.head.label == "a"
    mine.flush()


def test_an_undo_finds_the_nearest_ancestor_in_an_earlier_run_too(two):
    _, other = two
    other.restore("b")
    other.restore("c")
    other.drop("b")
    other.undo()
    assert other.head.label == "a"


def test_without_any_ancestor_left_the_present_stands_at_none(two):
    _, other = two
    other.restore("a")
    other.drop("a")
    assert other.head is None


# --- labels


def test_a_label_means_this_kernels_own_snapshot_and_none_is_taken_from_another(start):
    earlier = start("good")
    mine = start("good")
    assert mine["good"].run == mine.run
    assert earlier["good"].run == earlier.run
    assert [one.label for one in mine.timeline] == ["good", "good"]


def test_given_to_a_snapshot_of_an_earlier_run_a_label_means_that(start):
    earlier = start("a", "b")
    later = start("good")
    mine = start("good")
    wanted = full(earlier, 1)
    mine.label(wanted, "good")
    assert (mine["good"].run, mine["good"].id) == (earlier.run, 1)
    mine.flush()
    assert {(one.run, one.label) for one in mine.timeline if one.label == "good"} == {(earlier.run, "good")}
    assert later["good"].run == later.run, "what a running kernel stored is its own"
