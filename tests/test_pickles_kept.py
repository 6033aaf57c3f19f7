"""A pickle that is used again says what one made now would say; what it cannot see changing is pickled anew."""

import collections
import itertools
import shutil

import numpy as np
import pandas as pd
import pytest

from snapshot import SnapshotWarning, pickling
from snapshot.workspace import Workspace


class Thing:
    """Only a pickle makes one where there is none."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


def mixed():
    return pd.DataFrame({"n": [1, 2], "s": ["x", "y"], "c": pd.Categorical(["u", "v"])})


def in_a_new_kernel(home, label):
    names = {}
    assert Workspace(names, home, trust=True).restore(label).unused_reasons == {}
    return names


CHANGED_IN_PLACE = {
    "a series": (lambda: pd.Series([1, 2]), lambda one: one.__setitem__(0, 9), lambda one: one.tolist()),
    "a frame": (mixed, lambda one: one.__setitem__("n", one["n"] * 9), lambda one: one.to_dict("list")),
    "a cell": (mixed, lambda one: one.iloc.__setitem__((0, 0), 9), lambda one: one.to_dict("list")),
    "a text": (mixed, lambda one: one.iloc.__setitem__((0, 1), "z"), lambda one: one.to_dict("list")),
    "an array": (lambda: np.zeros(2), lambda one: one.__setitem__(0, 9), lambda one: one.tolist()),
    "pairs with objects": (
        lambda: np.zeros(2, [("n", int), ("o", object)]),
        lambda one: one.__setitem__(0, (9, "new")),
        lambda one: one.tolist(),
    ),
    "a categorical": (lambda: pd.Categorical(["a", "b"]), lambda one: one.__setitem__(0, "b"), list),
    "a count": (itertools.count, next, repr),
    "a deque": (lambda: collections.deque([1]), lambda one: one.append(2), list),
}


@pytest.mark.parametrize("what", CHANGED_IN_PLACE)
def test_what_changed_in_place_in_an_object_that_is_pickled_is_as_it_was_at_each_store(tmp_path, what):
    make, change, read = CHANGED_IN_PLACE[what]
    thing = Thing(held=make())
    workspace = Workspace({"thing": thing}, tmp_path / "run.zarr")
    workspace.store("one")
    first = read(thing.held)
    change(thing.held)
    workspace.store("two")
    second = read(thing.held)
    workspace.store("three")
    workspace.close()
    found = [read(in_a_new_kernel(tmp_path / "run.zarr", label)["thing"].held) for label in ("one", "two", "three")]
    assert found == [first, second, second]
    assert first != second


@pytest.mark.parametrize("left_out_first", [True, False])
def test_a_variable_left_out_of_one_store_is_that_of_its_own_store_in_the_others(tmp_path, left_out_first):
    thing = Thing(w=np.zeros(2), name="kept")
    workspace = Workspace({"thing": thing, "both": [thing]}, tmp_path / "run.zarr")
    workspace.store("one", exclude=["thing.w"] if left_out_first else None)
    thing.w[:] = 1
    workspace.store("two", exclude=None if left_out_first else ["thing.w"])
    thing.w[:] = 2
    workspace.store("three")
    workspace.close()
    for label, value in {"one": 0, "two": 1, "three": 2}.items():
        if (label == "one" and left_out_first) or (label == "two" and not left_out_first):
            assert in_a_new_kernel(tmp_path / "run.zarr", label)["thing"].name == "kept"
        else:
            names = in_a_new_kernel(tmp_path / "run.zarr", label)
            assert names["thing"].w.tolist() == [value, value]
            assert names["both"][0] is names["thing"]


def test_nothing_stays_nothing_when_an_array_dies_before_the_pickling(tmp_path, monkeypatch):
    names = {"thing": Thing(nothing=None), "training": {"w": np.zeros(3)}}
    of = pickling.Pickles.of

    def after_a_step(self, capture):
        names["training"]["w"] = names["training"]["w"] + 1
        return of(self, capture)

    monkeypatch.setattr(pickling.Pickles, "of", after_a_step)
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("before")
    workspace.close()
    found = in_a_new_kernel(tmp_path / "run.zarr", "before")
    assert (found["thing"].nothing, found["training"]["w"].tolist()) == (None, [0, 0, 0])


def test_a_store_after_one_whose_pickles_failed_pickles_what_changed(tmp_path, monkeypatch):
    thing = Thing(n=1)
    workspace = Workspace({"thing": thing}, tmp_path / "run.zarr")
    workspace.store("one")
    thing.n = 2
    with monkeypatch.context() as patched:
        patched.setattr(pickling, "_streams", lambda *_: 1 / 0)
        with pytest.warns(Warning, match=r"division by zero \(what is in memory stays as it was\)"):
            workspace.store("failed")
    workspace.store("two")
    workspace.close()
    assert in_a_new_kernel(tmp_path / "run.zarr", "two")["thing"].n == 2


def test_of_what_went_with_its_repository_the_pickles_that_are_lost_are_named(tmp_path):
    names = {"thing": Thing(n=1), "w": np.zeros(3)}
    home = tmp_path / "run.zarr"
    workspace = Workspace(names, home)
    workspace.store("one")
    names["thing"].n = 2
    workspace.store("two")
    names["w"] += 1
    workspace.store("three")
    workspace.flush()
    shutil.rmtree(home)
    with pytest.warns(SnapshotWarning, match=r"make these in a new kernel are lost, store again: thing of #1\. Snap"):
        workspace.store("four")
    workspace.close()
    for label, value in {"two": 0, "three": 1, "four": 1}.items():
        found = in_a_new_kernel(home, label)
        assert (found["thing"].n, found["w"].tolist()) == (2, [value] * 3)
