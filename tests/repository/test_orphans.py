"""What runs that were killed left behind goes when it is old; what a living writer is at stays, however slow."""

import os
import subprocess
import sys
import textwrap
import time
from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from snapshot.errors import RepositoryError
from snapshot.repository import Repository, files
from snapshot.repository import writer as writer_module

NOW = timedelta(0)
W = (150, 1000)
HOURS = 3600

KILLED = """
    import os, sys
    import numpy as np
    from snapshot import Workspace
    from snapshot.repository import files
    from snapshot.repository.files import Files

    files.AT_ONCE = 10**6  # one after the other
    ordinary = Files._write_once

    def until(self, key, parts):
        if key.endswith("snapshots/1/" + sys.argv[2]):
            os._exit(9)
        ordinary(self, key, parts)

    Files._write_once = until
    names = {"w": np.random.default_rng(7).random(1_000_000), "b": np.arange(5)}
    workspace = Workspace(names, sys.argv[1])
    workspace.store("never")
    workspace.flush()
"""


def killed(home, before):
    """Another process is killed before it writes its table, or its header."""
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(home), before], check=False)
    assert ended.returncode == 9


def aged(home, hours):
    for file in home.rglob("*"):
        os.utime(file, (time.time() - hours * HOURS,) * 2)


def contents(home):
    return {one for one in home.rglob("c.*") if one.is_file()}


@pytest.fixture
def line(example, commit):
    """#1 to #3, of rows and packs; the second is dropped."""
    stored = {n: {"w": example.big(n, W), "kept": example.big(60, W), "b": np.full(9, n)} for n in (1, 2, 3)}
    for number, arrays in stored.items():
        commit(example.entry(arrays, number, number - 1 or None, records={"g": b"[%d]" % number}))
    return stored


def assert_whole(home, stored, numbers):
    repository = Repository(home)
    assert [one.id for one in repository.timeline] == sorted(numbers)
    for number in numbers:
        for path, value in stored[number].items():
            assert_array_equal(repository[f"#{number}"][path], value)
        assert repository.entry(f"#{number}").record("g") == b"[%d]" % number
    assert repository.verify()


def test_blocks_of_a_run_that_was_killed_before_its_table_go_when_they_are_old(home, line):
    before = contents(home)
    killed(home, "table")
    left = sum(one.stat().st_size for one in contents(home) - before)
    assert left >= 8_000_000
    assert Repository(home).collect(NOW).freed == 0
    assert contents(home) > before
    aged(home, 2)
    assert Repository(home).collect(timedelta(hours=3)).freed == 0
    report = Repository(home).collect()
    assert report.freed >= left
    assert not report.kept
    assert contents(home) == before
    assert_whole(home, line, {1, 2, 3})
    assert Repository(home).collect(NOW).freed == 0


def test_a_table_that_no_header_followed_for_a_day_goes_with_what_it_names(home, line):
    before = contents(home)
    killed(home, "zarr.json")
    aged(home, 23)
    Repository(home).collect()
    assert contents(home) > before
    aged(home, 25)
    assert Repository(home).collect().freed >= 8_000_000
    assert contents(home) == before
    assert len(list(home.glob("runs/*/snapshots/*/table"))) == 3
    assert_whole(home, line, {1, 2, 3})


def test_what_was_dropped_and_is_kept_for_a_while_is_named_still(home, line):
    Repository(home).drop("#2")
    aged(home, 100)
    before = contents(home)
    assert Repository(home).collect().freed == 0
    assert contents(home) == before


def test_a_snapshot_whose_header_only_a_fold_has_keeps_its_contents(example, home):
    writer = Repository.create_or_open(home).writer("first")
    for number in range(1, 20):
        writer.commit(example.entry({"w": np.full(20_000, number)}, number, number - 1 or None))
    (home / "runs/first/snapshots/3/zarr.json").unlink()
    assert len(Repository(home)) == 19
    aged(home, 100)
    assert Repository(home).collect().freed == 0
    assert_array_equal(Repository(home)["#3"]["w"], np.full(20_000, 3))


def test_a_table_that_cannot_be_read_keeps_what_may_be_its_own_and_all_of_them_are_named(home, line):
    killed(home, "table")
    aged(home, 2)
    for number in (1, 3):
        (home / f"runs/first/snapshots/{number}/table").write_bytes(b"")
    before = contents(home)
    report = Repository(home).collect()
    assert contents(home) == before
    for number in (1, 3):
        assert f"snapshots/{number}/table" in str(report)
    assert "drop that snapshot too" in str(report)
    Repository(home).drop("#1", "#3")
    assert Repository(home).collect(NOW).freed >= 8_000_000
    assert_whole(home, line, {2})


def test_a_clock_that_is_days_ahead_takes_nothing_that_is_new(home, line, monkeypatch):
    killed(home, "table")
    monkeypatch.setattr(files, "time", lambda: time.time() + 10 * 24 * HOURS)
    before = contents(home)
    assert Repository(home).collect(NOW).freed == 0
    assert contents(home) == before


@pytest.mark.parametrize("moment", ["table", "header"])
def test_a_writer_that_stands_still_for_long_loses_nothing_to_a_collection(example, home, line, monkeypatch, moment):
    """The collection comes right before the table, or the header, is written; all else is a week old."""
    writer = Repository.create_or_open(home).writer("slow")
    ordinary, collected = files.Files._write_once, []
    real, now = time.time, [0.0]
    monkeypatch.setattr(writer_module, "time", lambda: real() + now[0])

    def slowly(self, key, parts):
        last = {"table": "table", "header": "zarr.json"}[moment]
        if key == f"runs/slow/snapshots/1/{last}" and not collected:
            aged(home, 7 * 24)
            now[0] = 7 * 24 * HOURS
            collected.append(Repository(home).collect(NOW).freed)
        ordinary(self, key, parts)

    monkeypatch.setattr(files.Files, "_write_once", slowly)
    monkeypatch.setattr(files, "AT_ONCE", 1000)  # one after the other
    entry = example.entry({"w": example.big(9, W), "b": np.arange(4)}, 1, "first.3", run="slow")
    if moment == "table":
        writer.commit(entry)
    else:
        with pytest.raises(RepositoryError, match="stood still; store again"):
            writer.commit(entry)
        assert [one.id for one in Repository(home).timeline] == [1, 2, 3]
        assert Repository(home).verify()
        writer.commit(entry)
    assert collected[0] >= 1_200_000
    repository = Repository(home)
    assert repository.verify()
    assert_array_equal(repository["#slow.1"]["w"], example.big(9, W))
    assert_array_equal(repository["#slow.1"]["b"], np.arange(4))
