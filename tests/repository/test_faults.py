"""Whichever access to a store fails, earlier snapshots are as they were and everything goes on afterwards.

Every second failure is for good until it is healed, the others pass at once; with
``SNAPSHOT_LONG_TESTS=1`` each is both.
"""

import os
import shutil
import subprocess
import sys
import warnings
from contextlib import suppress
from datetime import timedelta
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore, WrapperStore

from snapshot import SnapshotWarning, Workspace
from snapshot.errors import RepositoryError
from snapshot.reading import Records
from snapshot.repository import Repository

NOW = timedelta(0)
LASTING = [False, True] if os.environ.get("SNAPSHOT_LONG_TESTS") else [None]


class Faulty(WrapperStore):
    """A store of which the n-th access fails, and with ``lasting`` all after it."""

    fail_at = 0
    lasting = False
    accesses = 0

    def _access(self):
        self.accesses += 1
        if self.fail_at and (self.accesses == self.fail_at or (self.lasting and self.accesses > self.fail_at)):
            raise ConnectionError("the cable was pulled")

    def heal(self):
        self.accesses = self.fail_at = 0

    async def get(self, *args, **more):
        self._access()
        return await super().get(*args, **more)

    async def set(self, *args, **more):
        self._access()
        await super().set(*args, **more)

    async def delete(self, *args):
        self._access()
        await super().delete(*args)

    async def delete_dir(self, *args):
        self._access()
        await super().delete_dir(*args)

    async def getsize(self, *args):
        self._access()
        return await super().getsize(*args)

    async def list_dir(self, prefix):
        self._access()
        async for name in super().list_dir(prefix):
            yield name

    async def list_prefix(self, prefix):
        self._access()
        async for name in super().list_prefix(prefix):
            yield name


def contents(number):
    """Three kinds of contents, of which each is shared by some snapshots and not by others."""
    return {"w": np.full(20_000, number // 2), "v": np.full(20_000, number), "b": np.full(5, number)}


@pytest.fixture
def begun(example, tmp_path):
    """A repository of four snapshots, the second of them dropped."""
    home = tmp_path / "begun.zarr"
    writer = Repository.create_or_open(home).writer("first")
    for number in range(1, 5):
        writer.commit(entry(example, number))
    Repository(home).drop("#2")
    return home


def entry(example, number, run="first"):
    parent = number - 1 if run == "first" and number > 1 else None if run == "first" else "first.4"
    return example.entry(contents(number), number, parent, records={"g": b"%d" % number}, run=run)


def fail_at(store, n, lasting):
    store.accesses, store.fail_at, store.lasting = 0, n, n % 2 == 0 if lasting is None else lasting


def tried(action, store, n, lasting):
    """Do something whose n-th access fails; whether it had so many."""
    fail_at(store, n, lasting)
    with suppress(RepositoryError):
        action()
    reached = store.accesses >= n
    store.heal()
    return reached


def assert_whole(repository, keys):
    assert {(one.run, one.id) for one in repository.timeline} == keys
    for one in repository:
        for path, value in contents(one.id).items():
            assert_array_equal(one[path], value)
        assert repository.entry(one).record("g") == b"%d" % one.id
    assert repository.verify()


BEFORE = {("first", 1), ("first", 3), ("first", 4)}


@pytest.mark.parametrize("lasting", LASTING)
@pytest.mark.parametrize("what", ["commit", "drop", "collect"])
def test_any_access_may_fail(example, tmp_path, begun, what, lasting):
    n, reached = 0, True
    while reached:
        n += 1
        home = shutil.copytree(begun, tmp_path / f"{n}.zarr")
        store = Faulty(LocalStore(home))
        repository = Repository.create_or_open(store)
        assert len(repository.timeline) == 3
        writer = repository.writer("second")
        action = {
            "commit": partial(writer.commit, entry(example, 5, "second")),
            "drop": partial(repository.drop, "#first.3"),
            "collect": partial(repository.collect, NOW),
        }[what]
        reached = tried(action, store, n, lasting)
        if what == "commit":
            there = {("second", 5)} & {(one.run, one.id) for one in repository.timeline}
            assert_whole(Repository(home), BEFORE | there)
            writer.commit(entry(example, 5, "second"))
        else:
            there = {(one.run, one.id) for one in repository.timeline}
            assert there in (BEFORE, BEFORE - {("first", 3)} if what == "drop" else BEFORE)
            assert_whole(Repository(home), there)
            writer.commit(entry(example, 5, "second"))
        repository.collect(NOW)
        left = {(one.run, one.id) for one in repository.timeline}
        assert left >= {("first", 1), ("first", 4), ("second", 5)}
        assert_whole(Repository(home), left)
        assert not list(home.glob("notes/*.dropped"))
        if reached:
            shutil.rmtree(home)
    assert n > {"commit": 12, "drop": 1, "collect": 20}[what]


@pytest.mark.parametrize("lasting", LASTING)
def test_a_workspace_goes_on_whichever_access_of_a_store_failed(tmp_path, lasting):
    reached, n = True, 0
    while reached:
        n += 1
        store = Faulty(LocalStore(tmp_path / f"{n}.zarr"))
        repository = Repository.create_or_open(store, decode=Records())
        names = {"w": np.arange(9.0), "rate": 1}
        workspace = Workspace(names, repository)
        workspace.store("first")
        workspace.flush()
        names["w"][:], names["rate"] = 7, 2
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            fail_at(store, n, lasting)
            workspace.store("second")
            workspace.flush()
            reached = store.accesses >= n
            store.heal()
        failed = [one for one in said if issubclass(one.category, SnapshotWarning)]
        if failed:
            assert "#2 could not be written to disk" in str(failed[0].message)
            assert "the cable was pulled" in str(failed[0].message)
        names["w"][:], names["rate"] = 8, 3
        workspace.store("third")
        workspace.restore("first")
        assert (names["w"].tolist(), names["rate"]) == (list(range(9)), 1)
        workspace.restore("second")
        assert (names["w"].tolist(), names["rate"]) == ([7.0] * 9, 2)
        workspace.flush()
        labels = [one.label for one in Repository(tmp_path / f"{n}.zarr").timeline]
        assert [label for label in labels if label != "second"] == ["first", "third"]
        # a fold that could not be written is no failure; nothing else may go unsaid
        assert ("second" in labels) or failed
        assert Repository(tmp_path / f"{n}.zarr").verify()
        workspace.close()
    assert n > 5


FULL = """
import resource, sys, warnings
import numpy as np
from snapshot import SnapshotWarning, Workspace
from datetime import timedelta
home, limit = sys.argv[1], int(sys.argv[2])
names = {"w": np.arange(100_000.0), "b": np.arange(4)}
workspace = Workspace(names, home)
workspace.store("before")
workspace.flush()
if limit:
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
names["large"] = np.random.default_rng(0).random(2_000_000)
names["w"] += 1
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    workspace.store("too-large")
    workspace.flush()
print("SAID", *[one.message for one in said if issubclass(one.category, SnapshotWarning)])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
names["large"] = None
names["w"] += 1
workspace.store("after")
workspace.flush()
workspace.restore("too-large")
print("LARGE", names["large"].sum() == np.random.default_rng(0).random(2_000_000).sum(), names["w"][0])
print("LEFT", [one.label for one in workspace.repository.timeline], bool(workspace.repository.verify()))
print("RESTORED", workspace.restore("before"), names["w"][0])
workspace.drop("before")
print("COLLECTED", workspace.collect(timedelta(0)))
print("LEFT", [one.label for one in workspace.repository.timeline], bool(workspace.repository.verify()))
"""


def full_disk(home, limit):
    done = subprocess.run([sys.executable, "-c", FULL, str(home), str(limit)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_told_and_whole(out, reason, left):
    assert "SAID #2 could not be written to disk: " in out
    assert reason in out
    assert "Every earlier snapshot is as it was; store again when there is room." in out
    assert "LARGE True 1.0" in out
    assert f"LEFT {['before', *left]} True" in out
    assert "RESTORED restored before" in out
    assert f"LEFT {left} True" in out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_a_file_that_cannot_grow_is_said_and_written_by_the_next_store_when_it_can(tmp_path):
    out = full_disk(tmp_path / "run.zarr", 1_500_000)
    assert_told_and_whole(out, "File too large", ["too-large", "after"])


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root mounts a disk")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("this system mounts nothing here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_said_and_has_its_space_back(small_disk):
    out = full_disk(small_disk / "run.zarr", 0)
    assert_told_and_whole(out, "No space left on device", ["after"])
    used = sum(one.stat().st_size for one in small_disk.rglob("*") if one.is_file())
    assert used < 2_500_000
