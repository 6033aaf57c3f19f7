"""Values that wait for Keras to build: layers, optimizers, metrics, on each backend."""

import os
import subprocess
import sys

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
keras = pytest.importorskip("keras")

from snapshot.adapters.keras_variables import VARIABLE  # noqa: E402
from tests.adapters.deferral import restored  # noqa: E402

BACKEND = keras.backend.backend()
INPUTS = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3)
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


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="net")
        self.first = keras.layers.Dense(4, name="first")
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.last = keras.layers.Dense(1, name="last")

    def call(self, batch):
        return self.last(self.norm(self.first(batch)))


def sequential():
    layers = [keras.layers.Dense(4, name="first"), keras.layers.Dense(1, name="last")]
    return keras.Sequential(layers, name="net")


def fit(model):
    return model.fit(INPUTS, TARGETS, batch_size=4, shuffle=False, verbose=0).history["loss"]


def made(make, train=0):
    keras.backend.clear_session()  # a new kernel numbers its names from one
    model = make()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    for _ in range(train):
        fit(model)
    return {"model": model}


def contents(model):
    return [VARIABLE.view(variable).copy() for variable in (*model.variables, *model.optimizer.variables)]


def same(one, other):
    left, right = contents(one), contents(other)
    return len(left) == len(right) and all(map(np.array_equal, left, right))


@pytest.mark.parametrize("make", [sequential, Subclassed])
def test_training_goes_on_bit_for_bit_in_a_model_that_fit_builds(tmp_path, make):
    stored, live = made(make, train=2), made(make)
    _, status = restored(tmp_path, stored, live)
    assert "net/first/kernel" in status.deferred
    assert "adam/net_first_kernel_momentum" in status.deferred
    assert fit(live["model"]) == fit(stored["model"])
    assert same(live["model"], stored["model"])
    assert status.deferred == ()


def test_the_first_call_gives_what_the_stored_model_gives(tmp_path):
    stored, live = made(sequential, train=1), made(sequential)
    restored(tmp_path, stored, live)
    given, expected = live["model"](INPUTS), stored["model"](INPUTS)
    assert np.array_equal(keras.ops.convert_to_numpy(given), keras.ops.convert_to_numpy(expected))


def test_a_value_is_assigned_once_and_never_after_training(tmp_path):
    stored, live = made(sequential, train=1), made(sequential)
    _, status = restored(tmp_path, stored, live)
    fit(live["model"])
    trained = contents(live["model"])
    live["model"](INPUTS)
    status.apply_deferred()
    assert all(map(np.array_equal, contents(live["model"]), trained))


def test_every_wrapper_is_taken_off_again(tmp_path):
    stored, live = made(sequential, train=1), made(sequential)
    objects = [live["model"], *live["model"].layers, live["model"].optimizer]
    before = [{name: vars(each).get(name) for name in ("build", "compile")} for each in objects]
    workspace, _ = restored(tmp_path, stored, live)
    assert vars(live["model"].layers[0])["build"] is not before[1]["build"]
    workspace.close()
    assert [{name: vars(each).get(name) for name in ("build", "compile")} for each in objects] == before


def layer(built):
    keras.backend.clear_session()
    found = keras.layers.Dense(2)
    if built:
        found.build((None, 3))
    return {"layer": found}


def test_a_layer_takes_its_values_when_it_is_built(tmp_path):
    stored, live = layer(built=True), layer(built=False)
    stored["layer"].kernel.trainable = False
    _, status = restored(tmp_path, stored, live)
    live["layer"].build((None, 3))
    assert np.array_equal(VARIABLE.view(live["layer"].kernel), VARIABLE.view(stored["layer"].kernel))
    assert not live["layer"].kernel.trainable
    status.assert_consumed()


def test_another_shape_is_named_and_the_build_goes_on(tmp_path):
    live = layer(built=False)
    _, status = restored(tmp_path, layer(built=True), live)
    live["layer"].build((None, 5))
    assert tuple(live["layer"].kernel.shape) == (5, 2)
    assert status.deferred_reasons == {"dense/kernel": "has shape (5, 2), stored was (3, 2)"}


def test_undo_gives_first_values_back_and_ends_the_wait(tmp_path):
    live = {**layer(built=False), "other": keras.layers.Dense(1, name="other", bias_initializer="ones")}
    stored = {**layer(built=True), "other": keras.layers.Dense(1, name="other")}
    stored["other"].build((None, 2))
    workspace, status = restored(tmp_path, stored, live)
    live["other"].build((None, 2))
    bias = live["other"].bias
    assert VARIABLE.view(bias).tolist() == [0]
    workspace.undo()
    assert VARIABLE.view(bias).tolist() == [1]
    assert status.unused_reasons["dense/kernel"] == "its restore was undone"


def test_a_failing_hook_never_breaks_the_build(tmp_path, monkeypatch):
    live = layer(built=False)
    _, status = restored(tmp_path, layer(built=True), live)

    def fail(*_):
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(type(VARIABLE), "assign", fail)
        live["layer"].build((None, 3))
    assert status.deferred_reasons["dense/kernel"] == "RuntimeError: no"
    status.apply_deferred().assert_consumed()


def test_a_model_compiled_after_the_restore_gets_its_optimizer_back(tmp_path):
    stored = made(sequential, train=2)
    keras.backend.clear_session()
    live = {"model": sequential()}
    _, status = restored(tmp_path, stored, live)
    live["model"].compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    assert fit(live["model"]) == fit(stored["model"])
    assert not [path for path in status.deferred if path.startswith("adam")]
    assert same(live["model"], stored["model"])


class Counting(keras.layers.Dense):
    """A layer that counts how often its Python code runs."""

    calls = 0

    def call(self, batch):
        type(self).calls += 1
        return super().call(batch)


def test_the_model_is_traced_as_often_with_waiting_values_as_without(tmp_path):
    def make():
        return keras.Sequential([Counting(4, name="first"), keras.layers.Dense(1, name="last")], name="net")

    stored, counts = made(make, train=1), []
    for wait in (False, True):
        live = made(make)
        if wait:
            restored(tmp_path, stored, live)
        Counting.calls = 0
        fit(live["model"])
        fit(live["model"])
        counts.append(Counting.calls)
    assert counts[0] == counts[1]
