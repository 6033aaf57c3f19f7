"""Which names of a namespace are the user's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from snapshot.ownership import is_our_type, is_ours

# IPython's history of inputs and outputs: _ __ ___ _i _ii _iii _i12 _12; and dunders
_HIDDEN = re.compile(r"_{1,3}|_i{1,3}|_i?\d+|__.*__")
_IPYTHONS = {"In", "Out", "_ih", "_oh", "_dh"}
_NOTHING = object()


def visible(namespace: Mapping[str, Any], hidden: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The user's names: no dunders, no IPython history, nothing of this package.

    ``hidden`` are IPython's own names with the objects it bound them to; a name that
    the user has bound anew since is the user's.
    """
    hidden = hidden or {}
    # a name that is not text is nobody's variable
    names = {
        name: value
        for name, value in list(namespace.items())
        if isinstance(name, str) and not (name[:1] == "_" and _HIDDEN.fullmatch(name))
    }
    # few objects can be ours, and whether they are takes a moment to find out
    ours = {cls for cls in set(map(type, names.values())) if issubclass(cls, ModuleType) or is_our_type(cls)}
    suspects = [name for name, value in names.items() if type(value) in ours and is_ours(value)] if ours else []
    suspects += [name for name, value in hidden.items() if names.get(name, _NOTHING) is value]
    suspects += [name for name in _IPYTHONS & names.keys() if name in hidden]
    for name in suspects:
        names.pop(name, None)
    return names
