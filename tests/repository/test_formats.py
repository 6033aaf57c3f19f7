"""Repositories of earlier formats stay readable, and can be written on.

``data/format1.tar.xz`` was made by the version that wrote format 1, of a namespace of
numbers, lists and arrays, one of them changed in part; the last of four snapshots was
dropped, and the third got another label.
"""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import snapshot
from snapshot import Workspace
from snapshot.repository import Repository, layout

MADE = Path(__file__).parent / "data" / "format1.tar.xz"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    with tarfile.open(MADE) as made:
        made.extractall(tmp_path_factory.mktemp("made"), filter="data")
        return next(tmp_path_factory.getbasetemp().glob("made*/format1.zarr"))


@pytest.fixture
def old(unpacked, tmp_path):
    return shutil.copytree(unpacked, tmp_path / "old.zarr")


W = np.arange(600_000, dtype="f4").reshape(600, 1000)


def test_every_snapshot_of_format_1_is_listed_with_its_label(old):
    found = Repository(old).timeline
    assert [(one.id, one.label, one.step, one.note, one.notebook) for one in found] == [
        (1, "first", 10, "", "old.ipynb"),
        (2, "second", 20, "w moved on", "old.ipynb"),
        (3, "good", 30, "", "old.ipynb"),
    ]


def test_every_value_of_format_1_is_read(old):
    repository = snapshot.open(old)
    assert_array_equal(repository["first"]["w"], W)
    assert_array_equal(repository["second"]["w"], W + 1)
    assert_array_equal(repository["second"]["big"][:, ::100_000], np.repeat([[0], [0], [7]], 15, axis=1))
    assert_array_equal(repository["good"]["b"], np.full(10, -1.0))
    assert (repository["first"]["rate"], repository["good"]["rate"]) == (0.5, 0.25)
    assert repository["good"]["names"] == ["a", {"k": (1, 2)}, "b"]
    assert repository.series("b").steps == [10, 20, 30]


def test_a_workspace_restores_from_format_1_and_writes_the_present_format_beside_it(old):
    files = {one: one.read_bytes() for one in old.rglob("*") if one.is_file() and "runs" in one.parts}
    names = {"w": np.zeros_like(W), "b": np.zeros(10), "rate": 0, "names": [], "big": np.ones((3, 1_500_000), "f4")}
    alias = names["w"]
    with_old = Workspace(names, old, notebook="old.ipynb")
    with_old.restore("second")
    assert_array_equal(alias, W + 1)
    with_old.store("new")
    with_old.close()
    assert {one: one.read_bytes() for one in files} == files
    about = json.loads((old / "zarr.json").read_bytes())["attributes"]["snapshot_repository"]
    assert about["format"] == layout.FORMAT
    again = Repository(old)
    assert [one.label for one in again.timeline] == ["first", "second", "good", "new"]
    assert again["new"].parent == f"{again['second'].run}.2"


def test_format_1_is_as_it_was_stored_before_and_after_it_is_written_on(old):
    assert Repository(old).verify()
    workspace = Workspace({"w": np.zeros_like(W)}, old, notebook="old.ipynb")
    workspace.store("new")
    workspace.close()
    assert Repository(old).verify()


def test_snapshots_of_format_1_can_be_labelled_and_dropped(old):
    repository = Repository(old)
    repository.relabel("first", "good")
    repository.drop("second")
    assert [(one.id, one.label) for one in Repository(old).timeline] == [(1, "good"), (3, None)]
