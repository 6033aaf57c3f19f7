"""Keras 3 objects on the real library; the whole file runs once for each backend."""

import os
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
keras = pytest.importorskip("keras")

from snapshot.errors import RestoreFailed  # noqa: E402
from snapshot.model import Role  # noqa: E402
from snapshot.workspace import Workspace  # noqa: E402
from tests.adapters.contract import AdapterContract, Case  # noqa: E402

BACKEND = keras.backend.backend()
INPUTS = np.linspace(-1, 1, 64, dtype="float32").reshape(16, 4)
TARGETS = (INPUTS.sum(axis=1, keepdims=True) ** 2).astype("float32")


@pytest.mark.timeout(900)  # a whole backend, compiled in another process
@pytest.mark.skipif("SNAPSHOT_ONE_BACKEND" in os.environ, reason="already one of several")
@pytest.mark.parametrize("backend", [name for name in ("tensorflow", "jax", "torch") if name != BACKEND])
def test_all_of_this_holds_on_another_backend(backend):
    pytest.importorskip(backend)
    env = {**os.environ, "KERAS_BACKEND": backend, "SNAPSHOT_ONE_BACKEND": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=880)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.fixture(autouse=True)
def _seed_is_taken_back():
    yield
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.random.set_seed(None)


def contents(variable):
    value = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(variable, "float64")))
    return str(variable.dtype), tuple(variable.shape), value.tolist(), variable.trainable


def flip(variable):
    variable.assign(keras.ops.cast(keras.ops.equal(variable.value, 0), variable.dtype))


def case_of(dtype="float32", value=(0, 1, 0, 3), **options):
    if "float" not in dtype:
        options["trainable"] = False

    def make():
        return keras.Variable(np.asarray(value), dtype=dtype, **options)

    def others():
        shape = np.shape(value)
        yield keras.Variable(np.zeros((*shape, 2)), dtype=dtype, **options), ("shape", str((*shape, 2)), str(shape))
        yield keras.Variable(np.zeros(shape), dtype="int8", trainable=False), ("dtype", "int8", dtype)

    return Case(make, flip, contents, lambda: list(others()))


class TestVariables(AdapterContract):
    cases: ClassVar = {
        **{dtype: case_of(dtype) for dtype in ("float32", "float16", "bfloat16", "int32", "uint8", "bool")},
        "0-d": case_of(value=2.5),
        "frozen": case_of(trainable=False),
        "to be frozen": Case(
            lambda: keras.Variable([1.0, 2.0]),
            lambda variable: setattr(variable, "trainable", not variable.trainable),
            contents,
            says_changed=False,
        ),
    }


class Counted(keras.layers.Layer):
    """A layer of the user's own; it counts how often it is traced, and keeps state of all kinds."""

    traces: ClassVar = []

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = keras.layers.Dense(3, activation="tanh")
        self.seen = []
        self.table = {"mean": np.zeros(2)}
        self.scale = 1.5

    def build(self, shape):
        self.dense.build(shape)
        self.offset = self.add_weight(shape=(3,), name="offset", trainable=False)

    def call(self, x):
        self.traces.append(1)
        return self.dense(x) + self.offset


def network(optimizer="adam"):
    keras.utils.clear_session()
    keras.utils.set_random_seed(7)
    layers = [Counted(), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=3), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def train(model, epochs=2, **options):
    history = model.fit(INPUTS, TARGETS, batch_size=8, epochs=epochs, verbose=0, **options).history
    return [value for key in sorted(history) for value in history[key]]


def everything(model):
    return [
        np.asarray(keras.ops.convert_to_numpy(v)).tolist() for v in (*model.variables, *model.optimizer.variables)
    ]


OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.002, momentum=0.9, nesterov=True),
    "Adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True, clipnorm=1.0),
    # on JAX a second fit fails with averages, whoever calls it
    "AdamW": lambda: keras.optimizers.AdamW(0.01, use_ema=BACKEND != "jax"),
    "RMSprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.1, centered=True),
    "Adagrad": lambda: keras.optimizers.Adagrad(0.05),
    "Nadam": lambda: keras.optimizers.Nadam(0.01),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), initial_scale=8.0),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)),
}


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_bit_for_bit_and_nothing_is_traced_again(optimizer, warm):
    model = network(OPTIMIZERS[optimizer]())
    if warm:
        train(model)
    names = {"model": model, "x": INPUTS.copy()}
    workspace = Workspace(names)
    workspace.store("before")
    first = train(model, 3), everything(model)
    workspace.restore("before")
    Counted.traces.clear()
    assert (train(model, 3), everything(model)) == first
    # JAX looks at the layers once more when the first fit begins; PyTorch runs them each time
    if BACKEND == "tensorflow":
        assert Counted.traces == []


class TestPaths:
    def test_variables_go_by_the_paths_keras_gave_them_with_their_roles(self):
        model = network()
        train(model, 1)
        variables = Workspace({"model": model}).store().variables
        found = {path: variable.role for path, variable in variables.items()}
        assert {v.path for v in (*model.variables, *model.optimizer.variables)} <= set(found)
        assert found[model.layers[-1].kernel.path] is Role.PARAMETER
        assert found[model.layers[1].moving_mean.path] is Role.BUFFER
        assert found["adam/learning_rate"] is Role.VALUE
        assert found[model.optimizer.variables[-1].path] is Role.SLOT
        assert found[model.layers[2].seed_generator.state.path] is Role.RNG

    def test_one_kernel_is_restored_alone(self):
        model = network()
        kernel, bias = model.layers[-1].kernel, model.layers[-1].bias
        before = contents(kernel)
        workspace = Workspace({"model": model})
        workspace.store("before")
        flip(kernel)
        flip(bias)
        changed = contents(bias)
        workspace.restore("before", only=[kernel.path])
        assert (contents(kernel), contents(bias)) == (before, changed)

    def test_only_weights_are_restored_by_their_role(self):
        model = network()
        train(model, 1)
        workspace = Workspace({"model": model})
        workspace.store("before")
        weights = [contents(v) for v in model.trainable_variables]
        train(model, 1)
        slots = [contents(v) for v in model.optimizer.variables]
        workspace.restore("before", only=["role:parameter"])
        assert [contents(v) for v in model.trainable_variables] == weights
        assert [contents(v) for v in model.optimizer.variables] == slots

    def test_a_variable_held_by_a_name_too_is_the_same_variable(self):
        model = network()
        kernel = model.layers[-1].kernel
        workspace = Workspace({"model": model, "kernel": kernel})
        variables = workspace.store().variables
        assert variables[kernel.path].aliases == ("kernel",)


class TestState:
    def test_what_the_users_code_keeps_in_a_layer_comes_back(self):
        model = network()
        layer = model.layers[0]
        workspace = Workspace({"model": model})
        workspace.store("before")
        layer.seen.append(1)
        layer.table["mean"] += 1
        layer.scale, layer.extra = 9, "new"
        workspace.restore("before")
        assert (list(layer.seen), layer.table["mean"].tolist(), layer.scale) == ([], [0, 0], 1.5)
        assert not hasattr(layer, "extra")

    def test_settings_come_back(self):
        model = network()
        workspace = Workspace({"model": model})
        workspace.store("before")
        rate = float(model.optimizer.learning_rate)
        model.optimizer.learning_rate = 0.5
        model.optimizer.beta_1 = 0.1
        model.layers[2].rate = 0.9
        model.layers[3].trainable = False
        workspace.restore("before")
        assert float(model.optimizer.learning_rate) == rate
        assert (model.optimizer.beta_1, model.layers[2].rate, model.layers[3].trainable) == (0.9, 0.5, True)
        assert len(model.trainable_variables) == 6

    def test_a_model_compiled_anew_gets_its_optimizer_back(self):
        model = network()
        train(model, 1)
        workspace = Workspace({"model": model})
        workspace.store("before")
        optimizer, first = model.optimizer, train(model, 2)
        workspace.restore("before")
        model.compile(keras.optimizers.SGD(0.1), "mae")
        train(model, 1)
        workspace.restore("before")
        assert model.optimizer is optimizer
        assert train(model, 2) == first

    def test_callbacks_and_the_history_come_back(self):
        model = network()
        names = {"model": model, "stop": keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)}
        names["history"] = model.fit(INPUTS, TARGETS, epochs=2, verbose=0, callbacks=[names["stop"]])
        before = (dict(names["history"].history), names["stop"].best, names["stop"].wait)
        workspace = Workspace(names)
        workspace.store("before")
        history = names["history"]
        names["history"] = model.fit(INPUTS, TARGETS, epochs=3, verbose=0, callbacks=[names["stop"]])
        workspace.restore("before")
        assert names["history"] is model.history is history
        assert (dict(history.history), names["stop"].best, names["stop"].wait) == before

    def test_callbacks_go_on_from_where_they_were(self):
        model = network(keras.optimizers.Adam(0.05))
        stop = keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
        slower = keras.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=1.0, cooldown=1)

        def run():
            history = train(model, 3, callbacks=[stop, slower])
            counts = (stop.best, stop.wait, slower.best, slower.wait, slower.cooldown_counter)
            return history, counts, float(model.optimizer.learning_rate), everything(model)

        run()
        workspace = Workspace({"model": model, "callbacks": [stop, slower]})
        workspace.store("before")
        first = run()
        workspace.restore("before")
        assert run() == first

    def test_what_build_made_since_can_be_called_still(self):
        class Late(keras.layers.Layer):
            def __init__(self):
                super().__init__()
                self.blocks, self.by_name = [], {"first": None}

            def build(self, shape):
                self.blocks.append(keras.layers.Dense(4))
                self.by_name["second"] = keras.layers.Dense(4)
                for block in (self.blocks[0], self.by_name["second"]):
                    block.build(shape)
                self.scales = [self.add_weight(shape=(shape[-1],), initializer="ones")]
                self.inner = keras.layers.Dense(1)
                self.inner.build(shape)

            def call(self, x):
                for block in (*self.blocks, self.by_name["second"]):
                    x = block(x)
                return self.inner(x * self.scales[0])

        layer = Late()
        workspace = Workspace({"layer": layer})
        workspace.store("before")
        before = keras.ops.convert_to_numpy(layer(INPUTS))
        layer.mine, layer.by_name["first"] = 1, 2
        workspace.restore("before")
        assert keras.ops.convert_to_numpy(layer(INPUTS)).tolist() == before.tolist()
        assert not hasattr(layer, "mine")
        assert (len(layer.blocks), layer.by_name["first"]) == (1, None)

    def test_layers_put_into_a_list_before_anything_was_built_are_taken_out_again(self):
        class Stack(keras.layers.Layer):
            def __init__(self):
                super().__init__()
                self.blocks = [keras.layers.Dense(2)]

        stack = Stack()
        workspace = Workspace({"stack": stack})
        workspace.store("before")
        stack.blocks.append(keras.layers.Dense(3))
        workspace.restore("before")
        assert len(stack.blocks) == 1

    def test_a_metric_counts_on_from_where_it_was(self):
        metric, later = keras.metrics.Mean(), keras.metrics.Mean()
        metric.update_state([1.0, 3.0])
        workspace = Workspace({"metrics": [metric, later]})
        workspace.store("before")
        metric.update_state([100.0])
        workspace.restore("before")
        metric.update_state([5.0])
        assert float(metric.result()) == 3.0

    def test_seed_generators_repeat_their_draws_also_the_one_nobody_names(self):
        generator = keras.random.SeedGenerator(5)
        keras.random.normal((1,))
        draw = lambda seed: keras.ops.convert_to_numpy(keras.random.normal((3,), seed=seed)).tolist()  # noqa: E731
        workspace = Workspace({"generator": generator})
        workspace.store("before")
        first = draw(generator), draw(None)
        workspace.restore("before")
        assert (draw(generator), draw(None)) == first

    def test_an_unchanged_model_costs_nothing(self):
        model = network()
        train(model, 1)
        workspace = Workspace({"model": model})
        workspace.store("before")
        workspace.store("again")
        assert workspace.last_store.new_bytes == 0
        assert not workspace.restore("before").changed

    def test_undo_of_a_cold_restore_brings_the_slots_back(self):
        model = network()
        workspace = Workspace({"model": model})
        workspace.store("cold")
        train(model, 1)
        before = everything(model)
        workspace.restore("cold")
        assert everything(model) != before
        workspace.undo()
        assert everything(model) == before

    def test_a_store_and_a_restore_in_the_middle_of_fit_are_whole(self):
        model = network()
        workspace = Workspace({"model": model})
        seen = []

        class Midway(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 0:
                    workspace.store("midway")
                    seen.append(workspace["midway"][model.layers[-1].kernel.path].tolist())

        model.fit(INPUTS, TARGETS, batch_size=8, epochs=1, verbose=0, callbacks=[Midway()])
        workspace.restore("midway")
        assert [keras.ops.convert_to_numpy(model.layers[-1].kernel).tolist()] == seen


class TestNewKernel:
    @pytest.mark.parametrize("built", [False, True], ids=["slots to be made", "slots there"])
    @pytest.mark.parametrize("names", [("model",), ("optimizer", "model")], ids=["model", "optimizer first"])
    def test_a_model_made_again_gets_weights_and_slots(self, tmp_path, built, names):
        model = network()
        train(model, 2)
        objects = {"model": model, "optimizer": model.optimizer}
        Workspace({name: objects[name] for name in names}, tmp_path / "run.zarr").store("before")
        # the first fit of a model takes one order more from what shuffles
        expected, first = everything(model), train(model, 2, shuffle=False)
        other = network()
        if built:
            train(other, 1)
        objects = {"model": other, "optimizer": other.optimizer}
        workspace = Workspace({name: objects[name] for name in names}, tmp_path / "run.zarr")
        status = workspace.restore("before")
        assert not [path for path in status.unused if "/" in path]
        assert everything(other) == expected
        assert train(other, 2, shuffle=False) == first

    def test_another_instance_of_the_model_takes_the_weights(self):
        model = network()
        other = keras.models.clone_model(model)
        other.compile("adam", "mse")
        workspace = Workspace({"model": model, "other": other})
        train(model, 1)
        workspace.store("before")
        workspace.restore("before", into={"model": "other"})
        assert [contents(v) for v in other.weights] == [contents(v) for v in model.weights]
        assert other is not model

    def test_a_model_that_has_no_weights_yet_is_refused_with_what_to_do(self, tmp_path):
        def made():
            model = keras.Sequential([keras.layers.Dense(2)])
            model.compile("adam", "mse")
            return model

        model, other = made(), made()
        train(model, 1)
        Workspace({"model": model}, tmp_path / "run.zarr").store("before")
        with pytest.raises(RestoreFailed, match="call the model on data once"):
            Workspace({"model": other}, tmp_path / "run.zarr").restore("before")
        assert not other.optimizer.built
        other(INPUTS)
        Workspace({"model": other}, tmp_path / "run.zarr").restore("before")
        assert everything(other) == everything(model)

    def test_a_model_of_another_shape_is_refused_and_keeps_what_it_has(self, tmp_path):
        Workspace({"model": network()}, tmp_path / "run.zarr").store("before")
        wide = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dense(1)])
        narrow = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
        Workspace({"m": wide}, tmp_path / "two.zarr").store("before")
        before = [contents(v) for v in narrow.weights]
        with pytest.raises(RestoreFailed, match=r"dense.* has shape \(4, 3\), stored was \(4, 2\)"):
            Workspace({"m": narrow}, tmp_path / "two.zarr").restore("before")
        assert [contents(v) for v in narrow.weights] == before


def test_arrays_models_and_variables_of_the_backend_live_in_one_namespace():
    model = network()
    names = {"model": model, "array": np.ones(3), "list": [1, [2]], "weights": model.get_weights()}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        names["var"] = tf.Variable([1.0])
    workspace = Workspace(names)
    workspace.store("before")
    before = [contents(v) for v in model.weights]
    train(model, 1)
    names["array"][:] = 0
    names["list"][1].append(3)
    names["weights"][0][:] = 5
    if BACKEND == "tensorflow":
        names["var"].assign([9.0])
    workspace.restore("before")
    assert [contents(v) for v in model.weights] == before
    assert (names["array"].tolist(), names["list"]) == ([1, 1, 1], [1, [2]])
    assert BACKEND != "tensorflow" or names["var"].numpy() == [1]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow traces")
def test_no_function_of_a_model_is_traced_again():
    model = network()

    def run():
        train(model, 1)
        model.evaluate(INPUTS, TARGETS, verbose=0)
        model.predict(INPUTS, verbose=0)

    run()
    functions = [model.train_function, model.test_function, model.predict_function]
    workspace = Workspace({"model": model})
    workspace.store("before")
    run()
    Counted.traces.clear()
    workspace.restore("before")
    run()
    assert Counted.traces == []
    assert [model.train_function, model.test_function, model.predict_function] == functions


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX has a cache to count")
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_no_entry_is_added_to_the_caches_of_jax(warm):
    model = network()
    if warm:
        train(model, 1)
    workspace = Workspace({"model": model})
    workspace.store("before")
    train(model, 1)
    function = model.train_function
    (step,) = [cell.cell_contents for cell in function.__closure__ if hasattr(cell.cell_contents, "_cache_size")]
    count = step._cache_size()
    workspace.restore("before")
    train(model, 1)
    assert model.train_function is function
    assert step._cache_size() == count
