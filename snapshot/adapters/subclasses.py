"""Classes by name, for leaves that are instances of somebody's subclass.

A leaf's description is plain text, so it can only name its class. Within one process
the class itself is remembered too: one defined in a function is found in no other way.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Any
from weakref import WeakValueDictionary

from snapshot.errors import SnapshotWarning

_met: WeakValueDictionary[str, type] = WeakValueDictionary()


def name_class(cls: type) -> str:
    """``module:qualified name``; :func:`find_class` gives the newest class so named."""
    name = f"{cls.__module__}:{cls.__qualname__}"
    _met[name] = cls
    return name


def find_class(name: str, base: type) -> type:
    """The subclass of ``base`` with that name; ``base``, with a warning, when there is none here.

    Nothing is imported for it but ``numpy.ma``, which NumPy itself loads when it is first used.
    """
    module, _, qualified = name.partition(":")
    if module in ("numpy.ma", "numpy.ma.core"):
        import_module(module)
    found: Any = _met.get(name) or sys.modules.get(module)
    if not isinstance(found, type):
        for part in qualified.split("."):
            found = getattr(found, part, None)
    if isinstance(found, type) and issubclass(found, base):
        return found
    warnings.warn(
        f"{qualified} is not defined here, so a {base.__name__} was made; "
        "run the cell that defines it, then restore again",
        SnapshotWarning,
        stacklevel=2,
    )
    return base
