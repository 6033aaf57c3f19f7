"""The raw numbers behind a picture, in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from snapshot.statistics import PERCENTILES
from snapshot.widgets.curves import Curves
from snapshot.widgets.series import Series


def series_numbers(series: Series | None) -> dict[str, Any]:
    """Of one variable: lists and arrays with one entry or row for each step."""
    points = series.points if series else ()
    every = [point.statistics for point in points]
    line = set(series.lineage()) if series else set()
    return {
        "path": series.path if series else None,
        "steps": [point.step for point in points],
        "names": [point.name for point in points],
        "runs": [point.key[0] for point in points],
        "on_branch": np.array([index in line for index in range(len(points))], dtype=bool),
        "shapes": [point.shape for point in points],
        "percentile_levels": list(PERCENTILES),
        "percentiles": series.percentiles if series else np.empty((0, len(PERCENTILES))),
        "update_sizes": series.updates if series else np.empty(0),
        "mean": np.array([one.mean for one in every]),
        "std": np.array([one.std for one in every]),
        "norm": np.array([one.norm for one in every]),
        "count": np.array([one.count for one in every], dtype=int),
        "finite": np.array([one.finite for one in every], dtype=int),
    }


def curves_numbers(curves: Curves) -> dict[str, Any]:
    """Of several variables: one number of each at each step, NaN where a variable is not."""
    return {
        "statistic": curves.statistic,
        "steps": [point.step for point in curves.points],
        "names": [point.name for point in curves.points],
        "runs": [point.key[0] for point in curves.points],
        "values": curves.numbers(),
    }
