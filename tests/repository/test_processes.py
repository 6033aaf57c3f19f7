"""Processes that write into one repository while another one deletes from it."""

import multiprocessing
import random
import sys
from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from snapshot.repository import Repository
from snapshot.timeline import key_of

COUNT = 40
NOW = timedelta(0)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")


def contents(run, number):
    """Some are those of both runs, some those of other snapshots of the run, some nobody else's."""
    return {
        "both": np.full(10_000, number % 4),
        "own": np.full(10_000, ord(run[0]) + number % 6),
        "new": np.full(2_000, number),
        "small": np.full(5, number % 7),
    }


def write(example, home, run, start, done):
    writer = Repository.create_or_open(home).writer(run)
    start.wait()
    for number in range(1, COUNT + 1):
        records = {"g": b"%d" % (number % 3)}
        writer.commit(example.entry(contents(run, number), number, number - 1 or None, records=records, run=run))
    done.release()


def delete(home, start, done, said):
    """Drop and collect until both have written everything; says what was dropped."""
    chance = random.Random(0)
    repository = Repository.create_or_open(home)
    start.wait()
    dropped, over = [], 0
    while over < 2:
        over += done.acquire(block=False)
        timeline = repository.timeline
        # half of them stay at least
        if timeline and len(dropped) < COUNT:
            one = chance.choice(timeline)
            repository.drop(one)
            dropped.append(key_of(one))
        repository.collect(NOW)
    said.send(dropped)


def test_two_processes_write_while_a_third_drops_and_collects(example, home):
    context = multiprocessing.get_context("fork")
    start, done = context.Barrier(3), context.Semaphore(0)
    ours, theirs = context.Pipe(duplex=False)
    jobs = [context.Process(target=write, args=(example, home, run, start, done)) for run in ("one", "two")]
    jobs.append(context.Process(target=delete, args=(home, start, done, theirs)))
    for job in jobs:
        job.start()
    dropped = ours.recv()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0, 0], "a write failed"
    assert dropped
    for _ in range(2):
        repository = Repository(home)
        there = {key_of(one): one for one in repository.timeline}
        assert there.keys() == {(run, number) for run in ("one", "two") for number in range(1, COUNT + 1)} - {
            *dropped
        }
        for (run, number), one in there.items():
            for path, value in contents(run, number).items():
                assert_array_equal(one[path], value)
            assert repository.entry(one).record("g") == b"%d" % (number % 3)
        report = repository.verify()
        assert report, report
        repository.collect(NOW)


def test_several_collect_the_same_at_once(example, home, commit):
    for number in range(1, 21):
        commit(example.entry(contents("first", number), number, number - 1 or None, records={"g": b"0"}))
    Repository(home).drop(*(f"#{number}" for number in range(1, 21) if number % 4))
    context = multiprocessing.get_context("fork")
    start = context.Barrier(4)

    def collect():
        repository = Repository(home)
        start.wait()
        repository.collect(NOW)

    jobs = [context.Process(target=collect) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 4
    repository = Repository(home)
    assert [one.id for one in repository] == [4, 8, 12, 16, 20]
    assert repository.verify()
    assert not list(home.glob("notes/*.dropped"))
    for one in repository:
        for path, value in contents("first", one.id).items():
            assert_array_equal(one[path], value)
