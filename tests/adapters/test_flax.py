"""flax: live variables of nnx, and the frozen states of linen."""

from functools import partial
from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState

from snapshot.model import Role
from snapshot.workspace import Workspace

X = jnp.asarray(np.random.default_rng(0).normal(size=(16, 3)), jnp.float32)


class Net(nnx.Module):
    """Parameters, running statistics and a random stream."""

    def __init__(self, rngs):
        self.first = nnx.Linear(3, 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.last = nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(nnx.relu(self.norm(self.first(x)))))


@nnx.jit
def step(model, optimizer):
    value, grads = nnx.value_and_grad(lambda m: ((m(X)[:, 0] - X.sum(1)) ** 2).mean())(model)
    optimizer.update(model, grads)
    return value


def training(transformation):
    """A model and its optimizer; ``run`` takes four steps."""
    model = Net(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, transformation, wrt=nnx.Param)
    names = {"model": model, "optimizer": optimizer}
    return SimpleNamespace(names=names, run=lambda: [float(step(model, optimizer)) for _ in range(4)])


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("transformation", [optax.sgd(0.1, momentum=0.9), optax.adam(1e-2)], ids=["sgd", "adam"])
def test_training_repeats_bit_for_bit_with_dropout_and_statistics(transformation, warm):
    made = training(transformation)
    if warm:
        made.run()
    workspace = Workspace(made.names)
    workspace.store("before")
    model, kernel = made.names["model"], made.names["model"].first.kernel
    losses = made.run()
    workspace.restore("before")
    assert model.first.kernel is kernel
    assert made.run() == losses


def test_a_restore_makes_no_jitted_step_compile_again():
    made = training(optax.adam(1e-2))
    traces = []

    @nnx.jit
    def counted(model):
        traces.append(1)
        return model(X).sum()

    counted(made.names["model"])
    workspace = Workspace(made.names)
    workspace.store("before")
    made.run()
    workspace.restore("before")
    counted(made.names["model"])
    assert len(traces) == 1


def test_a_step_that_takes_the_buffers_of_its_model_repeats_and_is_not_compiled_again():
    made, traces = training(optax.adam(1e-2)), []

    @partial(nnx.jit, donate_argnums=(0, 1))
    def donating(model, optimizer):
        traces.append(1)
        value, grads = nnx.value_and_grad(lambda m: ((m(X)[:, 0] - X.sum(1)) ** 2).mean())(model)
        optimizer.update(model, grads)
        return value

    model, optimizer = made.names["model"], made.names["optimizer"]
    run = lambda: [float(donating(model, optimizer)) for _ in range(3)]  # noqa: E731
    workspace = Workspace(made.names)
    workspace.store("before")
    first, count = run(), len(traces)
    workspace.restore("before")
    assert run() == first
    assert (count, len(traces)) == (1, 1)


def test_a_state_goes_on_sharing_its_variables_with_its_model():
    model = Net(nnx.Rngs(0))
    names = {"model": model, "state": nnx.state(model), "parts": nnx.split(model), "rngs": nnx.Rngs(3)}
    shares = names["state"]["first"]["kernel"] is model.first.kernel
    workspace = Workspace(names)
    workspace.store("before")
    before, drawn = model.first.kernel[...], names["rngs"].params()
    model.first.kernel[...] = before * 0
    names["rngs"].params()
    workspace.restore("before")
    assert (model.first.kernel[...] == before).all()
    assert (names["state"]["first"]["kernel"][...] == before).all()
    assert (names["state"]["first"]["kernel"] is model.first.kernel) == shares
    assert names["rngs"].params() == drawn


def test_variables_go_by_their_own_names_and_roles():
    workspace = Workspace(training(optax.adam(1e-2)).names)
    variables = workspace.store("before").variables
    assert variables["model.first.kernel"].role is Role.PARAMETER
    assert variables["model.norm.mean"].role is Role.BUFFER
    assert variables["model.drop.rngs.count"].role is Role.RNG
    assert variables["optimizer.step"].role is Role.SLOT


def test_parameters_are_restored_alone():
    made = training(optax.adam(1e-2))
    workspace = Workspace(made.names)
    workspace.store("before")
    before = made.names["model"].first.kernel[...]
    made.run()
    workspace.restore("before", only=["role:parameter"])
    assert (made.names["model"].first.kernel[...] == before).all()
    assert made.names["optimizer"].step[...] == 4


def test_values_go_into_a_model_of_another_kernel(tmp_path):
    made = training(optax.adam(1e-2))
    made.run()
    Workspace(made.names, tmp_path / "run.zarr").store("before")
    losses = made.run()
    other = training(optax.adam(1e-2))
    kernel = other.names["model"].first.kernel
    Workspace(other.names, tmp_path / "run.zarr").restore("before")
    assert other.names["model"].first.kernel is kernel
    assert other.run() == losses


def test_a_train_state_is_frozen_and_its_name_goes_back():
    model = nn.Dense(1)
    params = model.init(jax.random.key(0), X)
    names = {"state": TrainState.create(apply_fn=model.apply, params=params, tx=optax.adam(1e-2))}

    @jax.jit
    def train(state):
        def loss(params):
            return ((state.apply_fn(params, X)[:, 0] - X.sum(1)) ** 2).mean()

        value, grads = jax.value_and_grad(loss)(state.params)
        return state.apply_gradients(grads=grads), value

    def run():
        losses = []
        for _ in range(3):
            names["state"], value = train(names["state"])
            losses.append(float(value))
        return losses

    workspace = Workspace(names)
    workspace.store("before")
    state, losses = names["state"], run()
    workspace.restore("before")
    assert names["state"] is state
    assert run() == losses
