"""One bias out of a network, one variable into another, globs and roles: the same in every framework."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import optax
import pandas as pd
import pytest
import tensorflow as tf
import torch
from flax import nnx

from snapshot.selection import root_of
from snapshot.workspace import Workspace

v1 = tf.compat.v1
DATA = np.arange(8.0, dtype="float32").reshape(4, 2)


@dataclass
class Example:
    """A network, trained a little, with a second variable ``w2`` of the shape of one called ``W``.

    ``read`` gives what every variable holds now, by its path; ``train`` changes all of
    them. ``glob`` means ``kernels`` and no others, ``role:parameter`` means ``parameters``.
    """

    names: dict[str, Any]
    read: Callable[[], dict[str, Any]]
    train: Callable[[], object]
    bias: str
    glob: str
    kernels: set[str]
    parameters: set[str] = field(default_factory=set)
    whole: tuple[str, str] = ("W", "w2")
    close: Callable[[], object] = lambda: None


def listed(tree):
    return {path: np.asarray(value).tolist() for path, value in tree.items()}


def of_numpy():
    W, w2, model = np.ones((2, 2)), np.zeros((2, 2)), {"kernel": np.ones((2, 2)), "bias": np.zeros(2)}

    def train():
        for array in (W, w2, *model.values()):
            array += 1

    return Example(
        {"model": model, "W": W, "w2": w2},
        lambda: listed({"model['kernel']": model["kernel"], "model['bias']": model["bias"], "W": W, "w2": w2}),
        train,
        "model['bias']",
        "*kernel*",
        {"model['kernel']"},
    )


def of_pandas():
    W, w2 = pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": [0.0, 0.0]})
    model = {"kernel": pd.Series([1.0, 2.0]), "bias": pd.Series([0.0])}

    def train():
        for table in (W, w2, *model.values()):
            table.iloc[0] = table.iloc[0] + 1

    return Example(
        {"model": model, "W": W, "w2": w2},
        lambda: listed({"model['kernel']": model["kernel"], "model['bias']": model["bias"], "W": W, "w2": w2}),
        train,
        "model['bias']",
        "*kernel*",
        {"model['kernel']"},
    )


def of_torch():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    W, w2 = torch.ones(2, 2), torch.zeros(2, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)

    def train():
        optimizer.zero_grad()
        model(torch.from_numpy(DATA)).square().mean().backward()
        optimizer.step()
        W.add_(1), w2.add_(1)

    def read():
        state = {f"model.{path}": tensor.detach() for path, tensor in model.state_dict().items()}
        for path, parameter in model.named_parameters():
            slots = optimizer.state[parameter]
            state |= {f"optimizer.state[model.{path}]['{slot}']": slots[slot] for slot in slots}
        return listed({**state, "W": W, "w2": w2})

    train()
    weights = {f"model.{path}" for path, _ in model.named_parameters()}
    return Example(
        {"model": model, "optimizer": optimizer, "W": W, "w2": w2},
        read,
        train,
        "model.0.bias",
        "model.?.weight",
        {"model.0.weight", "model.1.weight", "model.2.weight"},
        weights,
    )


def of_keras():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    W, w2 = keras.Variable(np.ones((2, 2)), name="W"), keras.Variable(np.zeros((2, 2)), name="w2")

    def train():
        model.train_on_batch(DATA, DATA[:, :1])
        W.assign_add(np.ones((2, 2))), w2.assign_add(np.ones((2, 2)))

    def read():
        held = [v for v in (*model.variables, *model.optimizer.variables) if v is not model.optimizer.learning_rate]
        return listed({**{variable.path: variable.numpy() for variable in held}, "W": W.numpy(), "w2": w2.numpy()})

    train()
    weights = {variable.path for variable in model.trainable_variables}
    return Example(
        {"model": model, "W": W, "w2": w2},
        read,
        train,
        model.layers[0].bias.path,
        "*/kernel",
        {path for path in weights if path.endswith("kernel")},
        weights | {"W", "w2"},
    )


def of_tensorflow2():
    model = tf.Module()
    model.layers = [{"kernel": tf.Variable(tf.ones((2, 2))), "bias": tf.Variable([0.0, 0.0])} for _ in range(2)]
    model.steps = tf.Variable(0, trainable=False)
    W, w2 = tf.Variable(tf.ones((2, 2))), tf.Variable(tf.zeros((2, 2)))
    parts = {
        f"model.layers[{number}]['{name}']": layer[name]
        for number, layer in enumerate(model.layers)
        for name in ("kernel", "bias")
    }

    def train():
        for variable in (*parts.values(), model.steps, W, w2):
            variable.assign_add(tf.ones_like(variable))

    return Example(
        {"model": model, "W": W, "w2": w2},
        lambda: listed({p: v.numpy() for p, v in {**parts, "model.steps": model.steps, "W": W, "w2": w2}.items()}),
        train,
        "model.layers[0]['bias']",
        "*kernel*",
        {path for path in parts if "kernel" in path},
        {*parts, "W", "w2"},
    )


def of_tensorflow1():
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, (None, 2))
        with v1.variable_scope("net"):
            kernel = v1.get_variable("kernel", (2, 2), initializer=v1.ones_initializer())
            bias = v1.get_variable("bias", (2,), initializer=v1.ones_initializer())
        loss = tf.reduce_mean((x @ kernel + bias) ** 2)
        W = v1.get_variable("W", (2, 2), initializer=v1.ones_initializer())
        w2 = v1.get_variable("w2", (2, 2), initializer=v1.zeros_initializer())
        step = v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, var_list=[kernel, bias])
        more = [v1.assign_add(W, tf.ones_like(W)), v1.assign_add(w2, tf.ones_like(w2))]
        start = v1.global_variables_initializer()
    session = v1.Session(graph=graph)
    session.run(start)
    held = {variable.op.name: variable for variable in graph.get_collection("variables")}

    def train():
        session.run([step, *more], {x: DATA})

    train()
    return Example(
        {"session": session},
        lambda: listed(session.run(held)),
        train,
        "net/bias",
        "net/kern*l",
        {"net/kernel"},
        {"net/kernel", "net/bias", "W", "w2"},
        close=session.close,
    )


def of_jax():
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.zeros(2)}
    adam = optax.adam(0.1)
    names = {"params": params, "slots": adam.init(params), "W": jnp.ones((2, 2)), "w2": jnp.zeros((2, 2))}

    def train():
        updates, names["slots"] = adam.update({"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}, names["slots"])
        new = optax.apply_updates(dict(params), updates)
        params.update(new)
        names["W"], names["w2"] = names["W"] + 1, names["w2"] + 1

    def read():
        moments = {f"slots[0].{m}['{p}']": getattr(names["slots"][0], m)[p] for m in ("mu", "nu") for p in params}
        held = {"params['kernel']": params["kernel"], "params['bias']": params["bias"], "W": names["W"]}
        return listed({**held, **moments, "slots[0].count": names["slots"][0].count, "w2": names["w2"]})

    train()
    return Example(names, read, train, "params['bias']", "params*kernel*", {"params['kernel']"})


def of_flax():
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.hidden = nnx.Linear(2, 3, rngs=rngs)
            self.norm = nnx.BatchNorm(3, rngs=rngs)
            self.out = nnx.Linear(3, 1, rngs=rngs)

    model = Net(nnx.Rngs(0))
    names = {"model": model, "W": nnx.Param(jnp.ones((2, 2))), "w2": nnx.Param(jnp.zeros((2, 2)))}
    held = {
        **{f"model.{layer}.{name}": getattr(getattr(model, layer), name) for layer in ("hidden", "out")
           for name in ("kernel", "bias")},
        **{f"model.norm.{name}": getattr(model.norm, name) for name in ("scale", "bias", "mean", "var")},
        "W": names["W"], "w2": names["w2"],
    }  # fmt: skip

    def train():
        for variable in held.values():
            variable[...] = variable[...] + 1

    return Example(
        names,
        lambda: listed({path: variable[...] for path, variable in held.items()}),
        train,
        "model.hidden.bias",
        "model.*.kernel",
        {"model.hidden.kernel", "model.out.kernel"},
        {path for path in held if path not in ("model.norm.mean", "model.norm.var")},
    )


MAKERS = {
    maker.__name__.removeprefix("of_"): maker
    for maker in (of_numpy, of_pandas, of_torch, of_keras, of_tensorflow2, of_tensorflow1, of_jax, of_flax)
}


@pytest.fixture(params=MAKERS)
def example(request):
    made = MAKERS[request.param]()
    yield made
    made.close()


def stored_and_trained(example):
    workspace = Workspace(example.names)
    workspace.store("before")
    before = example.read()
    example.train()
    after = example.read()
    assert [path for path in before if before[path] == after[path]] == []
    return workspace, before, after


def test_one_bias_is_restored_and_all_else_is_left_alone_and_listed(example):
    workspace, before, after = stored_and_trained(example)
    status = workspace.restore("before", only=[example.bias])
    assert example.read() == {**after, example.bias: before[example.bias]}
    assert example.bias in {*status.assigned, *status.rebuilt}
    left_alone = set(status.untouched)
    assert {path for path in after if path not in left_alone and root_of(path) not in left_alone} == {example.bias}


def test_a_bias_is_read_by_its_path(example):
    workspace, before, _ = stored_and_trained(example)
    assert np.asarray(workspace["before"][example.bias]).tolist() == before[example.bias]


def test_a_stored_variable_goes_into_another_live_one(example):
    workspace, before, after = stored_and_trained(example)
    W, w2 = example.whole
    status = workspace.restore("before", into={W: w2})
    assert example.read() == {**after, w2: before[W]}
    assert w2 in {*status.assigned, *status.rebuilt}


def test_a_glob_restores_what_it_matches_and_nothing_else(example):
    workspace, before, after = stored_and_trained(example)
    workspace.restore("before", only=[example.glob])
    assert example.read() == {**after, **{path: before[path] for path in example.kernels}}


# plain arrays have no role but that of a value
WITH_ROLES = pytest.mark.parametrize("name", sorted(MAKERS.keys() - {"numpy", "pandas", "jax"}))


@WITH_ROLES
def test_parameters_are_restored_and_slots_and_buffers_left_alone(name):
    example = MAKERS[name]()
    workspace, before, after = stored_and_trained(example)
    workspace.restore("before", only=["role:parameter"])
    assert example.read() == {**after, **{path: before[path] for path in example.parameters}}
    example.close()


@WITH_ROLES
def test_a_store_can_be_of_parameters_only(name):
    example = MAKERS[name]()
    made = Workspace(example.names).store("weights", only="role:parameter")
    assert set(made.variables) == example.parameters
    example.close()
