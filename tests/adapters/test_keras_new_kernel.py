"""Keras objects that are made anew from a repository hold what was stored, also where Keras's own pickle does not."""

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
keras = pytest.importorskip("keras")

from snapshot.workspace import Workspace  # noqa: E402

DATA = np.ones((1, 2, 2), "float32")


def contents(variables):
    return [np.asarray(keras.ops.convert_to_numpy(variable)).tolist() for variable in variables]


def trained_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(np.ones((4, 2)), np.zeros((4, 2)), epochs=2, verbose=0)
    return model


def used_optimizer():
    optimizer = keras.optimizers.Adam(0.1)
    weights = [keras.Variable([1.0, 2.0]), keras.Variable([[3.0]])]
    optimizer.apply([keras.ops.ones(weight.shape) for weight in weights], weights)
    return optimizer


def used_metric():
    metric = keras.metrics.Mean()
    metric.update_state([1.0, 5.0])
    return metric


def used_generator():
    generator = keras.random.SeedGenerator(5)
    generator.next()
    return generator


def used_dropout():
    layer = keras.layers.Dropout(0.5, seed=3)
    layer(DATA, training=True)
    return layer


def used_gru():
    layer = keras.layers.GRU(3, stateful=True)
    layer(DATA)
    return layer


def assigned_variable():
    variable = keras.Variable([0.0, 0.0])
    variable.assign([1.0, 2.0])
    return variable


#: name -> (the object, its variables)
OBJECTS = {
    "variable": (assigned_variable, lambda one: [one]),
    "optimizer": (used_optimizer, lambda one: one.variables),
    "metric": (used_metric, lambda one: one.variables),
    "seed generator": (used_generator, lambda one: [one.state]),
    "dropout": (used_dropout, lambda one: [one.seed_generator.state]),
    "gru": (used_gru, lambda one: [*one.variables, *one.states]),
    "model": (trained_model, lambda one: [*one.variables, *one.optimizer.variables]),
}
HOLDERS = {"itself": lambda one: one, "in a list": lambda one: [one], "in a dict": lambda one: {"a": [one, 3]}}
TAKEN = {"itself": lambda one: one, "in a list": lambda one: one[0], "in a dict": lambda one: one["a"][0]}


def stored(path, **names):
    workspace = Workspace(names, path)
    workspace.store("before")
    workspace.close()


def made_anew(path, *only):
    names = {}
    status = Workspace(names, path).restore("before", *only)
    return names, {name: why for name, why in status.unused_reasons.items() if not name.startswith("(")}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("kind", OBJECTS)
def test_it_holds_what_was_stored(kind, holder, tmp_path):
    make, variables = OBJECTS[kind]
    obj = make()
    stored(tmp_path / "run.zarr", obj=HOLDERS[holder](obj))
    names, unused = made_anew(tmp_path / "run.zarr")
    found = TAKEN[holder](names["obj"])
    assert found is not obj
    assert contents(variables(found)) == contents(variables(obj))
    assert not unused


@pytest.mark.parametrize("first", ["optimizer", "model", "layer"])
def test_a_model_comes_back_with_its_own_layers_and_its_own_optimizer(first, tmp_path):
    model = trained_model()
    parts = {"optimizer": model.optimizer, "model": model, "layer": model.layers[0]}
    stored(tmp_path / "run.zarr", **{first: parts[first], **parts})
    names, unused = made_anew(tmp_path / "run.zarr")
    assert list(names) == list({first: 0, **parts})
    assert names["optimizer"] is names["model"].optimizer
    assert names["layer"] is names["model"].layers[0]
    assert contents(names["optimizer"].variables) == contents(model.optimizer.variables)
    assert not unused
    names["model"].fit(np.ones((4, 2)), np.zeros((4, 2)), verbose=0)
    assert int(names["optimizer"].iterations) == int(model.optimizer.iterations) + 1


def test_an_optimizer_of_the_users_own_loop_goes_on_with_the_model(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    optimizer = keras.optimizers.Adam(0.1)
    ones = [keras.ops.ones(weight.shape) for weight in model.trainable_variables]
    optimizer.apply(ones, model.trainable_variables)
    stored(tmp_path / "run.zarr", optimizer=optimizer, model=model)
    names, unused = made_anew(tmp_path / "run.zarr")
    assert not unused
    for one, weights in ((optimizer, model), (names["optimizer"], names["model"])):
        one.apply(ones, weights.trainable_variables)
    assert contents(names["model"].variables) == contents(model.variables)
    assert contents(names["optimizer"].variables) == contents(optimizer.variables)


def test_an_object_of_the_users_that_holds_a_layer_is_filled_too(tmp_path):
    optimizer, metric = used_optimizer(), used_metric()

    class Experiment:
        def __init__(self):
            self.metric, self.optimizer, self.name = metric, optimizer, "one"

    stored(tmp_path / "run.zarr", experiment=Experiment())
    names, unused = made_anew(tmp_path / "run.zarr")
    assert contents(names["experiment"].metric.variables) == contents(metric.variables)
    assert contents(names["experiment"].optimizer.variables) == contents(optimizer.variables)
    assert not unused


def test_what_its_class_does_not_make_again_is_named(tmp_path):
    metric = used_metric()
    metric.more = metric.add_variable((2,), "ones", name="more")
    stored(tmp_path / "run.zarr", metric=metric, number=3)
    names, unused = made_anew(tmp_path / "run.zarr")
    assert contents(names["metric"].variables) == contents(metric.variables[:2])
    assert names["number"] == 3
    assert any("metric" in name and "make the object as it was" in why for name, why in unused.items())
