"""TensorFlow 1 sessions, on real TensorFlow: every test runs on an open and on a finalized graph."""

import gc
import weakref

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

from tensorflow.core.framework.variable_pb2 import VariableDef  # noqa: E402

from snapshot.adapters import tensorflow1  # noqa: E402
from snapshot.adapters.protocol import Form  # noqa: E402
from snapshot.adapters.tensorflow1 import ADAPTER  # noqa: E402
from snapshot.errors import DoesNotFit, RestoreFailed  # noqa: E402
from snapshot.model import Role  # noqa: E402


@pytest.fixture(params=["open graph", "finalized graph"])
def graph(request):
    """A default graph, which must have as many ops after the test as when its session was opened."""
    made = tf.Graph()
    made.finalize_later = request.param == "finalized graph"
    made.ops_when_opened = None
    with made.as_default():
        yield made
    assert made.ops_when_opened is not None, "the test opened no session"
    assert len(made.get_operations()) == made.ops_when_opened


@pytest.fixture
def open_session(graph):
    """Opens sessions of the finished graph, with every variable initialized unless told otherwise."""
    opened = []

    def open_session(initialize=True, kind=v1.Session):
        if graph.ops_when_opened is None:
            graph.init = v1.group(v1.global_variables_initializer(), v1.local_variables_initializer())
            graph.ops_when_opened = len(graph.get_operations())
            if graph.finalize_later:
                graph.finalize()
        session = kind(graph=graph)
        opened.append(session)
        if initialize:
            session.run(graph.init)
        return session

    yield open_session
    for session in opened:
        session.close()


@pytest.fixture(params=[True, False], ids=["resource", "ref"])
def make(request):
    """Makes variables of one of the two kinds."""

    def make(value, name, **options):
        return v1.Variable(value, name=name, use_resource=request.param, **options)

    return make


def values(session):
    return {name: part.array.copy() for name, part in ADAPTER.capture(session).parts.items()}


def misfit(session, name, array):
    form = Form(np.shape(array), np.asarray(array).dtype.name)
    return ADAPTER.misfits(session, {name: form}).get(name)


def aligned(size):
    """``size`` zeros of float32 at an address that TensorFlow shares instead of copying."""
    raw = np.zeros(4 * size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + 4 * size].view(np.float32)


class TestCaptureAndAssign:
    def test_values_come_back_after_training_changed_them(self, make, open_session):
        weight = make([[1.0, 2.0], [3.0, 4.0]], "net/W")
        change = weight.assign_add(tf.ones([2, 2])).op
        session = open_session()
        before = values(session)
        session.run(change)
        ADAPTER.assign(session, before)
        assert values(session)["net/W"].tolist() == [[1, 2], [3, 4]]

    def test_every_kind_of_initial_value_can_be_fed(self, make, open_session):
        first = make(tf.constant([1.0]), "constant")
        make(lambda: tf.cast([2], tf.float32), "cast")
        make(first + 1.0, "depends")
        session = open_session(initialize=False)
        new = {name: np.float32([n]) for n, name in enumerate(("constant", "cast", "depends"))}
        ADAPTER.assign(session, new)
        assert {name: array.tolist() for name, array in values(session).items()} == {
            "constant": [0],
            "cast": [1],
            "depends": [2],
        }

    def test_initializers_are_not_run_for_variables_that_are_not_given(self, make, open_session):
        make([1.0], "a")
        make(tf.ones([1]), "b")
        session = open_session(initialize=False)
        ADAPTER.assign(session, {"a": np.float32([5])})
        assert ADAPTER.capture(session).uninitialized == ("b",)

    def test_variables_that_share_an_initial_value_get_their_own_values(self, make, open_session):
        shared = tf.zeros([2])
        for name in "abc":
            make(shared, name)
        session = open_session()
        ADAPTER.assign(session, {name: np.full(2, n, np.float32) for n, name in enumerate("abc")})
        assert [array[0] for array in values(session).values()] == [0, 1, 2]

    @pytest.mark.parametrize("first_made", ["source", "copy"])
    def test_a_ref_variable_that_is_another_ones_initial_value_is_not_lost(self, first_made, open_session):
        ops = {}
        for name in sorted(("source", "copy"), key=lambda name: name != first_made):
            ops[name] = tf.raw_ops.VariableV2(shape=[1], dtype=tf.float32, name=name)
        tf.raw_ops.Assign(ref=ops["source"], value=[1.0])
        tf.raw_ops.Assign(ref=ops["copy"], value=ops["source"])
        session = open_session()
        ADAPTER.assign(session, {"source": np.float32([7]), "copy": np.float32([8])})
        assert values(session)["source"].tolist() == [7]
        assert values(session)["copy"].tolist() == [8]

    def test_captured_arrays_do_not_change_when_the_variable_does(self, make, open_session):
        weight = make(tf.zeros([200_000]), "W")
        steps = [weight.assign_add(tf.ones([200_000])).op, v1.scatter_update(weight, [0], [9.0])]
        session = open_session()
        part = ADAPTER.capture(session).parts["W"]
        for step in steps:
            session.run(step)
        assert not part.array.any()

    def test_assigned_arrays_do_not_change_when_the_variable_does(self, make, open_session):
        weight = make(tf.zeros([200_000]), "W")
        steps = [weight.assign_add(tf.ones([200_000])).op, v1.scatter_update(weight, [0], [9.0])]
        session = open_session()
        given = aligned(200_000)
        ADAPTER.assign(session, {"W": given})
        for step in steps:
            session.run(step)
        assert not given.any()

    def test_the_memory_of_a_file_is_copied_before_it_is_fed(self, make, open_session, tmp_path):
        make(tf.zeros([200_000]), "W")
        mapped = np.memmap(tmp_path / "values", np.float32, "w+", shape=200_000)
        assert mapped.ctypes.data % 64 == 0, "TensorFlow would not share this memory anyway"
        session = open_session()
        ADAPTER.assign(session, {"W": mapped})
        mapped[:] = 3
        ADAPTER.assign(session, {"W": mapped[:]})
        mapped[:] = 4
        assert values(session)["W"].tolist() == [3] * 200_000

    def test_arrays_in_any_memory_order_are_assigned(self, make, open_session):
        make(tf.zeros([2, 3]), "W")
        session = open_session()
        ADAPTER.assign(session, {"W": np.arange(6, dtype=np.float32).reshape(3, 2).T})
        assert values(session)["W"].tolist() == [[0, 2, 4], [1, 3, 5]]

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int64", "bool", "complex64", "uint8"])
    def test_values_of_any_dtype_come_back_and_travel_in_plain_numpy_dtypes(self, dtype, make, open_session):
        make(tf.cast([0, 1, 2], dtype), "x")
        session = open_session()
        part = ADAPTER.capture(session).parts["x"]
        assert part.dtype == dtype
        assert part.array.dtype.isbuiltin == 1
        ADAPTER.assign(session, {"x": part.array[::-1].copy()})
        assert values(session)["x"].tolist() == part.array[::-1].tolist()

    @pytest.mark.parametrize("value", [1.5, 7, True, b"text", b"NUL\0"])
    def test_scalars_come_back_as_arrays(self, value, make, open_session):
        make(value, "scalar")
        session = open_session()
        part = ADAPTER.capture(session).parts["scalar"]
        assert isinstance(part.array, np.ndarray)
        assert part.array.shape == ()
        target = open_session(initialize=False)
        ADAPTER.assign(target, {"scalar": part.array})
        assert np.array_equal(values(target)["scalar"], part.array)

    @pytest.mark.parametrize("texts", [[b"a", b"bcd"], ["ä".encode(), b""], [b"ends in NUL\0\0", b"x"]])
    def test_text_comes_back_to_the_last_byte(self, texts, make, open_session):
        words = make(["", ""], "words")
        read, new = words.value(), v1.placeholder(tf.string, [2])
        change = words.assign(new).op
        session = open_session()
        session.run(change, {new: texts})
        captured = values(session)
        session.run(change, {new: ["other", "words"]})
        ADAPTER.assign(session, captured)
        assert session.run(read).tolist() == texts

    def test_text_given_by_the_user_is_encoded(self, make, open_session):
        words = make(["", ""], "words")
        read = words.value()
        session = open_session()
        assert misfit(session, "words", np.array(["ä", "b"])) is None
        ADAPTER.assign(session, {"words": np.array(["ä", "b"])})
        assert session.run(read).tolist() == ["ä".encode(), b"b"]

    def test_numbers_are_refused_for_a_variable_of_text(self, make, open_session):
        make(["", ""], "words")
        session = open_session()
        assert "int64" in misfit(session, "words", [1, 2])
        with pytest.raises(DoesNotFit, match="text"):
            ADAPTER.assign(session, {"words": np.array([1, 2])})


class TestWhatTensorFlowRefuses:
    def test_another_dtype_is_refused_before_anything_is_written(self, make, open_session):
        make([1.0], "W")
        reason = misfit(open_session(), "W", np.float64([1]))
        assert "float64" in reason
        assert "float32" in reason

    def test_another_shape_is_refused_before_anything_is_written(self, make, open_session):
        make([1.0], "W")
        reason = misfit(open_session(), "W", np.float32([[1, 2]]))
        assert "(1, 2)" in reason
        assert "(1,)" in reason

    def test_a_name_that_the_graph_does_not_have_is_refused(self, make, open_session):
        make([1.0], "W")
        session = open_session()
        assert "no such variable" in misfit(session, "V", np.float32([1]))
        with pytest.raises(RestoreFailed, match="V"):
            ADAPTER.assign(session, {"V": np.float32([1])})

    def test_a_failing_run_names_the_variable(self, open_session):
        anything = v1.Variable(v1.placeholder_with_default([1.0], None), name="anything", validate_shape=False)
        checked = tf.raw_ops.VarHandleOp(shape=[None], dtype=tf.float32, shared_name="c", name="checked")
        unknown = v1.placeholder_with_default([1.0], None)
        tf.raw_ops.AssignVariableOp(resource=checked, value=unknown, validate_shape=True)
        session = open_session()
        ADAPTER.assign(session, {"checked": np.float32([1, 2])})
        with pytest.raises(RestoreFailed, match="checked: TensorFlow refused"):
            ADAPTER.assign(session, {"checked": np.float32([1, 2, 3])})
        assert anything.name == "anything:0"

    def test_a_grown_variable_is_assigned_by_another_of_its_ops(self, graph, open_session):
        grown = v1.Variable([1.0], validate_shape=False, use_resource=False, name="grown")
        later = v1.placeholder(tf.float32, [None])
        grow = v1.assign(grown, later, validate_shape=False)
        session = open_session()
        session.run(grow, {later: [1, 2, 3]})
        before = values(session)
        session.run(grow, {later: [5]})
        assert misfit(session, "grown", before["grown"]) is None
        ADAPTER.assign(session, before)
        assert values(session)["grown"].tolist() == [1, 2, 3]

    def test_a_grown_variable_shrinks_back_although_its_initializer_would_refuse(self, open_session):
        grown = v1.Variable([1.0], use_resource=False, name="grown")
        later = v1.placeholder(tf.float32, [None])
        grow = v1.assign(grown, later, validate_shape=False)
        session = open_session()
        before = values(session)
        session.run(grow, {later: [1, 2, 3]})
        ADAPTER.assign(session, before)
        assert values(session)["grown"].tolist() == [1]

    def test_a_resource_never_takes_a_shape_that_its_handle_forbids(self, open_session):
        fixed = v1.Variable([1.0], use_resource=True, name="fixed")
        anything = v1.placeholder(tf.float32, None)
        tf.raw_ops.AssignVariableOp(resource=fixed.handle, value=anything)
        session = open_session()
        assert misfit(session, "fixed", np.float32([2])) is None
        assert "(3,)" in misfit(session, "fixed", np.float32([1, 2, 3]))

    def test_a_variable_that_tensorflow_cannot_read_is_reported_and_the_others_read(self, open_session):
        v1.Variable([1.0], use_resource=True, name="W")
        odd = tf.raw_ops.VarHandleOp(shape=[1], dtype=tf.int32, shared_name="W", name="odd")
        tf.raw_ops.ReadVariableOp(resource=odd, dtype=tf.int32)
        group = ADAPTER.capture(open_session())
        assert list(group.parts) == ["W"]
        assert "int32" in group.report["odd"]
        assert group.uninitialized == ()

    def test_a_grown_variable_without_a_fitting_op_is_refused_with_the_shapes(self, make, open_session):
        make(tf.constant([1.0]), "fixed", validate_shape=False)
        reason = misfit(open_session(), "fixed", np.float32([1, 2, 3]))
        assert "(3,)" in reason
        assert "(1,)" in reason


class TestWhatIsFound:
    def test_an_op_that_took_the_initializers_name_does_not_mislead(self, make, open_session):
        tf.constant(3.0, name="x/Assign")
        variable = make([1.0], "x")
        assert variable.initializer.name != "x/Assign"
        session = open_session()
        ADAPTER.assign(session, {"x": np.float32([2])})
        assert values(session)["x"].tolist() == [2]

    def test_local_and_uncollected_variables_are_found(self, make, open_session):
        make([1.0], "local", collections=[v1.GraphKeys.LOCAL_VARIABLES])
        make([2.0], "uncollected", collections=[])
        session = open_session()
        ADAPTER.assign(session, {"local": np.float32([3]), "uncollected": np.float32([4])})
        assert {name: array.tolist() for name, array in values(session).items()} == {
            "local": [3],
            "uncollected": [4],
        }

    def test_variables_of_an_imported_graph_are_found(self, make, graph, open_session):
        with tf.Graph().as_default() as source:
            make([1.0, 2.0], "W")
        tf.import_graph_def(source.as_graph_def(), name="copy")
        session = open_session()
        ADAPTER.assign(session, {"copy/W": np.float32([5, 6])})
        assert values(session)["copy/W"].tolist() == [5, 6]

    def test_two_handles_to_one_storage_are_one_variable(self, graph, open_session):
        v1.Variable([1.0], use_resource=True, name="W")
        tf.import_graph_def(graph.as_graph_def(), name="copy")
        session = open_session()
        assert list(values(session)) == ["W"]
        assert ADAPTER.resolve(session, "copy/W:0") == "W"

    def test_a_read_under_control_dependencies_is_not_used(self, make, open_session):
        counter = make(0, "counter")
        with tf.control_dependencies([counter.assign_add(1)]):
            counter.read_value()
        session = open_session()
        for _ in range(3):
            assert values(session)["counter"] == 0

    def test_an_assign_under_control_dependencies_is_not_used(self, graph, open_session):
        counter = v1.Variable(0, use_resource=True, name="counter")
        handle = tf.raw_ops.VarHandleOp(shape=[], dtype=tf.float32, shared_name="bare", name="bare")
        one = tf.constant(1.0)
        with tf.control_dependencies([counter.assign_add(1)]):
            tf.raw_ops.AssignVariableOp(resource=handle, value=one)
        tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        session = open_session()
        assert "without running other ops" in misfit(session, "bare", np.float32(1))
        assert values(session)["counter"] == 0

    def test_a_variable_without_a_read_is_reported(self, open_session):
        tf.raw_ops.VarHandleOp(shape=[], dtype=tf.float32, shared_name="bare", name="bare")
        group = ADAPTER.capture(open_session())
        assert "no op of the graph reads it" in group.report["bare"]

    def test_parts_of_a_partitioned_variable_are_variables(self, open_session):
        split = v1.fixed_size_partitioner(2)
        whole = v1.get_variable("p", [4, 3], partitioner=split, initializer=v1.ones_initializer())
        both = whole.as_tensor()
        session = open_session()
        assert {name: array.shape for name, array in values(session).items()} == {
            "p/part_0": (2, 3),
            "p/part_1": (2, 3),
        }
        ADAPTER.assign(session, {"p/part_1": np.full((2, 3), 5, np.float32)})
        assert session.run(both)[:, 0].tolist() == [1, 1, 5, 5]

    def test_tables_iterators_and_queues_are_reported_once_by_op_type(self, open_session):
        tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1, name="words")
        v1.data.make_initializable_iterator(tf.data.Dataset.range(3), shared_name="rows")
        tf.queue.FIFOQueue(3, tf.float32, name="waiting")
        report = ADAPTER.capture(open_session()).report
        assert sorted(reason.split()[1] for reason in report.values()) == [
            "FIFOQueueV2",
            "HashTableV2",
            "IteratorV2",
        ]
        assert "queue" in report["waiting"]

    def test_variables_added_later_are_found(self, graph):
        first = v1.Variable([1.0], name="first")
        with v1.Session(graph=graph) as session:
            session.run(first.initializer)
            assert list(values(session)) == ["first"]
            second = v1.Variable([2.0], name="second")
            session.run(second.initializer)
            graph.ops_when_opened = len(graph.get_operations())
            assert list(values(session)) == ["first", "second"]

    def test_the_users_spelling_of_a_name_is_understood(self, make, open_session):
        make([1.0], "net/W")
        session = open_session()
        assert [ADAPTER.resolve(session, name) for name in ("net/W", "net/W:0", "W", "net")] == [
            "net/W",
            "net/W",
            None,
            None,
        ]

    def test_a_scan_does_not_keep_its_graph_alive(self, graph, open_session):
        open_session()
        with tf.Graph().as_default() as other:
            variable = v1.Variable([1.0], name="W")
            with v1.Session(graph=other) as session:
                session.run(variable.initializer)
                values(session)
        gone = weakref.ref(other)
        del other, variable, session
        gc.collect()
        assert gone() is None


class TestTables:
    def build(self):
        """A table with a Saver, which makes the ops that can read and set it."""
        table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="words")
        insert = [table.insert(["b", "a"], tf.constant([2, 1], tf.int64)), table.insert(["c"], [3])]
        v1.Variable([1.0], name="W")
        v1.train.Saver()
        return insert, table.lookup(tf.constant(["a", "b", "c"]))

    def test_a_table_with_the_ops_for_it_comes_back(self, open_session):
        (fill, extend), look_up = self.build()
        session = open_session()
        session.run(fill)
        before = values(session)
        assert before["words/keys"].tolist() == [b"a", b"b"]
        session.run(extend)
        ADAPTER.assign(session, before)
        assert session.run(look_up).tolist() == [1, 2, -1]

    def test_a_part_that_did_not_change_need_not_be_given(self, open_session):
        (fill, _), look_up = self.build()
        session = open_session()
        session.run(fill)
        ADAPTER.assign(session, {"words/values": np.int64([10, 20])})
        assert session.run(look_up).tolist() == [10, 20, -1]

    def test_keys_and_values_that_do_not_pair_are_refused(self, open_session):
        (fill, _), look_up = self.build()
        session = open_session()
        session.run(fill)
        forms = {"words/keys": Form((3,), "string"), "words/values": Form((2,), "int64")}
        assert set(ADAPTER.misfits(session, forms)) == set(forms)
        with pytest.raises(RestoreFailed, match="words/values"):
            ADAPTER.assign(session, {"words/values": np.int64([1, 2, 3])})
        assert session.run(look_up).tolist() == [1, 2, -1]

    def test_a_table_without_an_op_that_sets_it_is_reported(self, open_session):
        tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="words")
        assert "MutableHashTableV2" in ADAPTER.capture(open_session()).report["words"]


class TestRolesAndStep:
    @pytest.mark.parametrize("scope", ["", "train"])
    def test_trainable_variables_are_parameters_and_what_optimizers_keep_are_slots(self, scope, make, open_session):
        weight = make([1.0], "net/W")
        make([1.0], "net/moving_mean", trainable=False)
        with v1.variable_scope(scope):
            v1.train.AdamOptimizer(0.1, name="Mine").minimize(tf.reduce_sum(weight**2.0))
        parts = ADAPTER.capture(open_session()).parts
        roles = {name: part.role for name, part in parts.items()}
        assert roles.pop("net/W") is Role.PARAMETER
        assert roles.pop("net/moving_mean") is Role.VALUE
        assert list(roles.values()) == [Role.SLOT] * 4

    @pytest.mark.parametrize("optimizer", ["Adam", "Momentum", "Adagrad", "RMSProp", "Ftrl", "Adadelta"])
    def test_slots_of_sparse_updates_are_slots(self, optimizer, make, open_session):
        table = make(tf.ones([3, 2]), "table")
        momentum = [0.9] if optimizer == "Momentum" else []
        with v1.variable_scope("train"):
            loss = tf.reduce_sum(tf.nn.embedding_lookup(table, [1]))
            getattr(v1.train, f"{optimizer}Optimizer")(0.1, *momentum).minimize(loss)
        roles = {name: part.role for name, part in ADAPTER.capture(open_session()).parts.items()}
        assert roles.pop("table") is Role.PARAMETER
        assert roles
        assert set(roles.values()) == {Role.SLOT}

    def test_the_step_is_that_of_the_global_step_collection(self, open_session):
        step = v1.Variable(41, trainable=False, name="my_counter", dtype=tf.int64)
        v1.add_to_collection(v1.GraphKeys.GLOBAL_STEP, step)
        add = step.assign_add(1).op
        session = open_session()
        session.run(add)
        assert ADAPTER.capture(session).step == 42

    def test_a_variable_called_global_step_is_the_step_without_a_collection(self, make, open_session):
        make(7, "global_step", collections=[], trainable=False)
        session = open_session(initialize=False)
        ADAPTER.assign(session, {"global_step": np.int32(7)})
        assert ADAPTER.capture(session).step == 7

    @pytest.mark.parametrize("value", [7.0, [7]])
    def test_a_global_step_that_is_no_integer_is_no_step(self, value, make, open_session):
        make(value, "global_step")
        assert ADAPTER.capture(open_session()).step is None


class TestUninitialized:
    @pytest.mark.parametrize("missing", [{0}, {3, 4}, set(range(7))])
    def test_variables_without_a_value_are_listed_and_the_others_read(self, missing, make, open_session):
        made = [make([float(n)], f"v{n}") for n in range(7)]
        session = open_session(initialize=False)
        session.run([variable.initializer for n, variable in enumerate(made) if n not in missing])
        group = ADAPTER.capture(session)
        assert set(group.uninitialized) == {f"v{n}" for n in missing}
        assert {name: part.array[0] for name, part in group.parts.items()} == {
            f"v{n}": n for n in range(7) if n not in missing
        }

    def test_a_ref_variable_that_only_its_own_op_reads_is_listed(self, open_session):
        bare = tf.raw_ops.VariableV2(shape=[1], dtype=tf.float32, name="bare")
        tf.raw_ops.Assign(ref=bare, value=[1.0])
        session = open_session()
        assert ADAPTER.capture(session).uninitialized == ("bare",)
        ADAPTER.assign(session, {"bare": np.float32([2])})
        assert values(session)["bare"].tolist() == [2]

    def test_variables_without_a_value_are_listed_in_the_order_they_were_made(self, open_session):
        for n in range(6):
            v1.Variable([1.0], name=f"v{n}", use_resource=n in (1, 4))
        session = open_session(initialize=False)
        assert ADAPTER.capture(session).uninitialized == tuple(f"v{n}" for n in range(6))

    def test_a_resource_without_an_initialized_op_is_listed(self, open_session):
        bare = tf.raw_ops.VarHandleOp(shape=[1], dtype=tf.float32, shared_name="bare", name="bare")
        tf.raw_ops.AssignVariableOp(resource=bare, value=[1.0])
        tf.raw_ops.ReadVariableOp(resource=bare, dtype=tf.float32)
        assert ADAPTER.capture(open_session()).uninitialized == ("bare",)

    def test_initialize_rest_runs_only_the_missing_initializers(self, make, open_session):
        trained = make([1.0], "trained")
        rest = make([2.0], "rest")
        make(trained + rest, "sum")
        session = open_session(initialize=False)
        ADAPTER.assign(session, {"trained": np.float32([50])})
        assert ADAPTER.initialize_rest(session) == ["rest", "sum"]
        assert {name: float(array[0]) for name, array in values(session).items()} == {
            "trained": 50,
            "rest": 2,
            "sum": 52,
        }
        assert ADAPTER.initialize_rest(session) == []

    def test_initialize_rest_runs_the_initializer_and_not_another_assign(self, graph, open_session):
        bare = tf.raw_ops.VarHandleOp(shape=[], dtype=tf.float32, shared_name="W", name="W")
        tf.raw_ops.AssignVariableOp(resource=bare, value=5.0, name="other")
        tf.raw_ops.AssignVariableOp(resource=bare, value=1.0, name="first")
        tf.raw_ops.ReadVariableOp(resource=bare, dtype=tf.float32, name="read")
        definition = VariableDef(variable_name="W:0", initializer_name="first", is_resource=True)
        definition.snapshot_name = "read:0"
        known = v1.Variable.from_proto(definition)
        v1.add_to_collection(v1.GraphKeys.GLOBAL_VARIABLES, known)
        session = open_session(initialize=False)
        assert ADAPTER.initialize_rest(session) == ["W"]
        assert values(session)["W"] == 1

    def test_initialize_rest_leaves_out_what_cannot_be_initialized(self, make, open_session):
        make(v1.placeholder(tf.float32, [1]), "asks")
        make([2.0], "rest")
        session = open_session(initialize=False)
        assert ADAPTER.initialize_rest(session) == ["rest"]
        assert ADAPTER.capture(session).uninitialized == ("asks",)


class TestSessions:
    def test_an_interactive_session_is_a_session(self, make, open_session):
        make([1.0], "W")
        session = open_session(kind=v1.InteractiveSession)
        assert not isinstance(session, v1.Session)
        assert tensorflow1.matches(session)
        assert list(values(session)) == ["W"]

    def test_the_default_session_is_found_without_a_name(self, make, open_session):
        make([1.0], "W")
        session = open_session()
        assert tensorflow1.implicit() == {}
        with session.as_default():
            assert tensorflow1.implicit() == {"(default session)": session}

    def test_the_sessions_graph_is_used_and_not_the_default_graph(self, make, open_session):
        make([1.0], "W")
        session = open_session()
        with tf.Graph().as_default() as other:
            v1.Variable([2.0], name="elsewhere")
            count = len(other.get_operations())
            ADAPTER.assign(session, {"W": np.float32([3])})
            assert list(values(session)) == ["W"]
            assert len(other.get_operations()) == count

    def test_hooks_of_a_monitored_session_do_not_fire(self, graph):
        runs = []

        class Hook(v1.train.SessionRunHook):
            def before_run(self, run_context):
                runs.append(run_context)

        v1.Variable([1.0], name="W")
        v1.train.get_or_create_global_step()
        with v1.train.MonitoredSession(hooks=[Hook()]) as session:
            graph.ops_when_opened = len(graph.get_operations())
            assert tensorflow1.matches(session)
            ADAPTER.assign(session, {"W": np.float32([4])})
            assert values(session)["W"].tolist() == [4]
        assert runs == []

    def test_a_closed_session_has_no_values_and_raises_nothing(self, make, open_session):
        make([1.0], "W")
        session = open_session()
        session.close()
        group = ADAPTER.capture(session)
        assert group.parts == {}
        assert "closed" in group.report["(session)"]
        assert "closed" in misfit(session, "W", np.float32([1]))
        with pytest.raises(RestoreFailed, match="closed"):
            ADAPTER.assign(session, {"W": np.float32([1])})
        with pytest.raises(RestoreFailed, match="closed"):
            ADAPTER.initialize_rest(session)

    def test_an_open_session_succeeds_itself(self, make, open_session):
        make([1.0], "W")
        session, other = open_session(), open_session()
        assert ADAPTER.successor(session, [other, session]) is session

    def test_values_of_a_session_closed_since_go_into_a_new_one_of_its_graph(self, make, open_session):
        make([1.0], "W")
        with open_session() as session:
            before = values(session)
        elsewhere = v1.Session(graph=tf.Graph())
        new = open_session(initialize=False)
        heir = ADAPTER.successor(session, [session, elsewhere, object(), new])
        assert heir is new
        ADAPTER.assign(heir, before)
        assert values(new)["W"].tolist() == [1]
        elsewhere.close()

    def test_a_closed_session_without_an_heir_has_no_successor(self, make, open_session):
        make([1.0], "W")
        session = open_session()
        session.close()
        assert ADAPTER.successor(session, [session]) is None

    def test_of_several_heirs_the_default_session_is_taken(self, make, open_session):
        make([1.0], "W")
        closed, first, second = (open_session(initialize=False) for _ in range(3))
        closed.close()
        with first.as_default():
            assert ADAPTER.successor(closed, [first, second]) is first
        assert ADAPTER.successor(closed, [first, second]) is second

    def test_values_of_a_closed_monitored_session_go_into_a_new_one(self, graph):
        v1.Variable([1.0], name="W")
        v1.train.get_or_create_global_step()
        with v1.train.MonitoredSession() as session:
            graph.ops_when_opened = len(graph.get_operations())
            before = values(session)
        with v1.train.MonitoredSession() as new:
            assert ADAPTER.successor(session, [new]) is new
            ADAPTER.assign(new, {"W": before["W"] * 3})
            assert values(new)["W"].tolist() == [3]

    def test_values_go_into_another_session_of_the_graph(self, make, open_session):
        make([1.0], "W")
        source, target = open_session(), open_session(initialize=False)
        ADAPTER.assign(source, {"W": np.float32([9])})
        ADAPTER.assign(target, values(source))
        assert values(target)["W"].tolist() == [9]


class TestByReference:
    def test_graph_objects_are_by_reference_and_say_why(self, make, graph, open_session):
        variable = make([1.0], "W")
        tensor = variable + 1.0
        open_session()
        assert "graph" in tensorflow1.reference_reason(graph)
        assert "op" in tensorflow1.reference_reason(tensor.op)
        assert "run" in tensorflow1.reference_reason(tensor)
        assert "held by its session" in tensorflow1.reference_reason(variable)

    @pytest.mark.parametrize("obj", [3, object(), tf.float32, v1.train.Saver, np.zeros(2)])
    def test_other_objects_are_not_this_adapters_business(self, obj):
        assert tensorflow1.handler_for(obj) is None

    def test_a_dead_weak_proxy_is_not_asked_what_it_is(self):
        assert tensorflow1.handler_for(weakref.proxy(set())) is None

    def test_eager_tensors_and_variables_are_not_this_adapters_business(self):
        assert tf.executing_eagerly()
        assert tensorflow1.handler_for(tf.ones([2])) is None
        assert tensorflow1.handler_for(tf.Variable([1.0])) is None

    def test_an_objects_own_attribute_lookup_is_never_called(self):
        class Trap:
            def __getattribute__(self, name):
                raise AssertionError(name)

        assert tensorflow1.handler_for(Trap()) is None


class TestTensorFlowState:
    """The scenario that the idea comes from: store, update with given values, restore."""

    def test_a_linear_model_is_updated_and_restored_as_in_the_original_answer(self, make, open_session):
        x = v1.placeholder(tf.float32, [None, 5], name="x")
        weight = make(np.zeros([5, 5], np.float32), "W")
        bias = make(np.zeros([5], np.float32), "b")
        y = tf.matmul(x, weight) + bias
        session = open_session()
        batch = {x: np.ones([2, 5])}
        store = values(session)
        assert session.run(y, batch).tolist() == [[0] * 5] * 2
        update = {"W:0": np.ones([5, 5], np.float32), "b:0": np.ones(5, np.float32)}
        ADAPTER.assign(session, update)
        assert session.run(y, batch).tolist() == [[6] * 5] * 2
        ADAPTER.assign(session, store)
        assert session.run(y, batch).tolist() == [[0] * 5] * 2
