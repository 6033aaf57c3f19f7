"""Dropped snapshots give their space back; nothing that another snapshot needs goes with them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore, MemoryStore

from snapshot.repository import Repository, nodes
from snapshot.repository import records as records_module
from snapshot.timeline import branch, key_of

NOW = timedelta(0)


W = (150, 1000)
W_BYTES = 1_200_000


def size_of(home):
    return sum(one.stat().st_size for one in home.rglob("*") if one.is_file())


@pytest.fixture
def line(example, commit):
    """#1 to #4: ``w`` changes everywhere, ``v`` in one block, ``kept`` never, ``b`` is small, records change."""
    stored = {}
    v = example.big(50, (600, 1000))
    for number in range(1, 5):
        v = v.copy()
        v[number] += 1
        arrays = {"w": example.big(number, W), "v": v, "kept": example.big(60, W), "b": np.full(9, number)}
        stored[number] = arrays
        commit(example.entry(arrays, number, number - 1 or None, records={"g": b"[%d]" % number}))
    return stored


def assert_whole(home, stored, numbers, run="first"):
    repository = Repository(home)
    assert [one.id for one in repository.timeline if one.run == run] == sorted(numbers)
    for number in numbers:
        one = repository[f"#{run}.{number}"]
        for path, value in stored[number].items():
            assert_array_equal(one[path], value)
        assert repository.entry(one).record("g") == b"[%d]" % number


@pytest.mark.parametrize("gone", [(1,), (2,), (4,), (2, 3), (1, 2, 3, 4)])
def test_the_others_are_as_they_were_and_the_space_is_back(example, home, line, gone):
    before = size_of(home)
    repository = Repository(home)
    repository.drop(*(f"#{number}" for number in gone))
    report = repository.collect(NOW)
    assert report.removed == [f"#first.{number}" for number in gone]
    assert_whole(home, line, {1, 2, 3, 4} - set(gone))
    # w; the block of v that changed belongs to nobody else either, but the first has all of it
    assert report.freed >= W_BYTES * len(gone)
    assert before - size_of(home) == pytest.approx(report.freed, abs=10_000)
    assert not list(home.glob("notes/*.dropped"))
    for number in gone:
        assert not (home / f"runs/first/snapshots/{number}").exists()


def test_when_all_are_gone_nothing_is_left_of_their_contents(home, line):
    repository = Repository(home)
    repository.drop(*repository.timeline)
    repository.collect(NOW)
    assert size_of(home) < 3_000
    assert not list(home.glob("runs/first/variables/*/"))
    assert not list(home.glob("runs/first/packs/*/"))


def test_within_the_grace_period_everything_stays_and_the_report_says_why(example, home, line):
    repository = Repository(home)
    repository.drop("#2")
    before = example.files(home)
    report = repository.collect()
    assert (report.removed, report.freed) == ([], 0)
    assert "kept for 1 h" in report.kept["#first.2"]
    assert example.files(home) == before


def test_what_is_kept_for_a_while_protects_what_it_names(example, home, line):
    repository = Repository(home)
    repository.drop("#2")
    repository.collect(timedelta(0))
    repository.drop("#3")
    (home / "notes/first.3.dropped").write_text(f'{{"time": "{datetime.now(UTC).isoformat()}"}}')
    repository.drop("#4")
    (home / "notes/first.4.dropped").write_text(f'{{"time": "{datetime.now(UTC) - timedelta(hours=2)}"}}')
    report = repository.collect()
    assert (report.removed, list(report.kept)) == (["#first.4"], ["#first.3"])
    (home / "notes/first.3.dropped").unlink()
    assert_whole(home, line, {1, 3})


def test_collecting_again_does_nothing(example, home, line):
    repository = Repository(home)
    repository.drop("#2")
    repository.collect(NOW)
    before = example.files(home)
    report = repository.collect(NOW)
    assert (report.removed, report.freed, report.kept) == ([], 0, {})
    assert example.files(home) == before


def test_children_still_descend_from_the_parent_of_what_was_removed(example, home, line):
    Repository.create_or_open(home).writer("second").commit(
        example.entry({"b": np.arange(3)}, 9, "first.3", run="second")
    )
    repository = Repository(home)
    for gone in ("#first.2", "#first.3"):
        repository.drop(gone)
        repository.collect(NOW)
    for seen in (repository, Repository(home)):
        assert [(key_of(one), one.parent) for one in seen] == [
            (("first", 1), None),
            (("first", 4), 1),
            (("second", 9), "first.1"),
        ]
        assert [one.id for one in branch(seen.timeline, seen["#second.9"])] == [1, 9]


def test_a_label_that_moved_does_not_come_back_when_its_holder_is_removed(example, home, commit):
    for number, label in ((1, "good"), (2, "good"), (3, None), (4, "other")):
        commit(example.entry({"b": np.full(3, number)}, number, number - 1 or None, label=label))
    repository = Repository(home)
    repository.relabel("#3", "other")
    repository.drop("#2", "#3")
    repository.collect(NOW)
    assert [(one.id, one.label) for one in Repository(home)] == [(1, None), (4, None)]


def test_records_of_old_collections_are_merged_and_links_and_labels_hold(example, home, commit, monkeypatch):
    monkeypatch.setattr(records_module, "SETTLED", timedelta(0))
    monkeypatch.setattr(records_module, "_CHILDREN", timedelta(0))
    for number in range(1, 31):
        commit(example.entry({"b": np.full(3, number)}, number, number - 1 or None, label=f"l{number % 3}"))
    repository = Repository(home)
    seen = [(one.id, one.parent, one.label) for one in repository.timeline]
    for number in range(3, 30):
        repository.drop(f"#{number}")
        seen = [(one.id, one.parent, one.label) for one in repository.timeline]
        repository.collect(NOW)
        assert [(one.id, one.parent, one.label) for one in Repository(home)] == seen
    assert seen == [(1, None, None), (2, 1, None), (30, 2, "l0")]
    assert len(list(home.glob("notes/*.collected"))) <= 9


def test_a_snapshot_whose_number_was_dropped_is_refused(example, home, line):
    Repository(home).drop("#2")
    again = Repository.create_or_open(home).writer("first")
    Repository(home).collect(NOW)
    with pytest.raises(OSError, match="was dropped"):
        again.commit(example.entry(line[2], 2, 1))
    assert [one.id for one in Repository(home)] == [1, 3, 4]


def test_a_writer_writes_again_what_only_a_dropped_snapshot_held(example, home, commit, line):
    Repository(home).drop("#4")
    commit(example.entry(line[4], 5, 3, records={"g": b"[4]"}))
    Repository(home).collect(NOW)
    one = Repository(home)["#5"]
    for path, value in line[4].items():
        assert_array_equal(one[path], value)
    assert Repository(home).entry(one).record("g") == b"[4]"


@pytest.mark.parametrize("collect_first", [True, False])
def test_what_other_snapshots_hold_too_is_not_written_again(example, home, commit, line, collect_first):
    repository = Repository(home)
    repository.drop("#4")
    if collect_first:
        repository.collect(NOW)
    before = size_of(home)
    commit(example.entry(line[3], 5, 3, records={"g": b"[3]"}))
    assert size_of(home) - before < 10_000
    repository.collect(NOW)
    assert_array_equal(Repository(home)["#5"]["w"], line[3]["w"])


def test_a_commit_that_was_taken_back_is_forgotten_and_its_space_comes_back(example, home, commit, line):
    writer = Repository.create_or_open(home).writer("second")
    before = size_of(home)
    undone = example.entry({"w": example.big(99, W), "kept": line[1]["kept"]}, 1, "first.4", run="second")
    writer.commit(undone)
    writer.take_back(undone.snapshot)
    writer.commit(example.entry({"w": example.big(99, W), "kept": line[1]["kept"]}, 2, "first.4", run="second"))
    Repository(home).collect(NOW)
    assert_array_equal(Repository(home)["#second.2"]["w"], example.big(99, W))
    assert size_of(home) - before < W_BYTES + 10_000
    assert_whole(home, line, {1, 2, 3, 4})


def test_a_commit_that_fails_takes_its_contents_away_again(example, home, commit, line, monkeypatch):
    writer = Repository.create_or_open(home).writer("second")
    writer.commit(example.entry({"b": np.arange(3)}, 1, run="second"))
    before = size_of(home)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(nodes, "pack_array", refuse)
        with pytest.raises(OSError, match="No space left"):
            writer.commit(example.entry({"w": example.big(98, W), "b": np.arange(4)}, 2, 1, run="second"))
    assert size_of(home) - before < 2_000
    writer.commit(example.entry({"w": example.big(98, W), "b": np.arange(4)}, 2, 1, run="second"))
    assert_array_equal(Repository(home)["#second.2"]["w"], example.big(98, W))


def test_a_table_that_cannot_be_read_stops_the_collection_until_its_snapshot_goes(example, home, line):
    table = home / "runs/first/snapshots/3/table"
    table.write_bytes(table.read_bytes()[:50])
    repository = Repository(home)
    repository.drop("#2")
    before = example.files(home)
    report = repository.collect(NOW)
    assert report.removed == []
    assert "snapshots/3/table cannot be read" in report.kept["everything"]
    assert example.files(home) == before
    repository.drop("#3")
    report = repository.collect(NOW)
    assert report.removed == ["#first.2", "#first.3"]
    assert_whole(home, line, {1, 4})


def test_files_that_were_never_finished_go_when_they_are_old(home, line, example):
    import os

    old, new = (home / f"runs/first/packs/1/c.0.{name}.partial" for name in ("a" * 32, "b" * 32))
    for one in (old, new):
        one.write_bytes(bytes(5000))
    os.utime(old, (0, 0))
    assert Repository(home).collect(NOW).freed == 5000
    assert new.exists()
    assert not old.exists()
    assert_whole(home, line, {1, 2, 3, 4})


@pytest.mark.parametrize("make", [lambda home: LocalStore(home), lambda home: MemoryStore()])
def test_any_zarr_store_gives_space_back(example, tmp_path, make):
    store = make(tmp_path / "s.zarr")
    repository = Repository.create_or_open(store)
    writer = repository.writer("r")
    for number in (1, 2, 3):
        writer.commit(
            example.entry({"w": example.big(number, W), "b": np.arange(number)}, number, number - 1 or None)
        )
    repository.drop("#2")
    report = repository.collect(NOW)
    assert report.removed == ["#r.2"]
    assert report.freed >= W_BYTES
    assert [(one.id, one.parent) for one in Repository(store)] == [(1, None), (3, 1)]
    assert_array_equal(Repository(store)["#3"]["w"], example.big(3, W))
