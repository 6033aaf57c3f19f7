"""A new run looks at the newest snapshots for contents to share, and at nothing that grows with the others."""

import numpy as np
import pytest
from zarr.storage import LocalStore, WrapperStore

from snapshot.repository import Repository, layout
from snapshot.repository.newest import newest
from snapshot.repository.storage import Storage


def ids(home, count=3):
    return [one.key for one in newest(Storage(home), count)]


def filled(example, home, numbers, run="first"):
    writer = Repository.create_or_open(home).writer(run)
    for number in numbers:
        writer.commit(example.entry({"b": np.full(3, number)}, number, run=run))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 15, 16, 17, 40, 300])
def test_the_newest_are_found(example, home, count):
    filled(example, home, range(1, count + 1))
    assert ids(home) == [("first", number) for number in range(1, count + 1)][-3:]


def test_of_several_runs_the_newest_by_time_count(example, home):
    filled(example, home, [1, 3, 5], "a1")
    filled(example, home, [2, 4], "a2")
    assert ids(home) == [("a1", 3), ("a2", 4), ("a1", 5)]


def test_dropped_ones_do_not_count(example, home):
    filled(example, home, range(1, 6))
    Repository(home).drop("#5", "#3")
    assert ids(home) == [("first", 1), ("first", 2), ("first", 4)]


def test_a_header_that_cannot_be_read_is_passed_over(example, home):
    filled(example, home, range(1, 6))
    (home / "runs/first/snapshots/5/zarr.json").write_bytes(b"{")
    assert ids(home) == [("first", 2), ("first", 3), ("first", 4)]


class Counting(WrapperStore):
    accesses = names = 0

    async def get(self, *args, **more):
        self.accesses += 1
        return await super().get(*args, **more)

    async def set(self, *args, **more):
        self.accesses += 1
        await super().set(*args, **more)

    async def list_dir(self, prefix):
        self.accesses += 1
        async for name in super().list_dir(prefix):
            self.names += 1
            yield name

    async def list_prefix(self, prefix):
        raise AssertionError("a commit lists nothing whole")
        yield


def costs(example, home, count, monkeypatch):
    """Accesses and listed names of the second commit of a run, and of the first of another."""
    monkeypatch.setattr(layout, "FOLDS", (4, 64))
    filled(example, home, range(1, count + 1))
    found = []
    store = Counting(LocalStore(home))
    writer = Repository.create_or_open(store).writer("second")
    for number in (1, 2):
        store.accesses = store.names = 0
        writer.commit(example.entry({"b": np.full(3, number)}, number, number - 1 or None, run="second"))
        found.append((store.accesses, store.names))
    return found


def test_a_commit_costs_the_same_however_many_snapshots_there_are(example, tmp_path, monkeypatch):
    few = costs(example, tmp_path / "few.zarr", 70, monkeypatch)
    many = costs(example, tmp_path / "many.zarr", 600, monkeypatch)
    assert few[1] == many[1] == (6, 0)
    assert many[0][0] == few[0][0]
    # the names of folds, of the run that was looked at
    assert many[0][1] - few[0][1] <= 600 // 64 + 64 // 4
