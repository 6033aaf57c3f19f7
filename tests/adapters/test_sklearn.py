"""scikit-learn's estimators: after a restore they predict as when they were stored."""

import numpy as np
import pytest
from sklearn import (
    cluster,
    decomposition,
    ensemble,
    gaussian_process,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)

from snapshot.workspace import Workspace

MAKERS = {
    "MLPClassifier": lambda: neural_network.MLPClassifier((4,), max_iter=300, random_state=1),
    "GradientBoosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=3, random_state=1),
    "HistGradientBoosting": lambda: ensemble.HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=2),
    "RandomForest": lambda: ensemble.RandomForestClassifier(3, random_state=1),
    "DecisionTree": lambda: tree.DecisionTreeClassifier(),
    "KNeighbors with a k-d tree": lambda: neighbors.KNeighborsClassifier(3, algorithm="kd_tree"),
    "KNeighbors with a ball tree": lambda: neighbors.KNeighborsClassifier(3, algorithm="ball_tree"),
    "KNeighbors by brute force": lambda: neighbors.KNeighborsClassifier(3, algorithm="brute"),
    "NearestCentroid": lambda: neighbors.NearestCentroid(),
    "SVC": lambda: svm.SVC(),
    "Pipeline": lambda: pipeline.make_pipeline(preprocessing.StandardScaler(), svm.LinearSVC()),
    "LogisticRegression": lambda: linear_model.LogisticRegression(),
    "SGDClassifier": lambda: linear_model.SGDClassifier(random_state=1),
    "GaussianNB": lambda: naive_bayes.GaussianNB(),
    "KMeans": lambda: cluster.KMeans(2, n_init=1, random_state=1),
    "GaussianProcess": lambda: gaussian_process.GaussianProcessClassifier(),
    "PCA and a tree": lambda: pipeline.make_pipeline(decomposition.PCA(2), tree.DecisionTreeClassifier()),
}


def data():
    x = np.random.default_rng(0).normal(size=(40, 3))
    return x, (x[:, 0] > 0).astype(int)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_estimator_predicts_as_when_it_was_stored(make):
    x, y = data()
    estimator = make().fit(x, y)
    expected = estimator.predict(x).tolist()
    workspace = Workspace({"estimator": estimator})
    stored = workspace.store("before")
    estimator.fit(x[:10] * 3, 1 - y[:10])
    assert estimator.predict(x).tolist() != expected
    workspace.restore("before")
    assert estimator.predict(x).tolist() == expected
    assert [path for path in stored.variables if path.startswith("estimator")]
    assert not [path for path in stored.report if path.startswith("estimator")]


def test_a_tree_of_neighbours_goes_on_sharing_the_data_of_its_estimator():
    x, y = data()
    estimator = neighbors.KNeighborsClassifier(3, algorithm="kd_tree").fit(x, y)
    workspace = Workspace({"estimator": estimator})
    workspace.store("before")
    estimator.fit(x[:10], y[:10])
    workspace.restore("before")
    assert np.shares_memory(estimator._fit_X, np.asarray(estimator._tree.data))


def test_training_goes_on_with_the_same_losses():
    x, y = data()
    estimator = neural_network.MLPClassifier((4,), random_state=1)
    estimator.partial_fit(x, y, classes=[0, 1])
    workspace = Workspace({"estimator": estimator})
    workspace.store("before")

    def losses():
        return [estimator.partial_fit(x, y).loss_ for _ in range(3)]

    expected = losses()
    workspace.restore("before")
    assert losses() == expected


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
