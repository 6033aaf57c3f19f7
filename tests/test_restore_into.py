"""``into`` another instance: its own arrays take the stored values, the model that was stored is left alone."""

import os
import subprocess
import sys

import numpy as np
import pytest

from snapshot.workspace import Workspace

ROWS = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3)


def tf_module():
    tf = pytest.importorskip("tensorflow")

    class Net(tf.Module):
        def __init__(self, seed):
            super().__init__()
            self.layers = [tf.Variable(tf.random.stateless_normal((3, 2), [seed, 1])), tf.Variable([float(seed)])]
            self.heads = {"a": tf.Variable([seed, 2.0])}

    def train(net):
        for variable in net.variables:
            variable.assign_add(tf.ones_like(variable))

    return Net, train, lambda net: [v.numpy().tolist() for v in net.variables], lambda net: list(net.variables)


def keras_model():
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = pytest.importorskip("keras")

    def made(seed):
        layers = [keras.layers.Dense(4, kernel_initializer=keras.initializers.GlorotUniform(seed))]
        layers += [keras.layers.BatchNormalization(), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((3,)), *layers])
        model.compile("adam", "mse", jit_compile=False)
        model.train_on_batch(ROWS, ROWS[:, :1] * seed)
        return model

    def variables(model):
        return [*model.variables, *model.optimizer.variables]

    def contents(model):
        return [np.asarray(keras.ops.convert_to_numpy(v)).tolist() for v in variables(model)]

    return made, lambda model: model.train_on_batch(ROWS, ROWS[:, :1]), contents, variables


def torch_module():
    torch = pytest.importorskip("torch")

    def made(seed):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))

    def train(model):
        model(torch.tensor(ROWS)).sum().backward()
        torch.optim.SGD(model.parameters(), 0.1).step()
        model.zero_grad()

    def tensors(model):
        return list(model.state_dict(keep_vars=True).values())

    return made, train, lambda model: [t.detach().tolist() for t in tensors(model)], tensors


def nnx_module():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, seed):
            rngs = nnx.Rngs(seed)
            self.first, self.norm = nnx.Linear(3, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs)

    def variables(net):
        return [net.first.kernel, net.first.bias, net.norm.mean, net.norm.scale]

    def train(net):
        for variable in variables(net):
            variable[...] = variable[...] + 1

    return Net, train, lambda net: [np.asarray(v[...]).tolist() for v in variables(net)], variables


def equinox_module():
    eqx = pytest.importorskip("equinox")
    jax = pytest.importorskip("jax")

    # its arrays cannot be written: those of the other module are new, the module is the same
    def contents(model):
        return [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array))]

    return lambda seed: eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(seed)), lambda model: None, contents, lambda m: []


def sklearn_estimator():
    linear = pytest.importorskip("sklearn.linear_model")

    def made(seed):
        return linear.SGDRegressor(random_state=seed).fit(ROWS, ROWS[:, 0] * seed)

    def contents(model):
        return model.coef_.tolist(), model.intercept_.tolist(), model.t_, model.get_params()

    return made, lambda model: model.partial_fit(ROWS, ROWS[:, 1]), contents, lambda model: []


LIBRARIES = [tf_module, keras_model, torch_module, nnx_module, equinox_module, sklearn_estimator]


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
def test_another_instance_takes_the_values_and_the_stored_model_is_left_alone(library, where, tmp_path):
    make, train, contents, parts = library()
    names = {"model": make(1), "other": make(2), "third": make(2)}
    workspace = Workspace(names, tmp_path / "run.zarr" if where == "disk" else None)
    workspace.store("before")
    before, objects = contents(names["model"]), dict(names)
    train(names["model"])
    later, third, held = contents(names["model"]), contents(names["third"]), parts(names["other"])
    assert contents(names["other"]) != before
    if where == "disk":
        workspace = Workspace(names, tmp_path / "run.zarr")
    status = workspace.restore("before", only=["model"], into={"model": "other"})
    assert contents(names["other"]) == before
    assert (contents(names["model"]), contents(names["third"])) == (later, third)
    assert {name: names[name] is obj for name, obj in objects.items()} == dict.fromkeys(objects, True)
    assert all(one is other for one, other in zip(parts(names["other"]), held, strict=True))
    assert not status.unused


@pytest.mark.timeout(900)  # a whole backend, compiled in another process
@pytest.mark.skipif("SNAPSHOT_ONE_BACKEND" in os.environ, reason="already one of several")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_holds_for_keras_on_another_backend(backend):
    pytest.importorskip("keras")
    pytest.importorskip(backend)
    env = {**os.environ, "KERAS_BACKEND": backend, "SNAPSHOT_ONE_BACKEND": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "keras_model", __file__]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=880)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
