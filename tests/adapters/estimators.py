"""Every estimator of scikit-learn, made as its own checks make it, with data that it can learn from."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import linear_kernel, pairwise_distances
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators, get_tags
from sklearn.utils._test_common.instance_generator import _construct_instances

#: What is asked of an estimator with data; ``score`` and the names of what it gives come on top.
METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples", "apply",
    "decision_path", "staged_predict", "kneighbors", "radius_neighbors", "mahalanobis",
)  # fmt: skip
_WORDS = ["one two two three", "three four", "five six one", "two four six six", "one five", "six five four three"]
_SCALARS = (int, float, str, type(None))


@dataclass
class Data:
    """What to learn from; ``y`` is None where there is nothing to be told."""

    x: Any
    y: Any = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.x,) if self.y is None else (self.x, self.y)


def every_construction() -> dict[str, BaseEstimator]:
    """Name -> unfitted estimator; a class that is checked in several constructions has a number behind its name."""
    found: dict[str, BaseEstimator] = {
        "a ball tree": KNeighborsClassifier(3, algorithm="ball_tree"),
        "neighbours by brute force": KNeighborsClassifier(3, algorithm="brute"),
        "an optimizer with momentum": MLPRegressor(hidden_layer_sizes=(3,), solver="sgd", max_iter=5),
        "a tree behind a projection": make_pipeline(PCA(2), DecisionTreeClassifier(random_state=0)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # some are deprecated
        for name, cls in all_estimators():
            frozen = cls is FrozenEstimator
            made = [FrozenEstimator(LogisticRegression())] if frozen else list(_construct_instances(cls))
            found |= {name if len(made) == 1 else f"{name} {n}": one for n, one in enumerate(made, 1)}
    for estimator in found.values():
        # whatever draws numbers draws the same ones each time it is asked
        if "random_state" in estimator.get_params(deep=False):
            estimator.set_params(random_state=0)
    return found


def fresh(estimator: BaseEstimator) -> BaseEstimator:
    """Another unfitted estimator of the same construction; ``clone`` would keep what a frozen one holds."""
    return copy.deepcopy(estimator)


def data_for(estimator: BaseEstimator, other: bool = False) -> Data:
    """What its tags say that it can learn from; on request other data: more, wider apart and labelled otherwise."""
    tags = get_tags(estimator)
    inputs, targets = tags.input_tags, tags.target_tags
    size = 36 if other else 30
    rng = np.random.default_rng(7 if other else 3)
    labels = np.arange(size) % 2 if other else np.repeat([0, 1], size // 2)
    x = rng.normal(size=(size, 3)) + labels[:, None] * (1.5 if other else 1.0)
    y = x[:, 0] - x[:, 1] / 2 if tags.estimator_type == "regressor" else labels
    if targets.one_d_labels:
        return Data(labels + other)
    if targets.two_d_labels:
        return Data([{0, 1}, {1}, {2}, {0, 2 + other}])
    if inputs.three_d_array:
        return Data(rng.normal(size=(3 + other, 8, 8)))
    if inputs.dict:
        return Data([{"a": 1, "b": 2.5}, {"c" if other else "a": 3}])
    if inputs.string and not inputs.two_d_array:
        return Data(_WORDS[2:] if other else _WORDS[:4])
    if inputs.one_d_array:
        x = x[:, 0]
    if inputs.positive_only or type(estimator).__name__ == "SkewedChi2Sampler":
        x = x - x.min() + 0.1
    if inputs.categorical:
        x = np.clip(np.round(x - x.min()), 0, 4 if other else 3).astype(int)
    if targets.positive_only:
        y = y - y.min() + 1
    if targets.multi_output and not targets.single_output:
        y = np.stack([y, 1 - y], axis=1)
    if getattr(estimator, "metric", None) == "precomputed":
        x = pairwise_distances(x)
    elif inputs.pairwise:
        x = linear_kernel(x, x)
    return Data(x, y)


def fit(estimator: BaseEstimator, data: Data) -> BaseEstimator:
    """Fitted, without a word about what so little data does not let it reach."""
    inner = estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # data of its own: asked about the very array that it learned from, an estimator may take a shorter way
        inner.fit(*copy.deepcopy(data.arguments))
    return estimator


def outputs(estimator: BaseEstimator, data: Data) -> dict[str, Any]:
    """Everything it says of the data and everything that it has learned, as values that are equal bit for bit."""
    said: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method in METHODS:
            said[method] = _answer(estimator, method, data.x)
        said["score"] = _answer(estimator, "score", *data.arguments)
        said["get_feature_names_out"] = _answer(estimator, "get_feature_names_out")
        if hasattr(estimator, "transform") and hasattr(estimator, "inverse_transform"):
            said["inverse_transform"] = _answer(
                estimator, "inverse_transform", *_maybe(lambda: estimator.transform(data.x))
            )
    learned = {name: plain(value) for name, value in vars(estimator).items() if name.endswith("_")}
    return said | learned


def _answer(estimator: BaseEstimator, method: str, *arguments: Any) -> Any:
    # having no such method, or refusing, is an answer like any other: it is to be the same afterwards
    try:
        found = getattr(estimator, method)(*arguments)
        return plain(list(found) if method.startswith("staged") else found)
    except Exception as error:
        return type(error).__name__, str(error)


def _maybe(make: Any) -> tuple[Any, ...]:
    try:
        return (make(),)
    except Exception:
        return ()


def plain(value: Any) -> Any:
    """A private value that is equal for equal contents, NaN included."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, plain(value.tolist()) if value.dtype.hasobject else value.tobytes()
    if isinstance(value, np.generic):
        return value.dtype.str, value.tobytes()
    if scipy.sparse.issparse(value):
        return plain(value.toarray())
    if hasattr(value, "to_numpy"):
        return plain(value.to_numpy()), plain(getattr(value, "columns", None))
    if isinstance(value, dict):
        return [(plain(key), plain(part)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value.hex()
    return value if isinstance(value, (*_SCALARS, bytes)) else type(value).__name__


def settings(estimator: BaseEstimator) -> dict[str, Any]:
    """The plain parameters, of estimators inside too."""
    return {name: value for name, value in estimator.get_params().items() if isinstance(value, _SCALARS)}


def held(obj: Any, path: str = "estimator", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """(path, object) of all that a user can hold of an estimator: arrays, trees, steps, estimators inside it."""
    seen = set() if seen is None else seen
    if id(obj) in seen or isinstance(obj, (*_SCALARS, bytes, type, np.generic)):
        return
    seen.add(id(obj))
    yield path, obj
    children: list[tuple[str, Any]] = []
    if isinstance(obj, np.ndarray):
        children = [(f"{path}[{n}]", part) for n, part in enumerate(obj.ravel())] if obj.dtype == object else []
    elif isinstance(obj, dict):
        children = [(f"{path}[{key!r}]", part) for key, part in obj.items()]
    elif isinstance(obj, list | tuple):
        children = [(f"{path}[{n}]", part) for n, part in enumerate(obj)]
    elif type(obj).__module__.startswith(("sklearn.", "scipy.")) and hasattr(obj, "__dict__"):
        children = [(f"{path}.{name}", part) for name, part in vars(obj).items()]
    for name, part in children:
        yield from held(part, name, seen)


def scribble(obj: Any) -> None:
    """Write into an array, or into a tree, that somebody still holds."""
    if isinstance(obj, np.ndarray) and obj.flags.writeable and obj.dtype.kind in "iuf":
        obj[...] = 1
    elif type(obj).__name__ == "Tree":
        obj.value[...] = 1
        obj.children_left[...] = obj.children_right[...] = -1
