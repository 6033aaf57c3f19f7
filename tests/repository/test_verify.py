"""Whatever is damaged on disk is found and named; restoring costs exactly that."""

import gzip
import json
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore, WrapperStore

from snapshot import SnapshotWarning, Workspace
from snapshot.background import wait_for_all
from snapshot.jobs import Write
from snapshot.repository import Repository, layout


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.fixture
def stored(example, commit, home):
    """Two snapshots: ``w`` and ``v`` in rows, ``a`` and records in packs, ``row`` a view of ``w``."""
    for number in (1, 2):
        w = example.big(number)
        arrays = {"w": w, "v": example.big(9, (150, 1000)), "a": np.full(30, number)}
        commit(
            example.entry(
                arrays,
                number,
                number - 1 or None,
                views={"row": ("w", w[3], 3 * w.strides[0])},
                records={"g": b"[%d]" % number},
                pickles={"p": b"pickle"},
            )
        )


def chunks(home, path):
    return sorted(home.glob(f"runs/first/variables/{path}-*/*/c.*"))


def found(home):
    return [(one.snapshot, one.what) for one in Repository(home).verify().damaged]


def test_a_repository_that_is_as_it_was_stored_verifies(home, stored):
    report = Repository(home).verify()
    assert report
    assert (report.snapshots, report.damaged) == (2, ())
    # w twice, v once, two small arrays, two records, one pickle
    assert report.nbytes == 24_000_000 + 1_200_000 + 2 * 240 + 2 * 3 + 6
    assert str(report) == "2 snapshots, 25.2 MB: everything is as it was stored"


def test_verifying_writes_nothing_and_reads_each_content_once(home, stored, example):
    class Reading(WrapperStore):
        read = ()

        async def get(self, key, prototype, byte_range=None):
            data = await super().get(key, prototype, byte_range)
            self.read = (*self.read, (key, len(data) if data else 0))
            return data

    before = example.files(home)
    store = Reading(LocalStore(home))
    seen = []
    assert Repository(store).verify(lambda done, total: seen.append((done, total)))
    contents = [(key, size) for key, size in store.read if "/variables/" in key or "/packs/" in key]
    assert len(contents) == len(set(contents))
    assert sum(size for _, size in contents) < 25_300_000
    assert seen[-1][0] == seen[-1][1] == 25_200_492
    assert example.files(home) == before


def test_a_flipped_byte_in_a_block_is_named_with_the_views_of_its_array(home, stored):
    flip(chunks(home, "w")[0], 77)
    assert found(home) == [("#first.1", "variable 'row'"), ("#first.1", "variable 'w'")]
    (damage,) = [one for one in Repository(home).verify().damaged if "'w'" in one.what]
    assert damage.key.endswith("c.0.0.0")
    assert "does not match its hash" in damage.problem


def test_a_content_that_several_snapshots_share_is_damaged_in_each(home, stored):
    chunks(home, "v")[0].write_bytes(b"")
    assert found(home) == [("#first.1", "variable 'v'"), ("#first.2", "variable 'v'")]


def test_a_missing_pack_names_everything_in_it(home, stored):
    (home / "runs/first/packs/1/c.0").unlink()
    assert found(home) == [
        ("#first.1", "pickle of p"),
        ("#first.1", "records of g"),
        ("#first.1", "variable 'a'"),
        ("#first.2", "pickle of p"),
    ]
    assert "packs/1/c.0 is missing" in str(Repository(home).verify())


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (lambda table: table.write_bytes(table.read_bytes()[:40]), "does not match its hash"),
        (lambda table: table.unlink(), "missing"),
        (lambda table: flip(table, 30), "does not match its hash"),
        (lambda table: table.write_bytes(gzip.compress(b"{}")), "does not match its hash"),
    ],
)
def test_a_damaged_table_is_named(home, stored, break_it, problem):
    break_it(home / "runs/first/snapshots/1/table")
    (damage,) = Repository(home).verify().damaged
    assert damage[:3] == ("#first.1", "table, so all of it", "runs/first/snapshots/1/table")
    assert problem in damage.problem


def test_a_header_that_cannot_be_read_is_named(home, stored):
    (home / "runs/first/snapshots/2/zarr.json").write_text("{")
    assert found(home) == [("#first.2", "header")]


def test_a_header_that_only_a_fold_still_knows_is_named(example, home, monkeypatch):
    monkeypatch.setattr(layout, "FOLDS", (2, 4))
    writer = Repository.create_or_open(home).writer("first")
    for number in range(1, 6):
        writer.commit(example.entry({"a": np.full(3, number)}, number, number - 1 or None))
    (home / "runs/first/snapshots/2/zarr.json").unlink()
    assert found(home) == [("#first.2", "header")]


def change(path, **about):
    """Change what a header says, as an editor would."""
    document = json.loads(path.read_bytes())
    document["attributes"]["snapshot"] |= about
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "about",
    [
        {"step": 21},
        {"label": "other"},
        {"time": "2026-01-01T00:03:00+00:00"},
        {"note": "x"},
        {"notebook": ""},
        {"parent": None},
    ],
)
def test_a_header_that_says_something_else_is_named(home, stored, about):
    change(home / "runs/first/snapshots/2/zarr.json", **about)
    (damage,) = Repository(home).verify().damaged
    assert damage[:3] == ("#first.2", "header", "runs/first/snapshots/2/zarr.json")
    assert "does not match its hash" in damage.problem


def test_a_header_that_another_program_has_laid_out_anew_is_what_it_was(home, stored):
    change(home / "runs/first/snapshots/2/zarr.json")
    assert Repository(home).verify()


def test_headers_without_a_hash_are_those_of_earlier_versions(home, stored):
    for header in home.glob("runs/first/snapshots/*/zarr.json"):
        document = json.loads(header.read_bytes())
        del document["attributes"]["snapshot"]["hash"]
        header.write_text(json.dumps(document))
    assert Repository(home).verify()
    assert [one.step for one in Repository(home).timeline] == [10, 20]


def test_a_label_given_or_taken_later_is_no_damage(home, stored):
    Repository(home).relabel("#1", "good")
    Repository(home).relabel("#2", "good")
    assert Repository(home).verify()


def test_a_fold_that_says_something_else_than_a_header_without_a_hash_is_named(example, home, monkeypatch):
    monkeypatch.setattr(layout, "FOLDS", (2, 4))
    writer = Repository.create_or_open(home).writer("first")
    for number in range(1, 6):
        writer.commit(example.entry({"a": np.full(3, number)}, number, number - 1 or None))
    assert Repository(home).verify()
    header = home / "runs/first/snapshots/2/zarr.json"
    document = json.loads(header.read_bytes())
    del document["attributes"]["snapshot"]["hash"]
    document["attributes"]["snapshot"]["step"] = 7
    header.write_text(json.dumps(document))
    assert found(home) == [("#first.2", "header")]


def nodes_of(home):
    return [one for one in home.rglob("zarr.json") if one.parent.parent.name != "snapshots"]


@pytest.mark.parametrize("content", ["", "{}", '{"zarr_format": 3, "node_type": "group", "attributes": 3}', None])
def test_whatever_zarr_is_told_about_groups_and_arrays_is_looked_at(home, stored, content):
    nodes = [one for one in nodes_of(home) if one.parent != home]
    assert len(nodes) >= 11
    for node in nodes:
        before = node.read_bytes()
        node.unlink() if content is None else node.write_text(content)
        (damage,) = Repository(home).verify().damaged
        assert damage.key == str(node.relative_to(home))
        node.write_bytes(before)
    assert Repository(home).verify()


@pytest.mark.parametrize(
    ("where", "was", "now"),
    [
        ("variables/w-*/*", '"float64"', '"int64"'),
        ("variables/w-*/*", '"NaN"', "0"),
        ("variables/w-*/*", '"path": "w"', '"path": "v"'),
        ("variables/w-*/*", "1500", "1501"),
        ("variables/w-*", '"path": "w"', '"path": "v"'),
        ("packs/1", '"uint8"', '"int8"'),
        ("packs/1", "384", "448"),
    ],
)
def test_an_array_that_zarr_would_read_otherwise_is_named(home, stored, where, was, now):
    (node,) = home.glob(f"runs/first/{where}/zarr.json")
    text = node.read_text()
    assert was in text
    node.write_text(text.replace(was, now))
    (damage,) = Repository(home).verify().damaged
    assert damage[:3] == ("run first", "what zarr is told", str(node.relative_to(home)))
    assert "is not what was written" in damage.problem


def test_what_zarr_is_told_about_dropped_snapshots_does_not_count(home, stored):
    for node in home.glob("runs/first/packs/2/zarr.json"):
        node.unlink()
    Repository(home).drop("#2")
    assert Repository(home).verify()


def test_dropped_snapshots_do_not_count(home, stored):
    flip(chunks(home, "w")[0], 77)
    Repository(home).drop("#1")
    assert Repository(home).verify()


# --- what a restore makes of it


@pytest.fixture
def session(tmp_path):
    """A namespace stored by one workspace, changed, to be restored by another."""
    home = tmp_path / "run.zarr"
    names = {
        "big": np.arange(400_000.0).reshape(400, 1000),
        "other": np.full((400, 1000), 2.0),
        "small": np.arange(5.0),
        "tiny": np.arange(3.0),
        "rate": 0.5,
        "config": {"layers": [1, 2]},
    }
    workspace = Workspace(names, home, notebook="a.ipynb")
    workspace.store("first")
    names["small"][:] = 7
    workspace.store("second")
    workspace.flush()
    workspace.close()
    return home


def restored(home, reference="first"):
    names = {
        "big": np.zeros((400, 1000)),
        "other": np.zeros((400, 1000)),
        "small": np.zeros(5),
        "tiny": np.zeros(3),
        "rate": 0,
        "config": {},
    }
    status = Workspace(names, home, notebook="a.ipynb").restore(reference)
    return names, status


def assert_rest(names, but):
    expected = {
        "big": np.arange(400_000.0).reshape(400, 1000),
        "other": np.full((400, 1000), 2.0),
        "small": np.arange(5.0),
        "tiny": np.arange(3.0),
    }
    for name, value in expected.items():
        if name in but:
            assert not names[name].any(), f"{name} was written although it is damaged"
        else:
            assert_array_equal(names[name], value)
    assert (names["rate"], names["config"]) == (0.5, {"layers": [1, 2]})


def test_a_flipped_byte_in_a_block_costs_that_variable_only(session):
    (chunk,) = session.glob("runs/*/variables/big-*/*/c.0.0.0")
    flip(chunk, 1_000_000)
    names, status = restored(session)
    assert status.unused == ("big",)
    assert "does not match its hash" in status.unused_reasons["big"]
    assert_rest(names, {"big"})


def test_a_flipped_byte_in_a_pack_costs_that_variable_only(session):
    pack = next(session.glob("runs/*/packs/1/c.0"))
    flip(pack, pack.read_bytes().index(np.arange(5.0).tobytes()))
    names, status = restored(session)
    assert status.unused == ("small",)
    assert_rest(names, {"small"})


def test_a_missing_row_costs_that_variable_only(session):
    next(session.glob("runs/*/variables/other-*/*/c.0.0.0")).unlink()
    names, status = restored(session)
    assert status.unused == ("other",)
    assert "missing" in status.unused_reasons["other"]
    assert_rest(names, {"other"})


def test_a_missing_pack_costs_what_lay_in_it(session):
    # the second snapshot's pack holds what changed for it: small, and its record
    next(session.glob("runs/*/packs/2/c.0")).unlink()
    names, status = restored(session, "second")
    assert set(status.unused) == {"small"}
    assert_rest(names, {"small"})
    names, status = restored(session, "first")
    assert status.unused == ()
    assert_rest(names, set())


def test_a_truncated_table_costs_that_snapshot_only(session):
    run = next(session.glob("runs/*/"))
    table = run / "snapshots/2/table"
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(ValueError, match="table of snapshot"):
        restored(session, "second")
    names, status = restored(session, "first")
    assert status.unused == ()
    assert_rest(names, set())


def test_an_unreadable_header_costs_that_snapshot_only(session):
    run = next(session.glob("runs/*/"))
    (run / "snapshots/2/zarr.json").write_text(json.dumps({"attributes": {}}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names, status = restored(session, "first")
    assert status.unused == ()
    assert_rest(names, set())


def test_the_folder_of_a_variable_is_described_though_its_first_commit_failed(tmp_path, monkeypatch):
    names = {"w": np.zeros(700_000)}
    workspace = Workspace(names, tmp_path / "run.zarr")
    ordinary, pulled = Write.wrote, [OSError("the cable was pulled")]

    def wrote(self, nbytes):
        if pulled:
            raise pulled.pop()
        ordinary(self, nbytes)

    monkeypatch.setattr(Write, "wrote", wrote)
    workspace.store("one")
    wait_for_all()
    with pytest.warns(SnapshotWarning, match="the cable"):
        workspace.store("two")
    workspace.close()
    found = Repository(tmp_path / "run.zarr").verify()
    assert (found.damaged, found.snapshots) == ((), 2)
