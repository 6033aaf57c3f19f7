"""Which names of a namespace are the user's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from snapshot.ownership import is_ours

# IPython's history of inputs and outputs: _ __ ___ _i _ii _iii _i12 _12
_HISTORY = re.compile(r"_{1,3}|_i{1,3}|_i?\d+")
_NOTHING = object()


def visible(namespace: Mapping[str, Any], hidden: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The user's names: no dunders, no IPython history, nothing of this package.

    ``hidden`` are IPython's own names with the objects it bound them to; a name that
    the user has bound anew since is the user's.
    """
    hidden = hidden or {}
    return {
        name: value
        for name, value in list(namespace.items())
        if isinstance(name, str)
        and not (name.startswith("__") and name.endswith("__"))
        and not _HISTORY.fullmatch(name)
        and hidden.get(name, _NOTHING) is not value
        and not (name in ("In", "Out", "_ih", "_oh", "_dh") and name in hidden)
        and not is_ours(value)
    }
