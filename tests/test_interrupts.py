"""Ctrl-C, budgets and threads: a store is whole or absent, a restore is before or after."""

import contextlib
import signal
import threading

import numpy as np
import pytest

from snapshot.adapters.containers import ListKind
from snapshot.adapters.numpy import ArrayAdapter
from snapshot.errors import OverBudget
from snapshot.workspace import Workspace


@contextlib.contextmanager
def interrupted_in(owner, method, call=1):
    """Ctrl-C arrives just before the ``call``-th call of ``owner.method``."""
    ordinary, calls = getattr(owner, method), []

    def interrupting(self, *args):
        calls.append(1)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return ordinary(self, *args)

    setattr(owner, method, interrupting)
    try:
        yield calls
    finally:
        setattr(owner, method, ordinary)


def example():
    names = {"first": [1], "array": np.zeros(4), "second": [[2], [3]], "table": {"a": [1]}}
    workspace = Workspace(names)
    workspace.store("before")
    names["first"].append(2)
    names["array"].fill(5)
    names["second"].pop()
    names["table"]["a"].append(9)
    names["new"] = 1
    return names, workspace


def shown(names):
    return {name: value.tolist() if isinstance(value, np.ndarray) else repr(value) for name, value in names.items()}


@pytest.mark.parametrize("call", range(1, 5))
@pytest.mark.parametrize(("owner", "method"), [(ListKind, "take"), (ArrayAdapter, "form"), (ArrayAdapter, "view")])
def test_an_interrupted_store_leaves_no_snapshot(owner, method, call):
    _, workspace = example()
    before = workspace.nbytes_in_memory, workspace.head
    with interrupted_in(owner, method, call) as calls, contextlib.suppress(KeyboardInterrupt):
        workspace.store("after")
    if len(calls) >= call:
        assert [snap.label for snap in workspace.timeline] == ["before"]
        assert (workspace.nbytes_in_memory, workspace.head) == before
    assert workspace.store("again").label == "again"


@pytest.mark.parametrize("call", range(1, 5))
@pytest.mark.parametrize(
    ("owner", "method"),
    [(ListKind, "take"), (ListKind, "put"), (ArrayAdapter, "view"), (ArrayAdapter, "assign")],
)
def test_an_interrupted_restore_leaves_the_state_before_or_after(owner, method, call):
    names, workspace = example()
    before = shown(names)
    with interrupted_in(owner, method, call), contextlib.suppress(KeyboardInterrupt):
        workspace.restore("before", created="remove")
    now = shown(names)
    after = {"first": "[1]", "array": [0, 0, 0, 0], "second": "[[2], [3]]", "table": "{'a': [1]}"}
    assert now in (before, after)
    workspace.restore("before", created="remove")
    assert shown(names) == after


def test_an_interrupt_during_the_writes_is_delivered_when_they_are_done():
    names, workspace = example()
    with interrupted_in(ListKind, "put"), pytest.raises(KeyboardInterrupt):
        workspace.restore("before")
    assert names["first"] == [1]


def test_a_restore_that_was_done_when_the_interrupt_came_can_be_undone():
    names, workspace = example()
    before = shown(names)
    with interrupted_in(ListKind, "put"), pytest.raises(KeyboardInterrupt):
        workspace.restore("before")
    assert workspace.undo_depth == 1
    workspace.undo()
    assert shown(names) == before


def test_the_handler_of_interrupts_is_the_users_again_afterwards():
    _, workspace = example()
    handler = signal.getsignal(signal.SIGINT)
    workspace.restore("before")
    workspace.store("after")
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("call", range(1, 4))
def test_an_interrupted_undo_is_done_or_not(call):
    names, workspace = example()
    workspace.restore("before")
    after = shown(names)
    with interrupted_in(ListKind, "put", call), contextlib.suppress(KeyboardInterrupt):
        workspace.undo()
    assert (shown(names) == after) == (workspace.undo_depth == 1)


def test_an_error_in_the_middle_of_the_writes_takes_back_the_others():
    names, workspace = example()
    before = shown(names)
    ordinary = ListKind.put

    def failing(self, obj, state):
        if obj is names["second"] and len(obj) == 1:
            raise OSError("disk full")
        return ordinary(self, obj, state)

    ListKind.put = failing
    try:
        with pytest.raises(RuntimeError, match="disk full"):
            workspace.restore("before", created="remove")
    finally:
        ListKind.put = ordinary
    assert shown(names) == before


def test_a_store_beyond_the_budget_is_refused_before_anything_is_copied_and_names_the_largest():
    names = {"small": np.zeros(10), "params": {"big": np.arange(100_000.0)}, "medium": np.arange(10_000.0)}
    workspace = Workspace(names, memory_budget=500_000)
    with pytest.raises(OverBudget, match=r"Largest: params\['big'\] \(800\.0 KB\), medium.*exclude"):
        workspace.store("before")
    assert (workspace.nbytes_in_memory, list(workspace.timeline)) == (0, [])
    workspace.store("before", exclude="params")
    assert workspace["before"].label == "before"


def test_what_is_stored_already_counts_once_against_the_budget():
    names = {"array": np.arange(10_000.0)}
    workspace = Workspace(names, memory_budget=120_000)
    for _ in range(5):
        workspace.store()
    names["array"] += 1
    with pytest.raises(OverBudget, match="array"):
        workspace.store()
    names["array"] -= 1
    assert workspace.store().id == 6


def test_a_training_thread_may_store():
    names = {"array": np.zeros(1000)}
    workspace = Workspace(names)
    failed = []

    def train():
        try:
            for step in range(10):
                names["array"] += 1
                workspace.store(f"step{step}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=train)]
    threads[0].start()
    threads[0].join()
    assert failed == []
    workspace.restore("step3")
    assert names["array"][0] == 4


def test_stores_of_several_threads_wait_for_each_other():
    names = {"array": np.zeros(1000)}
    workspace = Workspace(names)
    threads = [threading.Thread(target=workspace.store, args=(f"label{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(snap.id for snap in workspace.timeline) == list(range(1, 9))


def test_a_restore_from_a_thread_works_too():
    names, workspace = example()
    thread = threading.Thread(target=workspace.restore, args=("before",))
    thread.start()
    thread.join()
    assert names["first"] == [1]


def test_a_list_that_another_thread_keeps_changing_is_stored_in_some_state():
    names = {"growing": [], "table": {}, "steady": [1]}
    workspace = Workspace(names)
    stop, started = threading.Event(), threading.Event()

    def grow():
        number = 0
        while not stop.is_set():
            number += 1
            names["growing"].append(number)
            names["table"][number % 1000] = number
            names["table"].pop((number * 7) % 1000, None)
            started.set()

    thread = threading.Thread(target=grow)
    thread.start()
    started.wait()
    try:
        for _ in range(20):
            workspace.store()
    finally:
        stop.set()
        thread.join()
    assert len(workspace.timeline) == 20
    workspace.restore("#1")
    assert names["growing"] == list(range(1, len(names["growing"]) + 1))
    assert names["steady"] == [1]


def test_the_walk_stops_at_its_limits_and_says_where():
    from snapshot.walk import Limits

    names = {"many": [[n] for n in range(20_000)], "array": np.zeros(2)}
    workspace = Workspace(names, limits=Limits(objects=10_000))
    stored = workspace.store("before")
    assert any("limits" in reason for reason in stored.report.values())
    names["many"].append(1)
    workspace.restore("before")
    assert len(names["many"]) == 20_000
