"""The distribution at every step as colours, with a line at the chosen one."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from snapshot.widgets.axes import name_axis, say, set_ticks
from snapshot.widgets.frames import NOTHING_MOVES, Frame, Moving
from snapshot.widgets.over_steps import positions, set_steps, stroke
from snapshot.widgets.sheets import colours, rgb
from snapshot.widgets.theme import Theme

Array = np.ndarray[Any, np.dtype[Any]]

_BINS = 48
_LEAST_SHARE = 1e-3  # of the largest, where colours are logarithmic


def draw_history(axes: Axes, frame: Frame, limits: tuple[float, float] | None, theme: Theme) -> Moving:
    """Steps across, values upwards within ``limits``, shares of values as colours."""
    found = frame.distributions
    if found is None or limits is None or not np.isfinite(found.quantiles).any():
        say(axes, "No finite value to count", theme)
        return NOTHING_MOVES
    x = positions(frame.series)
    low, high = float(x.min()), float(x.max())
    room = (high - low) * 0.02 or 1.0
    width = max(2, int(axes.get_window_extent().width))
    shares = found.shares(np.linspace(*limits, _BINS + 1))
    across = np.linspace(low - room, high + room, width)
    columns = _nearest(x[list(found.columns)], across)
    painted = _painted(shares, frame.logarithmic, theme)[:, columns]
    axes.imshow(
        painted, aspect="auto", interpolation="nearest", origin="lower",
        extent=(low - room, high + room, *limits), resample=False,
    )  # fmt: skip
    set_ticks(axes, "y", limits, theme, count=4, grid=False)
    set_steps(axes, frame.series, theme)
    name_axis(axes, "global step", theme)
    (line,) = axes.plot((0, 0), (0, 1), transform=axes.get_xaxis_transform(), **stroke(theme.chosen, 1.2, None, 6))
    return Moving((line,), lambda frame: line.set_xdata((x[frame.index],) * 2))


def _painted(shares: Array, logarithmic: bool, theme: Theme) -> Array:
    """Shape (bins, steps, 3), uint8; bins without a value are paper, steps without one too."""
    # one spike (a bias that starts as zeros) must not darken all the others
    top = float(np.nanquantile(shares.max(axis=1), 0.9)) or float(np.nanmax(shares)) or 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        level = 1 - np.log10(shares / top) / np.log10(_LEAST_SHARE) if logarithmic else shares / top
    known = np.isfinite(shares) & (shares > 0)
    table = colours(theme, signed=False)
    painted: Array = table[np.where(known, np.clip(np.nan_to_num(level, neginf=0), 0, 1) * 255, 0).astype(np.uint8)]
    painted[~known] = rgb(theme.paper)
    return painted.swapaxes(0, 1)


def _nearest(places: Array, wanted: Array) -> Array:
    """For each of ``wanted`` the index of the nearest of ``places``, which need not be in order."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    right = np.clip(np.searchsorted(ordered, wanted), 0, ordered.size - 1)
    left = np.maximum(right - 1, 0)
    chosen: Array = order[np.where(wanted - ordered[left] < ordered[right] - wanted, left, right)]
    return chosen
