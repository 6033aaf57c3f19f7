"""Ctrl-C, at any moment: nothing half stored, nothing half restored, nothing that cannot be taken back.

The stop button is pressed once for real in each test of its own; the others interrupt
at every n-th call inside the package, whatever the machine's speed.
"""

import pytest

TIMELINE = "[snap.label for snap in get_ipython()._snapshot_door.workspace.timeline]"
ON_DISK = "[snap.label for snap in __import__('snapshot').open('snapshots.zarr').timeline]"
MANY = "W = np.arange(6.0); big = [[number] for number in range(300_000)]"

INTERRUPTING = '''
import signal, sys
import snapshot

def interrupted(n, action):
    """Run the action, interrupt it at its n-th call inside the package; whether that many calls came."""
    calls = 0
    def watch(frame, event, argument):
        nonlocal calls
        # what is raised in a generator expression that is being thrown away is Python's to swallow
        if event == "call" and "/snapshot/" in frame.f_code.co_filename and frame.f_code.co_name != "<genexpr>":
            calls += 1
            if calls == n:
                signal.raise_signal(signal.SIGINT)
    sys.setprofile(watch)
    try:
        action()
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    return calls >= n

def known(workspace, on_disk):
    stored = snapshot.open("snapshots.zarr").timeline if on_disk else workspace.in_memory
    return workspace.head.id, [(one.id, one.label) for one in stored]

def stores(workspace, on_disk, every):
    """Whether each interrupted store left the list of snapshots, and what the present descends from, as it was."""
    outcomes, n = set(), 1
    before = known(workspace, on_disk)
    while interrupted(n, lambda: workspace.store("unfinished")):
        outcomes.add(known(workspace, on_disk) == before)
        before = known(workspace, on_disk)
        n += every
    return outcomes

def state(names):
    return names["W"].tolist(), repr(names["options"]), sorted(names["seen"]), names.get("gone"), names.get("since")

def change(names, n):
    names["W"][:] = -n
    names["options"]["lr"], names["options"]["more"] = 9, 1
    names["seen"].add(2)
    names["since"] = 3
    names.pop("gone", None)

def changes(workspace, names, verb, every):
    """How each interrupted change ended: the state it left, and whether the opposite takes it back."""
    restore = lambda: workspace.restore("before", created="remove")
    outcomes, n = set(), 1
    action, back = (restore, workspace.undo) if verb == "restore" else (workspace.undo, workspace.redo)
    while True:
        restore()
        stored = state(names)
        change(names, n)
        changed = state(names)
        if verb == "undo":
            restore()
        before, after = (changed, stored) if verb == "restore" else (stored, changed)
        if not interrupted(n, action):
            return outcomes
        if state(names) == before:
            outcomes.add("before")
        elif state(names) != after:
            outcomes.add("between")
        else:
            outcomes.add("after" + (", taken back" if taken_back(names, back, before) else ", for good"))
        n += every

def taken_back(names, back, before):
    try:
        back()
    except LookupError:
        return False
    return state(names) == before
'''


@pytest.fixture
def variables(kernel):
    """A kernel with variables of several kinds, a snapshot of them, and the means to interrupt anywhere."""
    (kernel.folder / "interrupting.py").write_text(INTERRUPTING)
    kernel.run("import interrupting, numpy as np\nfrom snapshot.magics import workspace_of")
    kernel.run("W = np.arange(6.0); options = {'lr': [1]}; seen = {1}; gone = 1; w = workspace_of(get_ipython())")
    kernel.run("%snapshot store before")
    return kernel


@pytest.mark.parametrize(("on_disk", "every"), [(False, 13), (True, 1)], ids=["in memory", "on disk"])
def test_an_interrupt_anywhere_in_a_store_leaves_no_snapshot(variables, on_disk, every):
    assert variables[f"interrupting.stores(w, {on_disk}, {every})"] == {True}


def test_after_interrupted_stores_the_next_one_works(variables):
    variables.run("interrupting.stores(w, False, 29)")
    assert "stored next" in variables.run("%snapshot store next").out
    variables.run("W[:] = -1\n%snapshot restore next")
    assert variables["W.tolist()"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert variables[ON_DISK][-1] == "next"


@pytest.mark.parametrize("verb", ["restore", "undo"])
def test_an_interrupt_anywhere_in_a_change_leaves_the_state_before_or_after_it(variables, verb):
    outcomes = variables[f"interrupting.changes(w, globals(), {verb!r}, 7)"]
    assert {outcome.partition(",")[0] for outcome in outcomes} == {"before", "after"}


@pytest.mark.parametrize("verb", ["restore", "undo"])
def test_a_change_that_was_made_although_interrupted_can_be_taken_back(variables, verb):
    outcomes = variables[f"interrupting.changes(w, globals(), {verb!r}, 7)"]
    assert outcomes == {"before", "after, taken back"}


def interrupted(kernel, line):
    request = kernel.begin(f"print('begins', flush=True)\n{line}\nended = True")
    kernel.until_printed(request, "begins")
    kernel.interrupt()
    return kernel.answer(request)


def test_the_stop_button_during_a_store_leaves_no_snapshot_and_the_next_store_works(kernel):
    kernel.run("import numpy as np\n" + MANY)
    kernel.run("%snapshot store small --only W")
    before, on_disk = kernel[TIMELINE], kernel[ON_DISK]
    assert interrupted(kernel, "%snapshot store unfinished").error == "KeyboardInterrupt"
    assert kernel["'ended' in globals()"] is False
    assert (kernel[TIMELINE], kernel[ON_DISK]) == (before, on_disk)
    kernel.run("%snapshot store finished")
    kernel.run("big[0][0] = -1; W[:] = -1")
    kernel.run("%snapshot restore finished")
    assert kernel["(big[0], W.tolist())"] == ([0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])


def test_the_stop_button_during_a_restore_leaves_everything_as_before_or_as_after(kernel):
    kernel.run("import numpy as np\n" + MANY)
    kernel.run("%snapshot store many")
    kernel.run("W[:] = -1\nfor entry in big: entry[0] = -1")
    assert interrupted(kernel, "%snapshot restore many").error == "KeyboardInterrupt"
    before = "W.tolist() == [-1] * 6 and {entry[0] for entry in big} == {-1}"
    after = "W.tolist() == [0, 1, 2, 3, 4, 5] and [entry[0] for entry in big] == list(range(300_000))"
    assert {kernel[before], kernel[after]} == {True, False}
    kernel.run("%snapshot restore many")
    assert kernel["[entry[0] for entry in big] == list(range(300_000))"] is True
