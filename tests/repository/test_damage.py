"""What is damaged is named; everything else stays readable."""

from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from snapshot import SnapshotWarning, Workspace
from snapshot.errors import Damaged
from snapshot.repository import Repository
from snapshot.repository.newest import newest
from snapshot.repository.storage import Storage


def flip(path, at=100):
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.fixture
def stored(example, commit, home):
    """Two big variables, three small ones and a record, twice."""
    arrays = {"w": example.big(1), "v": example.big(2), **{name: np.arange(20) for name in "a"}, "b": np.ones(50)}
    commit(example.entry(arrays, 1, records={"g": b"[1]"}))
    changed = {name: value + 1 for name, value in arrays.items()}
    commit(example.entry(changed, 2, 1, records={"g": b"[2]"}))
    return {1: arrays, 2: changed}


def assert_only(home, stored, number, broken):
    """Of both snapshots exactly this variable cannot be read."""
    repository = Repository(home)
    for one in repository:
        for path, value in stored[one.id].items():
            if (one.id, path) == (number, broken):
                with pytest.raises(Damaged, match=f"variable {path!r} of snapshot #first.{number}"):
                    one[path]
            else:
                assert_array_equal(one[path], value)


def chunk_of(home, path, row, block=0):
    (folder,) = (home / "runs/first/variables").glob(f"{path}-*")
    (chunk,) = folder.glob(f"*/c.{row}.{block}.0")
    return chunk


@pytest.mark.parametrize("block", [0, 2])
def test_a_flipped_byte_in_a_block_fails_that_variable_only(home, stored, block):
    flip(chunk_of(home, "w", 1, block))
    assert_only(home, stored, 2, "w")


def test_a_missing_block_fails_that_variable_only(home, stored):
    chunk_of(home, "v", 0).unlink()
    assert_only(home, stored, 1, "v")


def test_a_block_cut_short_fails_that_variable_only(home, stored):
    chunk = chunk_of(home, "v", 0)
    chunk.write_bytes(chunk.read_bytes()[:1000])
    assert_only(home, stored, 1, "v")


def test_a_flipped_byte_in_a_pack_fails_one_small_value_only(home, stored):
    flip(home / "runs/first/packs/1/c.0", at=3)
    assert_only(home, stored, 1, "a")


def test_a_damaged_record_is_named(home, stored):
    pack = home / "runs/first/packs/2/c.0"
    flip(pack, at=pack.read_bytes().index(b"[2]"))
    with pytest.raises(Damaged, match=r"records of g of snapshot #first\.2"):
        Repository(home).entry("#2").record("g")
    assert Repository(home).entry("#1").record("g") == b"[1]"


@pytest.mark.parametrize("break_it", [flip, lambda table: table.unlink(), lambda table: table.write_bytes(b"")])
def test_a_damaged_table_fails_its_snapshot_only(home, stored, break_it):
    break_it(home / "runs/first/snapshots/2/table")
    repository = Repository(home)
    assert [one.id for one in repository] == [1, 2]
    with pytest.raises(Damaged, match=r"table of snapshot #first\.2"):
        len(repository["#2"].variables)
    assert_array_equal(repository["#1"]["w"], stored[1]["w"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"attributes": {"snapshot": {"run": 1}}}'])
def test_a_header_that_cannot_be_read_is_left_out_with_a_warning(home, stored, text):
    (home / "runs/first/snapshots/2/zarr.json").write_text(text)
    repository = Repository(home)
    with pytest.warns(SnapshotWarning, match=r"#first\.2 is left out"):
        assert [one.id for one in repository.timeline] == [1]
    assert len(repository) == 1


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (b'"run": "first"', b'"run": "firsu"'),
        (b'"id": 2', b'"id": 3'),
        (b'"parent": 1', b'"parent": "x.y"'),
        (b"+00:00", b""),
    ],
)
def test_a_header_that_disagrees_with_where_it_lies_or_with_itself_costs_that_snapshot_only(
    home, stored, what, instead
):
    repository = Repository(home)
    repository.relabel("#1", "one")
    repository.relabel("#2", "two")
    header = home / "runs/first/snapshots/2/zarr.json"
    assert header.read_bytes().count(what) == 1
    header.write_bytes(header.read_bytes().replace(what, instead))
    with pytest.warns(SnapshotWarning, match=r"#first\.2 is left out"):
        assert [(one.id, one.label) for one in Repository(home)] == [(1, "one")]
    assert [damage[:2] for damage in Repository(home).verify().damaged] == [("#first.2", "header")]
    assert [one.id for one in newest(Storage(home), 5)] == [1]


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b"[]", b"{}", b'{"attributes": []}', b'{"attributes": {"format": "x"}}']
)
def test_a_damaged_group_of_a_run_costs_no_value_and_is_named(example, home, stored, text):
    (home / "runs/first/zarr.json").write_bytes(text)
    Repository(home).drop("#2")
    assert_array_equal(Repository(home)["#1"]["w"], stored[1]["w"])
    assert len(Repository(home)) == 1
    (damage,) = Repository(home).verify().damaged
    assert damage[:3] == ("run first", "what zarr is told", "runs/first/zarr.json")
    assert Repository(home).collect(timedelta(0)).removed == ["#first.2"]
    Repository.create_or_open(home).writer("second").commit(example.entry(stored[2], 1, "first.1", run="second"))
    assert_array_equal(Repository(home)["#second.1"]["w"], stored[2]["w"])


def test_a_record_of_a_collection_with_any_byte_wrong_costs_no_values(home, stored):
    Repository(home).drop("#1")
    Repository(home).collect(timedelta(0))
    (record,) = home.glob("notes/*.collected")
    data = record.read_bytes()
    for at in range(len(data)):
        record.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        assert [one.id for one in Repository(home)] == [2]


def test_a_new_run_writes_again_what_a_damaged_table_would_have_shared(example, home, stored):
    for number in (1, 2):
        flip(home / f"runs/first/snapshots/{number}/table")
    Repository.create_or_open(home).writer("second").commit(example.entry(stored[2], 1, "first.2", run="second"))
    assert_array_equal(Repository(home)["#second.1"]["w"], stored[2]["w"])


def test_a_series_leaves_out_a_snapshot_whose_table_is_damaged(home, stored):
    flip(home / "runs/first/snapshots/1/table")
    with pytest.warns(SnapshotWarning, match=r"#first\.1"):
        series = Repository(home).series("w")
    assert series.steps == [20]


def test_a_damaged_block_shows_in_a_series_where_it_is_read_whole(home, stored):
    flip(chunk_of(home, "w", 0, 0))
    series = Repository(home).series("w")
    assert_array_equal(series[:, 1400, 5], [one["w"][1400, 5] for one in stored.values()])
    with pytest.raises(Damaged):
        series[:, :600]


def test_a_child_of_a_snapshot_whose_header_is_damaged_is_stored_whole(example, home):
    Repository.create_or_open(home).writer("first").commit(example.entry({"w": np.arange(30_000.0)}, 1))
    commit = home / "runs/first/snapshots/1/zarr.json"
    commit.write_text(commit.read_text()[:20])
    child = example.entry({"w": np.arange(30_000.0)}, 1, "first.1")
    Repository.create_or_open(home).writer("second").commit(child)
    with pytest.warns(SnapshotWarning, match="#first.1 is left out"):
        stored = Repository(home)["#second.1"]
    assert stored["w"].tolist() == list(range(30_000))


@pytest.fixture
def twice(example, commit, home):
    """Two variables of two runs with an equal first block, which is stored for each."""
    w = example.big(1)
    v = w.copy()
    v[-1] += 1
    commit(example.entry({"w": w, "b": np.arange(9)}, 1, records={"g": b"[1]"}))
    other = Repository.create_or_open(home).writer("second")
    other.commit(example.entry({"v": v}, 1, run="second"))
    first, second = chunk_of(home, "w", 0), next((home / "runs").glob("*/variables/v-*/*/c.0.0.0"))
    assert first.read_bytes() == second.read_bytes()
    return {"w": (w, first), "v": (v, second)}


@pytest.mark.parametrize("broken", ["w", "v"])
@pytest.mark.parametrize("harm", [flip, lambda path: path.unlink(), lambda path: (path.unlink(), path.mkdir())])
def test_a_damaged_block_is_read_from_another_place_where_it_was_stored(home, twice, broken, harm):
    harm(twice[broken][1])
    for path, one in {"w": "#first.1", "v": "#second.1"}.items():
        repository = Repository(home)
        assert_array_equal(repository[one][path], twice[path][0])
        entry = repository.entry(one)
        number = next(stored.number for stored in entry.leaves if stored.path == path)
        out = memoryview(bytearray(len(entry.block(number, 0))))
        entry.read_into(number, 0, out)
        assert out == entry.block(number, 0) == next(entry.blocks(number, [0]))
    assert not Repository(home).verify()


def test_a_block_damaged_at_all_of_its_places_is_lost(home, twice):
    for _, block in twice.values():
        flip(block)
    for one, path in {"#first.1": "w", "#second.1": "v"}.items():
        with pytest.raises(
            Damaged, match=rf"variable '{path}' of snapshot {one}.*{path}-.*/c\.0\.0\.0 does not match"
        ):
            Repository(home)[one][path]


def test_a_kernel_restores_both_of_two_variables_of_which_one_is_damaged(tmp_path, example):
    w = example.big(1)
    names = {"w": w, "v": w.copy()}
    names["v"][-1] += 1
    expected = {name: value.copy() for name, value in names.items()}
    first = Workspace({"w": names["w"]}, tmp_path / "run.zarr")
    first.store("half")
    first.close()
    second = Workspace(names, tmp_path / "run.zarr")
    second.store("both")
    second.close()
    blocks = sorted(tmp_path.glob("run.zarr/runs/*/variables/*/*/c.0.0.0"))
    assert len(blocks) == 2
    for block in blocks:
        kept = block.read_bytes()
        flip(block)
        for value in names.values():
            value[:] = 0
        status = Workspace(names, tmp_path / "run.zarr").restore("both")
        assert not status.unused
        for name, value in expected.items():
            assert_array_equal(names[name], value)
        block.write_bytes(kept)
