"""Every estimator of scikit-learn comes back: the same object, which answers the same bit for bit."""

import copy
import inspect
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from snapshot.workspace import Workspace
from tests.adapters.estimators import data_for, every_construction, fit, fresh, held, outputs, scribble, settings

# some are deprecated, and are captured all the same
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:sklearn")

EVERY = every_construction()

NEIGHBOURS = "a compiled tree of neighbours"
LOSS = "a compiled loss"
SCIPY = "an object of SciPy"
BUNCH = "a Bunch, a dict with attributes"
#: Those that a new kernel makes, or fills where they are not fitted, only with trust -> what needs a pickle.
NEEDS_TRUST = {
    **dict.fromkeys(("GammaRegressor", "PoissonRegressor", "TweedieRegressor"), LOSS),
    **dict.fromkeys(("GradientBoostingClassifier", "GradientBoostingRegressor"), LOSS),
    **dict.fromkeys(("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"), LOSS),
    **dict.fromkeys(("PassiveAggressiveClassifier", "Perceptron", "SGDClassifier", "SGDOneClassSVM"), LOSS),
    **dict.fromkeys(("KNeighborsClassifier 1", "KNeighborsRegressor 1", "KNeighborsTransformer"), NEIGHBOURS),
    **dict.fromkeys(("RadiusNeighborsClassifier", "RadiusNeighborsRegressor"), NEIGHBOURS),
    **dict.fromkeys(("RadiusNeighborsTransformer", "NearestNeighbors", "a ball tree"), NEIGHBOURS),
    **dict.fromkeys(("Isomap", "KernelDensity", "LocallyLinearEmbedding"), NEIGHBOURS),
    **dict.fromkeys(("IsotonicRegression", "SplineTransformer 1", "SplineTransformer 2"), SCIPY),
    **dict.fromkeys(("SparseRandomProjection", "SpectralEmbedding"), SCIPY),
    **dict.fromkeys(("StackingClassifier", "StackingRegressor", "VotingClassifier", "VotingRegressor"), BUNCH),
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    # threads that wait for each other cost more than data of this size
    with threadpool_limits(1):
        yield


class Kernel:
    """A namespace and its workspace, used by one test after another: a workspace looks at all libraries first."""

    def __init__(self):
        self.names = {}
        self.workspace = Workspace(self.names)

    def of(self, names, path=None, **options):
        """The workspace, with these names alone."""
        self.names.clear()
        self.names.update(names)
        self.workspace.close()
        self.workspace.drop(*self.workspace.in_memory)
        if path is not None:
            self.workspace.open(path, **options)
        return self.workspace


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


@pytest.fixture(scope="module")
def new_kernel():
    return Kernel()


@pytest.mark.parametrize("name", EVERY)
def test_it_is_the_same_after_it_learned_other_things(name, kernel):
    data, other = data_for(EVERY[name]), data_for(EVERY[name], other=True)
    estimator = fit(fresh(EVERY[name]), data)
    said, parameters, parts = outputs(estimator, data), settings(estimator), dict(held(estimator))
    workspace = kernel.of({"estimator": estimator})
    assert [path for path in workspace.store("before").report if path.startswith("estimator")] == []
    fit(estimator, other)
    changed = outputs(estimator, data) != said
    estimator.set_params(**dict.fromkeys(parameters, "something else"))
    for part in parts.values():
        scribble(part)
    assert changed or settings(estimator) != parameters
    workspace.restore("before")
    now = dict(held(estimator))
    assert [path for path, part in parts.items() if now.get(path) is not part] == []
    assert settings(estimator) == parameters
    assert outputs(estimator, data) == said


@pytest.mark.parametrize("name", EVERY)
def test_a_new_kernel_gets_a_strangers_whole_or_not_at_all(name, kernel, new_kernel, tmp_path, as_somebody_else):
    data, other = data_for(EVERY[name]), data_for(EVERY[name], other=True)
    estimators = {which: fit(fresh(EVERY[name]), data) for which in ("missing", "unfitted", "fitted")}
    said = {which: outputs(one, data) for which, one in estimators.items()}
    kernel.of(estimators, tmp_path / "run.zarr").store("before")

    as_somebody_else()
    live = {"unfitted": fresh(EVERY[name]), "fitted": fit(fresh(EVERY[name]), other)}
    before = {which: outputs(one, data) for which, one in live.items()}
    names = new_kernel.names
    workspace = new_kernel.of(live, tmp_path / "run.zarr")
    reasons = workspace.restore("before").unused_reasons
    assert [which for which, one in live.items() if names[which] is not one] == []
    after = {which: outputs(one, data) for which, one in names.items()}
    left = {which for which in estimators if after.get(which) != said[which]}
    assert {which: after.get(which) for which in left} == {which: before.get(which) for which in left}
    assert {which for which in estimators if any(path.startswith(which) for path in reasons)} == left
    assert all("pickle" in reasons[which] for which in left)
    assert ("missing" in left) == (name in NEEDS_TRUST)

    workspace.open(tmp_path / "run.zarr", trust=True)
    workspace.restore("before")
    assert [which for which, one in live.items() if names[which] is not one] == []
    assert [which for which in estimators if outputs(names[which], data) != said[which]] == []


def test_the_list_of_those_that_need_trust_names_estimators_and_the_documentation_says_the_same():
    assert NEEDS_TRUST.keys() <= EVERY.keys()
    text = (Path(__file__).parents[2] / "docs" / "scikit-learn.md").read_text()
    table = [line for line in text.splitlines() if line.startswith("| ") and "`" in line]
    rows = [(line.split("|")[1].strip(), re.findall(r"`(\w+)`", line.split("|")[2])) for line in table]
    listed = {name: reason for reason, names in rows for name in names}
    classes = {type(EVERY[name]).__name__: reason for name, reason in NEEDS_TRUST.items()}
    assert listed == classes


def continued(estimator, data):
    """Learns on, from the halves of the data in turn."""
    takes = inspect.signature(estimator.partial_fit).parameters
    more = {"classes": np.unique(data.y)} if "classes" in takes and is_classifier(estimator) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in (slice(None, None, 2), slice(1, None, 2)):
            arguments = (copy.deepcopy(one[part]) for one in data.arguments)
            estimator.partial_fit(*arguments, **more)


@pytest.mark.parametrize("name", [name for name, one in EVERY.items() if hasattr(one, "partial_fit")])
def test_learning_in_parts_goes_on_as_it_did(name, kernel, new_kernel, tmp_path):
    estimator, data = fresh(EVERY[name]), data_for(EVERY[name])
    if "random_state" in estimator.get_params(deep=False):
        estimator.set_params(random_state=np.random.RandomState(1))
    continued(estimator, data)
    workspace = kernel.of({"estimator": estimator}, tmp_path / "run.zarr")
    workspace.store("before")
    continued(estimator, data)
    expected = outputs(estimator, data)
    workspace.restore("before")
    continued(estimator, data)
    assert outputs(estimator, data) == expected

    new_kernel.of({}, tmp_path / "run.zarr", trust=True).restore("before")
    made = new_kernel.names["estimator"]
    continued(made, data)
    assert outputs(made, data) == expected


def grown(estimator, data):
    """Fitted again from where it is, and further."""
    size = next(name for name in ("n_estimators", "max_iter", "n_iter") if hasattr(estimator, name))
    estimator.set_params(**{size: (getattr(estimator, size) or 1) + 2})
    return fit(estimator, data)


GROWING = [
    name
    for name, one in EVERY.items()
    if "warm_start" in one.get_params(deep=False) and {"n_estimators", "max_iter"} & one.get_params(deep=False).keys()
]


@pytest.mark.parametrize("name", GROWING)
def test_what_grows_from_a_warm_start_grows_as_it_did(name, kernel):
    estimator, data = fresh(EVERY[name]).set_params(warm_start=True), data_for(EVERY[name])
    for size in {"n_estimators", "max_iter"} & estimator.get_params(deep=False).keys():
        estimator.set_params(**{size: 2})
    grown(estimator, data)
    said = outputs(estimator, data)
    workspace = kernel.of({"estimator": estimator})
    workspace.store("before")
    expected = outputs(grown(estimator, data), data)
    workspace.restore("before")
    assert outputs(estimator, data) == said
    assert outputs(grown(estimator, data), data) == expected


FRAME_MODELS = {
    "Pipeline": lambda: make_pipeline(_columns(), LogisticRegression()),
    "GridSearchCV": lambda: GridSearchCV(
        make_pipeline(_columns(), GaussianNB()), {"gaussiannb__var_smoothing": [1e-9, 1]}
    ),
    "ColumnTransformer": lambda: _columns().set_output(transform="pandas"),
    "VotingClassifier": lambda: make_pipeline(
        _columns(), VotingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(random_state=0))])
    ),
}


def _columns():
    return ColumnTransformer(
        [("number", StandardScaler(), ["height", "weight"]), ("kind", OneHotEncoder(sparse_output=False), ["kind"])]
    )


@pytest.mark.parametrize("make", FRAME_MODELS.values(), ids=FRAME_MODELS)
def test_a_model_of_a_frame_comes_back_with_the_names_of_its_columns(make, kernel, new_kernel, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"height": rng.normal(size=30), "weight": rng.normal(size=30), "kind": list("abc") * 10})
    target = pd.Series(frame["height"] > 0, name="tall")
    data = SimpleNamespace(x=frame, y=target, arguments=(frame, target))
    model = fit(make(), data)
    said, parts = outputs(model, data), dict(held(model))
    workspace = kernel.of({"model": model}, tmp_path / "run.zarr")
    workspace.store("before")
    model.fit(frame.iloc[:12].assign(extra=1.0) * 2, ~target[:12])
    assert outputs(model, data) != said
    workspace.restore("before")
    now = dict(held(model))
    assert [path for path, part in parts.items() if now.get(path) is not part] == []
    assert outputs(model, data) == said
    assert list(model.feature_names_in_) == list(frame)

    live = make()
    new_kernel.of({"model": live}, tmp_path / "run.zarr", trust=True).restore("before")
    assert new_kernel.names["model"] is live
    assert outputs(live, data) == said
