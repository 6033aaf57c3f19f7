"""What was dropped gives its disk space back by itself once the grace period is over."""

import threading
from datetime import timedelta
from typing import ClassVar

import numpy as np
import pytest

from snapshot import Workspace, collecting
from snapshot.errors import RepositoryError, SnapshotWarning
from snapshot.repository import Repository


class Timer:
    """Stands for threading.Timer; goes off when it is told to."""

    waiting: ClassVar[list] = []

    def __init__(self, seconds, action):
        self.seconds, self.action = seconds, action

    def start(self):
        self.waiting.append(self)

    def cancel(self):
        if self in self.waiting:
            self.waiting.remove(self)

    @classmethod
    def go_off(cls):
        timer = cls.waiting.pop()
        timer.action()


@pytest.fixture(autouse=True)
def timers(monkeypatch):
    monkeypatch.setattr(Timer, "waiting", [])
    monkeypatch.setattr(threading, "Timer", Timer)
    return Timer.waiting


@pytest.fixture
def stored(tmp_path):
    """A workspace that has stored 4 MB twice, and its repository's folder."""
    names = {"w": np.random.default_rng(0).random(500_000)}
    workspace = Workspace(names, tmp_path / "run.zarr")
    for label in ("first", "second"):
        names["w"] += 1
        workspace.store(label)
    workspace.flush()
    return workspace, tmp_path / "run.zarr"


def size_of(home):
    return sum(one.stat().st_size for one in home.rglob("*") if one.is_file())


def test_a_drop_gives_its_space_back_after_the_grace_period(stored, timers, monkeypatch):
    workspace, home = stored
    assert timers == []
    workspace.drop("first")
    workspace.flush()
    (timer,) = timers
    assert timer.seconds > collecting.GRACE.total_seconds()
    before = size_of(home)
    Timer.go_off()
    # no hour has gone by
    assert size_of(home) == before
    assert len(timers) == 1
    monkeypatch.setattr(collecting, "GRACE", timedelta(0))
    Timer.go_off()
    assert before - size_of(home) > 4_000_000
    assert timers == []


def test_many_drops_make_one_timer(stored, timers):
    workspace, _ = stored
    workspace.drop("first")
    workspace.drop("second")
    assert len(timers) == 1


def test_what_an_earlier_kernel_dropped_is_given_back_by_the_next(stored, timers, monkeypatch):
    _, home = stored
    Repository(home).drop(*Repository(home).timeline)
    before = size_of(home)
    following = Workspace({"w": np.zeros(3)}, home)
    for _ in range(2):
        following.store()
        following.flush()
    assert len(timers) == 1
    monkeypatch.setattr(collecting, "GRACE", timedelta(0))
    Timer.go_off()
    assert before - size_of(home) > 8_000_000


def test_closing_gives_back_what_is_old_enough(stored, timers, monkeypatch):
    workspace, home = stored
    monkeypatch.setattr(collecting, "GRACE", timedelta(0))
    workspace.drop("first")
    workspace.flush()
    before = size_of(home)
    workspace.close()
    assert timers == []
    assert before - size_of(home) > 4_000_000


def test_a_workspace_collects_when_it_is_told_to(stored):
    workspace, _ = stored
    workspace.drop("first")
    assert workspace.collect().removed == []
    report = workspace.collect(timedelta(0))
    assert (len(report.removed), report.freed > 4_000_000) == (1, True)
    workspace.restore("second")
    assert Workspace({}).collect() is None


def test_a_collection_that_fails_is_tried_again_and_disturbs_nobody(timers):
    outcomes = [RepositoryError("the network is down"), None]

    def collect(grace):
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return type("Report", (), {"kept": {}})

    one = collecting.Collecting(collect)
    one.begin()
    Timer.go_off()
    assert len(timers) == 1
    Timer.go_off()
    assert (timers, outcomes) == ([], [])


def test_what_another_kernel_dropped_can_be_restored_from_memory_and_dropped_once_more(stored):
    workspace, home = stored
    other = Workspace({}, home)
    first, _ = other.snapshots(all=True)
    other.drop(first)
    other.collect(timedelta(0))
    workspace.restore("first")
    with pytest.warns(SnapshotWarning, match="another kernel has dropped #1"):
        workspace.drop("first")
    workspace.flush()
    assert [one.label for one in workspace.timeline] == ["second"]
    workspace.store("third")
    workspace.flush()
    assert [one.label for one in Repository(home).timeline] == ["second", "third"]
    assert Repository(home).verify()


def test_what_left_memory_is_found_in_any_snapshot_that_still_holds_it(tmp_path):
    home = tmp_path / "run.zarr"
    names = {f"w{index}": np.full(500_000, float(index)) for index in range(4)}
    workspace = Workspace(names, home, memory_budget=24_000_000)
    kept = {}
    for number in range(1, 7):
        names["w0"] += 1
        names[f"w{number % 3 + 1}"] += 1
        workspace.store(f"s{number}")
        workspace.flush()
        kept[f"s{number}"] = {name: value[0] for name, value in names.items()}
    assert workspace.nbytes_in_memory < 24_000_000
    # another kernel removes those that came last, which are where this one looks first
    other = Workspace({}, home)
    other.drop(*[one for one in other.snapshots(all=True) if one.label in ("s3", "s5", "s6")])
    other.collect(timedelta(0))
    for label in ("s1", "s2", "s4"):
        assert workspace.restore(label).unused == ()
        assert {name: value[0] for name, value in names.items()} == kept[label]
    workspace.store("after")
    workspace.flush()
    assert workspace.repository.verify()


@pytest.mark.parametrize("who", ["itself", "another"])
@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("changed", [True, False])
def test_a_store_holds_what_was_restored_even_when_that_was_dropped_and_collected(tmp_path, who, large, changed):
    home = tmp_path / "run.zarr"
    made = np.arange(600_000.0 if large else 600.0)
    earlier = Workspace({"w": made}, home)
    earlier.store("first")
    earlier.close()
    # what is equal already is not read, but known to lie there
    names = {"w": np.zeros_like(made) if changed else made.copy()}
    workspace = Workspace(names, home)
    workspace.restore("first")
    dropper = workspace if who == "itself" else Workspace({}, home)
    dropper.drop("first")
    dropper.collect(timedelta(0))
    workspace.store("second")
    workspace.flush()
    assert workspace.repository.verify()
    names["w"][:] = 7
    workspace.restore("second")
    np.testing.assert_array_equal(names["w"], made)
    np.testing.assert_array_equal(Repository(home)["second"]["w"], made)
    workspace.undo()
    assert (names["w"] == 7).all()
