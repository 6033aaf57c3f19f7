"""Undo and redo of restores and assigns, rollback, and what memory they hold."""

import numpy as np
import pytest

from snapshot.errors import NothingToUndo
from snapshot.workspace import Workspace


def example():
    """A workspace with two snapshots, whose present differs from both."""
    names = {"array": np.zeros(3), "items": [0]}
    workspace = Workspace(names)
    for number, label in enumerate(("first", "second"), 1):
        workspace.store(label)
        names["array"].fill(number)
        names["items"].append(number)
    return names, workspace


def shown(names):
    return names["array"][0], list(names["items"])


def test_undo_and_redo_go_back_and_forth_in_the_same_objects():
    names, workspace = example()
    array, items = names["array"], names["items"]
    states = [shown(names)]
    for label in ("first", "second"):
        workspace.restore(label)
        states.append(shown(names))
    for expected in (states[1], states[0]):
        workspace.undo()
        assert shown(names) == expected
    for expected in (states[1], states[2]):
        workspace.redo()
        assert shown(names) == expected
    assert (names["array"], names["items"]) == (array, items) or names["array"] is array
    assert names["items"] is items


def test_names_that_a_restore_brought_back_vanish_with_its_undo():
    names, workspace = example()
    del names["items"]
    workspace.restore("first")
    assert names["items"] == [0]
    workspace.undo()
    assert "items" not in names
    workspace.redo()
    assert names["items"] == [0]


def test_names_that_a_restore_removed_come_back_with_its_undo():
    names, workspace = example()
    made = names["made"] = [1]
    workspace.restore("first", created="remove")
    assert "made" not in names
    workspace.undo()
    assert names["made"] is made


def test_names_made_between_a_restore_and_its_undo_stay():
    names, workspace = example()
    workspace.restore("first")
    names["mine"] = 1
    workspace.undo()
    assert names["mine"] == 1


def test_the_head_goes_back_too():
    _, workspace = example()
    workspace.restore("first")
    assert workspace.head.label == "first"
    workspace.undo()
    assert workspace.head.label == "second"
    workspace.redo()
    assert workspace.head.label == "first"


def test_what_is_undone_is_said():
    _, workspace = example()
    workspace.restore("first")
    assert "restore first" in str(workspace.undo())
    assert "restore first" in str(workspace.redo())
    workspace.assign({"array": np.ones(3)})
    assert "assign array" in str(workspace.undo())


def test_with_nothing_to_take_back_an_error_says_so():
    _, workspace = example()
    with pytest.raises(NothingToUndo, match="nothing to undo"):
        workspace.undo()
    with pytest.raises(NothingToUndo, match="nothing to redo"):
        workspace.redo()


def test_a_new_change_forgets_what_was_undone():
    _, workspace = example()
    workspace.restore("first")
    workspace.undo()
    workspace.restore("second")
    with pytest.raises(NothingToUndo):
        workspace.redo()


def test_the_stack_is_bounded_and_gives_its_memory_back():
    names, workspace = example()
    for number in range(40):
        workspace.assign({"array": np.full(3, float(number))})
    depth = workspace.undo_depth
    assert depth == 20
    for _ in range(depth):
        workspace.undo()
    assert names["array"][0] == 19


def test_an_undone_change_of_a_dropped_snapshot_still_comes_back():
    names, workspace = example()
    before = shown(names)
    workspace.restore("first")
    workspace.drop("first", "second")
    workspace.undo()
    assert shown(names) == before


def test_changes_made_after_a_restore_are_brought_again_by_redo():
    names, workspace = example()
    workspace.restore("first")
    names["array"].fill(7)
    names["items"].append(7)
    workspace.undo()
    workspace.redo()
    assert shown(names) == (7, [0, 7])


def test_a_rollback_takes_back_whatever_happened_inside():
    names, workspace = example()
    names["f"] = f = lambda: 1
    before = shown(names)
    with workspace.rollback():
        names["array"].fill(9)
        names["items"].clear()
        names["f"] = lambda: 2
        names["new"] = 1
        del names["array"]
    assert shown(names) == before
    assert names["f"] is f
    assert "new" not in names


def test_a_rollback_happens_after_an_error_too_and_lets_it_pass():
    names, workspace = example()
    before = shown(names)
    with pytest.raises(ZeroDivisionError), workspace.rollback():
        names["array"] = names["items"].clear() or 1 / 0
    assert shown(names) == before


def test_rollbacks_nest():
    names, workspace = example()
    with workspace.rollback():
        names["items"].append("outer")
        with workspace.rollback():
            names["items"].append("inner")
        assert names["items"][-1] == "outer"
    assert names["items"] == [0, 1, 2]


def test_a_rollback_leaves_the_timeline_and_the_undo_stack_as_they_were():
    _, workspace = example()
    workspace.restore("first")
    depth, head = workspace.undo_depth, workspace.head
    with workspace.rollback():
        pass
    assert (workspace.undo_depth, workspace.head, len(workspace.timeline)) == (depth, head, 2)


def test_a_rollback_keeps_what_was_undone_before_it():
    names, workspace = example()
    workspace.restore("first")
    workspace.undo()
    with workspace.rollback():
        names["items"].append(5)
    workspace.redo()
    assert names["items"] == [0]


def test_a_snapshot_stored_inside_a_rollback_stays():
    names, workspace = example()
    with workspace.rollback():
        names["array"].fill(5)
        workspace.store("inside")
    workspace.restore("inside")
    assert names["array"][0] == 5


def test_memory_is_given_back_by_a_rollback():
    names, workspace = example()
    before = workspace.nbytes_in_memory
    with workspace.rollback():
        names["array"] = np.arange(1000.0)
    assert workspace.nbytes_in_memory == before
