"""scikit-learn: estimators are walked like any instance; what is C inside them is named here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator

from snapshot.adapters.protocol import Step
from snapshot.adapters.reference import Reference
from snapshot.model import Role

_FITTED = {name: Step(False, Role.PARAMETER) for name in ("coef_", "coefs_", "intercept_", "intercepts_")}
# fit() makes a new tree and never writes an old one
_FITTED_ONCE = Reference()


def handler_for(obj: Any) -> Any:
    """A reference for compiled parts that no method changes after fitting; else None."""
    module = type(obj).__module__
    return _FITTED_ONCE if module.startswith(("sklearn.tree._", "sklearn.neighbors._", "sklearn._loss")) else None


def naming(obj: Any) -> Mapping[str, Step]:
    """Learned weights are parameters."""
    return _FITTED if issubclass(type(obj), BaseEstimator) else {}
