"""What many snapshots hold is known from the folds, and is what each of them says of itself."""

import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore, WrapperStore

import snapshot
from snapshot import Workspace
from snapshot.errors import SnapshotWarning
from snapshot.history import histories, newest_variables
from snapshot.repository import Repository, layout
from tests.repository.long_run import COUNT, stored_run

PATHS = ["w", "same", "small", "view", "turned", "loss", "z", "shape", "whole", "early", "nothing"]


@pytest.fixture(autouse=True)
def small_folds(monkeypatch):
    monkeypatch.setattr(layout, "FOLDS", (4, 8))


@pytest.fixture
def home(tmp_path):
    stored_run(tmp_path / "run.zarr")
    return tmp_path / "run.zarr"


def in_full(home):
    """For each snapshot path -> (variable, value), from its own table."""
    found = []
    for one in snapshot.open(home).timeline:
        held = dict(one.variables)
        found.append({path: (held[path], one[path]) for path in PATHS if path in held})
    return found


def contents(history):
    """Content -> its value, or the problem."""
    found = {}
    for batch in history.read(range(len(history.keys))):
        values = [batch.problem] * len(batch.contents) if batch.values is None else batch.values
        found.update(zip(batch.contents, values, strict=True))
    return found


def assert_history_says(history, expected):
    path, values = history.path, contents(history)
    assert [number >= 0 for number in history.which] == [path in held for held in expected], path
    digests = {}
    for number, held in zip(history.which.tolist(), expected, strict=True):
        if number >= 0:
            variable, value = held[path]
            form = history.form(number)
            assert (form.shape, form.dtype, form.role) == (variable.shape, variable.dtype, variable.role), path
            assert_array_equal(values[number], value, err_msg=path)
            assert digests.setdefault(number, variable.digest) == variable.digest, path
    assert len(set(digests.values())) == len(digests), path


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("folded", ["folds", "no folds", "damaged folds", "damaged columns"])
def test_a_history_says_what_every_snapshot_says(home, together, folded):
    expected = in_full(home)
    for fold in home.glob("runs/*/timeline/*"):
        data = bytearray(fold.read_bytes())
        end = 8 + int.from_bytes(data[:8], "little")
        if folded != "folds":
            fold.write_bytes(b"" if folded == "damaged folds" else data[:end] + bytes(len(data) - end))
    if folded == "no folds":
        shutil.rmtree(next(home.glob("runs/*/timeline")))
    timeline = snapshot.open(home).timeline
    groups = [PATHS] if together else [[path] for path in PATHS]
    for history in (one for group in groups for one in histories(group, timeline)):
        assert_history_says(history, expected)


def test_after_a_look_at_many_snapshots_each_says_the_same_as_before(home):
    expected = in_full(home)
    timeline = snapshot.open(home).timeline
    for path in PATHS:
        histories([path], timeline[3:])
        histories([path], timeline)
        for one, held in zip(timeline, expected, strict=True):
            assert (path in one.variables) == (path in held)
            if path in held:
                variable, value = held[path]
                assert one.variables[path] == variable
                found = one[path]
                assert type(found) is type(value)
                assert_array_equal(found, value)
            else:
                assert one.variables.get(path) is None


def test_the_newest_variables_are_those_that_a_look_into_every_table_finds(home):
    timeline = snapshot.open(home).timeline
    expected = {}
    for one in reversed(timeline):
        for path, variable in one.variables.items():
            if variable.shape and path not in expected:
                expected[path] = variable
    found = newest_variables(snapshot.open(home).timeline, lambda one: bool(one.shape))
    assert found == expected
    assert {"early", "same", "view"} <= found.keys()


class Counting(WrapperStore):
    read = ()

    async def get(self, key, prototype, byte_range=None):
        self.read = (*self.read, key)
        return await super().get(key, prototype, byte_range)


def tables(store):
    return {int(key.split("/")[3]) for key in store.read if key.endswith("/table")}


def test_the_history_of_arrays_and_numbers_reads_no_table_of_a_folded_snapshot(home):
    store = Counting(LocalStore(home))
    timeline = Repository(store).timeline
    found = histories(["w", "loss", "shape"], timeline)
    assert [len(contents(one)) for one in found] == [COUNT - 1] * 3
    newest_variables(timeline, lambda one: True)
    assert [one["w"][0, 0] for one in timeline[:3]]
    assert tables(store) == set(range(21, COUNT + 1))


def test_values_come_from_a_store_as_they_come_from_a_folder(home):
    for near, far in zip(
        histories(PATHS, snapshot.open(home).timeline), histories(PATHS, Repository(LocalStore(home)).timeline)
    ):
        for number, value in contents(near).items():
            assert_array_equal(contents(far)[number], value)


def test_a_damaged_content_is_a_problem_of_its_own(home):
    timeline = snapshot.open(home).timeline
    (history,) = histories(["small"], timeline)
    pack = max(home.glob("runs/*/packs/*/c.0"), key=lambda one: int(one.parent.name))
    pack.write_bytes(bytes(pack.stat().st_size))
    found = contents(history)
    damaged = [number for number, value in found.items() if isinstance(value, str)]
    assert damaged
    assert len(damaged) < len(found)
    assert all("variable 'small'" in found[number] and "is damaged" in found[number] for number in damaged)


def test_a_snapshot_whose_table_is_damaged_holds_nothing_and_says_so(home):
    (home / layout.table_key(next(home.glob("runs/*/snapshots")).parent.name, COUNT)).write_bytes(b"x")
    with pytest.warns(SnapshotWarning, match=f"{COUNT} in .* cannot be read"):
        (history,) = histories(["w"], snapshot.open(home).timeline)
    assert history.which[-1] == -1
    assert (history.which[:-1] >= 0).all()


def test_snapshots_in_memory_and_of_two_repositories_make_one_history(home, tmp_path):
    names = {"w": np.zeros(2)}
    workspace = Workspace(names)
    workspace.store()
    shutil.copytree(home, tmp_path / "copy.zarr")
    timeline = [*snapshot.open(home).timeline, *workspace.timeline, *snapshot.open(tmp_path / "copy.zarr").timeline]
    (history,) = histories(["w"], timeline)
    assert len(set(history.which.tolist())) == 2 * (COUNT - 1) + 1
    values = contents(history)
    for number, one in zip(history.which.tolist(), timeline, strict=True):
        assert_array_equal(values[number], one["w"])
