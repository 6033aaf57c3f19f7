"""Workspaces over TensorFlow 1 sessions, end to end on real TensorFlow."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

import snapshot  # noqa: E402
from snapshot.errors import DoesNotFit, RestoreFailed  # noqa: E402


@pytest.fixture(params=["open graph", "finalized graph"])
def graph(request):
    """A default graph that must not grow once :func:`finished` was called on it."""
    made = tf.Graph()
    made.finalize_later = request.param == "finalized graph"
    with made.as_default():
        yield made
    assert len(made.get_operations()) == made.ops_when_finished


def finished(graph):
    """An op that initializes everything; the graph may not change from here on."""
    init = v1.group(v1.global_variables_initializer(), v1.local_variables_initializer())
    graph.ops_when_finished = len(graph.get_operations())
    if graph.finalize_later:
        graph.finalize()
    return init


@pytest.fixture(params=[True, False], ids=["resource", "ref"])
def linear(request, graph):
    """A namespace as a notebook has it: y = xW + b, trained by Adam."""
    x = v1.placeholder(tf.float32, [None, 3], name="x")
    weight = v1.Variable(tf.ones([3, 2]), name="net/W", use_resource=request.param)
    bias = v1.Variable(tf.zeros([2]), name="net/b", use_resource=request.param)
    y = tf.matmul(x, weight) + bias
    step = v1.train.get_or_create_global_step()
    optimizer = v1.train.AdamOptimizer(0.1)
    train = optimizer.minimize(tf.reduce_sum((y - 3.0) ** 2), global_step=step)
    init = finished(graph)
    with v1.Session(graph=graph) as sess:
        sess.run(init)
        yield {
            "sess": sess, "x": x, "weight": weight, "bias": bias, "y": y, "train": train, "init": init,
            "optimizer": optimizer, "batch": np.eye(3, dtype=np.float32),
        }  # fmt: skip


def train(namespace, steps=1):
    for _ in range(steps):
        namespace["sess"].run(namespace["train"], {namespace["x"]: namespace["batch"]})


def predict(namespace, session=None):
    run = (session or namespace["sess"]).run
    return run(namespace["y"], {namespace["x"]: namespace["batch"]}).tolist()


class TestMainJob:
    def test_predictions_come_back_and_training_goes_on_as_it_did(self, linear):
        workspace = snapshot.Workspace(linear)
        train(linear, 3)
        workspace.store("before")
        stored = predict(linear)
        train(linear, 5)
        continued = predict(linear)
        status = workspace.restore("before")
        assert predict(linear) == stored
        assert {"net/W", "net/b", "net/W/Adam", "beta1_power"} <= set(status.assigned)
        train(linear, 5)
        assert predict(linear) == continued

    def test_names_stay_bound_to_the_objects_of_the_graph(self, linear):
        workspace = snapshot.Workspace(linear)
        workspace.store("before")
        objects = dict(linear)
        linear["y"] = linear["weight"] = None
        del linear["train"]
        workspace.restore("before")
        assert all(linear[name] is objects[name] for name in objects)

    def test_the_step_is_the_global_step(self, linear):
        workspace = snapshot.Workspace(linear)
        train(linear, 4)
        assert workspace.store("four").step == 4
        train(linear, 2)
        assert workspace.store().step == 6
        assert workspace["@4"].label == "four"
        assert workspace.store(step=100).step == 100

    def test_undo_and_redo_reach_the_session(self, linear):
        workspace = snapshot.Workspace(linear)
        workspace.store("start")
        start = predict(linear)
        train(linear, 2)
        trained = predict(linear)
        workspace.restore("start")
        workspace.undo()
        assert predict(linear) == trained
        workspace.redo()
        assert predict(linear) == start

    def test_a_rollback_takes_training_back(self, linear):
        before = predict(linear)
        with snapshot.Workspace(linear).rollback():
            train(linear, 3)
            assert predict(linear) != before
        assert predict(linear) == before

    def test_a_dry_run_writes_nothing(self, linear):
        workspace = snapshot.Workspace(linear)
        workspace.store("start")
        train(linear)
        trained = predict(linear)
        status = workspace.restore("start", dry_run=True)
        assert "net/W" in status.assigned
        assert predict(linear) == trained

    def test_an_unchanged_session_adds_nothing_to_memory(self, linear):
        workspace = snapshot.Workspace(linear)
        workspace.store()
        used = workspace.nbytes_in_memory
        workspace.store()
        assert workspace.nbytes_in_memory == used

    def test_what_changed_is_compared_by_the_graphs_names(self, linear):
        workspace = snapshot.Workspace(linear)
        workspace.store("before")
        workspace.assign({"net/b": [5.0, 5.0]})
        assert set(workspace.compare("before").changed) == {"net/b"}


OPTIMIZERS = {
    "GradientDescent": v1.train.GradientDescentOptimizer,
    "Momentum": lambda rate: v1.train.MomentumOptimizer(rate, 0.9, use_nesterov=True),
    "Adam": v1.train.AdamOptimizer,
    "Adagrad": lambda rate: v1.train.AdagradOptimizer(rate, initial_accumulator_value=0.3),
    "AdagradDA": lambda rate: v1.train.AdagradDAOptimizer(rate, v1.train.get_or_create_global_step()),
    "Adadelta": v1.train.AdadeltaOptimizer,
    "Ftrl": lambda rate: v1.train.FtrlOptimizer(rate, initial_accumulator_value=0.3),
    "RMSProp": lambda rate: v1.train.RMSPropOptimizer(rate, momentum=0.5, centered=True),
    "ProximalAdagrad": v1.train.ProximalAdagradOptimizer,
    "ProximalGradientDescent": v1.train.ProximalGradientDescentOptimizer,
    "decaying": lambda rate: v1.train.MomentumOptimizer(
        v1.train.exponential_decay(rate, v1.train.get_or_create_global_step(), 2, 0.5), 0.9
    ),
}


@pytest.mark.parametrize("resource", [True, False], ids=["resource", "ref"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_bit_for_bit_from_the_initial_values_and_from_the_middle(name, resource, graph):
    step = v1.train.get_or_create_global_step()
    weight = v1.Variable([[0.5], [-0.5]], use_resource=resource, name="W")
    loss = tf.reduce_sum((tf.matmul([[1.0, 2.0], [3.0, 4.0]], weight) - 1.0) ** 2)
    train_op = OPTIMIZERS[name](0.01).minimize(loss, global_step=step)
    value, init = weight.value(), finished(graph)

    def run():
        return [[sess.run([train_op, loss])[1].item() for _ in range(3)], sess.run(value).tolist()]

    with v1.Session() as sess:
        workspace = snapshot.Workspace({"sess": sess})
        sess.run(init)
        workspace.store("cold")
        first = run()
        workspace.store("warm")
        second = run()
        workspace.restore("warm")
        assert run() == second
        workspace.restore("cold")
        assert (run(), run()) == (first, second)


class TestChoosing:
    def test_given_values_go_in_under_either_spelling(self, linear):
        workspace = snapshot.Workspace(linear)
        workspace.assign({"net/W:0": np.full((3, 2), 2.0), "net/b": [1.0, 1.0]})
        assert predict(linear) == [[3, 3]] * 3
        workspace.undo()
        assert predict(linear) == [[1, 1]] * 3

    def test_given_values_of_another_shape_are_refused_and_nothing_is_written(self, linear):
        workspace = snapshot.Workspace(linear)
        with pytest.raises(DoesNotFit, match="net/W"):
            workspace.assign({"net/b": [5.0, 5.0], "net/W": np.ones((2, 3))})
        assert predict(linear) == [[1, 1]] * 3

    @pytest.mark.parametrize("only", ["net/b", "net/b:0", ["net/b"]])
    def test_one_variable_is_restored_alone(self, only, linear):
        workspace = snapshot.Workspace(linear)
        workspace.store("before")
        workspace.assign({"net/W": np.zeros((3, 2)), "net/b": [5.0, 5.0]})
        workspace.restore("before", only=only)
        assert predict(linear) == [[0, 0]] * 3

    def test_parameters_are_stored_and_restored_without_their_slots(self, linear):
        workspace = snapshot.Workspace(linear)
        snap = workspace.store("before", only="role:parameter")
        assert set(snap.variables) == {"net/W", "net/b"}
        train(linear, 2)
        workspace.restore("before", only="role:parameter")
        assert predict(linear) == [[1, 1]] * 3
        assert workspace.store().step == 2, "the step is no parameter and stays"

    def test_a_glob_chooses_variables_of_the_graph(self, linear):
        snap = snapshot.Workspace(linear).store(only="net/W*")
        assert set(snap.variables) == {"net/W", "net/W/Adam", "net/W/Adam_1"}

    def test_a_stored_value_goes_into_another_variable(self, graph):
        variables = [v1.Variable([1.0], name="v2"), v1.Variable([2.0], name="my_v2")]
        init = finished(graph)
        with v1.Session() as sess:
            sess.run(init)
            workspace = snapshot.Workspace({"sess": sess})
            workspace.store("before")
            workspace.restore("before", only="my_v2", into={"my_v2": "v2"})
            assert sess.run(variables) == [[2], [2]]


class TestSessions:
    def test_a_session_closed_since_hands_its_values_to_a_new_one(self, linear):
        workspace = snapshot.Workspace(linear)
        train(linear, 2)
        trained = predict(linear)
        workspace.store("trained")
        linear["sess"].close()
        with v1.Session() as linear["sess"]:
            new = linear["sess"]
            workspace.restore("trained")
            assert linear["sess"] is new
            assert predict(linear) == trained

    def test_a_session_closed_before_the_store_is_listed_and_raises_nothing(self, linear):
        linear["sess"].close()
        linear["kept"] = np.arange(3)
        workspace = snapshot.Workspace(linear)
        snap = workspace.store("after")
        assert "kept" in snap.variables
        assert "net/W" not in snap.variables
        assert any("closed" in reason for reason in snap.report.values())
        linear["kept"][:] = 0
        workspace.restore("after")
        assert linear["kept"].tolist() == [0, 1, 2]

    def test_objects_that_held_a_closed_session_hold_the_new_one(self, linear):
        linear["trainer"] = [linear["sess"]]
        workspace = snapshot.Workspace(linear)
        workspace.store("before")
        linear["sess"].close()
        with v1.Session() as linear["sess"]:
            linear["trainer"][0] = None
            workspace.restore("before")
            assert linear["trainer"] == [linear["sess"]]
            assert predict(linear) == [[1, 1]] * 3

    def test_a_closed_session_left_behind_does_not_change_paths(self, linear):
        workspace = snapshot.Workspace(linear)
        before = set(workspace.store().variables)
        linear["left_behind"] = v1.Session()
        linear["left_behind"].close()
        assert set(workspace.store().variables) == before

    def test_values_wait_unused_when_no_session_of_the_graph_is_open(self, linear):
        workspace = snapshot.Workspace(linear)
        workspace.store("before")
        linear["sess"].close()
        status = workspace.restore("before")
        assert "net/W" in status.unused
        assert "closed" in str(status)

    def test_the_default_session_needs_no_name(self, linear):
        session = linear.pop("sess")
        workspace = snapshot.Workspace(linear)
        with session.as_default():
            workspace.store("before")
            session.run(linear["train"], {linear["x"]: linear["batch"]})
            workspace.restore("before")
        assert predict(linear, session) == [[1, 1]] * 3

    def test_two_sessions_of_one_graph_keep_their_own_values(self, linear):
        with v1.Session() as other:
            other.run(linear["init"])
            linear["other"] = other
            train(linear, 2)
            workspace = snapshot.Workspace(linear)
            trained = predict(linear)
            snap = workspace.store("before")
            assert {"sess/net/W", "other/net/W"} <= set(snap.variables)
            other.run(linear["train"], {linear["x"]: linear["batch"]})
            train(linear)
            workspace.restore("before")
            assert predict(linear) == trained
            assert predict(linear, other) == [[1, 1]] * 3

    def test_hooks_of_a_monitored_session_do_not_see_a_snapshot(self, graph):
        runs = []

        class Hook(v1.train.SessionRunHook):
            def before_run(self, run_context):
                runs.append(run_context)

        weight = v1.Variable([1.0], name="W").value()
        v1.train.get_or_create_global_step()
        with v1.train.MonitoredSession(hooks=[Hook()]) as sess:
            graph.ops_when_finished = len(graph.get_operations())
            workspace = snapshot.Workspace({"sess": sess})
            workspace.store("before")
            workspace.assign({"W": [5.0]})
            workspace.restore("before")
            assert runs == []
            assert sess.run(weight) == [1]

    def test_a_monitored_training_session_goes_on_without_its_hooks_seeing_a_snapshot(self, graph, tmp_path):
        runs = []

        class Hook(v1.train.SessionRunHook):
            def after_run(self, run_context, run_values):
                runs.append(1)

        weight = v1.Variable([1.0], name="W")
        step = v1.train.get_or_create_global_step()
        optimizer = v1.train.AdamOptimizer(0.1)
        train = optimizer.minimize(tf.reduce_sum((weight - 3.0) ** 2), global_step=step)
        value = weight.value()
        made_by = {"checkpoint_dir": str(tmp_path), "hooks": [Hook()], "save_summaries_steps": 1}
        with v1.train.MonitoredTrainingSession(**made_by) as sess:
            workspace = snapshot.Workspace({"sess": sess})
            sess.run(train)
            graph.ops_when_finished = len(graph.get_operations())
            assert workspace.store("before").step == 1
            seen = len(runs)
            first = [sess.run([train, value])[1].tolist() for _ in range(3)]
            workspace.restore("before")
            assert len(runs) == seen + 3
            assert [sess.run([train, value])[1].tolist() for _ in range(3)] == first

    def test_an_interactive_session_closed_since_hands_over_to_another(self, graph):
        value = v1.Variable([1.0], name="W").value()
        init = finished(graph)
        names = {"sess": v1.InteractiveSession()}
        names["sess"].run(init)
        workspace = snapshot.Workspace(names)
        workspace.store("before")
        names["sess"].close()
        names["sess"] = v1.InteractiveSession()
        try:
            workspace.restore("before")
            assert names["sess"].run(value).tolist() == [1]
        finally:
            names["sess"].close()

    @pytest.mark.parametrize("where", ["memory", "disk"])
    def test_values_go_into_another_session_when_told_so_and_the_first_keeps_its_own(self, where, linear, tmp_path):
        with v1.Session() as other:
            other.run(linear["init"])
            train(linear, 2)
            trained = predict(linear)
            names = {"sess": linear["sess"], "other": other}
            workspace = snapshot.Workspace(names, tmp_path / "run.zarr" if where == "disk" else None)
            workspace.store("before")
            if where == "disk":
                workspace = snapshot.Workspace(names, tmp_path / "run.zarr")
            train(linear)
            later = predict(linear)
            status = workspace.restore("before", only=["sess"], into={"sess": "other"})
            assert names == {"sess": linear["sess"], "other": other}
            assert (predict(linear, other), predict(linear)) == (trained, later)
            assert not status.unused


class TestInitializeTheRest:
    @pytest.fixture
    def partly(self, linear):
        """A new session, and a snapshot with the weights but not the slots."""
        workspace = snapshot.Workspace(linear)
        train(linear)
        workspace.store("before", only="role:parameter")
        trained = predict(linear)
        linear["sess"].close()
        with v1.Session() as linear["sess"]:
            yield workspace, linear, trained

    def test_variables_without_a_value_are_named_and_are_no_error(self, partly):
        workspace, linear, trained = partly
        status = workspace.restore("before")
        assert "net/W/Adam" in status.untouched
        assert "without a value still: " in str(status)
        assert "net/W/Adam" in str(status)
        assert predict(linear) == trained
        assert workspace.store("part").report["net/W/Adam"].startswith("not initialized")

    @pytest.mark.parametrize("only", [None, "role:parameter"])
    def test_only_initializers_of_variables_without_a_value_are_run(self, only, partly):
        workspace, linear, trained = partly
        status = workspace.restore("before", only=only, initialize_rest=True)
        assert any(note.startswith("initialized ") and "net/W/Adam" in note for note in status.notes)
        assert "without a value" not in str(status)
        assert predict(linear) == trained
        assert not workspace.store("all").report
        again = workspace.restore("before", initialize_rest=True)
        assert again.notes == ()

    def test_training_goes_on_as_with_new_slots(self, partly):
        workspace, linear, _ = partly
        workspace.restore("before", initialize_rest=True)
        train(linear, 2)
        found = predict(linear)
        with v1.Session() as linear["sess"]:
            linear["sess"].run(linear["init"])
            workspace.restore("before")
            train(linear, 2)
            assert predict(linear) == found

    def test_a_dry_run_says_which_and_runs_none(self, partly):
        workspace, _, _ = partly
        status = workspace.restore("before", initialize_rest=True, dry_run=True)
        assert any(note.startswith("would initialize ") for note in status.notes)
        assert set(workspace.store("now").report) >= {"net/W", "net/W/Adam"}

    def test_what_cannot_be_initialized_is_named_still(self, graph):
        v1.Variable(v1.placeholder(tf.float32, [1]), name="asks")
        v1.Variable([2.0], name="rest")
        finished(graph)
        with v1.Session() as sess:
            workspace = snapshot.Workspace({"sess": sess})
            workspace.store("before")
            status = workspace.restore("before", initialize_rest=True)
        assert status.notes == ("initialized rest", "without a value still: asks")

    def test_sessions_that_the_restore_is_not_about_are_left_alone(self, linear):
        workspace = snapshot.Workspace(linear)
        workspace.store("before")
        with v1.Session() as linear["other"]:
            status = workspace.restore("before", only=["sess"], initialize_rest=True)
            assert status.notes == ()
            assert "net/W" in workspace.store("now").report


class TestHarderGraphs:
    def test_a_refused_write_leaves_every_variable_as_it_was(self, graph):
        v1.Variable([1.0], name="fine")
        handle = tf.raw_ops.VarHandleOp(shape=[None], dtype=tf.float32, shared_name="checked", name="checked")
        value = v1.placeholder_with_default([1.0], None)
        tf.raw_ops.AssignVariableOp(resource=handle, value=value, validate_shape=True, name="checked/set")
        grow = tf.raw_ops.AssignVariableOp(resource=handle, value=[1.0, 2.0, 3.0])
        tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32, name="checked/read")
        init = finished(graph)
        with v1.Session() as sess:
            sess.run([init, "checked/set"])
            workspace = snapshot.Workspace({"sess": sess})
            workspace.store("before")
            sess.run(grow)
            workspace.assign({"fine": [9.0]})
            with pytest.raises(RestoreFailed, match="checked"):
                workspace.restore("before")
            assert sess.run("fine/Read/ReadVariableOp:0") == [9]

    def test_tables_and_queues_are_in_the_report(self, graph):
        tf.queue.FIFOQueue(3, tf.float32, name="waiting")
        finished(graph)
        with v1.Session() as sess:
            assert "FIFOQueueV2" in snapshot.Workspace({"sess": sess}).store().report["waiting"]

    def test_parts_of_a_partitioned_variable_are_stored_under_their_paths(self, graph):
        whole = v1.get_variable("p", [4, 3], partitioner=v1.fixed_size_partitioner(2))
        read = whole.as_tensor()
        init = finished(graph)
        with v1.Session() as sess:
            sess.run(init)
            workspace = snapshot.Workspace({"sess": sess, "p": whole})
            before = sess.run(read)
            assert {"p/part_0", "p/part_1"} <= set(workspace.store("before").variables)
            sess.run(init)
            workspace.restore("before")
            assert np.array_equal(sess.run(read), before)

    def test_text_and_small_floats_come_back(self, graph):
        words = v1.Variable(["a", "bcd"], name="words")
        small = v1.Variable(tf.cast([1.5, 2.5], tf.bfloat16), name="small")
        read = [words.value(), tf.cast(small, tf.float32)]
        change = [words.assign(["longer text", ""]).op, small.assign(tf.cast([7, 8], tf.bfloat16)).op]
        init = finished(graph)
        with v1.Session() as sess:
            sess.run(init)
            workspace = snapshot.Workspace({"sess": sess})
            snap = workspace.store("before")
            assert str(snap.variables["small"].dtype) == "bfloat16"
            assert snap["small"].astype(float).tolist() == [1.5, 2.5]
            assert snap["words"].tolist() == [b"a", b"bcd"]
            sess.run(change)
            workspace.restore("before")
            assert sess.run(read[0]).tolist() == [b"a", b"bcd"]
            assert sess.run(read[1]).tolist() == [1.5, 2.5]

    def test_a_saver_remembers_its_checkpoints_of_the_time(self, graph, tmp_path):
        v1.Variable([1.0], name="W")
        saver = v1.train.Saver()
        init = finished(graph)
        with v1.Session() as sess:
            sess.run(init)
            first = saver.save(sess, str(tmp_path / "first"))
            workspace = snapshot.Workspace({"sess": sess, "saver": saver})
            workspace.store("before")
            saver.save(sess, str(tmp_path / "second"))
            workspace.restore("before")
            assert saver.last_checkpoints == [first]

    def test_slots_made_since_are_forgotten_by_their_optimizer(self, linear):
        optimizer = linear["optimizer"]
        workspace = snapshot.Workspace(linear)
        workspace.store("before")
        slots = optimizer._slots
        optimizer._slots = {}
        workspace.restore("before")
        assert optimizer._slots is slots


class TestOnDisk:
    def test_a_new_session_of_a_graph_built_again_gets_the_stored_values(self, linear, tmp_path):
        workspace = snapshot.Workspace(linear, tmp_path / "run.zarr")
        train(linear, 3)
        trained = predict(linear)
        workspace.store("trained")
        workspace.close()
        with v1.Session() as sess:
            later = {**linear, "sess": sess}
            reopened = snapshot.Workspace(later, tmp_path / "run.zarr")
            status = reopened.restore("trained")
            assert {"net/W", "net/b"} <= set(status.assigned)
            assert predict(later) == trained
            reopened.close()

    def test_a_session_of_another_name_takes_the_values_when_told_so(self, linear, tmp_path):
        workspace = snapshot.Workspace(linear, tmp_path / "run.zarr")
        workspace.assign({"net/b": [4.0, 4.0]})
        workspace.store("before")
        workspace.close()
        with v1.Session() as session:
            later = {"session": session, "x": linear["x"], "y": linear["y"], "batch": linear["batch"]}
            reopened = snapshot.Workspace(later, tmp_path / "run.zarr")
            reopened.restore("before", into={"sess": "session"})
            assert predict(later, session) == [[5, 5]] * 3
            assert "sess" not in later
            reopened.close()

    def test_a_variable_that_does_not_fit_any_more_is_named_and_the_others_are_restored(self, tmp_path, graph):
        def build(columns):
            with tf.Graph().as_default() as made:
                v1.Variable(tf.ones([2, columns]), name="W")
                bias = v1.Variable([3.0], name="b")
                init = v1.global_variables_initializer()
            return made, bias, init

        finished(graph)
        first, _, init = build(2)
        with v1.Session(graph=first) as sess:
            sess.run(init)
            workspace = snapshot.Workspace({"sess": sess}, tmp_path / "run.zarr")
            workspace.store("before")
            workspace.close()
        second, bias, _ = build(5)
        with v1.Session(graph=second) as sess:
            reopened = snapshot.Workspace({"sess": sess}, tmp_path / "run.zarr")
            status = reopened.restore("before")
            assert sess.run(bias) == [3]
            assert list(status.unused) == ["W"]
            assert "(2, 2)" in status.unused_reasons["W"]
            reopened.close()

    def test_values_are_read_from_disk_without_tensorflow_objects(self, linear, tmp_path):
        workspace = snapshot.Workspace(linear, tmp_path / "run.zarr")
        for _ in range(3):
            workspace.store()
            train(linear)
        workspace.close()
        repository = snapshot.open(tmp_path / "run.zarr")
        series = repository.series("net/W")
        assert series.steps == [0, 1, 2]
        assert series.shape == (3, 3, 2)
        assert repository.timeline[0].variables["net/W"].role == "parameter"
        assert repository.timeline[0]["net/b"].tolist() == [0, 0]
