"""A store returns when the state is captured; a thread writes it, in order, and says what failed."""

import asyncio
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from zarr.storage import LocalStore, WrapperStore

from snapshot.background import Background
from snapshot.cutting import BLOCK_BYTES
from snapshot.errors import SnapshotWarning
from snapshot.repository import Repository
from snapshot.repository import writer as writer_module
from snapshot.repository.addresses import WRITE_AT_ONCE
from snapshot.repository.writer import Writer
from snapshot.workspace import Workspace

PATIENCE = 60


class Gate(WrapperStore):
    """A store that holds every write while it is closed, and refuses what it is told to."""

    def __init__(self, store):
        super().__init__(store)
        self.count = 0
        self.open, self.reached = threading.Event(), threading.Event()
        self.open.set()
        self.refuses = lambda key: False
        self.holds = lambda value: True
        self.until = 1  #: so many that are held count as the gate being reached
        self.waiters = ThreadPoolExecutor(64)

    async def set(self, key, value):
        if self.holds(value):
            self.count += 1
            if self.count >= self.until:
                self.reached.set()
            if not self.open.is_set():
                # reads go on meanwhile, and have their own threads
                await asyncio.get_running_loop().run_in_executor(self.waiters, self.open.wait, PATIENCE)
        if self.refuses(key):
            raise OSError(28, "No space left on device")
        await super().set(key, value)

    def close_gate(self):
        self.open.clear()
        self.reached.clear()
        self.count = 0


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "run.zarr"
    home.mkdir()
    return home


@pytest.fixture
def gate(folder):
    """The store; it is opened at the end, so that nothing waits for it for ever."""
    made = Gate(LocalStore(folder))
    yield made
    made.open.set()


@pytest.fixture
def workspace(gate):
    """A workspace over one array and a number, whose writes pass the gate."""
    return Workspace({"w": np.zeros(1000), "lr": 0.5}, gate)


def on_disk(folder):
    """Labels of what another process would see now."""
    return [snap.label for snap in Repository(folder).timeline]


def begin(workspace, gate, label="held", **options):
    """Store while the gate is closed; returns when the thread is at it."""
    gate.close_gate()
    snap = workspace.store(label, **options)
    assert gate.reached.wait(PATIENCE)
    return snap


def test_a_store_returns_before_it_is_written_and_flush_when_it_is(workspace, gate, folder):
    workspace.store("first")
    workspace.flush()
    begin(workspace, gate)
    assert on_disk(folder) == ["first"]
    gate.open.set()
    workspace.flush()
    assert on_disk(folder) == ["first", "held"]


def test_what_is_stored_is_what_was_there_at_the_store_whatever_changes_meanwhile(workspace, gate, folder):
    names = {"w": np.zeros(1000), "items": [1], "model": [{"lr": 0.5}]}
    workspace = Workspace(names, gate)
    begin(workspace, gate)
    names["w"].fill(9)
    names["items"].append(2)
    names["model"][0]["lr"] = 9
    del names["w"]
    gate.open.set()
    workspace.flush()
    again = {}
    Workspace(again, folder).restore("held")
    assert (again["w"].tolist(), again["items"], again["model"]) == ([0] * 1000, [1], [{"lr": 0.5}])


def test_a_snapshot_on_its_way_is_restored_from_memory(workspace, gate):
    begin(workspace, gate)
    workspace._parts.engine.namespace["w"].fill(5)
    workspace.restore("held")
    assert workspace._parts.engine.namespace["w"].tolist() == [0] * 1000


def test_where_each_snapshot_stands_is_known(workspace, gate):
    first = workspace.store("first")
    workspace.flush()
    workspace._parts.engine.namespace["w"].fill(1)
    held = begin(workspace, gate)
    kept = workspace.store("kept", memory=True)
    states = [workspace.state(snap).partition(",")[0] for snap in (first, held, kept)]
    assert states == ["on disk", "writing", "memory only"]
    assert workspace.progress.waiting == 1
    assert workspace.progress.total >= 8000
    gate.open.set()
    workspace.flush()
    assert workspace.state(held) == "on disk"
    assert str(workspace.progress) == "everything is written"


def test_writes_labels_and_drops_reach_the_disk_in_their_order(workspace, gate, folder):
    begin(workspace, gate)
    workspace.store("second")
    workspace.store("third")
    workspace.label("second", "renamed")
    workspace.label("held", "good")
    workspace.drop("third")
    gate.open.set()
    workspace.flush()
    assert on_disk(folder) == ["good", "renamed"]


def test_a_label_that_moves_before_anything_is_written_is_the_newest_ones(workspace, gate, folder):
    begin(workspace, gate, "same")
    workspace.store("same")
    gate.open.set()
    workspace.flush()
    assert on_disk(folder) == [None, "same"]


@pytest.mark.parametrize("begun", [True, False])
def test_a_snapshot_dropped_on_its_way_is_not_there_in_the_end(workspace, gate, folder, begun):
    begin(workspace, gate)
    workspace.store("next")
    workspace.drop("held" if begun else "next")
    gate.open.set()
    workspace.flush()
    assert on_disk(folder) == (["next"] if begun else ["held"])


def test_children_of_what_never_got_to_the_disk_descend_from_its_parent(workspace, gate, folder):
    workspace.store("root")
    workspace.flush()
    begin(workspace, gate, "busy")
    workspace.store("lost")
    workspace.store("child")
    workspace.drop("lost")
    gate.open.set()
    workspace.flush()
    parents = {snap.label: snap.parent for snap in Repository(folder).timeline}
    assert parents == {"root": None, "busy": 1, "child": 2}


def test_blocks_of_a_dropped_snapshot_stay_until_it_is_written(workspace, gate, folder):
    names = workspace._parts.engine.namespace
    begin(workspace, gate, only="w")
    names["w"] = np.ones(1000)
    workspace.drop("held")
    workspace.store("next", only="w")
    assert workspace.nbytes_in_memory == 16000
    gate.open.set()
    workspace.flush()
    assert workspace.nbytes_in_memory == 8000
    assert Repository(folder)["next"]["w"].tolist() == [1] * 1000


@pytest.fixture
def half_written(gate):
    """A workspace whose second snapshot of 160 MB has got some blocks further, but not all of them."""
    names = {"w": np.arange(20_000_000.0)}  # more blocks than are written at once
    workspace = Workspace(names, gate)
    workspace.store("first")
    workspace.flush()
    names["w"] += 1
    gate.holds, gate.until = lambda value: len(value) > 1_000_000, WRITE_AT_ONCE
    begin(workspace, gate)
    return workspace


def test_how_much_of_a_long_write_is_done_is_known(half_written, gate):
    progress = half_written.progress
    assert (progress.waiting, progress.written) == (1, WRITE_AT_ONCE * BLOCK_BYTES)
    assert 160_000_000 <= progress.total < 160_100_000
    assert half_written.state(half_written["held"]) == "writing, 33.6 MB of 160.0 MB"
    gate.open.set()
    half_written.flush()
    assert half_written.state(half_written["held"]) == "on disk"


def test_what_is_dropped_while_it_is_written_is_written_no_further(half_written, gate, folder):
    before = {file for file in folder.rglob("*") if file.is_file() and file.stat().st_size > 1_000_000}
    written = half_written.progress.written
    job = next(iter(half_written._parts.archive._outbox._jobs.values()))
    half_written.drop("held")
    gate.open.set()
    half_written.flush()
    assert job.written == written
    assert on_disk(folder) == ["first"]
    assert {file for file in folder.rglob("*") if file.is_file() and file.stat().st_size > 1_000_000} == before


def refusing(gate, words):
    gate.refuses = lambda key: words in key


def test_a_write_that_fails_is_said_once_at_the_next_call_and_the_snapshot_stays_in_memory(workspace, gate, folder):
    refusing(gate, "snapshots/1/")
    lost = workspace.store("lost")
    with pytest.warns(SnapshotWarning, match="#1 could not be written.*No space left") as said:
        workspace.flush()
    assert len(said) == 1
    workspace.store("next")  # tries again in vain, and has said so already
    workspace._parts.archive._outbox.wait()
    assert len(workspace.timeline) == 2
    assert workspace.state(lost).startswith("memory only: ")
    assert "No space left" in workspace.state(lost)
    workspace._parts.engine.namespace["w"].fill(3)
    workspace.restore("lost")
    assert workspace._parts.engine.namespace["w"][0] == 0
    assert [(snap.label, snap.parent) for snap in Repository(folder).timeline] == [("next", None)]


@pytest.mark.parametrize("call", ["store", "restore", "snapshots", "close"])
def test_any_next_call_says_what_failed(workspace, gate, call):
    refusing(gate, "snapshots/1/")
    workspace.store("lost")
    workspace._parts.archive._outbox.wait()
    with pytest.warns(SnapshotWarning, match="#1 could not be written"):
        getattr(workspace, call)()


def test_a_label_and_a_drop_that_fail_are_said_too(workspace, gate, folder):
    workspace.store("one")
    workspace.store("two")
    workspace.flush()
    gate.refuses = lambda key: True
    workspace.label("one", "good")
    workspace.drop("two")
    with pytest.warns(SnapshotWarning, match="the new label of #1, that #2 was dropped could not be written"):
        workspace.flush()
    assert [snap.label for snap in workspace.timeline] == ["good"]
    assert on_disk(folder) == ["one", "two"]


@pytest.mark.filterwarnings("ignore::snapshot.SnapshotWarning")
def test_what_failed_is_written_by_the_next_flush_when_the_place_takes_it_again(workspace, gate, folder):
    workspace.store("one")
    workspace.store("two")
    workspace.flush()
    gate.refuses = lambda key: True
    workspace.label("one", "good")
    workspace.drop("two")
    third = workspace.store("three")
    workspace._parts.archive._outbox.wait()
    for _ in range(2):
        with pytest.warns(SnapshotWarning, match="the new label of #1, that #2 was dropped, #3 could not be written"):
            workspace.flush()
    assert on_disk(folder) == ["one", "two"]
    gate.refuses = lambda key: False
    workspace.flush()
    assert on_disk(folder) == ["good", "three"]
    assert workspace.state(third) == "on disk"


@pytest.mark.filterwarnings("ignore::snapshot.SnapshotWarning")
def test_what_failed_is_written_ahead_of_the_next_store(workspace, gate, folder):
    names = workspace._parts.engine.namespace
    gate.refuses = lambda key: True
    for value in (1, 2):
        names["w"].fill(value)
        workspace.store(f"s{value}")
        workspace._parts.archive._outbox.wait()
    gate.refuses = lambda key: False
    workspace.store("s3")
    workspace._parts.archive._outbox.wait()
    assert on_disk(folder) == ["s1", "s2", "s3"]
    assert [one.parent for one in Repository(folder).timeline] == [None, 1, 2]
    assert [float(one["w"][0]) for one in Repository(folder).timeline] == [1, 2, 2]
    assert Repository(folder).verify()


@pytest.mark.filterwarnings("ignore::snapshot.SnapshotWarning")
def test_a_label_that_failed_takes_nothing_from_whom_it_was_given_to_meanwhile(workspace, gate, folder):
    workspace.store("one")
    workspace.store("two")
    workspace.flush()
    refusing(gate, "notes/")
    workspace.label("one", "best")
    workspace.flush()
    workspace.store("best")
    workspace.flush()
    gate.refuses = lambda key: False
    workspace.flush()
    assert [one.label for one in workspace.timeline] == [None, "two", "best"]
    assert on_disk(folder) == [None, "two", "best"]


@pytest.mark.filterwarnings("ignore::snapshot.SnapshotWarning")
def test_a_snapshot_that_failed_is_written_with_the_label_it_was_given_since(workspace, gate, folder):
    refusing(gate, "snapshots/1/")
    workspace.store("one")
    workspace.flush()
    workspace.label("one", "renamed")
    workspace.store("two")
    workspace.flush()
    gate.refuses = lambda key: False
    workspace.flush()
    assert on_disk(folder) == ["renamed", "two"]


@pytest.mark.filterwarnings("ignore::snapshot.SnapshotWarning")
def test_a_snapshot_that_failed_and_was_dropped_is_not_tried_again(workspace, gate, folder):
    refusing(gate, "snapshots/1/")
    workspace.store("lost")
    workspace.flush()
    workspace.label("lost", "renamed")
    workspace.drop("renamed")
    gate.refuses = lambda key: False
    workspace.store("next", only="lr")
    workspace.flush()
    assert on_disk(folder) == ["next"]
    assert workspace.nbytes_in_memory == 0


@pytest.mark.filterwarnings("ignore::snapshot.SnapshotWarning")
def test_closing_tries_again_what_failed(workspace, gate, folder):
    refusing(gate, "snapshots/1/")
    workspace.store("first")
    workspace._parts.archive._outbox.wait()
    gate.refuses = lambda key: False
    workspace.close()
    assert on_disk(folder) == ["first"]


def test_several_failures_of_one_kind_are_one_sentence(workspace, gate):
    refusing(gate, "snapshots/")
    begin(workspace, gate)  # held: a failure before the last store would be said by that store
    for _ in range(2):
        workspace.store()
    gate.open.set()
    with pytest.warns(SnapshotWarning, match="#1, #2, #3 could not be written") as said:
        workspace.flush()
    assert len(said) == 1


def test_closing_waits_until_everything_is_on_disk(workspace, gate, folder):
    begin(workspace, gate)
    opener = threading.Timer(0, gate.open.set)
    opener.start()
    workspace.close()
    assert on_disk(folder) == ["held"]
    assert workspace.state(workspace.store("after")) == "memory only"


def test_an_interrupted_flush_ends_the_wait_and_not_the_writing(workspace, gate, folder):
    begin(workspace, gate)
    ordinary = workspace._parts.archive._outbox.wait

    def interrupting():
        signal.raise_signal(signal.SIGINT)
        ordinary()

    workspace._parts.archive._outbox.wait = interrupting
    with pytest.raises(KeyboardInterrupt):
        workspace.flush()
    workspace._parts.archive._outbox.wait = ordinary
    gate.open.set()
    workspace.store("next")
    workspace.flush()
    assert on_disk(folder) == ["held", "next"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_store_interrupted_at_its_very_end_is_nowhere(workspace, gate, folder, begun, monkeypatch):
    """The stop button comes when the thread has the snapshot already, or has even begun with it."""
    workspace.store("before")
    workspace.flush()
    if begun:
        gate.close_gate()
    else:
        begin(workspace, gate, "busy")
    ordinary = Background.add

    def interrupted(self, job):
        ordinary(self, job)
        if begun:
            assert gate.reached.wait(PATIENCE)
            threading.Timer(0, gate.open.set).start()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Background, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workspace.store("unfinished")
    monkeypatch.undo()
    gate.open.set()
    workspace.flush()
    expected = ["before"] if begun else ["before", "busy"]
    assert on_disk(folder) == expected
    assert [snap.label for snap in workspace.timeline] == expected
    workspace.store("next")
    workspace.flush()
    assert on_disk(folder) == [*expected, "next"]


def test_a_store_waits_while_too_much_is_on_its_way(gate, folder, monkeypatch):
    names = {"w": np.arange(100_000.0)}
    workspace = Workspace(names, gate, memory_budget=4_000_000)  # a quarter of it may wait
    begin(workspace, gate, "first")
    ordinary, had_to_wait = Background._wait, []

    def watched(self, is_over):
        had_to_wait.append(not is_over())
        if had_to_wait[-1]:
            gate.open.set()
        ordinary(self, is_over)

    for label in ("second", "third"):
        names["w"] += 1
        with monkeypatch.context() as patch:
            patch.setattr(Background, "_wait", watched)
            workspace.store(label)
    assert had_to_wait == [False, True]
    workspace.flush()
    assert on_disk(folder) == ["first", "second", "third"]


def test_two_threads_that_store_are_both_written_whole(gate, folder):
    names = {"w": np.zeros(1000)}
    workspace = Workspace(names, gate)
    threads = [
        threading.Thread(target=lambda t=t: [workspace.store(f"{t}.{n}") for n in range(10)]) for t in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    workspace.flush()
    assert sorted(on_disk(folder)) == sorted(f"{t}.{n}" for t in range(2) for n in range(10))


def test_the_thread_ends_when_there_is_nothing_to_do_and_begins_again():
    done = []

    class Job:
        nbytes = 0

        def run(self):
            done.append(threading.current_thread())

        def failed(self, error):
            raise AssertionError from error

        def over(self):
            pass

    background = Background("test", idle=0)
    for _ in range(2):
        background.add(Job())
        background.flush()
        done[-1].join(PATIENCE)
        assert not done[-1].is_alive()
    assert len({id(thread) for thread in done}) == 2


def test_threads_take_short_turns_while_something_is_written_and_the_users_own_afterwards(workspace, gate):
    before = sys.getswitchinterval()
    begin(workspace, gate)
    assert sys.getswitchinterval() < before
    gate.open.set()
    workspace.flush()
    assert sys.getswitchinterval() == before


@pytest.mark.parametrize("fails", [False, True])
def test_the_collector_pauses_while_a_write_is_planned_and_no_longer(half_written, gate, fails, monkeypatch):
    assert gc.isenabled()
    gate.open.set()
    half_written.flush()
    ordinary, seen = Writer.commit, []

    def watched(self, entry):
        seen.append(gc.isenabled())
        if fails:
            raise OSError(28, "No space left on device")
        ordinary(self, entry)

    monkeypatch.setattr(Writer, "commit", watched)
    half_written.store("next")
    half_written._parts.archive._outbox.wait()
    assert seen == [False]
    assert gc.isenabled()
    if fails:
        with pytest.warns(SnapshotWarning, match="No space left"):
            half_written.flush()


def run_elsewhere(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_process_that_just_ends_has_written_everything(tmp_path):
    code = """
        import sys, numpy as np, snapshot
        names = {"w": np.zeros(3_000_000)}
        workspace = snapshot.Workspace(names, sys.argv[1])
        for step in range(5):
            names["w"] += 1
            workspace.store(f"s{step}")
    """
    ended = run_elsewhere(code, tmp_path / "run.zarr")
    assert (ended.returncode, ended.stderr) == (0, "")
    repository = Repository(tmp_path / "run.zarr")
    assert [float(repository[f"s{step}"]["w"][7]) for step in range(5)] == [1, 2, 3, 4, 5]


def test_what_fails_at_the_very_end_is_said_on_stderr(tmp_path):
    code = """
        import sys, numpy as np, snapshot
        workspace = snapshot.Workspace({"w": np.zeros(3)}, sys.argv[1])
        open(sys.argv[1], "w").close()  # something else lies there by now
        workspace.store("lost")
    """
    ended = run_elsewhere(code, tmp_path / "run.zarr")
    assert ended.returncode == 0
    assert "#1 could not be written" in ended.stderr


def test_a_process_that_is_killed_leaves_whole_snapshots_only(tmp_path):
    code = """
        import os, signal, sys, numpy as np, snapshot
        names = {"w": np.zeros(500_000)}
        workspace = snapshot.Workspace(names, sys.argv[1])
        workspace.store("first")
        workspace.flush()
        for step in range(20):
            names["w"] += 1
            workspace.store(f"s{step}")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    run_elsewhere(code, tmp_path / "run.zarr")
    repository = Repository(tmp_path / "run.zarr")
    found = [float(snap["w"][3]) for snap in repository.timeline]
    assert found == list(range(len(found)))
    assert len(found) >= 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_nothing_to_write_and_a_run_of_its_own_while_the_parent_goes_on(workspace, gate, folder):
    begin(workspace, gate, "parents")

    def child(results):
        gate.open.set()
        results.put((workspace.progress.waiting, workspace.state(workspace["parents"])))
        workspace._parts.engine.namespace["w"].fill(7)
        workspace.store("childs")
        workspace.flush()
        results.put([snap.label for snap in workspace.timeline])

    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=child, args=(results,))
    process.start()
    waiting, state = results.get(timeout=PATIENCE)
    labels = results.get(timeout=PATIENCE)
    process.join(PATIENCE)
    assert (waiting, process.exitcode) == (0, 0)
    assert "forked" in state
    assert labels == ["parents", "childs"]
    assert on_disk(folder) == ["childs"]
    gate.open.set()
    workspace.flush()
    repository = Repository(folder)
    assert len({snap.run for snap in repository.timeline}) == 2
    assert {snap.label: float(snap["w"][0]) for snap in repository.timeline} == {"parents": 0, "childs": 7}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_nothing_to_write_while_the_parent_tries_again_what_failed(workspace, gate, folder):
    gate.refuses = lambda key: True
    workspace.store("failed")
    workspace._parts.archive._outbox.wait()
    gate.refuses = lambda key: False
    gate.close_gate()
    with pytest.warns(SnapshotWarning, match="No space left"):
        workspace.store("held")
    assert gate.reached.wait(PATIENCE)

    def child(results):
        results.put((workspace.progress.waiting, [workspace.state(one) for one in workspace.in_memory]))

    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=child, args=(results,))
    process.start()
    waiting, states = results.get(timeout=PATIENCE)
    process.join(PATIENCE)
    assert (waiting, ["forked" in state for state in states]) == (0, [True, True])
    gate.open.set()
    workspace.flush()
    assert on_disk(folder) == ["failed", "held"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_its_run_before_any_of_its_threads_can_ask(workspace, monkeypatch):
    workspace.store("parents")
    outbox = workspace._parts.archive._outbox
    names = []
    monkeypatch.setattr(writer_module, "new_run_name", lambda: names.append(f"run{len(names)}") or names[-1])

    def child(results):
        # two threads that ask for the first time, each drawing a name, tore a commit in two
        drawn = list(names)
        results.put((drawn, outbox.writer.run, list(names)))

    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=child, args=(results,))
    process.start()
    drawn, run, drawn_later = results.get(timeout=PATIENCE)
    process.join(PATIENCE)
    assert run in drawn
    assert drawn == drawn_later


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_something_is_written_starts_no_thread_and_writes_whole_snapshots(workspace, gate, folder):
    begin(workspace, gate, "parents")

    def child(results):
        results.put([thread.name for thread in threading.enumerate() if thread.name.startswith("snapshot-")])
        gate.open.set()
        for number in range(3):
            workspace._parts.engine.namespace["w"].fill(number)
            workspace.store(f"child-{number}")
            # looks at the repository while the thread writes its first snapshot
            results.put(len(workspace.timeline))
        workspace.flush()

    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=child, args=(results,))
    process.start()
    assert results.get(timeout=PATIENCE) == []
    assert [results.get(timeout=PATIENCE) for _ in range(3)] == [2, 3, 4]
    process.join(PATIENCE)
    assert process.exitcode == 0
    gate.open.set()
    workspace.flush()
    repository = Repository(folder)
    assert repository.verify()
    expected = {"parents": 0, "child-0": 0, "child-1": 1, "child-2": 2}
    assert {snap.label: float(snap["w"][0]) for snap in repository.timeline} == expected


def test_what_is_dropped_and_labelled_in_a_repository_that_was_opened_again_is_so_on_disk(tmp_path):
    workspace = Workspace({"w": np.zeros(3)}, tmp_path / "run.zarr")
    for label in "abc":
        workspace.store(label)
    workspace.close()
    workspace.store("d")
    workspace.open(tmp_path / "run.zarr")
    workspace.drop("a")
    workspace.label("b", "best")
    workspace.store("e")
    workspace.flush()
    assert [snap.label for snap in workspace.timeline] == ["best", "c", "d", "e"]
    assert [workspace.state(snap) for snap in workspace.timeline] == ["on disk", "on disk", "memory only", "on disk"]
    assert on_disk(tmp_path / "run.zarr") == ["best", "c", "e"]


def test_snapshots_in_a_repository_that_was_left_are_said_to_be_there(tmp_path):
    workspace = Workspace({"w": np.zeros(3)}, tmp_path / "one.zarr")
    first = workspace.store("first")
    workspace.open(tmp_path / "two.zarr")
    second = workspace.store("second")
    workspace.close()
    third = workspace.store("third")
    states = [workspace.state(one) for one in (first, second, third)]
    assert states == [f"on disk in {tmp_path / 'one.zarr'}", f"on disk in {tmp_path / 'two.zarr'}", "memory only"]
