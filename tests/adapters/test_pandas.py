"""Frames, series and indexes: the adapter's contract, copy-on-write, and what a new kernel can make again."""

import gc
import weakref
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from snapshot.errors import RestoreFailed
from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case

# their replacements make new frames: changing one in place is what is to be shown here
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def contents(obj):
    """Everything that two equal frames share, as text and bytes."""
    frame = obj.to_frame() if obj.ndim == 1 else obj
    columns = [(str(label), str(column.dtype), column.tolist()) for label, column in frame.items()]
    axes = [(type(axis).__name__, str(axis.dtype), axis.tolist(), list(axis.names)) for axis in frame.axes]
    return repr((columns, axes, obj.attrs, obj.flags.allows_duplicate_labels))


def case_of(make, change, **options):
    return Case(make, change, contents, **options)


def first_becomes(value):
    def change(obj):
        obj.iloc[(0,) * obj.ndim] = value

    return change


def of(values, dtype=None):
    return lambda: pd.DataFrame({"a": pd.array(values, dtype=dtype)})


def mixed():
    return pd.DataFrame(
        {
            "number": [1.5, np.nan, 3],
            "count": [1, 2, 3],
            "flag": [True, False, True],
            "name": ["x", None, "z"],
            "day": pd.to_datetime(["2026-01-01", None, "2026-01-03"]),
        }
    )


def add_and_drop(frame):
    frame["new"] = 1.0
    frame.insert(0, f"before {frame.columns[0]}", 0)
    frame.drop(columns="count", inplace=True, errors="ignore")


def add_a_row(obj):
    obj.loc[0] = [0.5] if obj.ndim == 2 else 0.5


class TestFrames(AdapterContract):
    cases: ClassVar = {
        "numbers of one type": case_of(lambda: pd.DataFrame(np.arange(6.0).reshape(3, 2)), first_becomes(9)),
        "numbers by column": case_of(lambda: pd.DataFrame({"a": [1.0, 2], "b": [3, 4]}), first_becomes(9)),
        "mixed, a number": case_of(mixed, first_becomes(9)),
        "mixed, a text": case_of(mixed, lambda frame: frame.__setitem__("name", frame["name"] + "!")),
        "columns added and dropped": case_of(mixed, add_and_drop),
        "rows sorted": case_of(mixed, lambda f: f.sort_values("count", ascending=False, inplace=True)),
        "rows dropped": case_of(mixed, lambda f: f.drop(index=f.index[0], inplace=True)),
        "columns renamed": case_of(mixed, lambda f: f.rename(columns={"flag": "sign"}, inplace=True)),
        "another dtype": case_of(mixed, lambda f: f.__setitem__("count", f["count"].astype("float32"))),
        "an index set": case_of(mixed, lambda f: f.set_index(f.columns[1], inplace=True)),
        "attrs": case_of(mixed, lambda f: f.attrs.update(unit="m")),
        "equal labels": case_of(lambda: pd.DataFrame([[1, 2.0]], columns=["a", "a"]), first_becomes(9)),
        "flags": case_of(mixed, lambda f: setattr(f.flags, "allows_duplicate_labels", False)),
        "several indexes": case_of(
            lambda: pd.DataFrame(
                {"v": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["p", "q"])
            ),
            lambda f: f.reset_index(inplace=True),
        ),
        "dates for an index": case_of(
            lambda: pd.DataFrame({"v": [1, 2]}, index=pd.date_range("2026", periods=2, name="day")),
            lambda f: f.drop(f.index[0], inplace=True),
        ),
        "objects": case_of(of([[1], {"k": 2}], object), lambda f: f.loc[0, "a"].append(3), listed=False),
        "no columns": case_of(lambda: pd.DataFrame(index=[3, 4]), lambda f: f.__setitem__("a", 1), listed=False),
        "no rows of objects": case_of(lambda: pd.DataFrame(columns=["a"], dtype=object), add_a_row, listed=False),
        "a series of no objects": case_of(lambda: pd.Series([], dtype=object), add_a_row, listed=False),
        "no rows": case_of(lambda: pd.DataFrame({"a": []}), lambda f: f.__setitem__("b", [])),
        "category": case_of(of(["u", "v"], "category"), first_becomes("v"), in_new_kernel=False, listed=False),
        "masked": case_of(of([1, None], "Int64"), first_becomes(7)),
        "time zone": case_of(
            of(["2026-01-01", None], "datetime64[ns, UTC]"), first_becomes(pd.Timestamp("2027-01-01", tz="UTC"))
        ),
        "flags or nothing": case_of(of([True, None], "boolean"), first_becomes(False)),
        "NaN and nothing": case_of(
            lambda: pd.DataFrame(
                {"a": pd.arrays.FloatingArray(np.array([np.nan, 1, 2]), np.array([False, False, True]))}
            ),
            first_becomes(7),
            in_new_kernel=False,
            listed=False,
        ),
        "periods": case_of(of(["2026-01", None], "period[M]"), first_becomes(pd.Period("2027-01"))),
        "intervals": case_of(
            of([pd.Interval(0, 1), None], "interval[float64, right]"), first_becomes(pd.Interval(1.0, 2.0))
        ),
        "sparse": case_of(
            of([0.0, 1.0], "Sparse[float]"),
            lambda f: f.__setitem__("a", f["a"] * 2),
            in_new_kernel=False,
            listed=False,
        ),
        "arrow's integers": case_of(of([1, 2], "int32[pyarrow]"), first_becomes(9)),
        "a series": case_of(lambda: pd.Series([1.0, 2.0], name="s"), first_becomes(9)),
        "a series of text": case_of(lambda: pd.Series(["a", "b"], index=["p", "q"]), first_becomes("c")),
        "a series renamed": case_of(lambda: pd.Series([1, 2], name="s"), lambda s: setattr(s, "name", "t")),
        "a series made shorter": case_of(lambda: pd.Series([1, 2, 3]), lambda s: s.drop(s.index[0], inplace=True)),
        "a series made text": case_of(lambda: pd.Series([1, 2]), lambda s: s._update_inplace(s.astype(str))),
    }
    # a frame's contents lie in its columns, which have no life without it
    test_the_view_is_never_written_by_building_from_it = None

    def test_a_new_kernel_writes_into_those_that_are_there(self, tmp_path):
        cases = {name: case for name, case in self.cases.items() if case.in_new_kernel}
        names = {name: case.make() for name, case in cases.items()}
        Workspace(names, tmp_path / "run.zarr").store("before")
        live = {name: case.make() for name, case in cases.items()}
        for name, case in cases.items():
            case.change(live[name])
        found = dict(live)
        Workspace(found, tmp_path / "run.zarr").restore("before")
        assert [name for name, obj in live.items() if found[name] is not obj] == []
        assert [n for n, case in cases.items() if case.contents(live[n]) != case.contents(names[n])] == []


def stored(**names):
    workspace = Workspace(names)
    workspace.store("before")
    return names, workspace


def test_columns_are_variables_of_their_own():
    _, workspace = stored(df=mixed(), s=pd.Series([1.0]))
    listed = [path for path in workspace["before"].variables if not path.startswith("(")]
    assert listed == ["df['number']", "df['count']", "df['flag']", "df['name']", "df['day']", "s"]


def test_a_frame_that_shares_memory_since_keeps_what_it_holds():
    names, workspace = stored(df=pd.DataFrame({"a": [1.0, 2.0]}))
    names["df"].iloc[0, 0] = 9
    since = names["column"] = names["df"]["a"]
    workspace.restore("before")
    assert names["df"]["a"].tolist() == [1, 2]
    assert since.tolist() == [9, 2]


def test_a_lazy_copy_made_before_comes_back_too_and_stays_apart():
    df = pd.DataFrame({"a": [1.0, 2.0]})
    names, workspace = stored(df=df, other=df.copy(deep=False))
    df.iloc[0, 0] = 9
    names["other"].iloc[1, 0] = 8
    workspace.restore("before")
    assert df["a"].tolist() == names["other"]["a"].tolist() == [1, 2]
    df.iloc[0, 0] = 7
    assert names["other"]["a"].tolist() == [1, 2]


def test_a_write_behind_the_frame_is_seen_and_taken_back():
    array = np.arange(6.0).reshape(3, 2)
    names, workspace = stored(df=pd.DataFrame(array, copy=False))
    array[0, 0] = 9
    assert names["df"].iloc[0, 0] == 9
    workspace.restore("before")
    assert names["df"].to_numpy().tolist() == [[0, 1], [2, 3], [4, 5]]


def test_an_array_shared_with_a_frame_stays_shared():
    array = np.arange(6.0).reshape(3, 2)
    names, workspace = stored(df=pd.DataFrame(array, copy=False), array=array)
    array[0, 0] = 9
    workspace.restore("before")
    assert array[0, 0] == names["df"].iloc[0, 0] == 0
    array[1, 1] = 5
    assert names["df"].iloc[1, 1] == 5


def test_a_write_into_an_extension_array_is_seen_and_taken_back():
    names, workspace = stored(df=pd.DataFrame({"a": pd.array([1, None], "Int64")}))
    names["df"]["a"].array[0] = 9
    assert names["df"].loc[0, "a"] == 9
    workspace.restore("before")
    assert names["df"].loc[0, "a"] == 1


def test_an_old_frame_is_not_kept_alive_and_shared_columns_cost_nothing():
    names, workspace = stored(df=pd.DataFrame({"a": np.arange(1e5), "b": np.arange(1e5) + 1}))
    old = weakref.ref(names["df"])
    names["df"] = names["df"].drop(columns="a")
    gc.collect()
    assert old() is None
    workspace.store("after")
    assert workspace.last_store.new_bytes < 100
    workspace.restore("before")
    assert names["df"]["a"].tolist() == list(range(100_000))


def test_a_second_restore_finds_nothing_to_do():
    names, workspace = stored(df=mixed(), c=pd.Series(["a"], dtype="category"), o=pd.Series([[1]], dtype=object))
    names["df"].iloc[0, 0], names["c"].iloc[0], names["df"]["new"] = 9, None, 1
    workspace.restore("before")
    status = workspace.restore("before")
    assert not status.changed
    assert not status.rebuilt


def test_the_same_index_comes_back_and_frames_share_it_again():
    index = pd.Index([3, 1, 2], name="id")
    df = pd.DataFrame({"a": [1.0, 2, 3]})
    df.index = index
    names, workspace = stored(df=df, index=index)
    df.reset_index(drop=True, inplace=True)
    workspace.restore("before")
    assert df.index is index is names["index"]


def test_a_subclass_keeps_its_type_and_its_own_attributes():
    names, workspace = stored(df=Tagged({"a": [1.0]}))
    names["df"].__dict__["tag"] = "late"
    names["df"] = None
    workspace.restore("before")
    assert type(names["df"]) is Tagged
    assert "tag" not in vars(names["df"])


class Tagged(pd.DataFrame):
    """A frame with a type of its own."""

    @property
    def _constructor(self):
        return Tagged


def test_one_column_is_restored_alone():
    names, workspace = stored(df=pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4]}))
    names["df"].loc[:, :] = 0.0
    workspace.restore("before", only=["df['a']"])
    assert names["df"].to_dict("list") == {"a": [1, 2], "b": [0, 0]}


def test_one_column_whose_dtype_changed_is_restored_alone():
    names, workspace = stored(df=pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4]}))
    names["df"]["a"] = ["x", "y"]
    names["df"]["b"] = 0.0
    workspace.restore("before", only=["df['a']"])
    assert names["df"].to_dict("list") == {"a": [1, 2], "b": [0, 0]}


def test_a_column_takes_given_values():
    names, workspace = stored(df=pd.DataFrame({"a": [1.0, 2], "b": [3, 4]}))
    df = names["df"]
    workspace.assign({"df['a']": [5, 6]})
    assert df["a"].tolist() == [5, 6]
    workspace.undo()
    assert df["a"].tolist() == [1, 2]


def test_frames_inside_containers_come_back_in_a_new_kernel(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2], "name": ["x", None]}, index=["p", "q"])
    Workspace({"runs": {"first": [frame]}}, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    pd.testing.assert_frame_equal(found["runs"]["first"][0], frame)


def test_a_strangers_frame_that_needs_a_pickle_says_so_and_comes_with_trust(tmp_path, as_somebody_else):
    frame = pd.DataFrame({"a": [1.0, 2], "c": pd.Categorical(["u", "v"])})
    Workspace({"df": frame}, tmp_path / "run.zarr").store("before")
    as_somebody_else()
    found = {}
    status = Workspace(found, tmp_path / "run.zarr").restore("before")
    assert "pickle" in status.unused_reasons["df"]
    trusting = Workspace(found)
    trusting.open(tmp_path / "run.zarr", trust=True)
    trusting.restore("before")
    pd.testing.assert_frame_equal(found["df"], frame)


def test_a_live_column_that_only_a_pickle_could_bring_back_is_named(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2], "c": pd.Categorical(["u", "v"])})
    Workspace({"df": frame}, tmp_path / "run.zarr").store("before")
    live = {"df": pd.DataFrame({"a": [0.0, 0], "c": pd.Categorical(["v", "v"])})}
    status = Workspace(live, tmp_path / "run.zarr").restore("before")
    assert live["df"]["a"].tolist() == [1, 2]
    assert any("'c'" in path for path in status.unused_reasons)


def test_text_for_an_index_comes_back_in_a_new_kernel_however_long(tmp_path):
    frame = pd.DataFrame({"a": np.arange(10_001.0)}, index=pd.Index([f"{n}" for n in range(10_001)], name="id"))
    Workspace({"df": frame}, tmp_path / "run.zarr").store("before")
    live = frame.iloc[::-1].copy()
    Workspace({"df": live}, tmp_path / "run.zarr").restore("before")
    pd.testing.assert_frame_equal(live, frame)


def test_an_index_that_only_a_pickle_could_bring_back_is_named(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2]}, index=pd.interval_range(0, 2))
    Workspace({"df": frame}, tmp_path / "run.zarr").store("before")
    status = Workspace({"df": frame.copy()}, tmp_path / "run.zarr").restore("before")
    assert "df.index" in status.unused_reasons


def test_names_and_the_frequency_of_indexes_come_back_in_the_same_indexes():
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=pd.date_range("2020", periods=3))
    levels = pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["p", "q"])
    names = {"frame": frame, "levels": levels, "numbers": pd.Index([1, 2], name=("t", 1)), "s": pd.Series([1], ["x"])}
    workspace = Workspace(names)
    workspace.store("before")
    objects = frame.index, frame.columns, levels, names["numbers"], names["s"].index

    def headers():
        found = [tuple(index.names) for index in objects]
        return [*found, objects[0].freqstr, frame.index is objects[0], frame.columns is objects[1]]

    before = headers()
    frame.index.name, frame.columns.name, frame.index.freq = "II", "C", None
    levels.names, names["numbers"].name, names["s"].index.name = ["u", "v"], "z", "k"
    changed = headers()
    status = workspace.restore("before")
    assert headers() == before
    assert {"frame.index", "frame.columns", "levels", "numbers", "s.index"} == set(status.changed)
    workspace.undo()
    assert headers() == changed
    workspace.restore("before")
    assert not workspace.restore("before").changed


INDEXES = {
    "categories": lambda: pd.CategoricalIndex(["a", "b"], name="n"),
    "intervals": lambda: pd.interval_range(0, 2, name="n"),
    "periods": lambda: pd.period_range("2020", periods=2, freq="M", name="n"),
    "levels": lambda: pd.MultiIndex.from_arrays([pd.Categorical(["a", "b"]), [1, 2]], names=["n", "m"]),
    "many objects": lambda: pd.Index([f"{n}" for n in range(2000)], dtype=object, name="n"),
}


@pytest.mark.parametrize("make", INDEXES.values(), ids=INDEXES)
def test_names_of_indexes_that_only_a_pickle_could_bring_come_back_too(tmp_path, make):
    index = make()
    names, before = {"df": pd.DataFrame({"v": range(len(index))}, index=index), "index": make()}, list(index.names)
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("before")
    for one in (index, names["index"]):
        one.names = ["changed", *before[1:]]
    status = workspace.restore("before")
    assert [list(names["df"].index.names), list(names["index"].names)] == [before, before]
    assert names["df"].index is index
    assert {"df.index", "index"} <= set(status.changed)
    workspace.undo()
    assert index.names[0] == names["index"].names[0] == "changed"
    workspace.restore("before")
    assert not workspace.restore("before").changed
    live = {"df": names["df"].copy(), "index": make().set_names(["changed", *before[1:]])}
    status = Workspace(live, tmp_path / "run.zarr").restore("before")
    assert [list(live["df"].index.names), list(live["index"].names)] == [before, before]
    assert live["df"].index.tolist() == live["index"].tolist() == index.tolist()
    assert status.unused_reasons.keys() == {"df.index", "index"}
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert [list(found["df"].index.names), list(found["index"].names)] == [before, before]
    assert found["index"].tolist() == index.tolist()


def test_looking_at_an_index_that_only_a_pickle_could_bring_keeps_nothing_alive():
    frame = pd.DataFrame({"v": [1, 2]}, index=INDEXES["categories"]())
    workspace = Workspace({"df": frame})
    workspace.store("before")
    gone = weakref.ref(frame.index)
    del workspace, frame
    gc.collect()
    assert gone() is None


class Refusing(dict):
    """A namespace that does not take some value of its last name back."""

    refused = None

    def __setitem__(self, name, value):
        if name == "last" and value == self.refused:
            raise PermissionError(name)
        super().__setitem__(name, value)


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (pd.DataFrame, lambda f: f.__setitem__("x", [1.0])),
        (lambda: pd.DataFrame(columns=["x"], dtype=object), add_a_row),
        (lambda: pd.Series([], dtype=object), add_a_row),
        (of([1, "a"], object), lambda f: f.__setitem__("a", [1.0, 2.0])),
        (of([1, "a"], object), lambda f: f.drop(index=0, inplace=True)),
        (of([1, "a"], object), lambda f: f.insert(0, "new", ["b", 2])),
        (of([1.0, 2.0]), lambda f: f.__setitem__("a", ["b", "c"])),
        (mixed, add_and_drop),
        (mixed, lambda f: f.set_index(f.columns[1], inplace=True)),
        (mixed, lambda f: (f.attrs.update(unit="m"), f.insert(0, "a", [1, 2, 3]))),
        (of(["u", "v"], "category"), lambda f: f.__setitem__("a", [1, 2])),
    ],
)
def test_a_restore_that_fails_later_gives_a_frame_back_what_it_held(make, change):
    names = Refusing(frame=make(), last=1)
    workspace = Workspace(names)
    workspace.store("before")
    stored = contents(names["frame"])
    change(names["frame"])
    names["last"] = 2
    frame, changed = names["frame"], contents(names["frame"])
    names.refused = 1
    with pytest.raises(RestoreFailed, match=r"everything is as it was before the restore$") as failed:
        workspace.restore("before")
    assert "taking it back" not in str(failed.value)
    assert names["frame"] is frame
    assert contents(frame) == changed
    names.refused = None
    workspace.restore("before")
    assert contents(frame) == stored
    workspace.undo()
    assert contents(frame) == changed
