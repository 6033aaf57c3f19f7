"""A repository behaves like a dict of snapshots, whatever two kernels do with it in whatever order."""

import os
import shutil
import tempfile
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.testing import assert_array_equal

import snapshot
from snapshot import KeepLabelled, KeepLast, SnapshotWarning, Workspace
from snapshot.repository import layout
from snapshot.timeline import key_of, parent_key

LONG = bool(os.environ.get("SNAPSHOT_LONG_TESTS"))
LABELS = st.sampled_from([None, None, "good", "best"])


def fresh():
    """What a kernel starts with: an array in rows, one in packs, one that may be shared, plain values."""
    return {"w": np.zeros((40, 100)), "b": np.zeros(4), "shared": np.zeros(3000), "config": {"n": 0, "layers": [1]}}


def copied(names):
    return {
        "w": names["w"].copy(),
        "b": names["b"].copy(),
        "shared": names["shared"].copy(),
        "config": {"n": names["config"]["n"], "layers": [*names["config"]["layers"]]},
    }


def assert_equal(found, expected):
    for name in ("w", "b", "shared"):
        assert_array_equal(found[name], expected[name])
    assert found["config"] == expected["config"]


class Kernel:
    """A workspace, its variables, and what its memory should hold."""

    def __init__(self, home, notebook):
        self.names = fresh()
        self.workspace = Workspace(self.names, home, notebook=notebook)
        self.own = {}


class Machine(RuleBasedStateMachine):
    """``disk`` and each kernel's ``own`` are the model: (run, id) -> contents."""

    @initialize()
    def begin(self):
        self.small, layout.SMALL_BYTES = layout.SMALL_BYTES, 1000
        self.folds, layout.FOLDS = layout.FOLDS, (3, 6)
        self.home = Path(tempfile.mkdtemp()) / "run.zarr"
        self.kernels = {name: Kernel(self.home, name) for name in ("a.ipynb", "b.ipynb")}
        self.disk = {}
        self.order = []

    def seen_by(self, kernel):
        """What a kernel can restore, oldest first: its own from memory, others' from disk."""
        found = {key: value for key, value in self.disk.items() if key[0] != kernel.workspace.run} | kernel.own
        return {key: found[key] for key in self.order if key in found}

    kernel = st.sampled_from(["a.ipynb", "b.ipynb"])

    @rule(kernel=kernel, value=st.integers(0, 3), row=st.integers(0, 39), what=st.sampled_from(["w", "b", "shared"]))
    def change(self, kernel, value, row, what):
        names = self.kernels[kernel].names
        if what == "w":
            names["w"][row] = value
        else:
            names[what][...] = value
        names["config"]["n"] = value

    @rule(kernel=kernel, label=LABELS)
    def store(self, kernel, label):
        one = self.kernels[kernel]
        made = one.workspace.store(label)
        one.workspace.flush()
        self.order.append(key_of(made))
        one.own[key_of(made)] = self.disk[key_of(made)] = copied(one.names)

    @precondition(lambda self: any(map(self.seen_by, self.kernels.values())))
    @rule(kernel=kernel, data=st.data())
    def restore(self, kernel, data):
        one = self.kernels[kernel]
        seen = self.seen_by(one)
        if seen:
            run, number = data.draw(st.sampled_from(list(seen)))
            status = one.workspace.restore(f"#{run}.{number}")
            assert status.unused == ()
            assert_equal(one.names, seen[run, number])

    @rule(kernel=kernel, data=st.data())
    def drop(self, kernel, data):
        one = self.kernels[kernel]
        seen = self.seen_by(one)
        if seen:
            run, number = data.draw(st.sampled_from(list(seen)))
            elsewhere = (run, number) not in self.disk
            with pytest.warns(SnapshotWarning, match="another kernel has dropped") if elsewhere else nullcontext():
                one.workspace.drop(f"#{run}.{number}")
            one.workspace.flush()
            one.own.pop((run, number), None)
            self.disk.pop((run, number), None)

    @rule(kernel=kernel, count=st.integers(1, 4))
    def prune(self, kernel, count):
        one = self.kernels[kernel]
        gone = one.workspace.prune(KeepLast(count), KeepLabelled())
        one.workspace.flush()
        for key in map(key_of, gone):
            one.own.pop(key, None)
            self.disk.pop(key, None)

    @rule(kernel=kernel)
    def collect(self, kernel):
        report = self.kernels[kernel].workspace.collect(timedelta(0))
        assert report is None or report.kept == {}

    @rule(kernel=kernel)
    def reopen(self, kernel):
        """The kernel ends, another begins: what only its memory held is gone."""
        self.kernels[kernel].workspace.close()
        self.kernels[kernel] = Kernel(self.home, kernel)

    @rule(kernel=kernel)
    def undo(self, kernel):
        workspace = self.kernels[kernel].workspace
        if workspace.undo_depth:
            workspace.undo()

    @invariant()
    def the_disk_holds_what_the_model_holds(self):
        if not self.disk and not self.home.exists():
            return
        repository = snapshot.open(self.home)
        there = {key_of(one): one for one in repository.timeline}
        assert there.keys() == self.disk.keys()
        assert all(one.parent is None or parent_key(one) in there for one in there.values())
        for key in sorted(there)[-2:]:
            assert_equal(there[key], self.disk[key])

    def teardown(self):
        try:
            if self.disk:
                repository = snapshot.open(self.home)
                report = repository.verify()
                assert report, report
                for one in repository:
                    assert_equal(one, self.disk[key_of(one)])
        finally:
            for one in self.kernels.values():
                one.workspace.close()
            layout.SMALL_BYTES, layout.FOLDS = self.small, self.folds
            shutil.rmtree(self.home.parent)


TestModel = Machine.TestCase
TestModel.settings = settings(
    max_examples=400 if LONG else 8,
    stateful_step_count=40 if LONG else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
