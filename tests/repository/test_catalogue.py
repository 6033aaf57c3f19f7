"""Labels that move, snapshots that are dropped, several runs as one timeline."""

import numpy as np
import pytest

from snapshot.errors import InvalidName, ReferenceNotFound
from snapshot.repository import Repository
from snapshot.timeline import branch, key_of


@pytest.fixture
def line(example, commit):
    """Three snapshots in a row, the last two with one label."""
    labels = {1: "start", 2: "good", 3: "good"}
    return commit(*(example.entry({"w": np.full(3, n)}, n, n - 1 or None, label=labels[n]) for n in labels))


def test_the_timeline_is_ordered_by_time_whatever_the_run(example, home):
    for run, minute in (("b", 1), ("a", 2)):
        writer = Repository.create_or_open(home).writer(run)
        for number in (minute, minute + 2):
            writer.commit(example.entry({"w": np.arange(3)}, number, run=run))
    assert [key_of(one) for one in Repository(home).timeline] == [("b", 1), ("a", 2), ("b", 3), ("a", 4)]


def test_a_label_stored_again_moves(line):
    assert [one.label for one in line] == ["start", None, "good"]
    assert line["good"].id == 3


def test_the_same_label_in_another_run_stays_and_the_newest_counts(example, home, line):
    writer = Repository.create_or_open(home).writer("second")
    writer.commit(example.entry({"w": np.arange(3)}, 9, label="good", run="second"))
    repository = Repository(home)
    assert [one.label for one in repository] == ["start", None, "good", "good"]
    assert repository["good"].run == "second"


def test_the_same_label_in_another_notebook_stays(example, home, commit, line):
    commit(example.entry({}, 4, label="good", notebook="other.ipynb"))
    assert [one.label for one in Repository(home)] == ["start", None, "good", "good"]


def test_a_label_given_later_moves_too_and_rewrites_nothing(example, home, line):
    before = example.files(home)
    line.relabel("start", "good")
    after = example.files(home)
    assert [one.label for one in line] == ["good", None, None]
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"notes/first.1.label", "notes/first.3.label"}
    assert Repository(home)["good"].id == 1


def test_a_label_can_be_taken_away_and_given_again(line):
    line.relabel("good", None)
    with pytest.raises(ReferenceNotFound):
        line["good"]
    line.relabel("#3", "better")
    assert line["better"].id == 3


def test_a_label_that_cannot_be_one_is_refused_and_nothing_changes(line):
    with pytest.raises(InvalidName):
        line.relabel("#1", "latest")
    assert line["#1"].label == "start"


def test_a_dropped_snapshot_is_gone_and_its_children_descend_from_its_parent(example, home, line):
    before = example.files(home)
    line.drop("#2")
    assert [(one.id, one.parent) for one in line] == [(1, None), (3, 1)]
    assert [one.id for one in branch(line.timeline, line["#3"])] == [1, 3]
    after = example.files(home)
    assert {name: after[name] for name in before} == before
    assert line["#3"]["w"].tolist() == [3, 3, 3]


def test_a_label_that_moved_does_not_come_back(line):
    line.relabel("start", "good")
    line.relabel("good", "other")
    assert [one.label for one in line] == ["other", None, None]
    line.relabel("#2", "good")
    line.drop("good")
    assert [one.label for one in line] == ["other", None]


def test_dropping_the_holder_of_a_label_does_not_give_it_back(line):
    line.drop("good")
    assert [one.label for one in line] == ["start", None]


def test_children_in_other_runs_are_linked_anew(example, home, line):
    writer = Repository.create_or_open(home).writer("second")
    writer.commit(example.entry({"w": np.arange(3)}, 9, "first.3", run="second"))
    line.drop("#first.3")
    line.drop("#first.2")
    assert line["#second.9"].parent == "first.1"


def test_what_another_writer_stored_meanwhile_is_seen(example, commit, line):
    assert len(line) == 3
    commit(example.entry({"w": np.arange(3)}, 4, 3))
    assert len(line) == 4
    assert line["latest"].id == 4


def test_asked_again_the_snapshots_are_the_same_objects(line):
    first, again = line.timeline, line.timeline
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_a_snapshot_that_is_not_on_disk_has_no_entry(example, line):
    with pytest.raises(ReferenceNotFound, match=r"#first\.77 is not on disk"):
        line.entry(example.entry({}, 77).snapshot)


def test_a_snapshot_known_from_elsewhere_finds_its_entry(example, line):
    stored = line.entry(example.entry({}, 3).snapshot)
    assert stored.contents(0).tolist() == [3, 3, 3]


def test_a_repository_tells_what_it_holds_in_a_line(line, home):
    assert repr(line) == f"<snapshot repository {home}: 3 snapshots of 1 run>"
