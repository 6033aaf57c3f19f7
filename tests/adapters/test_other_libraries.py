"""Libraries that need no adapter: immutable tables by reference, sparse and labelled arrays by the walk."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import xarray as xr

from snapshot.workspace import Workspace


def stored(**names):
    workspace = Workspace(names)
    workspace.store("before")
    return names, workspace


@pytest.mark.parametrize(
    "make",
    [
        lambda: pl.DataFrame({"a": [1, 2], "s": ["x", None]}),
        lambda: pl.Series("a", [1.0]),
        lambda: pl.LazyFrame({"a": [1]}).filter(pl.col("a") > 0),
        lambda: pa.table({"a": [1, 2], "s": ["x", None]}),
        lambda: pa.array([[1], None]),
        lambda: pa.schema([("a", pa.int32())]),
    ],
    ids=["DataFrame", "Series", "LazyFrame", "Table", "Array", "Schema"],
)
def test_what_cannot_change_is_the_very_object_again(make):
    thing = make()
    names, workspace = stored(thing=thing, held=[thing])
    names["thing"] = names["held"][0] = None
    status = workspace.restore("before")
    assert names["thing"] is names["held"][0] is thing
    assert not status.by_reference


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
@pytest.mark.parametrize("family", ["array", "matrix"])
def test_a_sparse_array_is_the_same_object_with_its_contents_back(layout, family):
    dense = np.array([[0.0, 1, 0], [2, 0, 3]])
    sparse = getattr(sp, f"{layout}_{family}")(dense)
    names, workspace = stored(x=sparse)
    if hasattr(sparse, "data") and layout != "lil":
        sparse.data[...] = 9
    else:
        sparse[0, 1] = 9
    workspace.restore("before")
    assert names["x"] is sparse
    assert sparse.toarray().tolist() == dense.tolist()


def test_a_sparse_array_that_grew_has_its_old_structure_again():
    sparse = sp.csr_array(np.eye(3))
    names, workspace = stored(x=sparse, view=sparse.data[:2])
    with pytest.warns(sp.SparseEfficiencyWarning):
        sparse[0, 2] = 5
    workspace.restore("before")
    assert (sparse.nnz, sparse.toarray().tolist()) == (3, np.eye(3).tolist())
    assert np.shares_memory(names["view"], sparse.data)


def labelled():
    return xr.DataArray(
        np.arange(6.0).reshape(2, 3), dims=("y", "x"), coords={"x": [10, 20, 30]}, attrs={"unit": "m"}
    )


def test_a_labelled_array_is_the_same_object_with_values_attrs_and_views_back():
    array = labelled()
    names, workspace = stored(array=array, row=array[0], plain=array.values)
    array[0, 0], array.attrs["unit"] = 9, "km"
    array.coords["x"] = [1, 2, 3]
    workspace.restore("before")
    assert names["array"] is array
    xr.testing.assert_identical(array, labelled())
    array[0, 1] = 7
    assert names["row"][1] == names["plain"][0, 1] == 7


def test_a_dataset_forgets_variables_made_since():
    data = xr.Dataset({"t": labelled()})
    names, workspace = stored(data=data)
    data["more"] = data["t"] * 2
    data["t"][1, 1] = 9
    data.attrs["note"] = "late"
    workspace.restore("before")
    assert names["data"] is data
    xr.testing.assert_identical(data, xr.Dataset({"t": labelled()}))


def test_a_dataset_over_times_keeps_its_index():
    times = pd.date_range("2026", periods=3)
    data = xr.Dataset({"v": ("time", [1.0, 2, 3])}, coords={"time": times})
    _, workspace = stored(data=data)
    data["v"][0] = 9
    data["time"] = times + pd.Timedelta("1D")
    workspace.restore("before")
    assert data.sel(time="2026-01-01")["v"] == 1
