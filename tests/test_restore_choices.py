"""What of a snapshot is restored, under which name, and what the status says of it."""

import numpy as np
import pytest

import snapshot
from snapshot.errors import InvalidName, NotMatched, PathNotFound, ReferenceNotFound
from snapshot.workspace import Workspace


def example():
    """Names of several kinds, stored as ``before`` and changed since."""
    names = {
        "weights": np.arange(3.0),
        "params": {"w": np.arange(4.0), "b": np.zeros(2)},
        "items": [1],
        "rate": 0.5,
    }
    workspace = Workspace(names)
    workspace.store("before")
    names["weights"].fill(9)
    names["params"]["w"].fill(9)
    names["params"]["b"].fill(9)
    names["items"].append(2)
    names.update(rate=0.9, new=[1])
    return names, workspace


def shown(names):
    params = names["params"]
    return [names["weights"][0], params["w"][0], params["b"][0], len(names["items"]), names["rate"]]


def test_everything_comes_back_and_names_made_since_are_kept():
    names, workspace = example()
    status = workspace.restore("before")
    assert shown(names) == [0, 0, 0, 1, 0.5]
    assert names["new"] == [1]
    assert list(status.created) == list(status.untouched) == ["new"]
    assert set(status.assigned) == {"weights", "params", "params['w']", "params['b']", "items", "rate"} | {
        path for path in status.assigned if path.startswith("(")
    }


def test_names_made_since_are_removed_when_asked():
    names, workspace = example()
    status = workspace.restore("before", created="remove")
    assert "new" not in names
    assert status.removed == ("new",)


def test_modules_and_our_own_objects_made_since_are_never_removed():
    names, workspace = example()
    names.update(np=np, workspace=workspace, snap=workspace["before"], snapshot=snapshot)
    workspace.restore("before", created="remove")
    assert {"np", "workspace", "snap", "snapshot"} <= names.keys()
    assert "new" not in names


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("weights", [0, 9, 9, 2, 0.9]),
        (["items", "rate"], [9, 9, 9, 1, 0.5]),
        ("params['w']", [9, 0, 9, 2, 0.9]),
        ("params", [9, 0, 0, 2, 0.9]),
        ("w*", [0, 9, 9, 2, 0.9]),
        ("params[*", [9, 0, 0, 2, 0.9]),
        ("role:value", [0, 0, 0, 2, 0.9]),
    ],
)
def test_only_takes_names_paths_globs_and_roles_and_leaves_the_rest(only, expected):
    names, workspace = example()
    status = workspace.restore("before", only=only)
    assert shown(names) == expected
    assert "weights" in (status.assigned if expected[0] == 0 else status.untouched)


@pytest.mark.parametrize("only", ["wieghts", "params['x']", "other.*", ["weights", "nothing"]])
def test_a_pattern_nobody_answers_to_is_refused_with_near_names_and_nothing_is_written(only):
    names, workspace = example()
    with pytest.raises(PathNotFound, match="nothing is called"):
        workspace.restore("before", only=only)
    assert shown(names) == [9, 9, 9, 2, 0.9]


def test_a_role_that_does_not_exist_is_refused_with_those_that_do():
    names, workspace = example()
    with pytest.raises(InvalidName, match="role:parameter"):
        workspace.restore("before", only="role:weights")
    assert names["rate"] == 0.9


def test_only_with_created_remove_removes_only_what_the_patterns_name():
    names, workspace = example()
    names["weights_copy"] = 1
    workspace.restore("before", only="weights*", created="remove")
    assert "weights_copy" not in names
    assert names["new"] == [1]


def test_a_restore_of_some_names_leaves_the_head_where_it_was():
    _, workspace = example()
    workspace.store("after")
    workspace.restore("before", only="rate")
    assert workspace.head.label == "after"
    workspace.restore("before")
    assert workspace.head.label == "before"


@pytest.mark.parametrize("only", ["weights", "params['w']", "items", "role:value"])
def test_a_store_of_a_part_holds_that_part(only):
    names, workspace = example()
    part = workspace.store("part", only=only)
    names["weights"].fill(1)
    names["params"]["w"].fill(1)
    names["items"].append(3)
    names["rate"] = 1
    workspace.restore("part")
    inside = {"weights": names["weights"], "params['w']": names["params"]["w"]}
    assert {path: array[0] == 9 for path, array in inside.items()} == {
        path: path in part.variables for path in inside
    }
    assert (len(names["items"]), names["rate"]) == (2 if only == "items" else 3, 1)


def test_a_part_lists_all_names_so_that_removing_removes_only_newer_ones():
    names, workspace = example()
    workspace.store("part", only="weights")
    names["newest"] = 1
    workspace.restore("part", created="remove")
    assert "newest" not in names
    assert {"new", "items", "rate"} <= names.keys()


def test_excluded_names_are_neither_stored_nor_restored():
    names, workspace = example()
    stored = workspace.store("without", exclude=["params", "w*"])
    names["weights"].fill(1)
    names["items"].clear()
    workspace.restore("without")
    assert list(stored.variables) == [path for path in stored.variables if path[0] == "("] + ["rate"]
    assert (names["weights"][0], names["items"]) == (1, [1, 2])


def test_exclude_takes_paths_and_sticks():
    names, workspace = example()
    workspace.exclude("params['w']", "raw*")
    names["raw_data"] = np.zeros(5)
    stored = workspace.store("without")
    assert "params['b']" in stored.variables
    assert not {"params['w']", "raw_data"} & stored.variables.keys()


def test_excluding_a_name_nobody_has_is_refused_at_once():
    _, workspace = example()
    with pytest.raises(PathNotFound, match="weights"):
        workspace.store("without", exclude="wieghts")


def test_into_writes_a_stored_value_into_another_live_variable():
    names, workspace = example()
    other = names["other"] = np.ones(3)
    status = workspace.restore("before", into={"weights": "other"})
    assert names["other"] is other
    assert (other.tolist(), names["weights"][0]) == ([0, 1, 2], 9)
    assert "other" in status.assigned


def test_into_a_name_that_does_not_exist_makes_it():
    names, workspace = example()
    status = workspace.restore("before", into={"weights": "weights_before", "items": "items_before"})
    assert names["weights_before"].tolist() == [0, 1, 2]
    assert names["items_before"] == [1]
    assert names["items_before"] is not names["items"]
    assert set(status.rebuilt) >= {"weights_before"}
    names["weights_before"].fill(5)
    assert names["weights"][0] == 9


def test_into_takes_paths():
    names, workspace = example()
    other = names["other"] = {"v": np.ones(4)}
    workspace.restore("before", into={"params['w']": "other['v']"})
    assert other["v"].tolist() == [0, 1, 2, 3]
    assert names["params"]["w"][0] == 9


def test_into_makes_a_name_for_a_stored_path():
    names, workspace = example()
    workspace.restore("before", into={"params['w']": "w_before"})
    assert names["w_before"].tolist() == [0, 1, 2, 3]


def test_into_of_a_shape_that_does_not_fit_binds_a_new_array_and_says_so():
    names, workspace = example()
    other = names["other"] = np.ones(5)
    status = workspace.restore("before", into={"weights": "other"})
    assert other.tolist() == [1] * 5
    assert names["other"].tolist() == [0, 1, 2]
    assert "other" in status.rebuilt


def test_a_dry_run_gives_the_status_of_the_restore_and_writes_nothing():
    names, workspace = example()
    items, dry = names["items"], workspace.restore("before", dry_run=True, created="remove")
    assert shown(names) == [9, 9, 9, 2, 0.9]
    assert "new" in names
    assert workspace.undo_depth == 0
    status = workspace.restore("before", created="remove")
    for field in ("assigned", "rebuilt", "changed", "removed", "untouched", "unused"):
        assert list(getattr(dry, field)) == list(getattr(status, field))
    assert names["items"] is items
    assert str(dry).startswith("would restore before")


@pytest.mark.parametrize("options", [{"created": "drop"}, {"code": "new"}])
def test_a_choice_that_does_not_exist_is_refused(options):
    names, workspace = example()
    with pytest.raises(ValueError, match=f"{next(iter(options))}=.*keep"):
        workspace.restore("before", **options)
    assert names["rate"] == 0.9


def test_a_label_stored_again_moves_and_the_line_says_so():
    names, workspace = example()
    again = workspace.store("before")
    first = workspace["#1"]
    assert (workspace["before"].id, first.label) == (again.id, None)
    assert "the label moved here from #1" in str(workspace.last_store)
    workspace.restore("#1")
    assert names["rate"] == 0.5


@pytest.mark.parametrize("label", ["", "latest", "#1", "@1", "a~1", "a b"])
def test_a_label_that_cannot_be_one_is_refused_and_nothing_is_stored(label):
    _, workspace = example()
    with pytest.raises(InvalidName):
        workspace.store(label)
    assert len(workspace.timeline) == 1


@pytest.mark.parametrize(("arguments", "error"), [({"label": 5}, InvalidName), ({"step": 1.5}, TypeError)])
def test_a_label_that_is_no_text_or_a_step_that_is_no_whole_number_is_refused_and_nothing_is_stored(arguments, error):
    workspace = Workspace({"a": 1})
    with pytest.raises(error):
        workspace.store(**arguments)
    assert workspace.timeline == []


def test_references_by_label_id_step_and_position():
    workspace = Workspace({"a": 1})
    stored = [workspace.store(label, step=step) for label, step in (("first", 10), (None, 20), ("third", 30))]
    for reference, expected in {"first": 0, "#2": 1, "@20": 1, "latest": 2, "latest~2": 0, "third~1": 1}.items():
        assert workspace[reference] is stored[expected]
    assert workspace[stored[1]] is stored[1]
    with pytest.raises(ReferenceNotFound, match="first"):
        workspace.restore("frist")
    with pytest.raises(ReferenceNotFound, match="'#2'"):
        workspace.drop(2)
    assert len(workspace.timeline) == 3


def test_the_step_is_given_or_one_more_than_the_parents():
    workspace = Workspace({"a": 1})
    steps = [workspace.store(step=step).step for step in (None, 100, None, 7, None)]
    assert steps == [1, 100, 101, 7, 8]
    workspace.restore("@100")
    assert workspace.store().step == 101


def test_a_snapshot_after_a_restore_is_a_branch():
    workspace = Workspace({"a": 1})
    first, second = workspace.store("first"), workspace.store("second")
    workspace.restore("first")
    third = workspace.store("third")
    assert (second.parent, third.parent) == (first.id, first.id)
    assert workspace["latest~1"] is first


def test_a_function_redefined_since_is_kept_and_said_so_or_restored_when_asked():
    names = {"__name__": "__main__"}
    exec("def f(): return 1\nclass C: limit = 1", names)
    workspace = Workspace(names)
    workspace.store("before")
    first = names["f"], names["C"]
    exec("def f(): return 2\nclass C: limit = 2", names)
    status = workspace.restore("before")
    assert (names["f"](), names["C"].limit) == (2, 2)
    assert set(status.kept_code) == {"f", "C"}
    assert "redefined since" in str(status)
    workspace.restore("before", code="restore")
    assert (names["f"], names["C"]) == first


def test_a_method_replaced_since_is_kept_and_said_so():
    class Model:
        def predict(self):
            return 1

    names = {"Model": Model}
    workspace = Workspace(names)
    workspace.store("before")
    Model.predict = lambda self: 2
    status = workspace.restore("before")
    assert Model().predict() == 2
    assert status.kept_code == ("Model.predict",)


def test_an_instance_of_a_class_defined_again_keeps_its_own_class():
    names = {"__name__": "__main__"}
    exec("class C: pass\nc = C(); c.a = [1]", names)
    workspace = Workspace(names)
    workspace.store("before")
    old, c = names["C"], names["c"]
    exec("class C: pass", names)
    c.a.append(2)
    c.__class__ = names["C"]
    workspace.restore("before")
    assert (type(c), c.a) == (old, [1])


def test_assertions_of_a_status_list_the_paths():
    _, workspace = example()
    status = workspace.restore("before")
    with pytest.raises(NotMatched, match="new"):
        status.assert_existing_matched()
    with pytest.raises(NotMatched, match="new"):
        status.assert_consumed()
    full = workspace.restore("before", created="remove")
    assert full.assert_existing_matched().assert_consumed() is full
    assert status.expect_partial() is status


def test_a_status_is_one_or_two_lines():
    names, workspace = example()
    names["generator"] = (i for i in ())
    workspace.store("before")
    assert len(str(workspace.restore("before")).splitlines()) <= 2


def test_what_lies_beside_an_arrays_contents_is_named_as_changed():
    import torch

    weight = torch.ones(2)
    workspace = Workspace({"weight": weight})
    workspace.store("before")
    weight.requires_grad_()
    assert "weight" in workspace.restore("before").changed


def test_objects_can_be_stored_by_a_name_that_is_not_in_the_namespace():
    names = {"a": 1}
    workspace = Workspace(names)
    local = np.arange(3.0)
    workspace.store("before", also={"local": local})
    local.fill(0)
    workspace.restore("before")
    assert local.tolist() == [0, 1, 2]


def test_the_value_read_from_a_snapshot_is_a_copy():
    _, workspace = example()
    snap = workspace["before"]
    snap["weights"].fill(5)
    snap["items"].append(5)
    assert (snap["weights"].tolist(), snap["items"], snap["rate"]) == ([0, 1, 2], [1], 0.5)
    assert snap["params"]["b"].tolist() == [0, 0]


def test_the_value_of_a_very_deep_structure_can_be_read():
    deep = []
    for _ in range(20_000):
        deep = [deep]
    assert type(Workspace({"deep": deep}).store()["deep"]) is list


def test_a_dropped_snapshot_gives_its_memory_back():
    names = {"a": np.zeros(1000)}
    workspace = Workspace(names)
    workspace.store("first")
    before = workspace.nbytes_in_memory
    names["a"].fill(1)
    workspace.store("second")
    workspace.drop("second")
    assert workspace.nbytes_in_memory == before
    assert [snap.label for snap in workspace.timeline] == ["first"]


def test_dropping_several_of_which_one_is_unknown_drops_none():
    workspace = Workspace({"a": 1})
    workspace.store("first")
    with pytest.raises(ReferenceNotFound):
        workspace.drop("first", "nothing")
    assert len(workspace.timeline) == 1


def test_the_newest_are_kept_whichever_kernel_stored_them(tmp_path):
    first, second = (Workspace({"x": n}, tmp_path / "run.zarr") for n in (1, 2))
    first.store("a1")
    first.flush()
    for label in ("b1", "b2", "b3"):
        second.store(label)
    second.flush()
    assert [snap.label for snap in first.timeline] == ["a1", "b1", "b2", "b3"]
    first.prune(snapshot.KeepLast(2))
    first.flush()
    assert [snap.label for snap in snapshot.open(tmp_path / "run.zarr").timeline] == ["b2", "b3"]


def test_pruning_keeps_the_union_of_what_the_policies_keep():
    workspace = Workspace({"a": 1})
    for label in ("good", None, None, None):
        workspace.store(label)
    dropped = workspace.prune(snapshot.KeepLast(1), snapshot.KeepLabelled())
    assert [snap.id for snap in dropped] == [2, 3]
    assert workspace["latest"].parent == 1


def test_comparing_with_the_present_stores_nothing():
    _, workspace = example()
    before = workspace.nbytes_in_memory, len(workspace.timeline)
    text = str(workspace.compare("before"))
    assert "weights" in text
    assert (workspace.nbytes_in_memory, len(workspace.timeline)) == before


def test_labels_move_with_the_method_too():
    workspace = Workspace({"a": 1})
    workspace.store("first")
    workspace.store()
    workspace.label("#2", "first")
    assert (workspace["first"].id, workspace["#1"].label) == (2, None)


def test_into_makes_a_second_object_of_the_users_own_class():
    class Model:
        def __init__(self):
            self.weights = np.ones(3)
            self.layers = [self]

    names = {"model": Model()}
    workspace = Workspace(names)
    workspace.store("before")
    names["model"].weights[:] = 5
    workspace.restore("before", into={"model": "model_before"})
    made = names["model_before"]
    assert type(made) is Model
    assert made is not names["model"]
    assert made.layers[0] is made
    assert (made.weights.tolist(), names["model"].weights.tolist()) == ([1, 1, 1], [5, 5, 5])
