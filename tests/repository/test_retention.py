"""Dropping many of a thousand snapshots: what stays is bit for bit what it was, and the disk has its space back."""

from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from snapshot import Workspace
from snapshot.repository import Repository, layout
from snapshot.retention import KeepEvery, KeepLabelled, KeepLast, to_drop

COUNT = 1000
NOW = timedelta(0)
#: Of one snapshot: what nobody else holds, in a row and in a pack.
OWN = 20_000 + 800


def contents(number):
    part = np.zeros(5000)
    part[number % 50 * 100 :][:100] = number
    return {"whole": np.full(5000, number, "f4"), "part": part, "small": np.full(100, number), "same": np.arange(9)}


@pytest.fixture
def thousand(example, home, monkeypatch):
    """A thousand snapshots a minute apart, every hundredth with a label; of rows of 20 and 40 KB."""
    monkeypatch.setattr(layout, "SMALL_BYTES", 1000)
    writer = Repository.create_or_open(home).writer("first")
    for number in range(1, COUNT + 1):
        label = f"label{number}" if number % 100 == 0 else None
        writer.commit(example.entry(contents(number), number, number - 1 or None, label=label))
    return home


def size_of(home):
    return sum(one.stat().st_size for one in home.rglob("*") if one.is_file() and one.name.startswith("c."))


def assert_holds(repository, numbers):
    for number in numbers:
        for path, value in contents(number).items():
            assert_array_equal(repository[f"#{number}"][path], value)


def test_what_is_dropped_of_a_thousand_costs_the_others_nothing(thousand):
    drop_one_in_the_middle(thousand)
    keep_the_union_of_what_policies_keep(thousand)


def drop_one_in_the_middle(thousand):
    """Its neighbours are as they were."""
    repository = Repository(thousand)
    before = size_of(thousand)
    repository.drop("#500")
    report = repository.collect(NOW)
    assert report.removed == ["#first.500"]
    # ``part`` of 40 KB changed at every step too
    assert before - size_of(thousand) >= OWN + 40_000
    again = Repository(thousand)
    assert len(again) == COUNT - 1
    assert again["#501"].parent == 499
    assert_holds(again, [1, 498, 499, 501, 502, COUNT])
    assert again.series("whole")[498:501, 7].tolist() == [499, 501, 502]


def keep_the_union_of_what_policies_keep(thousand):
    """What no policy keeps is gone."""
    repository = Repository(thousand)
    gone = to_drop(repository.timeline, [KeepLast(5), KeepEvery(hours=2), KeepLabelled()])
    repository.drop(*gone)
    kept = [*range(1, COUNT + 1, 120), *range(100, COUNT + 1, 100), *range(COUNT - 4, COUNT + 1)]
    kept = sorted(set(kept) - {500})
    assert [one.id for one in repository.timeline] == kept
    before = size_of(thousand)
    report = repository.collect(NOW)
    assert len(report.removed) == len(gone)
    assert size_of(thousand) < len(kept) * (OWN + 40_000) + 50_000 < before / 20
    again = Repository(thousand)
    assert [(one.id, one.parent) for one in again] == list(zip(kept, [None, *kept], strict=False))
    assert [one.label for one in again if one.label] == [f"label{n}" for n in range(100, 1001, 100) if n != 500]
    assert_holds(again, kept)
    assert again.verify()


@pytest.mark.parametrize(
    ("policy", "given"),
    [(KeepLast, -1), (KeepLast, 1.5), (KeepLast, "3")]
    + [(KeepEvery, hours) for hours in (float("nan"), float("inf"), -1, "a", timedelta(1))],
)
def test_a_policy_that_says_nothing_sensible_is_refused_when_it_is_made(policy, given):
    with pytest.raises(ValueError, match=policy.__name__):
        policy(given)


@pytest.mark.parametrize("policy", [3, None, KeepLabelled])
def test_what_is_no_policy_drops_nothing(policy):
    workspace = Workspace({"a": 1})
    for label in "abc":
        workspace.store(label)
    with pytest.raises(TypeError, match="is no policy"):
        workspace.prune(KeepLast(1), policy)
    assert len(workspace.timeline) == 3
