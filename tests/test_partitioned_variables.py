"""A partitioned variable is stored and restored part by part, and shown as one."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from snapshot.magics.contents import show
from snapshot.workspace import Workspace

v1 = tf.compat.v1


@pytest.fixture
def session():
    """A session with ``p`` in three parts, trained so that each part has a slot, and ``q`` in one."""
    graph = tf.Graph()
    with graph.as_default():
        split = v1.fixed_size_partitioner(3)
        whole = v1.get_variable("p", (5, 2), partitioner=split, initializer=v1.ones_initializer())
        v1.get_variable("q", (2,), initializer=v1.ones_initializer())
        whole_value = tf.identity(whole.as_tensor(), name="whole")
        v1.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(whole_value**2), name="step")
        start = v1.global_variables_initializer()
    with v1.Session(graph=graph) as opened:
        opened.run(start)
        opened.run("step")
        yield opened


PARTS = ["p/part_0", "p/part_1", "p/part_2"]


def test_each_part_is_stored_with_its_own_shape_and_only_a_changed_one_again(session):
    workspace = Workspace({"session": session})
    shapes = {path: variable.shape for path, variable in workspace.store("before").variables.items()}
    assert [shapes[path] for path in PARTS] == [(2, 2), (2, 2), (1, 2)]
    workspace.assign({"p/part_2": [[7.0, 7.0]]})
    before = workspace.nbytes_in_memory
    workspace.store("after")
    assert workspace.nbytes_in_memory - before <= 8
    assert session.run("whole:0")[4].tolist() == [7, 7]


@pytest.mark.parametrize("only", [None, "p", "p/*", PARTS])
def test_all_parts_come_back_under_the_name_of_the_whole(session, only):
    workspace = Workspace({"session": session})
    workspace.store("before")
    before = session.run("whole:0")
    session.run("step")
    status = workspace.restore("before", only=only)
    assert np.array_equal(session.run("whole:0"), before)
    assert set(PARTS) <= set(status.changed)


def test_one_part_is_restored_alone(session):
    workspace = Workspace({"session": session})
    workspace.store("before")
    before = session.run("whole:0")
    session.run("step")
    after, slots = session.run("whole:0"), session.run("p/part_1/Momentum:0")
    workspace.restore("before", only="p/part_1")
    assert np.array_equal(session.run("whole:0"), np.vstack([after[:2], before[2:4], after[4:]]))
    assert np.array_equal(session.run("p/part_1/Momentum:0"), slots)


def test_every_part_comes_back_from_disk(session, tmp_path):
    Workspace({"session": session}, tmp_path / "run.zarr").store("before")
    before = session.run("whole:0")
    session.run("step")
    Workspace({"session": session}, tmp_path / "run.zarr").restore("before")
    assert np.array_equal(session.run("whole:0"), before)


def test_a_snapshot_shows_the_parts_as_one_variable_with_all_their_shapes(session):
    workspace = Workspace({"session": session})
    workspace.store("before")
    table = show(SimpleNamespace(workspace=workspace, given=SimpleNamespace(ref="before", report=False)))
    rows = {row[0]: tuple(row[1:]) for row in table.rows}
    assert rows["p"] == ("parameter", "2×2 + 2×2 + 1×2", "float32", "40 B", "p/part_0 … p/part_2")
    assert rows["p/Momentum"][:2] == ("slot", "2×2 + 2×2 + 1×2")
    assert rows["q"][1] == "2"
    assert not any("part_" in path for path in rows)
