"""Beyond the memory budget what is on disk leaves memory, and comes back when it is needed."""

import shutil

import numpy as np
import pytest

from snapshot import staging
from snapshot.background import wait_for_all
from snapshot.blocks import hash_blocks
from snapshot.errors import Damaged, NothingToUndo, OverBudget, SnapshotWarning
from snapshot.places import Place
from snapshot.pool import Blocks
from snapshot.repository import Repository
from snapshot.workspace import Workspace

SIZE = 100_000  # bytes of one array, and so of one block
ROOM = 4 * SIZE  # three of them fill the pool


def filled(value):
    return np.full(SIZE // 8, float(value))


def flushed(workspace, *labels, names, start=0):
    """Store one array after the other, each on disk before the next."""
    for number, label in enumerate(labels, start):
        names["w"].fill(number)
        workspace.store(label, only="w")
        workspace.flush()


@pytest.fixture
def names():
    return {"w": filled(0)}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "run.zarr"


@pytest.fixture
def workspace(names, home):
    """Five snapshots of 100 KB each in a budget of 400 KB."""
    made = Workspace(names, home, memory_budget=ROOM)
    flushed(made, "a", "b", "c", "d", "e", names=names)
    return made


def test_the_pool_stays_within_its_share_and_the_oldest_are_on_disk_only(workspace):
    assert workspace.nbytes_in_memory <= 0.75 * ROOM
    assert workspace.nbytes_in_memory + workspace.nbytes_on_disk_only == 5 * SIZE
    known = workspace._parts.engine.blocks._blocks
    in_memory = [snap.label for snap in workspace.timeline if isinstance(known[blocks_of(snap)[0]], np.ndarray)]
    assert in_memory == ["c", "d", "e"]


def chunks(home):
    """The files that hold blocks of arrays."""
    return {file for file in home.rglob("*") if file.is_file() and file.stat().st_size >= SIZE}


def blocks_of(snap):
    return list(snap.content.capture.digests())


def test_they_come_back_for_a_restore_a_comparison_and_a_look(workspace, names):
    held = names["w"]
    workspace.restore("a")
    assert names["w"] is held
    assert held[0] == 0
    assert [float(snap["w"][5]) for snap in workspace.timeline] == [0, 1, 2, 3, 4]
    assert "w" in str(workspace.compare("a", "b"))
    workspace.undo()
    assert held[0] == 4
    assert workspace.nbytes_in_memory <= 0.75 * ROOM


def test_contents_that_are_on_disk_only_are_neither_copied_nor_written_again(workspace, names, home):
    files = chunks(home)
    assert len(files) == 5
    names["w"].fill(0)
    snap = workspace.store("again", only="w")
    workspace.flush()
    assert workspace.last_store.new_bytes == 0
    assert chunks(home) == files
    assert snap["w"][0] == 0


def test_a_store_waits_for_writes_that_make_room_instead_of_refusing(names, home):
    workspace = Workspace(names, home, memory_budget=ROOM)
    for number in range(12):  # none is waited for here
        names["w"].fill(number)
        workspace.store(only="w")
        assert workspace.nbytes_in_memory <= ROOM
    assert [float(snap["w"][0]) for snap in workspace.timeline] == list(range(12))


def test_only_what_does_not_fit_by_itself_is_refused(workspace, names):
    names["big"] = np.arange(ROOM // 8 + 1.0)
    with pytest.raises(OverBudget, match=r"Largest: big \(400\.0 KB\)"):
        workspace.store("refused")
    del names["big"]
    assert workspace.store("fits").label == "fits"


def test_what_stays_in_memory_only_cannot_make_room(names, home):
    workspace = Workspace(names, home, memory_budget=ROOM)
    for number in range(4):
        names["w"].fill(number)
        workspace.store(only="w", memory=True)
    names["w"].fill(4)
    with pytest.raises(OverBudget):
        workspace.store(only="w", memory=True)


def test_a_restore_larger_than_the_budget_is_whole(tmp_path):
    names = {f"v{n}": filled(n) for n in range(3)}
    workspace = Workspace(names, tmp_path / "run.zarr", memory_budget=ROOM)
    for step in range(4):
        for number, array in enumerate(names.values()):
            array.fill(100 * step + number)
        workspace.store(f"s{step}", only="v*")
    for step in (0, 3, 1):
        workspace.restore(f"s{step}")
        assert [float(array[0]) for array in names.values()] == [100 * step + n for n in range(3)]


@pytest.mark.filterwarnings("ignore:What was in the repository:snapshot.SnapshotWarning")
def test_without_the_repository_what_was_there_only_is_named_and_the_rest_is_restored(tmp_path):
    names = {"old": filled(1), "new": filled(2), "items": [1]}
    workspace = Workspace(names, tmp_path / "run.zarr", memory_budget=ROOM)
    workspace.store("before", only=["old", "items"])
    workspace.flush()
    for number in range(4):  # pushes "old" out
        names["new"].fill(number)
        workspace.store(f"n{number}", only=["old", "new", "items"])
        workspace.flush()
    names["old"].fill(-1)
    names["new"].fill(-1)
    names["items"].append(2)
    shutil.rmtree(tmp_path / "run.zarr")
    status = workspace.restore("n3")
    assert status.unused == ("old",)
    assert "on disk only" in status.unused_reasons["old"]
    assert (names["old"][0], names["new"][0], names["items"]) == (-1, 3, [1])
    with pytest.raises(Damaged):
        workspace["n3"]["old"]


@pytest.mark.filterwarnings("ignore:What was in the repository:snapshot.SnapshotWarning")
def test_a_name_whose_object_and_contents_are_both_gone_stays_as_it_is(tmp_path):
    names = {"old": filled(1), "box": [filled(8)], "pair": [(1, 2)], "new": filled(2)}
    workspace = Workspace(names, tmp_path / "run.zarr", memory_budget=8 * SIZE)
    workspace.store("before", only=["old", "box", "pair"])
    workspace.flush()
    for number in range(8):
        names["new"].fill(number)
        workspace.store(only=["new"])
        workspace.flush()
    names["old"], names["box"][0], names["pair"][0] = "another", "another", "another"
    shutil.rmtree(tmp_path / "run.zarr")
    status = workspace.restore("before")
    assert (names["old"], names["box"], names["pair"]) == ("another", ["another"], [(1, 2)])
    assert {"old", "box"} <= set(status.unused)
    assert "pair" not in status.unused


@pytest.mark.filterwarnings("ignore:What was in the repository:snapshot.SnapshotWarning")
def test_what_is_live_is_never_overwritten_when_its_only_other_copy_is_gone(workspace, names, home):
    names["w"].fill(0)  # as in "a", whose contents are on disk only by now
    shutil.rmtree(home)
    workspace.restore("e")
    assert names["w"][0] == 4
    workspace.undo()
    assert names["w"][0] == 0


def test_a_damaged_block_is_not_restored(workspace, names, home):
    for file in chunks(home):
        file.write_bytes(bytes(file.stat().st_size))
    status = workspace.restore("b")
    assert status.unused == ("w",)
    assert "does not match its hash" in status.unused_reasons["w"]
    assert names["w"][0] == 4
    workspace.restore("d")
    assert names["w"][0] == 3


@pytest.mark.filterwarnings("ignore::snapshot.SnapshotWarning")
def test_contents_lost_with_the_repository_are_copied_again_when_they_are_stored_again(workspace, names, home):
    shutil.rmtree(home)
    names["w"].fill(0)
    for _ in range(2):  # the first may find out only while it is written
        workspace.store("again", only="w")
        workspace.flush()
    assert workspace["again"]["w"][0] == 0
    assert Repository(home)["again"]["w"][0] == 0
    assert workspace["a"]["w"][0] == 0


def test_a_repository_that_vanished_is_said_with_what_is_lost_and_what_is_left_is_written_again(
    workspace, names, home
):
    workspace.label("d", "fourth")
    workspace.flush()
    shutil.rmtree(home)
    with pytest.warns(
        SnapshotWarning, match=r"gone.*lost: #1 \(w\); #2 \(w\)\. Whole in memory.*: #3, #4, #5\."
    ) as said:
        states = [workspace.state(one) for one in workspace.timeline]
    assert len(said) == 1
    assert [state.partition(":")[0] for state in states] == ["memory only"] * 5
    assert ["incomplete, w went" in state for state in states] == [True, True, False, False, False]
    assert not home.exists()
    names["w"].fill(1)  # as in "b", which is lost
    workspace.store("again", only="w")
    workspace.flush()
    names["w"].fill(7)
    workspace.restore("again")
    assert names["w"][0] == 1
    found = {one.label: (one.parent, float(one["w"][0])) for one in Repository(home).timeline}
    assert found == {"c": (None, 2), "fourth": (3, 3), "e": (4, 4), "again": (5, 1)}
    assert [workspace.state(one) == "on disk" for one in workspace.timeline] == [False, False, True, True, True, True]
    assert Repository(home).verify()


@pytest.mark.parametrize("moment", ["between", "while writing"])
def test_a_repository_replaced_by_another_one_is_noticed(names, home, tmp_path, moment):
    workspace = Workspace(names, home)
    workspace.store("a")
    workspace.flush()
    Workspace({"v": np.zeros(3)}, tmp_path / "other.zarr").store("other")
    wait_for_all()
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "other.zarr", home)
    if moment == "while writing":
        outbox = workspace._parts.archive._outbox
        names["w"].fill(1)
        snap = workspace._parts.shelf.describe("b", None, "", workspace._parts.shelf.latest)
        workspace._parts.shelf.add(snap)
        outbox.write(snap, 0)()
        outbox.wait()
    with pytest.warns(SnapshotWarning, match="Whole in memory, and written again by the next store or a flush: #1"):
        assert workspace.state(workspace["a"]) == "memory only: the repository it was in is gone"
    workspace.flush()
    assert workspace.state(workspace["a"]) == "on disk"
    assert Repository(home)[f"#{workspace.run}.1"]["w"][0] == 0


def test_only_the_root_gone_is_no_loss(workspace, home):
    (home / "zarr.json").unlink()
    assert {workspace.state(one) for one in workspace.timeline} == {"on disk"}
    assert workspace["a"]["w"][0] == 0


def test_dropping_the_snapshot_in_which_a_block_lay_finds_it_in_another_one(names, home):
    workspace = Workspace(names, home, memory_budget=ROOM)
    flushed(workspace, "a", names=names)
    workspace.store("same", only="w")
    workspace.flush()
    flushed(workspace, "b", "c", "d", "e", names=names, start=1)
    workspace.drop("same")
    workspace.flush()
    shutil.rmtree(next(home.glob("runs/*/snapshots/2")))  # what a sweep of dropped ones will do
    assert workspace["a"]["w"][0] == 0


@pytest.mark.filterwarnings("ignore:What was in the repository:snapshot.SnapshotWarning")
def test_a_block_that_only_an_undo_needs_returns_to_memory_when_its_snapshot_is_dropped(workspace, names, home):
    names["w"].fill(0)
    workspace.restore("e")  # the undo refers to the contents of "a"
    workspace.drop("a")
    workspace.flush()
    shutil.rmtree(home)
    workspace.undo()
    assert names["w"][0] == 0


def test_going_on_in_another_repository_takes_what_is_on_disk_only_along(workspace, names, home, tmp_path):
    names["w"].fill(0)
    workspace.open(tmp_path / "other.zarr")
    workspace.store("moved", only="w")
    workspace.flush()
    assert Repository(tmp_path / "other.zarr")["moved"]["w"][0] == 0


def test_snapshots_after_closing_still_find_what_is_on_disk_only(workspace):
    workspace.close()
    assert workspace["a"]["w"][0] == 0


def test_a_loop_of_stores_of_the_same_shapes_takes_no_fresh_memory(tmp_path, monkeypatch):
    names = {"w": np.arange(5_000_000.0), "v": np.arange(-300_000.0, 0)}
    workspace = Workspace(names, tmp_path / "run.zarr")
    fresh = []
    ordinary = staging._fresh
    monkeypatch.setattr(staging, "_fresh", lambda nbytes: fresh.append(nbytes) or ordinary(nbytes))
    made = []
    for _ in range(8):
        names["w"] += 1
        names["v"] += 1
        fresh.clear()
        workspace.store(only=["w", "v"])
        workspace.flush()
        made.append(sum(size for size in fresh if size >= staging.REUSE_FROM))
        workspace.drop(*workspace.timeline[:-2])
        workspace.flush()
    assert made[0] == 42_400_000
    assert made[3:] == [0] * 5


def test_a_loop_that_fills_the_budget_takes_no_fresh_memory_either(names, home, monkeypatch):
    workspace = Workspace(names, home, memory_budget=ROOM)
    flushed(workspace, "a", "b", "c", "d", names=names)
    monkeypatch.setattr(staging, "_fresh", None)
    flushed(workspace, "e", "f", "g", "h", names=names, start=4)


@pytest.mark.parametrize("nbytes", [staging.SHARED, 1_000_000, staging.PIECE // 2, staging.PIECE, 3_000_000])
def test_no_two_buffers_lie_in_the_same_memory_however_large_they_are(nbytes):
    buffers = staging.Buffers()
    made = [buffers.take(nbytes) for _ in range(9)]
    for number, buffer in enumerate(made):
        buffer[:] = number
    assert [set(buffer.tolist()) for buffer in made] == [{number} for number in range(9)]
    assert {buffer.nbytes for buffer in made} == {nbytes}


def test_a_borrowed_block_is_not_reused_before_it_is_given_back():
    blocks = Blocks()
    data = np.arange(100_000, dtype=np.uint8)
    (digest,) = hash_blocks(data)
    blocks.put(digest, data)
    blocks.retain([digest])
    borrowed = blocks.borrow(digest)
    blocks.release([digest])
    (other,) = hash_blocks(data[::-1].copy())
    blocks.put(other, data[::-1].copy())
    assert borrowed.tolist() == data.tolist()
    blocks.give_back([digest])


class Contents:
    """A place that has the contents."""

    is_near = False

    def __init__(self, contents):
        self.contents = contents

    def block(self, number, index):
        return self.contents[number].tobytes()


def test_a_full_pool_keeps_in_memory_what_it_is_asked_to_keep():
    contents = [np.full(1000, value, np.uint8) for value in range(6)]
    digests = [hash_blocks(one)[0] for one in contents]
    blocks = Blocks(limit=4000)
    blocks.retain(digests)
    blocks.lie_at({digest: (Place(Contents(contents), number, 0), 1000) for number, digest in enumerate(digests)})
    blocks.stay(digests)
    blocks.trim()
    for digest, expected in zip(digests, contents, strict=True):
        assert np.array_equal(blocks.borrow(digest), expected)


def test_arrays_written_in_parts_and_those_written_whole_come_back_from_disk_side_by_side(tmp_path):
    made = np.random.default_rng(0)
    stored = {}
    for index in range(12):
        # every third has gaps in memory, and cannot be written in parts
        array = made.standard_normal((300, 600 if index % 3 == 0 else 300))
        stored[f"w{index}"] = array[:, ::2] if index % 3 == 0 else array
    stored["large"] = made.standard_normal((1100, 1100))
    Workspace(dict(stored), tmp_path / "run.zarr").store("before")
    live = {name: np.array(value) for name, value in stored.items()}
    live |= {name: np.zeros((300, 600))[:, ::2] for name in ("w0", "w3", "w6", "w9")}
    live["w1"] += 1
    live["w2"] *= 2
    live["large"][1000:] = 0
    objects = dict(live)
    status = Workspace(live, tmp_path / "run.zarr").restore("before")
    assert all(live[name] is objects[name] for name in live)
    assert all(np.array_equal(live[name], stored[name]) for name in stored)
    assert {"w0", "w3", "w6", "w9", "w1", "w2", "large"} == set(status.changed) & set(live)


def test_what_could_be_undone_does_not_keep_a_store_from_fitting():
    names = {"model": np.zeros(1000), "data": np.random.default_rng(0).normal(size=2_000_000)}
    workspace = Workspace(names, memory_budget=10_000_000)
    workspace.exclude("data")
    workspace.store("before")
    workspace.restore("before")
    names["model"] += 1
    workspace.store("next")
    assert workspace.nbytes_in_memory <= 10_000_000
    with pytest.raises(NothingToUndo, match="a store needed the memory"):
        workspace.undo()
    names["model"][:] = 0
    workspace.restore("next")
    assert names["model"].tolist() == [1] * 1000


def test_a_store_that_fits_in_no_case_leaves_what_can_be_undone():
    names = {"w": np.zeros(200_000)}
    workspace = Workspace(names, memory_budget=4_000_000)
    workspace.store("before")
    names["w"] += 1
    workspace.restore("before")
    names["more"] = np.random.default_rng(0).normal(size=2_000_000)
    with pytest.raises(OverBudget, match="Largest: more"):
        workspace.store("after")
    workspace.undo()
    assert names["w"].tolist() == [1] * 200_000
