"""What preprocessing layers learn by ``adapt``, and what stateful layers carry on, is rolled back."""

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from snapshot.workspace import Workspace  # noqa: E402


def plain(result):
    return np.asarray(keras.ops.convert_to_numpy(result)).tolist()


def words(layer):
    return layer.get_vocabulary(), plain(layer([["a", "b", "c"]]))


def numbers(layer):
    return layer.get_vocabulary(), plain(layer([[3, 4, 5]]))


def texts(layer):
    return layer.get_vocabulary(), plain(layer(["a b", "c c"]))


def floats(layer):
    return plain(layer(np.array([[0.0, 1.0], [4.0, 2.0]], "float32")))


def continued(layer):
    # asked without running it, which would carry the state on
    return [plain(state) for state in layer.states]


SAMPLE = np.arange(12.0, dtype="float32").reshape(6, 2)
#: name -> (how to make the layer, what it learns first, what it learns then, what it does)
LAYERS = {
    "StringLookup": (keras.layers.StringLookup, ["a", "b"], ["c", "b", "b"], words),
    "inverted": (lambda: keras.layers.StringLookup(invert=True), ["a"], ["c", "b"], lambda one: one.get_vocabulary()),
    "IntegerLookup": (keras.layers.IntegerLookup, [3, 4], [5], numbers),
    "TextVectorization": (keras.layers.TextVectorization, ["a b c"], ["c d"], texts),
    "tf_idf": (lambda: keras.layers.TextVectorization(output_mode="tf_idf"), ["a b", "b"], ["a c", "c", "c"], texts),
    "Discretization": (lambda: keras.layers.Discretization(num_bins=3), SAMPLE, SAMPLE * 5, floats),
    "Normalization": (keras.layers.Normalization, SAMPLE, SAMPLE * 5, floats),
}


@pytest.fixture(params=LAYERS)
def case(request):
    return LAYERS[request.param]


def test_what_a_layer_learned_comes_back_after_it_learned_anew(case):
    make, first, second, does = case
    layer = make()
    layer.adapt(first)
    before = does(layer)
    workspace = Workspace({"layer": layer})
    assert not workspace.store("before").report
    layer.adapt(second)
    after = does(layer)
    assert after != before
    workspace.restore("before")
    assert does(layer) == before
    workspace.undo()
    assert does(layer) == after


def test_a_layer_that_had_learned_nothing_can_learn_again(case):
    make, first, second, does = case
    layer = make()
    layer.adapt(first)
    expected = does(layer)
    layer = make()
    workspace = Workspace({"layer": layer})
    assert not workspace.store("before").report
    layer.adapt(second)
    workspace.restore("before")
    assert layer.get_config().get("bin_boundaries") is None
    assert "get_vocabulary" not in dir(layer) or "c" not in layer.get_vocabulary()
    layer.adapt(first)
    assert does(layer) == expected


@pytest.mark.parametrize("live", ["learned", "another", "none"])
def test_what_a_layer_learned_comes_back_from_disk(case, live, tmp_path):
    make, first, second, does = case
    layer = make()
    layer.adapt(first)
    workspace = Workspace({"layer": layer}, tmp_path / "run.zarr")
    workspace.store("before")
    workspace.close()
    names = {}
    if live != "none":
        names["layer"] = make()
    if live == "another":
        names["layer"].adapt(second)
    elif live == "learned":
        names["layer"].adapt(first)
    present = names.get("layer")
    status = Workspace(names, tmp_path / "run.zarr").restore("before")
    assert not status.unused
    assert present is None or names["layer"] is present
    assert does(names["layer"]) == does(layer)


def test_a_vocabulary_that_was_set_comes_back_into_a_model_that_ran():
    layer = keras.layers.StringLookup()
    layer.set_vocabulary(["a", "b"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), layer])
    asked = keras.ops.convert_to_tensor([["b"], ["c"]]) if keras.backend.backend() == "tensorflow" else None
    if asked is None:
        pytest.skip("only TensorFlow has tensors of text")
    before = plain(model.predict(asked, verbose=0))
    workspace = Workspace({"model": model, "layer": layer})
    workspace.store("before")
    layer.set_vocabulary(["c", "x"])
    workspace.restore("before")
    assert plain(model.predict(asked, verbose=0)) == before == [[2], [0]]


def test_counts_on_the_way_to_a_vocabulary_are_rolled_back():
    layer = keras.layers.StringLookup()
    layer.update_state(["a", "a", "b"])
    workspace = Workspace({"layer": layer})
    assert not workspace.store("before").report
    layer.update_state(["b", "b", "c"])
    workspace.restore("before")
    layer.finalize_state()
    assert layer.get_vocabulary() == ["[UNK]", "a", "b"]


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "SimpleRNN"])
def test_the_states_of_a_stateful_layer_are_rolled_back(kind):
    layer, data = getattr(keras.layers, kind)(3, stateful=True), np.ones((1, 2, 2), "float32")
    layer.build(data.shape)
    workspace = Workspace({"layer": layer})
    workspace.store("fresh")
    layer(data)
    before = continued(layer)
    workspace.store("before")
    layer(data)
    assert continued(layer) != before
    workspace.restore("before")
    assert continued(layer) == before
    workspace.restore("fresh")
    assert not np.any(continued(layer))


def test_states_made_since_begin_at_zero():
    layer = keras.layers.GRU(3, stateful=True)
    workspace = Workspace({"layer": layer})
    workspace.store("before")
    layer(np.ones((1, 2, 2), "float32"))
    workspace.restore("before")
    assert continued(layer) == [[[0.0, 0.0, 0.0]]]
