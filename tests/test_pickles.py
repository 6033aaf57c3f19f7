"""What needs a pickle is pickled when something behind its name changed, and not before."""

import collections

import numpy as np
import pytest

import snapshot
from snapshot.workspace import Workspace

pickled = collections.Counter()


class Counted:
    """Counts how often it is pickled."""

    def __init__(self, name):
        self.name = name
        self.parts = []

    def __reduce__(self):
        pickled[self.name] += 1
        return Counted, (self.name,), vars(self)


@pytest.fixture
def names():
    pickled.clear()
    shared = Counted("shared")
    return {"one": Counted("one"), "both": [shared], "again": {"it": shared}, "losses": [], "w": np.zeros(10_000)}


@pytest.fixture
def workspace(names, tmp_path):
    made = Workspace(names, tmp_path / "run.zarr")
    made.store("first")
    return made


def test_a_change_elsewhere_pickles_nothing_again(workspace, names):
    before = pickled.copy()
    names["losses"].append(1)
    names["w"] += 1
    names["new"] = 5
    workspace.store("second")
    assert (pickled, before["one"]) == (before, 1)


def test_a_change_behind_a_name_pickles_it_again_and_no_other(workspace, names):
    before = pickled.copy()
    names["one"].parts.append(3)
    workspace.store("second")
    assert pickled - before == {"one": 1}


def test_a_change_to_a_shared_object_pickles_it_once_whatever_number_of_names_leads_to_it(workspace, names):
    before = pickled.copy()
    names["both"][0].parts.append(3)
    workspace.store("second")
    assert pickled - before == {"shared": 1}


def test_the_pickle_that_is_used_again_is_the_one_that_is_loaded(workspace, names):
    names["one"].parts.append(3)
    workspace.store("second")
    names["losses"].append(1)
    workspace.store("third")
    fresh = {}
    later = snapshot.Workspace(fresh, workspace.repository.location)
    later.open(workspace.repository.location, trust=True)
    later.restore("third", only=["one"])
    assert fresh["one"].parts == [3]
    assert fresh["one"].name == "one"


def test_an_object_whose_class_has_a_cached_property_needs_no_more_than_others(tmp_path):
    names = {"__name__": "__main__"}
    exec(
        "import functools\nclass Part: pass\nclass Whole:\n    def __init__(self): self.part = Part()\n"
        "    @functools.cached_property\n    def size(self): return 5",
        names,
    )
    whole = names["Whole"]()
    whole.part.items = [1]
    # classes of a notebook are pickled by value, with all that is in them
    names["Whole"].__module__ = names["Part"].__module__ = "__main__"
    workspace = Workspace({"whole": whole}, tmp_path / "run.zarr")
    assert not workspace.store("before").report
    workspace.close()
    found = {}
    assert not Workspace(found, tmp_path / "run.zarr").restore("before").unused
    assert (found["whole"].part.items, found["whole"].size) == ([1], 5)
