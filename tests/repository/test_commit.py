"""The commit key is written last, and only what is new is written at all."""

import asyncio
import multiprocessing
import os
import re
import shutil
import signal
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore, MemoryStore, WrapperStore

from snapshot.errors import InvalidName, RepositoryError
from snapshot.repository import Repository


class Failing(WrapperStore):
    """A store whose ``fail_at``-th set from now on never arrives, nor any after it."""

    fail_at = -1
    error = ConnectionError("the cable was pulled")

    async def set(self, key, value):
        self.fail_at -= 1
        if self.fail_at == 0:
            self.fail_at = 1
            raise self.error
        await super().set(key, value)


@pytest.fixture
def failing(home):
    home.mkdir()
    return Failing(LocalStore(home))


def first_and_second(example):
    """Two entries, of which the second changes a big array in part and adds a small one."""
    w, b = example.big(), np.arange(10)
    changed = w.copy()
    changed[:3] += 1
    return (
        ({"w": w, "b": b}, example.entry({"w": w, "b": b}, 1, records={"g": b"[1]"})),
        ({"w": changed, "b": b, "c": b + 1}, example.entry({"w": changed, "b": b, "c": b + 1}, 2, 1)),
    )


def sets_of_a_commit(example, tmp_path):
    """How many keys the second commit writes."""
    counting = Failing(LocalStore(tmp_path / "counted"))
    writer = Repository.create_or_open(counting).writer("first")
    (_, first), (_, second) = first_and_second(example)
    writer.commit(first)
    counting.fail_at = 0
    writer.commit(second)
    return -counting.fail_at


def assert_holds(snapshot, arrays):
    assert set(snapshot.variables) == set(arrays)
    for path, array in arrays.items():
        assert_array_equal(snapshot[path], array)


def test_a_commit_cut_off_at_any_key_leaves_the_earlier_ones_and_the_next_works(example, tmp_path):
    (arrays, first), (changed, second) = first_and_second(example)
    writes = sets_of_a_commit(example, tmp_path)
    assert writes >= 6
    for cut_off in range(1, writes + 1):
        home = tmp_path / f"cut{cut_off}"
        store = Failing(LocalStore(home))
        writer = Repository.create_or_open(store).writer("first")
        writer.commit(first)
        before = example.files(home)
        store.fail_at = cut_off
        with pytest.raises(RepositoryError, match="cable"):
            writer.commit(second)
        assert [one.id for one in Repository(home).timeline] == [1]
        assert_holds(Repository(home)["#1"], arrays)
        store.fail_at = -1
        writer.commit(second)
        assert_holds(Repository(home)["#1"], arrays)
        assert_holds(Repository(home)["#2"], changed)
        after = example.files(home)
        # of committed files only the arrays' own descriptions change: they count their rows
        assert {name for name in before if before[name] != after[name]} <= {
            name for name in before if "/variables/" in name and name.endswith("zarr.json")
        }


def test_a_first_commit_cut_off_at_any_key_can_be_tried_again(example, tmp_path):
    (arrays, first), _ = first_and_second(example)
    for cut_off in range(1, 15):
        home = tmp_path / f"cut{cut_off}"
        store = Failing(LocalStore(home))
        store.fail_at = cut_off
        with pytest.raises(RepositoryError):
            Repository.create_or_open(store).writer("first").commit(first)
        Repository.create_or_open(home).writer("second").commit(first)
        assert_holds(Repository(home)["#second.1"], arrays)
        assert len(Repository(home)) == 1


class Interrupting(WrapperStore):
    """A store at whose n-th set the user presses Ctrl-C; what was begun arrives nevertheless."""

    interrupt_at = -1

    async def set(self, key, value):
        self.interrupt_at -= 1
        if self.interrupt_at == 0:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(5000):
                # the other thread has every chance to go on before this key arrives
                await asyncio.sleep(0)
        await super().set(key, value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signal to one's own process")
def test_an_interrupt_at_any_key_leaves_no_snapshot_and_the_next_commit_works(example, tmp_path):
    (arrays, first), (changed, second) = first_and_second(example)
    for moment in range(1, sets_of_a_commit(example, tmp_path) + 1):
        home = tmp_path / f"interrupted{moment}"
        store = Interrupting(LocalStore(home))
        writer = Repository.create_or_open(store).writer("first")
        writer.commit(first)
        store.interrupt_at = moment
        with pytest.raises(KeyboardInterrupt):
            writer.commit(second)
        assert [one.id for one in Repository(home).timeline] == [1]
        writer.commit(second)
        assert_holds(Repository(home)["#1"], arrays)
        assert_holds(Repository(home)["#2"], changed)


def test_after_a_failure_another_snapshot_can_take_the_next_number(example, failing, home):
    (arrays, first), (_, second) = first_and_second(example)
    writer = Repository.create_or_open(failing).writer("first")
    writer.commit(first)
    failing.fail_at = 2
    with pytest.raises(RepositoryError):
        writer.commit(second)
    failing.fail_at = -1
    writer.commit(example.entry({"w": arrays["w"] + 5}, 3, 1))
    assert [one.id for one in Repository(home).timeline] == [1, 3]
    assert_array_equal(Repository(home)["#3"]["w"], arrays["w"] + 5)


def test_an_error_of_the_callers_own_passes_through(example, failing, home):
    writer = Repository.create_or_open(failing).writer("first")
    entry = example.entry({"w": example.big()})
    with pytest.raises(ZeroDivisionError):
        writer.commit(replace(entry, block=lambda digest: 1 / 0))
    writer.commit(entry)
    assert_array_equal(Repository(home)["#1"]["w"], example.big())


def test_a_block_of_the_wrong_size_is_refused_before_anything_is_committed(example, commit, home):
    entry = example.entry({"w": example.big()})
    with pytest.raises(ValueError, match="w: block 0 has 3 bytes"):
        commit(replace(entry, block=lambda digest: memoryview(b"abc")))
    assert len(Repository(home)) == 0


def test_committing_a_snapshot_again_changes_nothing(example, commit, home):
    entry = example.entry({"w": example.big()})
    commit(entry)
    before = example.files(home)
    commit(entry)
    assert example.files(home) == before


def test_another_snapshot_under_a_used_number_is_refused(example, commit):
    commit(example.entry({"w": np.arange(3)}))
    late = example.entry({"w": np.arange(4)})
    late = replace(late, snapshot=replace(late.snapshot, time=late.snapshot.time + timedelta(1)))
    with pytest.raises(RepositoryError, match="already holds another snapshot #1"):
        commit(late)


def test_a_run_can_be_continued_by_a_later_writer(example, commit, home):
    w = example.big()
    commit(example.entry({"w": w, "b": np.arange(3)}))
    before = example.files(home)
    again = Repository.create_or_open(home).writer("first")
    again.commit(example.entry({"w": w, "b": np.arange(3)}))
    assert example.files(home) == before
    again.commit(example.entry({"w": w + 1, "b": np.arange(4)}, 2, 1))
    repository = Repository(home)
    assert_holds(repository["#1"], {"w": w, "b": np.arange(3)})
    assert_holds(repository["#2"], {"w": w + 1, "b": np.arange(4)})


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_deleted_or_replaced_under_a_writer_gets_whole_snapshots_again(example, commit, home, replaced):
    arrays = {"w": example.big(), "b": np.arange(3)}
    commit(example.entry(arrays, 1))
    shutil.rmtree(home)
    if replaced:
        Repository.create_or_open(home).writer("other").commit(example.entry({"w": np.arange(3)}, run="other"))
    commit(example.entry(arrays, 2, 1))
    assert_holds(Repository(home)["#first.2"], arrays)
    assert len(Repository(home)) == 1 + replaced


def size_of(home):
    return sum(one.stat().st_size for one in home.rglob("*") if one.is_file())


def test_an_unchanged_snapshot_costs_a_table(example, commit, home):
    arrays = {f"w{seed}": example.big(seed) for seed in range(3)}
    commit(example.entry(arrays, 1, records={"g": b"[1]" * 1000}))
    before = size_of(home)
    commit(example.entry(arrays, 2, 1, records={"g": b"[1]" * 1000}))
    assert size_of(home) - before < 10_000


def test_a_change_costs_the_blocks_it_touches(example, commit, home):
    w = example.big()
    commit(example.entry({"w": w}, 1))
    before = size_of(home)
    changed = w.copy()
    changed[700] += 1
    repository = commit(example.entry({"w": changed}, 2, 1))
    assert size_of(home) - before < 4_300_000
    assert_array_equal(repository["#1"]["w"], w)
    assert_array_equal(repository["#2"]["w"], changed)


def test_an_unchanged_small_value_refers_to_the_old_pack(example, commit, home):
    commit(example.entry({"a": np.arange(1000), "b": np.arange(5)}, 1, pickles={"g": b"p" * 9000}))
    commit(example.entry({"a": np.arange(1000), "b": np.arange(6)}, 2, 1, pickles={"g": b"p" * 9000}))
    packs = sorted(home.rglob("packs/*/c.0"))
    assert [one.stat().st_size for one in packs][1] == 64
    assert commit()["#2"]["a"].tolist() == list(range(1000))


def test_a_copy_under_another_name_costs_nothing(example, commit, home):
    w = example.big()
    commit(example.entry({"w": w}, 1))
    before = size_of(home)
    repository = commit(example.entry({"w": w, "w_before": w.copy()}, 2, 1))
    assert size_of(home) - before < 10_000
    assert_array_equal(repository["#2"]["w_before"], w)


def test_going_back_to_an_earlier_content_costs_nothing(example, commit, home):
    a, b = example.big(1), example.big(2)
    commit(example.entry({"w": a}, 1), example.entry({"w": b}, 2, 1))
    before = size_of(home)
    repository = commit(example.entry({"w": a}, 3, 2))
    assert size_of(home) - before < 10_000
    assert_array_equal(repository["#3"]["w"], a)


def test_a_new_run_does_not_write_again_what_the_last_one_left(example, commit, home):
    w = example.big()
    commit(example.entry({"w": w, "b": np.arange(9)}, 1))
    before = size_of(home)
    second = Repository.create_or_open(home).writer("second")
    changed = w.copy()
    changed[0] = 0
    second.commit(example.entry({"w": w, "b": np.arange(9)}, 1, "first.1", run="second"))
    assert size_of(home) - before < 10_000
    second.commit(example.entry({"w": changed, "b": np.arange(9)}, 2, 1, run="second"))
    assert size_of(home) - before < 4_300_000
    assert_array_equal(Repository(home)["#second.2"]["w"], changed)


def test_a_snapshot_shares_with_its_parent_in_another_run_however_old(example, commit, home):
    w = example.big()
    commit(example.entry({"w": w}, 1), *(example.entry({"b": np.arange(n)}, n, n - 1) for n in range(2, 9)))
    before = size_of(home)
    Repository.create_or_open(home).writer("second").commit(example.entry({"w": w}, 1, "first.1", run="second"))
    assert size_of(home) - before < 10_000


def test_two_writers_share_a_repository(example, home):
    one, two = (Repository.create_or_open(home).writer(run) for run in ("one", "two"))
    for number in (1, 2, 3):
        for writer, run in ((one, "one"), (two, "two")):
            writer.commit(example.entry({"w": np.full(3, number)}, number, number - 1 or None, run=run))
    repository = Repository(home)
    assert [(s.run, s.id) for s in repository.timeline] == [(r, n) for n in (1, 2, 3) for r in ("one", "two")]
    assert all(one["w"].tolist() == [one.id] * 3 for one in repository)


def commit_many(home, run, entry):
    writer = Repository.create_or_open(home).writer(run)
    for number in range(1, 11):
        arrays = {"w": np.full(20_000, number), "b": np.full(3, number)}
        writer.commit(entry(arrays, number, number - 1 or None, run=run))


def test_processes_writing_at_once_do_not_disturb_each_other(example, home):
    context = multiprocessing.get_context("fork")
    jobs = [context.Process(target=commit_many, args=(home, run, example.entry)) for run in ("one", "two", "six")]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    repository = Repository(home)
    assert len(repository) == 30
    assert all(set(one["w"]) == set(one["b"]) == {one.id} for one in repository)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_writes_a_run_of_its_own(example, home):
    writer = Repository.create_or_open(home).writer("first")
    writer.commit(example.entry({"w": np.arange(3)}, 1))

    def child():
        writer.commit(example.entry({"w": np.arange(4)}, 2, 1))
        writer.commit(example.entry({"w": np.arange(5)}, 3, 2))

    job = multiprocessing.get_context("fork").Process(target=child)
    job.start()
    job.join()
    writer.commit(example.entry({"w": np.arange(6)}, 2, 1))
    repository = Repository(home)
    forked = next(one for one in repository if one.run != "first" and one.id == 2)
    assert forked.parent == "first.1"
    assert repository[f"#{forked.run}.3"].parent == 2
    assert repository["#first.2"]["w"].tolist() == list(range(6))
    assert forked["w"].tolist() == list(range(4))


def test_run_names_sort_and_differ(example, home):
    names = [Repository.create_or_open(home).writer().run for _ in range(50)]
    assert len(set(names)) == 50
    assert all(re.fullmatch("[0-9a-z]{12}", name) for name in names)
    assert [name[:6] for name in names] == sorted(name[:6] for name in names)


@pytest.mark.parametrize("name", ["", "a/b", "A", "a.b", "..", "x" * 41, "ä"])
def test_a_run_name_that_is_no_folder_is_refused(home, name):
    with pytest.raises(InvalidName):
        Repository.create_or_open(home).writer(name)


def test_a_store_in_memory_keeps_its_own_copy(example):
    store = MemoryStore()
    w = example.big()
    memory = bytearray(w.tobytes())
    entry = example.entry({"w": w})
    spans = {
        digest: memoryview(memory)[4_192_000 * at :][:4_192_000]
        for at, digest in enumerate(entry.leaves[0].leaf.blocks)
    }
    Repository.create_or_open(store).writer("r").commit(replace(entry, block=spans.__getitem__))
    memory[:] = bytes(len(memory))
    assert_array_equal(Repository(store)["#1"]["w"], w)


def test_a_plain_key_error_of_the_store_is_no_commit(example, failing, home):
    failing.error = KeyError("a bug")
    failing.fail_at = 5
    with pytest.raises(KeyError):
        Repository.create_or_open(failing).writer("r").commit(example.entry({"w": np.arange(3)}))
    assert len(Repository(home)) == 0
