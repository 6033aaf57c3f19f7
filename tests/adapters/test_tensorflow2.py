"""TensorFlow 2 objects on the real library."""

import os
import subprocess
import sys
from collections import namedtuple
from typing import ClassVar

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from tensorflow.python.distribute.sharded_variable import ShardedVariable  # noqa: E402
from tensorflow.python.ops import stateful_random_ops  # noqa: E402
from tensorflow.python.ops.resource_variable_ops import UninitializedVariable  # noqa: E402

from snapshot.model import Role  # noqa: E402
from snapshot.workspace import Workspace  # noqa: E402
from tests.adapters.contract import AdapterContract, Case  # noqa: E402

NUMBERS = (
    tf.float64, tf.float32, tf.float16, tf.bfloat16, tf.int64, tf.int32, tf.int16, tf.int8,
    tf.uint64, tf.uint32, tf.uint16, tf.uint8, tf.complex64, tf.complex128, tf.bool,
)  # fmt: skip


def contents(obj):
    value = obj if isinstance(obj, tf.Tensor) else obj.read_value()
    return value.dtype.name, tuple(value.shape), tf.io.serialize_tensor(value).numpy()


def variable(value, dtype=None, **options):
    return tf.Variable(tf.cast(value, dtype) if dtype else value, **options)


def flip(var):
    """Change every element."""
    if var.dtype == tf.string:
        return var.assign(tf.strings.join([var, "!"]))
    return var.assign(~var if var.dtype == tf.bool else tf.cast(tf.cast(var, tf.int32) == 0, var.dtype))


def case_of(make, change=flip, **options):
    def others():
        made = make()
        if made.shape.is_fully_defined():
            wrong = tf.Variable(tf.zeros((*made.shape, 2), made.dtype))
            yield wrong, ("shape", str(tuple(wrong.shape)), str(tuple(made.shape)))
        other = tf.int16 if made.dtype != tf.int16 else tf.int8
        yield tf.Variable(tf.zeros(made.read_value().shape, other)), ("dtype", other.name, made.dtype.name)

    return Case(make, change, contents, lambda: list(others()), **options)


class TestVariables(AdapterContract):
    cases: ClassVar = {
        **{dtype.name: case_of(lambda dtype=dtype: variable([0, 1, 0, 3], dtype)) for dtype in NUMBERS},
        "text": case_of(lambda: tf.Variable(["a", "bcd", ""])),
        "text with zeros": case_of(lambda: tf.Variable([b"a\0", b"\0"])),
        "0-d": case_of(lambda: tf.Variable(2.5)),
        "empty": case_of(lambda: tf.Variable(tf.zeros([0, 3])), can_change=False),
        "several blocks": case_of(lambda: tf.Variable(tf.range(1_200_000.0))),
        "frozen": case_of(lambda: tf.Variable([1.0, 2.0], trainable=False)),
        "of unknown shape": case_of(lambda: tf.Variable([1.0, 2.0], shape=tf.TensorShape(None))),
        "of unknown length": case_of(lambda: tf.Variable([[1.0, 2.0]], shape=[None, 2])),
        "Generator": Case(
            lambda: tf.random.Generator.from_seed(3),
            lambda g: g.normal([3]),
            lambda g: (g.algorithm, g.state.numpy().tolist()),
            lambda: [(tf.random.Generator.from_seed(3, alg="threefry"), ("algorithm",))],
        ),
    }


def restored(names, change):
    workspace = Workspace(names)
    workspace.store("before")
    change(names)
    return workspace.restore("before")


class Net(tf.Module):
    """A module as people write them, with its weights in a list, a dict and a named tuple."""

    Pair = namedtuple("Pair", "w b")

    def __init__(self):
        super().__init__()
        self.layers = [tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0])]
        self.heads = {"a": tf.Variable([5.0]), "b": tf.Variable([6.0])}
        self.pair = self.Pair(tf.Variable([7.0]), tf.Variable([8.0]))
        self.step = tf.Variable(0, trainable=False)
        self.calls = 0

    @tf.function
    def __call__(self, x):
        return x * tf.reduce_sum(self.layers[0] * self.layers[1]) + self.heads["a"] + self.pair.w


def everything(net):
    return [v.numpy().tolist() for v in net.variables]


def scramble(net):
    for var in net.variables:
        var.assign_add(tf.ones_like(var))
    net.calls += 1


class TestModules:
    def test_all_variables_come_back_under_paths_that_a_user_would_write(self):
        net = Net()
        before = everything(net)
        status = restored({"net": net}, lambda names: scramble(net))
        assert (everything(net), net.calls) == (before, 0)
        assert {"net.layers[0]", "net.heads['a']", "net.step"} <= set(status.changed)

    def test_no_function_is_traced_again(self):
        net = Net()
        net(tf.constant([1.0]))
        expected = net(tf.constant([1.0])).numpy()
        traced = net.__call__.experimental_get_tracing_count()
        restored({"net": net}, lambda names: scramble(net))
        assert net(tf.constant([1.0])).numpy() == expected
        assert net.__call__.experimental_get_tracing_count() == traced == 1

    def test_a_list_that_grew_is_as_it_was_and_can_be_saved_still(self, tmp_path):
        net = Net()
        first = net.layers[0]
        restored({"net": net}, lambda names: (net.layers.append(tf.Variable([9.0])), net.heads.pop("b")))
        assert (len(net.layers), sorted(net.heads), net.layers[0] is first) == (2, ["a", "b"], True)
        path = tf.train.Checkpoint(net=net).save(str(tmp_path / "checkpoint"))
        saved = [name for name, _ in tf.train.list_variables(path)]
        assert "net/layers/2/.ATTRIBUTES/VARIABLE_VALUE" not in saved
        assert "net/heads/b/.ATTRIBUTES/VARIABLE_VALUE" in saved

    def test_roles_tell_weights_from_buffers_and_random_states(self):
        names = {"net": Net(), "rng": tf.random.Generator.from_seed(1)}
        found = {path: v.role for path, v in Workspace(names).store().variables.items()}
        assert found["net.layers[0]"] is Role.PARAMETER
        assert found["net.step"] is Role.BUFFER
        assert found["rng"] is Role.RNG

    def test_a_new_kernel_fills_a_module_made_again(self, tmp_path):
        Workspace({"net": Net()}, tmp_path / "run.zarr").store("before")
        net = Net()
        before = everything(net)
        scramble(net)
        status = Workspace({"net": net}, tmp_path / "run.zarr").restore("before")
        assert everything(net) == before
        assert not status.unused


def test_a_checkpoint_tree_comes_back_with_its_counter(tmp_path):
    weight = tf.Variable([1.0])
    checkpoint = tf.train.Checkpoint(weight=weight, parts=[tf.Variable(2.0), {"x": tf.Variable(3.0)}])
    checkpoint.save(str(tmp_path / "one"))
    restored(
        {"checkpoint": checkpoint},
        lambda names: (
            checkpoint.save(str(tmp_path / "two")),
            checkpoint.parts[1]["x"].assign(9.0),
            weight.assign([9.0]),
        ),
    )
    assert (checkpoint.save_counter.numpy(), checkpoint.parts[1]["x"].numpy(), weight.numpy()) == (1, 3.0, 1.0)


def test_shards_of_a_partitioned_variable_come_back():
    table = ShardedVariable([tf.Variable([1.0, 2.0]), tf.Variable([3.0])])
    restored({"table": table}, lambda names: [shard.assign(shard * 0) for shard in table.variables])
    assert tf.convert_to_tensor(table).numpy().tolist() == [1, 2, 3]


def test_a_variable_of_a_strategy_comes_back():
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        mirrored = tf.Variable([1.0, 2.0])
    restored({"mirrored": mirrored}, lambda names: mirrored.assign([0.0, 0.0]))
    assert mirrored.numpy().tolist() == [1, 2]


class TestTensors:
    def test_the_very_tensor_is_bound_again(self):
        tensor = tf.constant([1.0, 2.0])
        names = {"tensor": tensor, "items": [tensor]}
        status = restored(names, lambda names: (names.update(tensor=tensor * 2), names["items"].clear()))
        assert names["tensor"] is names["items"][0] is tensor
        assert not status.rebuilt

    def test_a_tensor_is_a_variable_of_the_snapshot(self):
        snapshot = Workspace({"tensor": tf.constant([[1.0, 2.0]], tf.bfloat16), "text": tf.constant(["a"])}).store()
        assert snapshot.variables["tensor"].shape == (1, 2)
        assert snapshot["text"].tolist() == [b"a"]

    def test_assign_binds_a_new_tensor_in_its_place(self):
        names = {"tensor": tf.constant([1.0, 2.0])}
        names["items"] = [names["tensor"]]
        Workspace(names).assign({"tensor": [3.0, 4.0]})
        assert names["tensor"].numpy().tolist() == [3, 4]
        assert names["items"][0] is names["tensor"]

    def test_a_new_kernel_gets_the_stored_contents(self, tmp_path):
        Workspace({"a": tf.constant([1.0]), "b": [tf.constant(["x"])]}, tmp_path / "run.zarr").store("before")
        names = {"a": tf.constant([9.0])}
        Workspace(names, tmp_path / "run.zarr").restore("before")
        assert (names["a"].numpy(), names["b"][0].numpy()) == ([1], [b"x"])

    def test_a_tensor_that_shared_its_buffer_with_a_variable_keeps_its_own_value(self):
        var = tf.Variable([1.0, 2.0])
        names = {"var": var, "values": [var.read_value()]}
        restored(names, lambda names: (names["values"].clear(), var.assign([8.0, 9.0])))
        assert names["values"][0].numpy().tolist() == var.numpy().tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("one", "live"),
        [
            (tf.sparse.from_dense([[1.0, 0.0], [0.0, 2.0]]), tf.sparse.from_dense([[0.0, 3.0], [0.0, 4.0]])),
            (tf.ragged.constant([[1, 2], [], [3]]), tf.ragged.constant([[1], [], [3, 4]])),
            (
                tf.IndexedSlices(tf.constant([1.0]), tf.constant([4])),
                tf.IndexedSlices(tf.zeros([1]), tf.constant([5])),
            ),
        ],
        ids=["sparse", "ragged", "slices"],
    )
    def test_sparse_and_ragged_tensors_are_bound_again_and_filled_in_a_new_kernel(self, one, live, tmp_path):
        names, found = {"one": one}, {"one": live}
        workspace = Workspace(names, tmp_path / "run.zarr")
        workspace.store("before")
        names["one"] = None
        workspace.restore("before")
        assert names["one"] is one
        Workspace(found, tmp_path / "run.zarr").restore("before")
        parts = [tf.nest.flatten(each, expand_composites=True) for each in (one, found["one"])]
        assert [a.numpy().tolist() for a in parts[0]] == [b.numpy().tolist() for b in parts[1]]


class TestRandomness:
    def test_the_global_generator_repeats_its_draws(self, monkeypatch):
        monkeypatch.setattr(stateful_random_ops, "global_generator", None)
        tf.random.set_global_generator(tf.random.Generator.from_seed(5))
        drawn = []
        restored({}, lambda names: drawn.append(tf.random.get_global_generator().normal([3]).numpy().tolist()))
        assert tf.random.get_global_generator().normal([3]).numpy().tolist() == drawn[0]

    def test_what_a_global_seed_governs_is_named_once_as_not_restorable(self):
        workspace = Workspace({"x": tf.Variable(1.0)})
        assert not workspace.store().report
        tf.random.set_seed(3)
        try:
            report = workspace.store().report
            assert "tf.random.Generator" in report["(tf.random.set_seed)"]
            assert workspace.last_store.unstored == 1
            workspace.store()
            assert workspace.last_store.unstored == 0
        finally:
            tf.random.set_seed(None)


def numbers(iterator, count=3):
    return [next(iterator).numpy().tolist() for _ in range(count)]


class TestIterators:
    def test_the_same_elements_come_again_shuffled_and_batched(self):
        iterator = iter(tf.data.Dataset.range(50).shuffle(20).map(lambda x: x * 2).batch(4).prefetch(2))
        numbers(iterator)
        drawn = []
        restored({"iterator": iterator}, lambda names: drawn.extend(numbers(iterator)))
        assert numbers(iterator) == drawn

    def test_an_exhausted_iterator_that_nothing_holds_comes_back_too(self):
        names = {"iterator": iter(tf.data.Dataset.range(3))}
        restored(names, lambda names: (numbers(names["iterator"]), names.pop("iterator")))
        assert numbers(names["iterator"]) == [0, 1, 2]

    def test_an_iterator_over_arrays_comes_back(self):
        iterator = tf.data.Dataset.range(5).as_numpy_iterator()
        drawn = []
        restored({"iterator": iterator}, lambda names: drawn.append(next(iterator)))
        assert next(iterator) == drawn[0] == 0

    def test_a_new_kernel_goes_on_from_the_stored_position(self, tmp_path):
        iterator = iter(tf.data.Dataset.range(9))
        numbers(iterator)
        Workspace({"iterator": iterator}, tmp_path / "run.zarr").store("before")
        found = {"iterator": iter(tf.data.Dataset.range(9))}
        Workspace(found, tmp_path / "run.zarr").restore("before")
        assert numbers(found["iterator"]) == [3, 4, 5]

    def test_a_new_kernel_without_the_dataset_says_so(self, tmp_path):
        Workspace({"iterator": iter(tf.data.Dataset.range(9))}, tmp_path / "run.zarr").store("before")
        status = Workspace({}, tmp_path / "run.zarr").restore("before")
        assert "dataset" in status.unused_reasons["iterator"]

    def test_a_generator_of_python_cannot_go_back_and_is_named(self):
        dataset = tf.data.Dataset.from_generator(lambda: iter(range(9)), output_signature=tf.TensorSpec([], tf.int64))
        names = {"iterator": iter(dataset), "dataset": dataset}
        snapshot = Workspace(names).store()
        assert "PyFunc is stateful" in snapshot.report["iterator"]
        assert "dataset" not in snapshot.report


class TestTables:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1),
            lambda: tf.lookup.experimental.DenseHashTable(tf.string, tf.int64, -1, "", "gone"),
        ],
        ids=["mutable", "dense"],
    )
    def test_the_entries_come_back(self, make, tmp_path):
        table, live = make(), make()
        table.insert(["b", "a"], [1, 2])
        workspace = Workspace({"table": table}, tmp_path / "run.zarr")
        snapshot = workspace.store("before")
        assert snapshot["table.keys"].tolist() == [b"a", b"b"]
        assert not workspace.restore("before").changed
        table.insert(["a", "c"], [9, 9])
        workspace.restore("before")
        live.insert(["d"], [4])
        Workspace({"table": live}, tmp_path / "run.zarr").restore("before")
        for each in (table, live):
            assert each.lookup(tf.constant(["a", "b", "c", "d"])).numpy().tolist() == [2, 1, -1, -1]
            assert each.size().numpy() == 2


class TestFunctions:
    def test_what_a_function_closes_over_comes_back_without_a_trace(self):
        def made():
            seen, weight = [], tf.Variable(2.0)

            @tf.function
            def step(x):
                seen.append("trace")
                return weight.assign_add(x)

            return step, seen, weight

        step, seen, weight = made()
        step(tf.constant(1.0))
        restored({"step": step}, lambda names: (step(tf.constant(1.0)), seen.append("mine")))
        assert (seen, weight.numpy()) == (["trace"], 3.0)
        step(tf.constant(1.0))
        assert step.experimental_get_tracing_count() == 1

    def test_a_newer_function_under_the_same_name_is_kept(self):
        newer = tf.function(lambda x: x + 2)
        names = {"step": tf.function(lambda x: x + 1)}
        status = restored(names, lambda names: names.update(step=newer))
        assert names["step"] is newer
        assert "step" in status.kept_code

    def test_a_gradient_of_a_tape_recorded_before_is_that_of_the_values_then(self):
        x = tf.Variable(3.0)
        names = {"x": x}
        workspace = Workspace(names)
        workspace.store("before")
        x.assign(5.0)
        with tf.GradientTape() as tape:
            y = x * x
        workspace.restore("before")
        assert tape.gradient(y, x).numpy() == 10.0


class Flexible(tf.Module):
    """Makes its weight in its first call, as TensorFlow's guide does."""

    def __init__(self):
        super().__init__()
        self.weight = None

    @tf.function
    def __call__(self, x):
        if self.weight is None:
            self.weight = tf.Variable(2.0)
        return self.weight.assign_add(x)


class TestVariablesMadeInAFirstCall:
    @pytest.mark.parametrize("nested", [False, True], ids=["a method", "a function that calls it"])
    def test_a_function_rolled_back_to_before_its_first_call_makes_its_variable_again(self, nested):
        module = Flexible()
        step = tf.function(lambda x: module(x)) if nested else module
        run = lambda: [float(step(tf.constant(1.0))) for _ in range(2)]  # noqa: E731
        names = {"module": module, "step": step}
        workspace = Workspace(names)
        workspace.store("cold")
        first = run()
        workspace.restore("cold")
        assert module.weight is None
        assert run() == first
        assert module.weight.numpy() == 4.0

    def test_after_its_first_call_nothing_is_traced_again(self):
        module = Flexible()
        module(tf.constant(1.0))
        workspace = Workspace({"module": module})
        workspace.store("warm")
        first = float(module(tf.constant(1.0)))
        traces = module.__call__.experimental_get_tracing_count()
        workspace.restore("warm")
        assert float(module(tf.constant(1.0))) == first
        assert module.__call__.experimental_get_tracing_count() == traces

    def test_functions_that_use_other_variables_keep_their_graphs(self):
        module, other = Flexible(), tf.Variable(1.0)
        use = tf.function(lambda: other * 2)
        use()
        workspace = Workspace({"module": module, "other": other, "use": use})
        workspace.store("cold")
        module(tf.constant(1.0))
        workspace.restore("cold")
        use()
        assert use.experimental_get_tracing_count() == 1


FEATURES = tf.constant(np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3))
LEGACY = {
    name: cls
    for name, cls in vars(tf.compat.v1.train).items()
    if isinstance(cls, type) and issubclass(cls, tf.compat.v1.train.Optimizer)
    # abstract, for several workers, or for graphs only
    and name not in ("Optimizer", "SyncReplicasOptimizer", "MixedPrecisionLossScaleOptimizer", "AdagradDAOptimizer")
}  # fmt: skip


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "tf.function"])
@pytest.mark.parametrize("name", LEGACY)
def test_training_by_an_optimizer_of_tensorflow_1_goes_on_bit_for_bit(name, traced):
    optimizer = LEGACY[name](0.1, *((0.9,) if name == "MomentumOptimizer" else ()))
    weight, bias = tf.Variable([[0.1], [0.2], [0.3]]), tf.Variable([0.0])

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((FEATURES @ weight + bias - 1.0) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, [weight, bias]), [weight, bias], strict=True))
        return loss

    step = tf.function(step) if traced else step
    run = lambda: [*(float(step()) for _ in range(2)), weight.numpy().tolist(), bias.numpy().tolist()]  # noqa: E731
    workspace = Workspace({"weight": weight, "bias": bias, "optimizer": optimizer, "step": step})
    workspace.store("cold")
    first = run()
    workspace.store("warm")
    second = run()
    count = step.experimental_get_tracing_count() if traced else 0
    workspace.restore("warm")
    assert run() == second
    assert not traced or step.experimental_get_tracing_count() == count
    workspace.restore("cold")
    assert run() == first
    assert run() == second


def test_a_training_loop_of_ones_own_goes_on_bit_for_bit_without_a_trace():
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("another backend is in use")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    optimizer, metric = keras.optimizers.Adagrad(0.1), keras.metrics.Mean()

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(FEATURES, training=True) - 1.0) ** 2)
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        metric.update_state(loss)
        return loss

    run = lambda: [*(float(step()) for _ in range(3)), float(metric.result())]  # noqa: E731
    workspace = Workspace({"model": model, "optimizer": optimizer, "metric": metric, "step": step})
    workspace.store("cold")
    first = run()
    workspace.store("warm")
    second, count = run(), step.experimental_get_tracing_count()
    workspace.restore("warm")
    assert run() == second
    workspace.restore("cold")
    assert (run(), run()) == (first, second)
    assert step.experimental_get_tracing_count() == count


MIRRORED = """
import numpy as np, tensorflow as tf
from snapshot.workspace import Workspace

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
with strategy.scope():
    mirrored = tf.Variable([1.0, 2.0])
    on_read = tf.Variable(
        1.0, synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM
    )

@tf.function
def step():
    def replica():
        on_read.assign_add(1.0 + tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32))
    strategy.run(replica)

workspace = Workspace({"mirrored": mirrored, "on_read": on_read, "strategy": strategy, "step": step})
step()
before = [copy.numpy().item() for copy in on_read.values]
snapshot = workspace.store("before")
assert {"mirrored[0]", "mirrored[1]", "on_read[0]", "on_read[1]"} <= set(snapshot.variables), list(snapshot.variables)
assert not snapshot.report, snapshot.report
mirrored.assign([5.0, 6.0])
step()
workspace.restore("before")
assert [copy.numpy().tolist() for copy in mirrored.values] == [[1.0, 2.0]] * 2
assert [copy.numpy().item() for copy in on_read.values] == before == [2.0, 3.0]
assert step.experimental_get_tracing_count() == 1
"""


def test_each_copy_of_a_mirrored_variable_comes_back_on_its_own_device(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED], env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_loaded_model_comes_back(tmp_path):
    class Counter(tf.Module):
        def __init__(self):
            super().__init__()
            self.total = tf.Variable(1.0)

        @tf.function(input_signature=[tf.TensorSpec([])])
        def add(self, x):
            return self.total.assign_add(x)

    tf.saved_model.save(Counter(), str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    status = restored({"loaded": loaded}, lambda names: loaded.add(tf.constant(5.0)))
    assert float(loaded.add(tf.constant(1.0))) == 2.0
    assert not status.by_reference


def test_eager_objects_are_stored_and_restored_while_a_graph_is_the_default():
    names = {"var": tf.Variable([1.0]), "rng": tf.random.Generator.from_seed(1), "x": tf.constant([1.0])}
    names["var"].assign([2.0])
    with tf.Graph().as_default():
        workspace = Workspace(names)
        assert not workspace.store("before").report
    names["var"].assign([3.0])
    with tf.Graph().as_default() as graph:
        workspace.restore("before")
    assert (names["var"].numpy(), graph.get_operations()) == ([2], [])


def test_what_could_not_be_read_is_left_alone_in_a_new_kernel(tmp_path):
    names = {"items": [UninitializedVariable(shape=[], dtype=tf.float32), tf.Variable(1.0)]}
    Workspace(names, tmp_path / "run.zarr").store("before")
    found = {"items": [UninitializedVariable(shape=[], dtype=tf.float32), tf.Variable(2.0)]}
    found["items"][0].assign(5.0)
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert [each.numpy() for each in found["items"]] == [5, 1]


def test_graphs_and_eager_objects_live_in_one_namespace():
    graph = tf.Graph()
    with graph.as_default():
        weight = tf.compat.v1.get_variable("w", initializer=[1.0])
        init = tf.compat.v1.global_variables_initializer()
        double = weight.assign(weight * 2)
    session = tf.compat.v1.Session(graph=graph)
    session.run(init)
    names = {"graph_weight": weight, "session": session, "eager": tf.Variable([1.0]), "array": np.ones(2)}
    restored(names, lambda names: (session.run(double), names["eager"].assign([5.0]), names["array"].fill(0)))
    assert (session.run(weight), names["eager"].numpy(), names["array"].tolist()) == ([1], [1], [1, 1])


def test_what_cannot_be_stored_is_named():
    names = {"tape": tf.GradientTape(), "queue": tf.queue.FIFOQueue(3, tf.int64), "spec": tf.TensorSpec([1])}
    names |= {"array": tf.TensorArray(tf.float32, 2).write(0, 1.0), "ragged": tf.RaggedTensorSpec([None, None])}
    names["fixed"] = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
    report = Workspace(names).store().report
    assert set(report) == {"tape", "queue", "array"}
    assert "TensorArray" in report["array"]
    names["array"].mark_used()


def test_a_variable_without_a_value_is_named_and_left_alone():
    empty = UninitializedVariable(shape=[], dtype=tf.float32)
    names = {"empty": empty, "full": tf.Variable(1.0)}
    workspace = Workspace(names)
    assert "empty" in workspace.store("before").report
    empty.assign(3.0)
    names["full"].assign(2.0)
    workspace.restore("before")
    assert (names["empty"] is empty, empty.numpy(), names["full"].numpy()) == (True, 3.0, 1.0)
