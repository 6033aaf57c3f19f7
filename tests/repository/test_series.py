"""A series is indexed as the array of all its values would be, but reads little."""

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore, WrapperStore

import snapshot
from snapshot.errors import PathNotFound
from snapshot.model import Role, Variable
from snapshot.repository import Repository


class Counting(WrapperStore):
    """Remembers which keys were read."""

    read = ()

    async def get(self, key, prototype, byte_range=None):
        self.read = (*self.read, key)
        return await super().get(key, prototype, byte_range)


@pytest.fixture
def values(example, commit):
    """Five snapshots of one array of three blocks; each changes one block of the one before."""
    value = example.big()
    found = []
    for number in range(1, 6):
        value = value.copy()
        value[(number % 3) * 600] += 1
        order = "F" if number == 3 else "C"
        found.append(np.asarray(value, order=order))
        commit(example.entry({"w": found[-1], "b": value[0, :5]}, number, number - 1 or None))
    return np.stack(found)


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_basic_index_gives_what_numpy_gives(home, values, data):
    key = data.draw(arrays.basic_indices(values.shape, allow_newaxis=False))
    assert_array_equal(Repository(home).series("w")[key], values[key])


@pytest.mark.parametrize("key", [[0, 2], np.array([True, False, True, True, False]), (None, 0), ([0, 1], 5)])
def test_other_indices_work_too(home, values, key):
    assert_array_equal(Repository(home).series("w")[key], values[key])


def test_a_series_knows_its_form_and_steps(home, values):
    series = Repository(home).series("w")
    assert (series.shape, series.dtype, series.ndim, len(series)) == (values.shape, values.dtype, 3, 5)
    assert series.steps == [10, 20, 30, 40, 50]
    assert all(type(step) is int for step in series.steps)
    assert_array_equal(np.asarray(Repository(home).series("b")), values[:, 0, :5])


def test_only_blocks_that_an_index_touches_are_read_and_each_content_once(example, home, values):
    store = Counting(LocalStore(home))
    series = Repository(store).series("w")
    store.read = ()
    series[3:, 0, 3]
    assert [key.rpartition("/")[2] for key in store.read] == ["c.2.0.0"]
    store.read = ()
    series[-1]
    assert len(store.read) == 3


def test_numpy_errors_for_an_index_out_of_range(home, values):
    series = Repository(home).series("w")
    for key in (5, -6, (0, 1500), (0, 0, 1000)):
        with pytest.raises(IndexError, match="out of range"):
            series[key]
    with pytest.raises(IndexError, match="4 indices for 3 axes"):
        series[0, 0, 0, 0]


def test_only_the_newest_shape_and_dtype_take_part(example, commit):
    values = [np.zeros(3), np.zeros(4), np.zeros(3, "f4"), np.ones(4)]
    repository = commit(*(example.entry({"w": one}, n, n - 1 or None) for n, one in enumerate(values, 1)))
    assert repository.series("w").steps == [20, 40]
    assert repository.series("w")[:, 0].tolist() == [0, 1]


def test_snapshots_without_the_variable_do_not_count(example, commit):
    repository = commit(
        example.entry({"w": np.zeros(3)}, 1), example.entry({}, 2, 1), example.entry({"w": np.ones(3)}, 3, 2)
    )
    assert repository.series("w").steps == [10, 30]


def test_a_series_follows_an_alias_and_a_view(example, commit):
    base = np.arange(12.0)
    entries = [
        example.entry(
            {"w": base * n}, n, n - 1 or None, views={"v": ("w", base[6:2:-1], 48)}, aliases={"w": ("m.w",)}
        )
        for n in (1, 2)
    ]
    repository = commit(*entries)
    assert_array_equal(repository.series("m.w")[:, 3], [3, 6])
    assert_array_equal(repository.series("v")[...], [[6, 5, 4, 3], [12, 10, 8, 6]])
    assert_array_equal(repository.series("v")[1, ::-1], [6, 8, 10, 12])


def test_a_series_of_numbers_kept_in_records(example, commit, home):
    loss = Variable("loss", Role.VALUE, (), np.dtype("f8"), 8, b"\x01" * 16)
    commit(*(example.entry({}, n, plain=[loss], records={"loss": f"{n / 2}".encode()}) for n in (1, 2, 3)))
    repository = Repository(home, decode=lambda entry, path: float(entry.record(path)))
    assert repository.series("loss")[:].tolist() == [0.5, 1.0, 1.5]


def test_a_series_of_chosen_snapshots(example, home, values):
    repository = Repository(home)
    assert_array_equal(repository.series("w", repository.timeline[1:3])[:, 0, 0], values[1:3, 0, 0])


def test_an_unknown_path_names_the_nearest(home, values):
    with pytest.raises(PathNotFound, match=r"at 'ww'\. Did you mean 'w'\?"):
        Repository(home).series("ww")


def test_xarray_gets_the_steps_and_reads_lazily(home, values):
    pytest.importorskip("xarray")
    store = Counting(LocalStore(home))
    array = Repository(store).series("w").to_xarray()
    store.read = ()
    assert array.sel(step=20)[5, 7].compute() == values[1, 5, 7]
    assert len(store.read) == 1
    store.read = ()
    assert_array_equal(array[:, 5, 7].values, values[:, 5, 7])
    assert len(set(store.read)) == len(store.read) <= 5
    assert array.name == "w"
    assert array.dims == ("step", "axis_0", "axis_1")


def test_building_and_describing_an_xarray_reads_nothing(home, values):
    pytest.importorskip("dask")
    store = Counting(LocalStore(home))
    series = Repository(store).series("w")
    store.read = ()
    array = series.to_xarray()
    later = array.sel(step=slice(20, 40)).mean("axis_0")
    assert (array.shape, array.dtype, array.nbytes) == (values.shape, values.dtype, values.nbytes)
    assert (array.step.values.tolist(), later.shape) == ([10, 20, 30, 40, 50], (3, 1000))
    assert "w" in repr(array)
    assert store.read == ()
    np.testing.assert_allclose(later.values, values[1:4].mean(1))


def test_an_xarray_has_the_times_of_the_snapshots(home, values):
    pytest.importorskip("xarray")
    array = Repository(home).series("b").to_xarray()
    assert array.time.dims == ("step",)
    assert str(array.time.values[0]).startswith("2026-01-01T00:01:00")
    assert array.where(array.time > np.datetime64("2026-01-01T00:03:30"), drop=True).step.values.tolist() == [40, 50]


@pytest.mark.parametrize("value", [np.zeros((0, 3)), np.array(1.5), np.arange(3), np.asfortranarray(np.ones((2, 3)))])
def test_an_xarray_of_any_shape_has_the_values(value, example, commit):
    pytest.importorskip("dask")
    series = commit(example.entry({"w": value}, 1), example.entry({"w": value + 1}, 2, 1)).series("w")
    assert_array_equal(series.to_xarray().values, np.stack([value, value + 1]))


def test_without_xarray_the_message_says_what_to_install(home, values, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"pip install 'jupyter-snapshot\[xarray\]'"):
        Repository(home).series("w").to_xarray()


def test_names_shapes_and_dtypes_of_a_snapshot_are_known_without_a_value(home, values):
    store = Counting(LocalStore(home))
    variables = Repository(store)["latest"].variables
    assert {path: (one.shape, one.dtype) for path, one in variables.items()} == {
        "w": ((1500, 1000), np.dtype("f8")),
        "b": ((5,), np.dtype("f8")),
    }
    assert [key for key in store.read if "/variables/" in key or "/packs/" in key] == []


def test_one_value_is_read_without_the_others(home, values):
    store = Counting(LocalStore(home))
    snap = Repository(store)["latest"]
    store.read = ()
    assert_array_equal(snap["b"], values[-1, 0, :5])
    assert [key for key in store.read if "/variables/" in key] == []


def test_bfloat16_series_are_bfloat16_where_they_can(example, commit):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.arange(4).astype(ml_dtypes.bfloat16)
    repository = commit(example.entry({"w": value.view("<u2")}, dtypes={"w": "bfloat16"}))
    assert repository.series("w").dtype == ml_dtypes.bfloat16
    assert repository.series("w")[:, 3].astype(float).tolist() == [3]


def test_a_series_keeps_to_the_run_that_stored_last(tmp_path):
    home = tmp_path / "run.zarr"
    for start in (0.0, 100.0):
        names = {"w": np.full(2, start)}
        workspace = snapshot.Workspace(names, home)
        for _ in range(2):
            workspace.store()
            names["w"] += 1
        workspace.flush()
    repository = Repository(home)
    assert repository.series("w")[:, 0].tolist() == [100, 101]
    assert repository.series("w", repository.timeline)[:, 0].tolist() == [0, 1, 100, 101]
