"""scikit-learn: what is particular about its parts; every estimator has its test in ``test_every_estimator``."""

from typing import ClassVar

import numpy as np
import pytest
from sklearn import gaussian_process, linear_model, neighbors, neural_network, tree

from snapshot.adapters import sklearn_trees
from snapshot.adapters.sklearn_trees import TREE
from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case


def data(size=40):
    x = np.random.default_rng(0).normal(size=(size, 3))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 1)


def grown(**options):
    return tree.DecisionTreeClassifier(random_state=1, **options).fit(*data()).tree_


def cut_down(obj):
    """Prune to the root, in place, as people do."""
    obj.children_left[0] = obj.children_right[0] = -1
    obj.value[...] = 0.25


def contents(obj):
    state = obj.__getstate__()
    return obj.max_depth, obj.n_features, state["nodes"].tobytes(), state["values"].tobytes()


class TestCompiledTrees(AdapterContract):
    cases: ClassVar = {
        "classes": Case(
            grown,
            cut_down,
            contents,
            lambda: [
                (grown(max_depth=1), ("3 nodes", "stored were")),
                (tree.DecisionTreeClassifier(random_state=1).fit(data()[0][:, :2], data()[1]).tree_, ("stored",)),
            ],
        ),
        "several numbers": Case(
            lambda: tree.ExtraTreeRegressor(random_state=1).fit(data()[0], data()[0][:, :2]).tree_, cut_down, contents
        ),
        "missing values": Case(lambda: _with_missing_values(), cut_down, contents),
    }


def _with_missing_values():
    x, y = data()
    x[::3, 0] = np.nan
    return tree.DecisionTreeClassifier(random_state=1).fit(x, y).tree_


def test_an_array_that_looks_into_a_tree_goes_on_doing_so():
    estimator = tree.DecisionTreeClassifier(random_state=1).fit(*data())
    threshold, value = estimator.tree_.threshold, estimator.tree_.value
    expected = threshold.tolist()
    workspace = Workspace({"estimator": estimator})
    workspace.store("before")
    threshold[...] = 0
    value[...] = 0
    workspace.restore("before")
    assert threshold.tolist() == estimator.tree_.threshold.tolist() == expected
    assert np.shares_memory(value, estimator.tree_.value)


def test_a_tree_is_an_array_of_its_nodes_to_whoever_looks_at_the_snapshot():
    estimator = tree.DecisionTreeClassifier(random_state=1).fit(*data())
    nodes = Workspace({"estimator": estimator}).store("a")["estimator.tree_"]
    assert nodes["threshold"].tolist() == estimator.tree_.threshold.tolist()
    assert nodes["value"].tolist() == estimator.tree_.value.tolist()


def test_a_tree_of_many_blocks_comes_back(tmp_path):
    x = np.random.default_rng(0).normal(size=(60_000, 1))
    estimator = tree.ExtraTreeRegressor(random_state=1).fit(x, x[:, 0])
    expected = contents(estimator.tree_)
    workspace = Workspace({"estimator": estimator}, tmp_path / "run.zarr")
    stored = workspace.store("before")
    assert stored.variables["estimator.tree_"].nbytes > 5_000_000
    estimator.tree_.value[::7] = 0
    workspace.restore("before")
    assert contents(estimator.tree_) == expected
    names = {}
    Workspace(names, tmp_path / "run.zarr").restore("before")
    assert contents(names["estimator"].tree_) == expected


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("left_child", 10**9, "children"),
        ("right_child", -7, "children"),
        ("left_child", 0, "children"),
        ("feature", 3, "features"),
        ("feature", -2, "features"),
    ],
)
def test_nodes_that_lead_out_of_the_memory_of_a_tree_make_none(field, value, words):
    made = grown()
    nodes = TREE.view(made)
    nodes[field][0] = value
    with pytest.raises(ValueError, match=words):
        TREE.build(TREE.form(made), nodes)


def test_a_tree_deeper_than_it_says_is_not_made():
    made = grown()
    form = TREE.form(made)
    meta = tuple((name, 1 if name == "max_depth" else value) for name, value in form.meta)
    with pytest.raises(ValueError, match="deeper than 1"):
        TREE.build(type(form)(form.shape, form.dtype, meta), TREE.view(made))


def test_nodes_of_another_version_make_no_tree():
    nodes = TREE.view(grown())
    fewer = nodes[[name for name in nodes.dtype.names if name != "missing_go_to_left"]]
    with pytest.raises(ValueError, match="version of scikit-learn"):
        TREE.build(TREE.form(grown()), fewer)


def test_a_tree_of_neighbours_goes_on_sharing_the_data_of_its_estimator():
    x, y = data()
    estimator = neighbors.KNeighborsClassifier(3, algorithm="kd_tree").fit(x, y)
    workspace = Workspace({"estimator": estimator})
    workspace.store("before")
    estimator.fit(x[:10], y[:10])
    workspace.restore("before")
    assert np.shares_memory(estimator._fit_X, np.asarray(estimator._tree.data))


def test_what_a_kernel_of_a_gaussian_process_learned_comes_back_with_it():
    x, y = data()
    estimator = gaussian_process.GaussianProcessRegressor(gaussian_process.kernels.RBF()).fit(x, y)
    kernel, expected = estimator.kernel_, estimator.predict(x, return_std=True)
    workspace = Workspace({"estimator": estimator})
    workspace.store("before")
    kernel.theta = kernel.theta + 1
    workspace.restore("before")
    assert estimator.kernel_ is kernel
    assert np.array_equal(estimator.predict(x, return_std=True), expected)


def test_an_estimator_that_was_not_fitted_yet_is_unfitted_again():
    x, y = data()
    estimator = linear_model.LogisticRegression(C=2.0)
    workspace = Workspace({"estimator": estimator})
    workspace.store("before")
    estimator.set_params(C=5.0).fit(x, y)
    workspace.restore("before")
    assert (hasattr(estimator, "coef_"), estimator.C) == (False, 2.0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_are_parameters():
    x, y = data()
    stored = Workspace({"model": neural_network.MLPClassifier((4,), max_iter=2).fit(x, y)}).store("a")
    assert str(stored.variables["model.coefs_[0]"].role) == "parameter"
    assert str(stored.variables["model.classes_"].role) == "value"


@pytest.mark.parametrize("live", ["missing", "unfitted", "fitted"])
def test_an_estimator_whose_tree_is_of_another_version_stays_as_it_is(live, monkeypatch, tmp_path):
    x, y = data()
    with monkeypatch.context() as patch:
        patch.setattr(sklearn_trees, "_fields", _without_missing_values)
        stored = {"estimator": tree.DecisionTreeClassifier().fit(x, y)}
        Workspace(stored, tmp_path / "run.zarr").store("before")
    estimator = tree.DecisionTreeClassifier(max_depth=2)
    if live == "fitted":
        estimator.fit(x[:9, :2], y[:9])
    before = dict(vars(estimator))
    names = {"estimator": estimator} if live != "missing" else {}
    status = Workspace(names, tmp_path / "run.zarr").restore("before")
    assert status.unused_reasons["estimator"]
    assert vars(estimator) == before
    assert ("estimator" in names) == (live != "missing")


def _without_missing_values(nodes):
    return [(name, nodes[name].str) for name in nodes.names if name != "missing_go_to_left"]
