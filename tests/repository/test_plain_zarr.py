"""A repository is plain zarr: what we write, zarr alone can open."""

import re
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

import snapshot
from snapshot.repository import layout


def arrays_of(home, path):
    """Every array below a repository whose attribute is this path."""
    found = [str(one.parent.relative_to(home)) for one in home.rglob("variables/*/*/zarr.json")]
    arrays = [zarr.open_array(home, path=one, mode="r") for one in found]
    return [one for one in arrays if one.attrs["path"] == path]


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8", ">u2", "|b1", "|i1", "<c8", "<c16"])
@pytest.mark.parametrize("shape", [(70_000,), (300, 7_000), (3, 20, 40_001)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_zarr_sees_each_content_of_a_variable_as_a_row(example, commit, home, dtype, shape, order):
    random = np.random.default_rng(0)
    values = [np.asarray(random.integers(0, 99, shape).astype(dtype), order=order) for _ in range(2)]
    commit(*(example.entry({"w": one}, number + 1, number or None) for number, one in enumerate(values)))
    (array,) = arrays_of(home, "w")
    assert array.shape == (2, *shape)
    assert array.dtype == np.dtype(dtype).newbyteorder("=")
    for row, value in enumerate(values):
        assert_array_equal(array[row], value)


@pytest.mark.parametrize("dtype", ["<M8[ns]", "<U7", "|S5", np.longdouble, [("id", "<i4"), ("x", "<f8", (2,))]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_zarr_sees_other_dtypes_as_bytes(example, commit, home, dtype, order):
    value = np.zeros((40, 400), dtype, order=order)
    value.reshape(-1, order="A").view(np.uint8)[:] = 1
    commit(example.entry({"w": value}))
    (array,) = arrays_of(home, "w")
    assert array.dtype == np.uint8
    assert_array_equal(array[0].view(value.dtype)[..., 0].view(np.uint8), np.ascontiguousarray(value).view(np.uint8))


def test_a_new_shape_or_dtype_begins_an_array_of_its_own(example, commit, home):
    values = [example.big(), example.big(shape=(1000, 1500)), example.big().astype("f4")]
    commit(*(example.entry({"w": one}, number + 1, number or None) for number, one in enumerate(values)))
    assert {(one.shape, one.dtype.str) for one in arrays_of(home, "w")} == {
        ((1, *one.shape), one.dtype.str) for one in values
    }


def test_what_did_not_change_in_a_row_reads_as_not_a_number(example, commit, home):
    w = example.big()
    changed = w.copy()
    changed[0] = 0
    commit(example.entry({"w": w}, 1), example.entry({"w": changed}, 2, 1))
    (array,) = arrays_of(home, "w")
    assert_array_equal(array[1, 0], changed[0])
    assert np.isnan(array[1, 1400]).all()


def test_a_content_that_repeats_itself_is_complete_in_its_row(example, commit, home):
    commit(example.entry({"ones": np.ones((3, 524_288))}))
    (array,) = arrays_of(home, "ones")
    assert (array[0] == 1).all()


def test_variables_that_differ_in_nothing_but_their_names_case_are_apart(example, commit, home):
    commit(example.entry({"W": example.big(1), "w": example.big(2)}))
    folders = [one.name for one in (home / "runs/first/variables").iterdir() if one.is_dir()]
    assert len({one.lower() for one in folders}) == 2
    for path, seed in (("W", 1), ("w", 2)):
        (array,) = arrays_of(home, path)
        assert_array_equal(array[0], example.big(seed))


def test_zarr_lists_groups_arrays_and_packs(example, commit, home):
    commit(example.entry({"w": example.big(), "b": np.arange(4)}))
    root = zarr.open_group(home, mode="r")
    assert root.attrs["snapshot_repository"]["format"] == layout.FORMAT
    run = root["runs/first"]
    assert sorted(run.group_keys()) == ["packs", "snapshots", "variables"]
    assert run["snapshots/1"].attrs["snapshot"]["step"] == 10
    assert [one.attrs["path"] for _, one in run["variables"].groups()] == ["w"]
    assert bytes(run["packs/1"][:32]) == np.arange(4).tobytes()


def test_the_program_in_the_description_of_the_format_reads_every_value(example, commit, home):
    w = example.big()
    changed = w.copy()
    changed[0] = 0
    arrays = {"w": changed, "b": np.arange(4), "f": np.asfortranarray(example.big(2))}
    commit(example.entry({"w": w}, 1), example.entry(arrays, 2, 1))
    for path, value in arrays.items():
        assert_array_equal(described_program()["read"](home, "first", 2, path), value)


def described_program():
    """What the description of the format offers to read a repository with, without this package."""
    text = (Path(snapshot.__file__).parents[1] / "docs/format.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert not re.search(r"^\s*(?:import|from) .*snapshot", program, re.MULTILINE)
    scope = {}
    exec(program, scope)
    return scope


BIG = np.random.default_rng(0).random((300, 1000))
NAMED = {
    "integer": 3,
    "large": -(10**30),
    "number": 2.5,
    "infinite": float("-inf"),
    "nothing": None,
    "yes": True,
    "complex": 1 - 2j,
    "text": "weiß 🎉",
    "bytes": b"\x00\xff",
    "moment": datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
    "day": date(2026, 1, 2),
    "hour": time(3, 4),
    "span": timedelta(1, 2, 3),
    "amount": Decimal("1.10"),
    "third": Fraction(1, 3),
    "some": range(1, 9, 2),
    "float32": np.float32(0.1),
    "instant": np.datetime64("2026-01-02T03:04:05", "ns"),
    "config": {"rate": 0.5, "layers": [1, 2, (3, {"x"})], "w": np.arange(3), "on": date(2026, 1, 2), 7: None},
    "empty": [],
}
ARRAYS = {
    "small": np.arange(5),
    "single": np.array(5.0),
    "none": np.zeros((0, 3)),
    "big": BIG,
    "turned": np.asfortranarray(BIG[:, ::-1]),
    "ends": BIG.astype(">f4"),
    "dates": np.arange("2026-01-01", "2027-01-01", dtype="M8[h]"),
    "many_dates": np.arange(90_000).astype("M8[s]").reshape(300, 300),
    "turned_dates": np.asfortranarray(np.arange(90_000).astype("m8[s]").reshape(300, 300)),
    "words": np.array(["a", "bcd"]),
    "rows": np.array([(1, 2.5), (3, 4.5)], [("id", "<i4"), ("x", "<f8")]),
    "view": BIG[3:9, ::2],
}


def test_the_program_in_the_description_of_the_format_reads_plain_values_dates_views_and_arrays(home):
    workspace = snapshot.Workspace({**NAMED, **ARRAYS}, home)
    workspace.store("before")
    workspace.close()
    program = described_program()
    for name, value in NAMED.items():
        found = program["read"](home, workspace.run, 1, name)
        assert type(found) is type(value)
        assert repr(found) == repr(value)
    for name, value in ARRAYS.items():
        found = program["read"](home, workspace.run, 1, name)
        assert found.dtype == value.dtype
        assert_array_equal(found, value)
    assert_array_equal(program["read"](home, workspace.run, 1, "config['w']"), np.arange(3))


def test_the_program_says_of_what_was_by_reference_that_it_is_no_plain_value(home):
    workspace = snapshot.Workspace({"lock": threading.Lock(), "kind": NAMED.get}, home)
    workspace.store()
    workspace.close()
    for name in ("lock", "kind"):
        with pytest.raises(ValueError, match="not a plain value"):
            described_program()["read"](home, workspace.run, 1, name)


@pytest.mark.parametrize("path", ["CON", "a/b", "..", "x" * 300, "<w>", '"', "weiß.🎉", "a.", " ", "\ud800", "W\n"])
def test_any_path_has_a_folder_that_every_system_allows(path):
    name = layout.slug(path)
    assert re.fullmatch(r"[a-z0-9_-]{16,60}", name)
    assert name.split("-")[0] not in {"con", "prn", "aux", "nul"} or "-" in name
    assert name != layout.slug(path + " ")
