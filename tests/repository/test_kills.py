"""A kernel that is killed loses nothing that it had said was stored, and leaves nothing half done.

``SNAPSHOT_LONG_TESTS=1`` kills two hundred.
"""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import snapshot
from snapshot import KeepLabelled, KeepLast, Workspace
from snapshot.retention import to_drop
from snapshot.timeline import key_of

KILLS = 200 if os.environ.get("SNAPSHOT_LONG_TESTS") else 6
LONGEST = 0.05

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL, and no fork")


def contents(step):
    """What is stored at a step: parts of it are those of other steps, of rows and of packs."""
    grown = np.zeros((600, 1000))
    grown[: step % 600] = step // 3
    return {
        "frozen": np.arange(300_000.0),
        "grown": grown,
        "changed": np.full(300_000, step, "f4"),
        "again": np.full(300_000, step % 3, "f8"),
        "small": np.full(7, step),
        "config": {"step": step, "layers": [1, 2, step % 5]},
    }


def kernel(home, seed, first_step, said):
    """Store, drop, prune, collect and restore until killed; say what was begun and what is done."""
    chance = random.Random(seed)
    names = contents(first_step)
    workspace = Workspace(names, home, notebook="killed.ipynb")
    step = first_step
    while True:
        action = chance.choices(["store", "drop", "prune", "collect", "restore"], [10, 3, 1, 3, 1])[0]
        if action == "store":
            step += 1
            new = contents(step)
            for name, value in new.items():
                if isinstance(value, np.ndarray):
                    names[name][...] = value
                else:
                    names[name].update(value)
            said.send(("storing", step))
            one = workspace.store(chance.choice([None, None, "good", f"step{step}"]), step=step)
            workspace.flush()
            said.send(("stored", key_of(one), step))
        elif action == "drop" and workspace.timeline:
            one = chance.choice(workspace.timeline)
            said.send(("dropping", [key_of(one)]))
            workspace.drop(one)
            workspace.flush()
            said.send(("dropped", [key_of(one)]))
        elif action == "prune":
            rules = KeepLast(6), KeepLabelled()
            gone = [key_of(one) for one in to_drop(workspace.timeline, rules)]
            said.send(("dropping", gone))
            workspace.prune(*rules)
            workspace.flush()
            said.send(("dropped", gone))
        elif action == "collect":
            workspace.collect(timedelta(0))
        elif action == "restore" and workspace.timeline:
            workspace.restore(chance.choice(workspace.timeline))
            # what is stored next is made of the step's own contents again
            names["changed"] += 1


class Record:
    """What the kernels said."""

    def __init__(self):
        self.step = 0
        self.stored = {}
        self.dropping = set()
        self.dropped = set()

    def listen(self, pipe, messages=None):
        """Take in what a kernel says: so many messages, or all that are left of one that was killed."""
        with suppress(EOFError):
            while messages != 0:
                what, *more = pipe.recv()
                messages = messages and messages - 1
                if what == "storing":
                    self.step = more[0]
                elif what == "stored":
                    self.stored[more[0]] = more[1]
                elif what == "dropping":
                    self.dropping.update(more[0])
                elif what == "dropped":
                    self.dropped.update(more[0])


def check(home, record):
    """Everything said is true, and every snapshot there is holds exactly the contents of its step."""
    repository = snapshot.open(home)
    there = {key_of(one): one for one in repository.timeline}
    missing = record.stored.keys() - record.dropping - there.keys()
    assert missing == set(), "acknowledged snapshots are lost"
    assert there.keys() & record.dropped == set(), "dropped snapshots are back"
    for key, one in there.items():
        assert record.stored.get(key, one.step) == one.step
        for name, value in contents(one.step).items():
            if isinstance(value, np.ndarray):
                assert_array_equal(one[name], value, err_msg=f"{key} {name}")
        assert one["config"] == contents(one.step)["config"]
    report = repository.verify()
    assert report, report
    return there


def test_what_was_said_to_be_stored_survives_any_kill(tmp_path):
    home = tmp_path / "run.zarr"
    chance = random.Random(1)
    record = Record()
    context = multiprocessing.get_context("fork")
    visible = 0
    for kill in range(KILLS):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=kernel, args=(home, kill, record.step, theirs), daemon=True)
        process.start()
        theirs.close()
        record.listen(ours, chance.randrange(12))
        # nothing is waited for here: the moment of the kill is left to chance
        time.sleep(chance.uniform(0.0, LONGEST))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        record.listen(ours)
        if home.exists() and (home / "zarr.json").exists():
            visible = len(check(home, record))
    # a kernel that lives goes on with what is there
    names = contents(0)
    workspace = Workspace(names, home, notebook="killed.ipynb")
    workspace.collect(timedelta(0))
    for one in workspace.timeline[-3:]:
        workspace.restore(one)
        assert_array_equal(names["changed"], contents(one.step)["changed"])
    names.update(contents(record.step + 1))
    workspace.store("after-all", step=record.step + 1)
    workspace.close()
    assert len(check(home, record)) == visible + 1
    print(f"{KILLS} kills, {len(record.stored)} stores said to be done, {visible} snapshots there at the end")
    shutil.rmtree(home)
