"""``assign``: given values into live variables, by path, all of them or none."""

import random
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest

from snapshot.errors import DoesNotFit, PathNotFound
from snapshot.workspace import Workspace

Pair = namedtuple("Pair", "left right")


def example():
    base = np.arange(6.0)
    names = {
        "array": base,
        "view": base[2:4],
        "small": np.zeros(2, np.float32),
        "counts": np.zeros(2, int),
        "params": {"w": np.zeros(2), "rate": 0.5, ("a", 1): 1},
        "items": [1, [2, 3]],
        "model": SimpleNamespace(weights=np.zeros(2), name="first"),
        "pair": Pair(np.zeros(2), 1),
        "rate": 0.5,
        "W.x": np.zeros(1),
    }
    return names, Workspace(names)


def test_values_go_into_the_live_objects():
    names, workspace = example()
    array, w = names["array"], names["params"]["w"]
    workspace.assign({"array": np.ones(6), "params['w']": [1, 2], "model.weights": (3, 4), "pair.left": np.ones(2)})
    assert names["array"] is array
    assert names["params"]["w"] is w
    assert (array.tolist(), w.tolist(), names["model"].weights.tolist()) == ([1] * 6, [1, 2], [3, 4])
    assert names["view"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("rate", 0.9, lambda names: names["rate"]),
        ("params['rate']", 0.9, lambda names: names["params"]["rate"]),
        ("params[('a', 1)]", 7, lambda names: names["params"]["a", 1]),
        ("items[0]", 7, lambda names: names["items"][0]),
        ("items[1][1]", 7, lambda names: names["items"][1][1]),
        ("items", [5], lambda names: names["items"]),
        ("model.name", "second", lambda names: names["model"].name),
    ],
)
def test_elements_attributes_and_names_take_any_value(path, value, read):
    names, workspace = example()
    status = workspace.assign({path: value})
    assert read(names) == value
    assert status.assigned == (path,)
    workspace.undo()
    assert read(names) != value


def test_a_value_for_a_view_is_written_through_its_base():
    names, workspace = example()
    workspace.assign({"view": [8, 9]})
    assert names["array"].tolist() == [0, 1, 8, 9, 4, 5]
    workspace.undo()
    assert names["array"].tolist() == [0, 1, 2, 3, 4, 5]


def test_two_values_for_one_piece_of_memory_are_refused():
    names, workspace = example()
    with pytest.raises(DoesNotFit, match=r"view.*array"):
        workspace.assign({"view": [8, 9], "array": np.ones(6)})
    assert names["array"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("array", np.ones(5), ("array", "(5,)", "(6,)")),
        ("array", 1.0, ("shape ()", "(6,)")),
        ("model.weights", np.ones((2, 1)), ("model.weights", "(2, 1)", "(2,)")),
        ("counts", np.array([0.5, 1]), ("counts", "float64", "expected")),
        ("small", np.array(["a", "b"]), ("small", "<U1", "expected")),
        ("small", np.array([1j, 2]), ("complex128", "expected")),
        ("pair.right", 2, ("pair.right", "cannot be changed")),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_path_found_and_expected(path, value, words):
    names, workspace = example()
    with pytest.raises(DoesNotFit) as caught:
        workspace.assign({"items": ["other"], "params['w']": [9, 9], path: value})
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert (names["items"], names["params"]["w"].tolist()) == ([1, [2, 3]], [0, 0])


def test_the_expected_dtype_is_called_by_the_name_users_know():
    _, workspace = example()
    with pytest.raises(DoesNotFit, match="expected float32"):
        workspace.assign({"small": np.array([1j, 2])})


def test_a_field_of_a_named_tuple_goes_by_its_name():
    names, workspace = example()
    workspace.assign({"pair.left": np.ones(2)})
    assert names["pair"].left.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("path", "near"),
    [("arrray", "array"), ("params['v']", "params['w']"), ("model.weight", "model.weights"), ("items[7]", "items")],
)
def test_a_path_nothing_lives_at_is_refused_with_near_ones(path, near):
    names, workspace = example()
    with pytest.raises(PathNotFound) as caught:
        workspace.assign({"rate": 0.9, path: 1})
    assert near in str(caught.value)
    assert names["rate"] == 0.5


def test_a_narrower_value_is_widened_and_the_dtype_stays():
    names, workspace = example()
    workspace.assign({"small": np.array([1, 2], np.float64), "counts": np.array([1, 2], np.int8)})
    assert (names["small"].dtype, names["counts"].dtype) == (np.float32, np.int64)


def test_the_given_array_is_copied():
    names, workspace = example()
    given = np.ones(6)
    workspace.assign({"array": given})
    given.fill(5)
    assert names["array"].tolist() == [1] * 6


def test_an_array_by_itself_can_be_assigned_to_itself():
    names, workspace = example()
    workspace.assign({"array": names["array"][::-1]})
    assert names["array"].tolist() == [5, 4, 3, 2, 1, 0]


def test_torch_tensors_and_modules_take_values():
    import torch

    net = torch.nn.Linear(2, 1)
    half = torch.zeros(2, dtype=torch.bfloat16)
    weight = net.weight
    names = {"net": net, "half": half}
    workspace = Workspace(names)
    workspace.assign({"net.weight": np.ones((1, 2), np.float32), "half": torch.ones(2, dtype=torch.bfloat16)})
    assert net.weight is weight
    assert (weight.tolist(), half.tolist()) == ([[1, 1]], [1, 1])
    with pytest.raises(DoesNotFit, match="bfloat16"):
        workspace.assign({"half": np.array([1, 2], np.int16)})


def test_an_assign_is_undone_and_brought_again():
    names, workspace = example()
    workspace.assign({"array": np.ones(6), "rate": 0.9})
    workspace.undo()
    assert (names["array"].tolist(), names["rate"]) == ([0, 1, 2, 3, 4, 5], 0.5)
    workspace.redo()
    assert (names["array"].tolist(), names["rate"]) == ([1] * 6, 0.9)


def test_an_assign_leaves_everything_else_as_it_is():
    names, workspace = example()
    state = random.getstate()
    items = names["items"]
    workspace.assign({"rate": 0.9})
    assert random.getstate() == state
    assert names["items"] is items


def test_an_assign_of_nothing_changes_nothing():
    names, workspace = example()
    workspace.assign({})
    assert names["rate"] == 0.5


def test_the_paths_that_an_error_lists_are_the_users_and_listed_once():
    workspace = Workspace({"only_one": 1.5})
    with pytest.raises(PathNotFound) as caught:
        workspace.assign({"zzz": 1})
    assert (str(caught.value).count("only_one"), "(random)" in str(caught.value)) == (1, False)
