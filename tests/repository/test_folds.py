"""Folds make looking at many snapshots fast, and change nothing of what is seen."""

import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore, WrapperStore

import snapshot
from snapshot.errors import PathNotFound
from snapshot.repository import Repository, layout
from tests.repository.long_run import COUNT, stored_run


@pytest.fixture(autouse=True)
def small_folds(monkeypatch):
    monkeypatch.setattr(layout, "FOLDS", (4, 8))


@pytest.fixture
def home(tmp_path):
    stored_run(tmp_path / "run.zarr")
    return tmp_path / "run.zarr"


def everything(home):
    repository = snapshot.open(home)
    paths = ["w", "same", "small", "again", "view", "loss", "z", "shape", "whole"]
    found = {path: (repository.series(path).steps, repository.series(path)[...]) for path in paths}
    found["element"] = [0], repository.series("w")[:, 250, 3]
    found["header"] = [0], np.array([repr((one, one.parent, one.note)) for one in repository.timeline])
    return found


def folds(home):
    return sorted(one for one in home.glob("runs/*/timeline/*"))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for path, (steps, values) in expected.items():
        assert found[path][0] == steps, path
        assert_array_equal(found[path][1], values, err_msg=path)


def test_everything_is_as_it_is_without_folds(home):
    with_folds = everything(home)
    assert [one.name for one in folds(home)] == ["4-4", "8-0", "8-1"]
    shutil.rmtree(folds(home)[0].parent)
    assert_same(with_folds, everything(home))
    assert with_folds["w"][0] == [*range(1, 5), *range(6, COUNT + 1)]


@pytest.mark.parametrize("damage", [b"", b"x", bytes(2000)])
def test_a_damaged_fold_costs_nothing_but_time(home, damage):
    expected = everything(home)
    for fold in folds(home):
        fold.write_bytes(damage)
    assert_same(everything(home), expected)


@pytest.mark.parametrize("at", [30, 100, -30, -100])
def test_a_byte_of_a_fold_that_is_not_what_it_was_costs_nothing_but_time(home, at):
    expected = everything(home)
    for fold in folds(home):
        data = bytearray(fold.read_bytes())
        data[at] ^= 0x20
        fold.write_bytes(data)
    assert_same(everything(home), expected)


def test_a_fold_with_a_damaged_column_costs_nothing_but_time(home):
    expected = everything(home)
    for fold in folds(home):
        data = bytearray(fold.read_bytes())
        end = 8 + int.from_bytes(data[:8], "little")
        data[end:] = bytes(len(data) - end)
        fold.write_bytes(data)
    assert_same(everything(home), expected)


class Counting(WrapperStore):
    read = ()

    async def get(self, key, prototype, byte_range=None):
        self.read = (*self.read, key)
        return await super().get(key, prototype, byte_range)


def test_a_series_reads_no_table_of_a_folded_snapshot(home):
    store = Counting(LocalStore(home))
    assert_array_equal(Repository(store).series("loss")[:3], [1, 1 / 2, 1 / 3])
    tables = {int(key.split("/")[3]) for key in store.read if key.endswith("/table")}
    assert tables == set(range(21, COUNT + 1))
    assert not any("/packs/" in key for key in store.read)


def test_a_path_nothing_lies_at_is_refused_with_near_ones(home):
    with pytest.raises(PathNotFound, match="small"):
        snapshot.open(home).series("smal")


def test_a_snapshot_that_was_taken_back_is_in_no_series(tmp_path, example):
    writer = Repository.create_or_open(tmp_path / "run.zarr").writer("first")
    for number in range(1, 11):
        entry = example.entry({"w": np.arange(5) * number}, number, number - 1 or None)
        writer.commit(entry)
        if number in (3, 4, 7):
            writer.take_back(entry.snapshot)
    series = Repository(tmp_path / "run.zarr").series("w")
    assert series.steps == [10, 20, 50, 60, 80, 90, 100]
    assert_array_equal(series[:, 1], [1, 2, 5, 6, 8, 9, 10])
