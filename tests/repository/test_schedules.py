"""Writers, droppers and collectors at once, in every order of their accesses to the disk that chance comes up with.

``SNAPSHOT_LONG_TESTS=1`` tries thousands of orders.
"""

import os
import random
import shutil
import threading
from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from snapshot.errors import ReferenceNotFound
from snapshot.repository import Repository, collector, files

NOW = timedelta(0)
#: In the order of seed 1030 a collector put an old description of an array over a writer's new one.
SEEDS = range(3000) if os.environ.get("SNAPSHOT_LONG_TESTS") else [*range(30), 1030]


class Turns:
    """Each thread stops before every access; when all have stopped, chance says which goes on."""

    def __init__(self, seed, names):
        self._chance = random.Random(seed)
        self._changed = threading.Condition()
        self._running = set(names)
        self._waiting = set()
        self._next = None
        # some seeds let one thread go on for long while another stands still
        self._weights = {name: self._chance.choice([1, 1, 3, 20]) for name in names}

    def step(self):
        """Wait until it is this thread's turn."""
        name = threading.current_thread().name
        if name not in self._running:
            return
        with self._changed:
            self._waiting.add(name)
            self._choose()
            self._changed.wait_for(lambda: self._next == name)
            self._next = None
            self._waiting.discard(name)

    def listing(self, children):
        """What a listing may give that takes its time: what comes or goes meanwhile is in it, or is not."""
        before = set(children())
        self.step()
        after = set(children())
        return sorted((before & after) | {name for name in before ^ after if self._chance.random() < 0.5})

    def leave(self):
        with self._changed:
            self._running.discard(threading.current_thread().name)
            self._choose()

    def _choose(self):
        if self._next is None and self._waiting and self._waiting == self._running:
            if self._chance.random() < 0.05:
                self._weights = {name: self._chance.choice([1, 1, 3, 20]) for name in self._weights}
            names = sorted(self._waiting)
            (self._next,) = self._chance.choices(names, [self._weights[name] for name in names])
        self._changed.notify_all()


def run_in_turns(seed, jobs, monkeypatch):
    """Run ``jobs`` (name -> function); returns what each raised."""
    turns = Turns(seed, jobs)
    failures = {}

    def stepping(method):
        def call(self, *args, **more):
            turns.step()
            return method(self, *args, **more)

        return call

    def listing(method):
        return lambda self, prefix: turns.listing(lambda: method(self, prefix))

    def job(function):
        try:
            turns.step()
            function()
        except BaseException as error:
            failures[threading.current_thread().name] = error
        finally:
            turns.leave()

    with monkeypatch.context() as patched:
        # keys of one commit are written one after the other, so that anything can come in between
        patched.setattr(files, "AT_ONCE", 10**6)
        patched.setattr(files.Files, "children", listing(files.Files.children))
        for name in ("get", "_write_once", "delete", "delete_folder", "children", "keys"):
            patched.setattr(files.Files, name, stepping(getattr(files.Files, name)))
        threads = [threading.Thread(target=job, args=(function,), name=name) for name, function in jobs.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return failures


def values(kind):
    """Contents that snapshots have in common: one in rows, one in packs."""
    return {"w": np.full(9000, kind), "b": np.full(5, kind)}


def begin(example, home):
    writer = Repository.create_or_open(home).writer("first")
    stored = {}
    for number, kind in ((1, 1), (2, 1), (3, 2), (4, 3)):
        writer.commit(example.entry(values(kind), number, number - 1 or None, records={"g": b"%d" % kind}))
        stored["first", number] = kind
    return writer, stored


def commits(example, writer, run, kinds, first, parent, stored):
    def job():
        before = parent
        for number, kind in enumerate(kinds, first):
            writer.commit(example.entry(values(kind), number, before, records={"g": b"%d" % kind}, run=run))
            stored[run, number] = kind
            before = number

    return job


def drops(home, keys, dropped, collect):
    def job():
        repository = Repository(home)
        for run, number in keys:
            try:
                repository.drop(f"#{run}.{number}")
            except ReferenceNotFound:
                continue  # it is not stored yet
            dropped.add((run, number))
            if collect:
                repository.collect(NOW)

    return job


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hasty", [False, True])
def test_no_snapshot_loses_anything_whatever_the_order(example, tmp_path, monkeypatch, seed, hasty):
    """If ``hasty``, what no table names is taken for that of a dead run at once, and writers know that."""
    monkeypatch.setattr("snapshot.repository.layout.SMALL_BYTES", 1000)
    if hasty:
        monkeypatch.setattr(collector, "SETTLED", timedelta(0))
        monkeypatch.setattr("snapshot.repository.writer.LONG", -1.0)
    home = tmp_path / "run.zarr"
    writer, stored = begin(example, home)
    other = Repository.create_or_open(home).writer("second")
    dropped = set()
    jobs = {
        "writer": commits(example, writer, "first", [1, 3, 2, 1, 3], 5, 4, stored),
        "other": commits(example, other, "second", [2, 1, 3, 2], 1, "first.4", stored),
        "dropper": drops(
            home, [("first", 1), ("first", 2), ("first", 4), ("second", 1), ("first", 5)], dropped, collect=True
        ),
        "dropper2": drops(home, [("first", 3), ("first", 6), ("second", 2)], dropped, collect=False),
        "collector": lambda: [Repository(home).collect(NOW) for _ in range(3)],
    }
    assert run_in_turns(seed, jobs, monkeypatch) == {}
    for _ in range(2):
        repository = Repository(home)
        assert {(one.run, one.id) for one in repository.timeline} == stored.keys() - dropped
        for one in repository:
            for path, value in values(stored[one.run, one.id]).items():
                assert_array_equal(one[path], value)
            assert repository.entry(one).record("g") == b"%d" % stored[one.run, one.id]
        assert repository.verify()
        repository.collect(NOW)
    # and nothing is left behind that nobody needs
    Repository(home).drop(*Repository(home).timeline)
    Repository(home).collect(NOW)
    left = [one for one in home.rglob("c.*") if one.is_file()]
    assert left == []
    shutil.rmtree(home)


def test_a_listing_too_slow_to_see_a_tombstone_finds_the_record_of_its_collection(example, home, monkeypatch):
    """The worst that a listing may do: what goes while it runs is not in it, and what comes is not either."""
    monkeypatch.setattr("snapshot.repository.layout.SMALL_BYTES", 1000)
    writer, _ = begin(example, home)
    Repository(home).drop("#3")
    has_read, may_delete = threading.Event(), threading.Event()
    spare, children = collector._spare, files.Files.children

    def spare_and_wait(*args):
        spare(*args)
        has_read.set()
        may_delete.wait()

    monkeypatch.setattr(collector, "_spare", spare_and_wait)
    collecting = threading.Thread(target=lambda: Repository(home).collect(NOW))
    collecting.start()
    has_read.wait()

    def slow_listing(self, prefix):
        before = children(self, prefix)
        if prefix == "notes" and collecting.is_alive() and threading.current_thread() is not collecting:
            may_delete.set()
            collecting.join()
        return [name for name in before if name in children(self, prefix)]

    monkeypatch.setattr(files.Files, "children", slow_listing)
    # what only #3 holds, and the collector has not seen this snapshot's table
    writer.commit(example.entry(values(2), 5, 4, records={"g": b"2"}))
    assert not collecting.is_alive()
    repository = Repository(home)
    assert [one.id for one in repository] == [1, 2, 4, 5]
    assert repository.verify()
    assert_array_equal(repository["#5"]["w"], values(2)["w"])
