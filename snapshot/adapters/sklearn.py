"""scikit-learn: estimators are walked like any instance; what is C inside them is named here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator

from snapshot.adapters.objects import hidden_state
from snapshot.adapters.protocol import Step
from snapshot.adapters.reference import Reference
from snapshot.adapters.sklearn_trees import TREE
from snapshot.model import Role

LEAF_ADAPTERS = (TREE,)
_FITTED = {name: Step(False, Role.PARAMETER) for name in ("coef_", "coefs_", "intercept_", "intercepts_")}
# fit() makes new ones and never writes an old one
_FITTED_ONCE = Reference(sealed=True)


_COMPILED = (
    "sklearn.tree._",
    "sklearn.neighbors._",
    "sklearn._loss",
    "sklearn.metrics._dist_metrics",
    "sklearn.linear_model._sgd_fast",
)


def handler_for(obj: Any) -> Any:
    """The adapter of a tree, a reference for compiled parts that nothing changes after fitting; else None."""
    cls = type(obj)
    if cls.__module__ == "sklearn.tree._tree" and cls.__name__ == "Tree":
        return TREE
    # the estimators of these packages live beside their compiled parts, and are ordinary instances
    return _FITTED_ONCE if cls.__module__.startswith(_COMPILED) and hidden_state(cls) else None


def buildable(cls: type) -> bool:
    """Whether an instance may be made from its attributes alone: this library's own plain classes."""
    return cls.__module__.startswith("sklearn.") and not hidden_state(cls)


def naming(obj: Any) -> Mapping[str, Step]:
    """Learned weights are parameters."""
    return _FITTED if issubclass(type(obj), BaseEstimator) else {}
