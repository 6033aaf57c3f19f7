"""Giving a live frame or series other blocks and another header; it stays the same object."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas.core.generic import NDFrame

from snapshot.adapters.pandas_columns import private_values

VALUES = "[values]"  #: the values of a series, under the path of the series itself


def names_of(frame: Any) -> list[str]:
    """What each column goes by in paths: ``['a']``; equal labels are numbered."""
    if frame.ndim == 1:
        return [VALUES]
    found: dict[str, int] = {}
    for position, label in enumerate(frame.columns):
        text = f"[{label!r}]"
        found[sys.intern(text if text not in found else f"{text} ({position})")] = position
    return list(found)


def rebuild(obj: Any, axes: list[Any], held: dict[str, Any]) -> None:
    """Give ``obj`` new blocks, shared with nobody, under these very axes."""
    values = [private_values(token) for token in held.values()]
    for token in held.values():
        if token.owner() is not None:
            token.made = None
    index = axes[-1]
    if any(len(part) != len(index) for part in values):
        raise ValueError("its columns and its index differ in length")
    if obj.ndim == 1:
        made = pd.Series(values[0], index=index, dtype=values[0].dtype, copy=False)
    else:
        columns = axes[0]
        if len(columns) != len(values):
            columns = columns[[name in held for name in names_of(pd.DataFrame(columns=columns))]]
            axes = [columns, index]
        made = pd.DataFrame._from_arrays(values, columns, index, verify_integrity=False)
    for number, axis in enumerate(axes):
        made._mgr.axes[number] = axis
    obj._update_inplace(made)


def take_blocks(obj: Any, manager: Any) -> None:
    """Give ``obj`` blocks that it had before, the very same."""
    before: Any = object.__new__(pd.Series if obj.ndim == 1 else pd.DataFrame)
    NDFrame.__init__(before, manager)
    obj._update_inplace(before)


def changed_in(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [name for name, value in wanted.items() if present.get(name) is not value]


def put_header(obj: Any, present: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Name, ``attrs``, flags and a subclass's own attributes."""
    for name in present.keys() - wanted.keys():
        if name.startswith("."):
            del vars(obj)[name[1:]]
    for name in changed_in(present, wanted):
        _set(obj, name, wanted[name])


def _set(obj: Any, name: str, value: Any) -> None:
    if name in ("attrs", "name"):
        object.__setattr__(obj, f"_{name}", value)
    elif name == "allows_duplicate_labels":
        obj.flags.allows_duplicate_labels = value
    elif name.startswith("."):
        vars(obj)[name[1:]] = value
