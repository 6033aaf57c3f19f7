from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest

import snapshot
from snapshot.compare import compare
from snapshot.errors import Damaged
from snapshot.model import Role, Snapshot, Variable
from snapshot.workspace import Workspace


@dataclass
class Stored:
    """A content in a dict; ``reads`` lists what was read, ``damaged`` what cannot be."""

    values: dict
    names: dict = field(default_factory=dict)
    report: dict = field(default_factory=dict)
    damaged: set = field(default_factory=set)
    reads: list = field(default_factory=list)

    @property
    def variables(self):
        arrays = {path: np.asarray(value) for path, value in self.values.items()}
        return {
            path: Variable(path, Role.VALUE, a.shape, a.dtype, a.nbytes, a.tobytes())
            for path, a in arrays.items()
            if a.dtype.kind != "U"
        }

    def outline(self):
        return {}

    def read(self, path):
        self.reads.append(path)
        if path in self.damaged:
            raise Damaged(f"{path}: block 0 does not match its hash")
        return self.values[path]


def snap(number=1, label=None, **content):
    when = datetime(2024, 1, 1, tzinfo=UTC)
    return Snapshot(number, label, 10 * number, when, "run", None, content=Stored(**content))


def pair(before, after, **more):
    return snap(1, "before", values=before, **more), snap(2, "after", values=after)


def test_variables_are_sorted_into_added_removed_changed_and_unchanged():
    found = compare(*pair({"a": 1.0, "b": 2.0, "c": 3.0}, {"b": 2.0, "c": 4.0, "d": 5.0}))
    assert (list(found.added), list(found.removed)) == (["d"], ["a"])
    assert (list(found.changed), found.unchanged) == (["c"], ("b",))


def test_what_did_not_change_is_never_read():
    a, b = pair({"same": np.ones(9), "w": np.ones(3)}, {"same": np.ones(9), "w": np.zeros(3)})
    compare(a, b)
    assert a.content.reads == b.content.reads == ["w"]


def test_a_change_says_how_large_it_is_against_the_larger_norm():
    change = compare(*pair({"w": np.array([3.0, 4.0])}, {"w": np.array([3.0, 0.0])})).changed["w"]
    assert (change.norm_before, change.norm_after, change.largest) == (5.0, 3.0, 4.0)
    assert change.relative == pytest.approx(0.8)


def test_a_change_of_shape_gives_both_shapes_instead_of_a_size():
    a, b = pair({"w": np.ones(3)}, {"w": np.ones((2, 2))})
    change = compare(a, b).changed["w"]
    assert (change.before.shape, change.after.shape) == ((3,), (2, 2))
    assert np.isnan(change.relative)
    assert "(3,) → (2, 2)" in str(change)
    assert a.content.reads == []


def test_a_change_of_dtype_alone_is_a_change_of_size_zero():
    change = compare(*pair({"w": np.zeros(2, "f4")}, {"w": np.zeros(2, "i4")})).changed["w"]
    assert (str(change.before.dtype), str(change.after.dtype), change.relative) == ("float32", "int32", 0.0)


def test_a_scalar_shows_both_values():
    found = compare(*pair({"lr": 0.1}, {"lr": 0.05}))
    assert found.changed["lr"].values == (0.1, 0.05)
    assert "lr: 0.1 → 0.05" in repr(found)


def test_a_damaged_variable_is_named_and_the_rest_is_compared():
    found = compare(*pair({"w": np.ones(2), "v": np.ones(2)}, {"w": np.zeros(2), "v": np.zeros(2)}, damaged={"w"}))
    assert "block 0 does not match" in found.changed["w"].problem
    assert found.changed["v"].relative == 1.0


def test_names_are_added_removed_and_retyped():
    a = snap(values={}, names={"f": "function", "x": "int", "gone": "list"})
    b = snap(values={}, names={"f": "function", "x": "str", "new": "dict"})
    found = compare(a, b)
    assert (found.names_added, found.names_removed) == ({"new": "dict"}, {"gone": "list"})
    assert found.names_retyped == {"x": ("int", "str")}


def test_text_bound_to_a_name_is_compared_by_value():
    a = snap(values={"mode": "train"}, names={"mode": "str", "lost": "str"})
    b = snap(values={"mode": "eval"}, names={"mode": "str", "lost": "str"})
    assert compare(a, b).values == {"mode": ("train", "eval")}


def test_changes_are_ranked_and_those_without_a_size_lead():
    before = {"little": np.ones(4), "much": np.ones(4), "grown": np.ones(4)}
    after = {"little": np.full(4, 1.01), "much": np.zeros(4), "grown": np.ones(5)}
    assert [change.path for change in compare(*pair(before, after)).ranked()] == ["grown", "much", "little"]


def test_the_text_is_a_few_lines_also_for_hundreds_of_variables():
    before = {f"layer{n}.weight": np.ones(3) for n in range(300)}
    found = compare(*pair(before, {path: value * 2 for path, value in before.items()}))
    lines = repr(found).splitlines()
    assert lines[0] == "before (#1, step 10) → after (#2, step 20): 300 changed"
    assert "by 50 %" in lines[1]
    assert len(lines) < 10


def test_equal_snapshots_say_so():
    assert repr(compare(*pair({"w": 1.0}, {"w": 1.0}))).endswith(": 1 unchanged")


def test_html_shows_hostile_names_as_text():
    name = "<script>alert('x')</script>"
    html = compare(*pair({name: np.ones(2)}, {name: np.zeros(2)}))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_what_changed_inside_lists_dicts_objects_and_functions_is_named_by_its_path(tmp_path):
    names = {"x": [1], "cfg": {"lr": 0.1}, "f": lambda a: a + 1, "same": [3]}
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("a")
    names["x"].append(2)
    names["cfg"]["lr"] = 9
    names["f"] = lambda a: a + 2
    workspace.store("b")
    on_disk = snapshot.open(tmp_path / "run.zarr")
    for found in (workspace.compare("a", "b"), compare(on_disk["a"], on_disk["b"])):
        assert found.contents["cfg['lr']"] == ("0.1", "9")
        assert found.contents["x[1]"] == (None, "2")
        assert "f" in found.contents
        assert not any(path.startswith("same") for path in found.contents)


def test_a_generator_is_said_to_have_moved_and_not_what_it_is_made_of():
    names = {"rng": np.random.default_rng(0)}
    workspace = Workspace(names)
    workspace.store("before")
    np.random.random()
    shown = repr(workspace.compare("before"))
    assert "(numpy.random): another state" in shown
    assert "shape" not in shown


def test_a_name_with_a_line_end_takes_one_line():
    names = {"two\nlines": np.zeros(3)}
    workspace = Workspace(names)
    workspace.store("before")
    names["two\nlines"][0] = 1
    found = workspace.compare("before")
    assert r"  two\nlines: " in repr(found)
    assert r"<td>two\nlines</td>" in found._repr_html_()


def test_a_browser_gets_a_few_of_many_changes_and_the_count_of_the_rest():
    names = {f"w{index}": np.zeros(1) for index in range(300)}
    workspace = Workspace(names)
    workspace.store("before")
    for value in names.values():
        value += 1
    found = workspace.compare("before")
    assert len(found.changed) == 300
    page = found._repr_html_()
    assert page.count("<tr>") == 201
    assert "and 100 more changed, in .changed" in page
