"""The numbers kept beside larger arrays are those of the arrays, and nothing depends on them."""

import shutil
from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import snapshot
from snapshot import outbox
from snapshot.history import histories
from snapshot.repository import Repository, layout
from snapshot.statistics import describe, update_size
from snapshot.widgets.series import Readings

COUNT = 23


@pytest.fixture(autouse=True)
def small_folds(monkeypatch):
    monkeypatch.setattr(layout, "FOLDS", (4, 8))


def values(step):
    rng = np.random.default_rng(step)
    found = {"w": rng.normal(1, 2, (40, 50)), "turned": np.asfortranarray(rng.normal(0, 1, (30, 60)))}
    found |= {"small": rng.normal(0, 1, 5), "still": np.ones((40, 50)), "text": np.full(2000, "a")}
    found["grows"] = rng.normal(0, 1, 1000 if step < 10 else 2000)
    if step == 6:
        found["w"][3, 4] = np.nan
    return found


@pytest.fixture
def home(tmp_path, example):
    """23 snapshots, all described."""
    home = tmp_path / "run.zarr"
    writer = Repository.create_or_open(home).writer("first")
    for number in range(1, COUNT + 1):
        writer.commit(example.entry(values(number), number, number - 1 or None))
        while writer.describe():
            pass
    return home


def files(home):
    return sorted(home.glob("runs/*/statistics/*"))


def test_what_is_kept_are_the_numbers_of_the_arrays_and_of_the_changes_since_their_parents(home):
    for history in histories(["w", "turned", "grows"], Repository(home).timeline):
        kept = history.kept()
        # the last fold is not full yet, and the first has no parent
        assert sorted(kept.of) == list(range(COUNT // 4 * 4))
        for number, found in kept.of.items():
            assert found == describe(values(number + 1)[history.path])
        for (old, new), update in kept.updates.items():
            assert new == old + 1
            before, after = (values(number + 1)[history.path] for number in (old, new))
            assert update == update_size(before, after)
        assert len(kept.updates) == COUNT // 4 * 4 - (2 if history.path == "grows" else 1)


def test_full_files_take_the_place_of_smaller_ones_and_small_arrays_and_text_are_in_none(home):
    assert [one.name for one in files(home)] == ["4-4", "8-0", "8-1"]
    for history in histories(["small", "text"], Repository(home).timeline):
        assert history.kept() == ({}, {})


def series(home, path):
    return Readings().series(Repository(home).timeline, path)


@pytest.mark.parametrize("damage", ["gone", "empty", "no index", "columns", "rows"])
def test_a_plot_is_the_same_when_what_is_kept_is_damaged(home, damage):
    expected = {path: series(home, path) for path in ("w", "turned", "grows", "still")}
    for file in files(home):
        data = bytearray(file.read_bytes())
        end = 8 + int.from_bytes(data[:8], "little")
        if damage == "gone":
            file.unlink()
        elif damage == "rows":
            data[end + 40] ^= 1
            file.write_bytes(data)
        else:
            kept = {"empty": b"", "no index": bytes(len(data)), "columns": data[:end] + bytes(len(data) - end)}
            file.write_bytes(kept[damage])
    for path, one in expected.items():
        found = series(home, path)
        assert found.steps == one.steps
        np.testing.assert_allclose(found.percentiles, one.percentiles, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.updates, one.updates, rtol=1e-12)


def test_a_series_reads_no_value_that_is_described(home):
    expected = series(home, "w")
    for pack in home.glob("runs/*/packs/*/c.0"):
        if int(pack.parent.name) < COUNT - 4:
            pack.write_bytes(b"")
    found = series(home, "w")
    assert [point.problem for point in found.points[: COUNT - 5]] == [""] * (COUNT - 5)
    assert_array_equal(found.percentiles[: COUNT - 5], expected.percentiles[: COUNT - 5])


def test_a_change_from_another_parent_than_the_newest_is_computed_from_the_values(tmp_path, example):
    writer = Repository.create_or_open(tmp_path / "run.zarr").writer("first")
    for number in range(1, 10):
        writer.commit(example.entry(values(number), number, 1 if number > 1 else None))
        while writer.describe():
            pass
    points = series(tmp_path / "run.zarr", "w").points
    expected = [update_size(values(1)["w"], values(number)["w"]) for number in range(2, 10)]
    assert [point.update for point in points[1:]] == pytest.approx(expected, rel=1e-12)


def test_numbers_of_what_is_no_longer_readable_cost_a_commit_nothing(tmp_path, example):
    home = tmp_path / "run.zarr"
    writer = Repository.create_or_open(home).writer("first")
    for number in range(1, 10):
        writer.commit(example.entry(values(number), number, number - 1 or None))
    for pack in home.glob("runs/*/packs/*/c.0"):
        pack.unlink()
    while writer.describe():
        pass
    assert files(home) == []
    writer.commit(example.entry(values(10), 10, 9))
    assert len(Repository(home)) == 10


def test_a_folder_that_was_deleted_does_not_come_back_for_the_numbers(tmp_path, example):
    home = tmp_path / "run.zarr"
    writer = Repository.create_or_open(home).writer("first")
    for number in range(1, 10):
        writer.commit(example.entry(values(number), number, number - 1 or None))
    shutil.rmtree(home)
    while writer.describe():
        pass
    assert not home.exists()


def test_a_collection_takes_the_numbers_of_dropped_snapshots_away_and_leaves_the_rest(home):
    repository = Repository(home)
    repository.drop(*repository.timeline[:8])
    repository.collect(timedelta())
    assert [one.name for one in files(home)] == ["4-4", "8-1"]
    assert repository.verify()
    assert series(home, "w").steps == [10 * n for n in range(9, COUNT + 1)]


def test_what_a_workspace_stores_is_described_behind_its_back(tmp_path):
    names = {"w": np.zeros(1000)}
    workspace = snapshot.Workspace(names, tmp_path / "run.zarr")
    for _ in range(10):
        names["w"] += 1
        workspace.store()
    workspace.flush()
    workspace._parts.archive._outbox._spare.flush()
    (history,) = histories(["w"], snapshot.open(tmp_path / "run.zarr").timeline)
    assert len(history.kept().of) >= 8


def test_while_stores_follow_each_other_nothing_is_described(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox, "QUIET", 3600)
    names = {"w": np.zeros(1000)}
    workspace = snapshot.Workspace(names, tmp_path / "run.zarr")
    for _ in range(10):
        names["w"] += 1
        workspace.store()
    workspace.flush()
    waiting = workspace._parts.archive._outbox
    waiting.finish()
    waiting._spare.flush()
    assert files(tmp_path / "run.zarr") == []
    assert waiting.writer.describe()
