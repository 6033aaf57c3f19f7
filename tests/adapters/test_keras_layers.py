"""Layers added and taken away, and settings that hold objects, on the backend that runs."""

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
keras = pytest.importorskip("keras")

from snapshot.errors import NotMatched  # noqa: E402
from snapshot.workspace import Workspace  # noqa: E402

INPUTS = np.linspace(-1, 1, 64, dtype="float32").reshape(8, 8)
TARGETS = INPUTS.sum(axis=1, keepdims=True)


def made(warm=False):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(6), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    if warm:
        train(model)
    return model


def train(model):
    return model.fit(INPUTS, TARGETS, batch_size=4, epochs=2, shuffle=False, verbose=0).history["loss"]


CHANGES = {
    "pop": lambda model: model.pop(),
    "add": lambda model: model.add(keras.layers.Dense(3)),
    "other": lambda model: (model.pop(), model.add(keras.layers.Dense(4))),
    "pop all": lambda model: (model.pop(), model.pop()),
}


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("fits", [False, True], ids=["as is", "trained so"])
def test_layers_come_back_and_training_goes_on_bit_for_bit(change, warm, fits):
    model = made(warm)
    layers = list(model.layers)
    workspace = Workspace({"model": model})
    workspace.store("before")
    expected = train(model)
    workspace.restore("before")
    CHANGES[change](model)
    if fits and model.layers:
        model.compile("sgd", "mse")
        model.predict(INPUTS, verbose=0)
    workspace.restore("before")
    assert all(one is other for one, other in zip(model.layers, layers, strict=True))
    assert (tuple(model(INPUTS).shape), model.output_shape, len(model.weights)) == ((8, 1), (None, 1), 4)
    assert model.predict(INPUTS, verbose=0).shape == (8, 1)
    assert train(model) == expected


def test_an_undo_brings_the_changed_layers_back():
    model = made()
    workspace = Workspace({"model": model})
    workspace.store("before")
    model.add(keras.layers.Dense(3))
    workspace.restore("before")
    workspace.undo()
    assert (len(model.layers), tuple(model(INPUTS).shape)) == (3, (8, 3))


def test_layers_added_to_a_model_that_had_no_input_are_taken_out():
    model = keras.Sequential([keras.layers.Dense(6)])
    workspace = Workspace({"model": model})
    workspace.store("before")
    model.add(keras.layers.Dense(1))
    model(INPUTS)
    workspace.restore("before")
    assert (len(model.layers), tuple(model(INPUTS).shape)) == (1, (8, 6))


SETTINGS = {
    "activation": (None, keras.activations.relu),
    "kernel_regularizer": (keras.regularizers.L2(0.1), None),
    "bias_regularizer": (None, keras.regularizers.L1(0.1)),
    "kernel_constraint": (keras.constraints.NonNeg(), None),
    "kernel_initializer": ("zeros", keras.initializers.Ones()),
    "activity_regularizer": (None, keras.regularizers.L2(0.5)),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_layers_setting_counts_as_changed_and_is_bound_back(name):
    first, other = SETTINGS[name]
    layer = keras.layers.Dense(2, **{name: first})
    layer.build((None, 8))
    before = getattr(layer, name)
    workspace = Workspace({"layer": layer})
    workspace.store("before")
    setattr(layer, name, other)
    assert workspace.restore("before").changed
    assert getattr(layer, name) is before


def test_a_limit_of_an_optimizer_that_was_none_is_none_again():
    optimizer = keras.optimizers.Adam()
    workspace = Workspace({"optimizer": optimizer})
    workspace.store("before")
    optimizer.clipnorm = 1.0
    workspace.restore("before")
    assert optimizer.clipnorm is None


def test_a_function_made_with_another_activation_is_made_again():
    model = made()
    workspace = Workspace({"model": model})
    workspace.store("before")
    before = model(INPUTS)
    model.layers[0].activation = keras.activations.relu
    model.predict(INPUTS, verbose=0)
    workspace.restore("before")
    given = model.predict(INPUTS, verbose=0)
    np.testing.assert_allclose(given, keras.ops.convert_to_numpy(before), rtol=1e-5, atol=1e-6)


def test_another_models_layers_are_never_put_into_a_model():
    model, other = made(), made()
    layers = list(other.layers)
    workspace = Workspace({"model": model, "other": other})
    workspace.store("before")
    workspace.restore("before", into={"model": "other"})
    assert all(one is each for one, each in zip(other.layers, layers, strict=True))


class Net(keras.Model):
    """It makes no weights before it is called."""

    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(2, name="first")

    def call(self, inputs):
        return self.first(inputs)


def test_a_layer_attached_since_stays_and_is_named():
    model = Net()
    workspace = Workspace({"model": model})
    workspace.store("before")
    model.later = keras.layers.Dense(1, name="later")
    model.later.build((None, 2))
    status = workspace.restore("before")
    assert list(status.untouched) == [variable.path for variable in model.later.variables]
    assert "made since, kept: " + ", ".join(status.untouched) in str(status)
    with pytest.raises(NotMatched, match="later"):
        status.assert_existing_matched()


def test_no_layer_is_said_to_be_new_in_a_model_that_has_the_same_ones():
    model = Net()
    model(INPUTS)
    workspace = Workspace({"model": model})
    workspace.store("before")
    model.first.kernel.assign(model.first.kernel + 1)
    workspace.restore("before").assert_existing_matched()
