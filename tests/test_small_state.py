"""State beside the contents: locks of arrays, attributes of partials and Enum members, how widgets look."""

from enum import Enum
from functools import partial

import ipywidgets
import numpy as np
import pytest

from snapshot.workspace import Workspace


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.parametrize("written", [True, False])
def test_an_array_is_locked_or_not_as_it_was(locked, written):
    array = np.arange(3.0)
    array.flags.writeable = not locked
    workspace = Workspace({"array": array})
    workspace.store("before")
    array.flags.writeable = True
    array[0] = 7 if written else 0
    array.flags.writeable = locked
    workspace.restore("before")
    assert (array.flags.writeable, array.tolist()) == (not locked, [0, 1, 2])
    workspace.undo()
    assert (array.flags.writeable, array[0]) == (locked, 7 if written else 0)


def test_attributes_of_a_partial_are_rolled_back():
    function = partial(int, base=2)
    function.tags = ["a"]
    workspace = Workspace({"function": function})
    workspace.store("before")
    function.tags.append("b")
    function.more = 1
    workspace.restore("before")
    assert vars(function) == {"tags": ["a"]}


def test_a_partial_that_is_made_anew_has_its_attributes(tmp_path):
    function = partial(int, base=2)
    function.tags = ["a"]
    workspace = Workspace({"function": function}, tmp_path / "run.zarr")
    workspace.store("before")
    workspace.close()
    names = {}
    Workspace(names, tmp_path / "run.zarr").restore("before")
    assert (names["function"]("11"), vars(names["function"])) == (3, {"tags": ["a"]})


class Colour(Enum):
    RED = 1
    BLUE = 2


def test_attributes_of_enum_members_are_rolled_back():
    Colour.RED.seen = [1]
    workspace = Workspace({"red": Colour.RED, "all": list(Colour)})
    workspace.store("before")
    Colour.RED.seen.append(2)
    Colour.BLUE.seen = []
    workspace.restore("before")
    assert Colour.RED.seen == [1]
    assert not hasattr(Colour.BLUE, "seen")
    del Colour.RED.seen


def test_bare_enum_members_come_back_from_disk_without_a_pickle(tmp_path, as_somebody_else):
    workspace = Workspace({"red": Colour.RED, "all": list(Colour)}, tmp_path / "run.zarr")
    workspace.store("before")
    workspace.close()
    as_somebody_else()
    names = {"red": Colour.BLUE}
    assert not Workspace(names, tmp_path / "run.zarr").restore("before").unused
    assert names == {"red": Colour.RED, "all": [Colour.RED, Colour.BLUE]}


def test_how_a_widget_looks_is_rolled_back():
    button = ipywidgets.Button(description="go")
    button.layout.width, button.style.button_color = "10px", "red"
    layout = button.layout
    workspace = Workspace({"button": button})
    workspace.store("before")
    button.style.button_color = "blue"
    layout.width = "20px"
    button.layout = ipywidgets.Layout(width="30px")
    workspace.restore("before")
    assert button.layout is layout
    assert (button.layout.width, button.style.button_color) == ("10px", "red")
