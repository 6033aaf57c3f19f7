"""Indexes: immutable, so the object itself is kept; and described, so that a new kernel can make it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import ref

import numpy as np
import pandas as pd
from pandas.arrays import DatetimeArray, TimedeltaArray

from snapshot.adapters.containers import State
from snapshot.adapters.pandas_arrow import stream_of, values_of
from snapshot.adapters.pandas_columns import named_by_text
from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import BENIGN
from snapshot.model import format_dtype

#: Text and objects are described label by label up to this many.
MOST_LABELS = 1000

_RANGE, _ARRAY, _DATES, _TEXT, _LABELS, _LEVELS = "range", "array", "dates", "text", "labels", "levels"
_KEPT = "kept"


class Labels:
    """The numbers of an index, or the bytes of its text; the same object for the same index."""

    __slots__ = ("__weakref__", "array")

    def __init__(self, array: Array) -> None:
        self.array = array


class Undescribed:
    """The labels of an index that only a pickle could bring to a new kernel; ``index`` is not the index itself."""

    __slots__ = ("__weakref__", "index")
    by_pickle = True

    def __init__(self, index: Any) -> None:
        self.index = index


class LabelsAdapter:
    """The numbers of an index, which nothing ever changes."""

    kind = "pandas.labels"
    immutable = True
    separate = True

    def form(self, obj: Labels) -> Form:
        return Form(obj.array.shape, format_dtype(obj.array.dtype))

    def view(self, obj: Labels) -> Array:
        return obj.array

    def misfit(self, obj: Labels, form: Form) -> str | None:
        return None if self.form(obj) == form else "is another index"

    def assign(self, obj: Labels, contents: Array) -> None:
        raise TypeError("an index cannot be changed")

    def assign_span(self, obj: Labels, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Labels:
        return Labels(np.array(contents))

    def attributes(self, obj: Labels) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Labels, name: str, value: Any) -> None:
        raise AttributeError(name)


class IndexKind:
    """State: how it is described, then its name, then what that description needs."""

    name = "pandas.Index"
    fixed = True
    header = True  #: its name can change, though its labels do not
    hashes = False
    lead = 0

    def __init__(self) -> None:
        self._known: dict[int, tuple[ref[Any], State]] = {}

    def take(self, obj: Any) -> State:
        known = self._known.get(id(obj))
        if known is not None and known[0]() is obj and _header_of(known[1]) == _header(obj):
            return known[1]
        found = _describe(obj)
        self._remember(obj, found)
        return found

    def _remember(self, obj: Any, state: State) -> None:
        key = id(obj)
        self._known[key] = (ref(obj, lambda _: self._known.pop(key, None)), state)

    def put(self, obj: Any, state: State) -> None:
        """Names and frequency: the labels of an index never change."""
        name, freq = _header_of(state)
        if _name(obj) != name:
            obj.names = list(name) if isinstance(obj, pd.MultiIndex) else [name]
        if state[0] == _DATES and obj.freqstr != freq:
            obj.freq = freq
        self._remember(obj, state)  # so that it counts as unchanged

    def build(self, cls: type, state: State) -> Any:
        how, name, *rest = state
        found = _MAKERS[how](*rest)
        return found.set_names(list(name) if isinstance(found, pd.MultiIndex) else [name])

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        if state[0] == _LEVELS:
            return ((f".levels[{index}]", part) for index, part in enumerate(state[3:]))
        parts = (Labels, Undescribed)
        return (("", part) for part in state[2:] if type(part) in parts or type(part).__name__ == "Handle")


def handler_for(obj: Any) -> Any:
    """The kind for an index of pandas' own, else a plain reference to it."""
    return INDEX if type(obj).__module__.partition(".")[0] == "pandas" else BENIGN


def can_describe(obj: Any) -> bool:
    """Whether an index can be made again from plain parts."""
    cls = type(obj)
    if cls is pd.MultiIndex:
        return all(map(can_describe, obj._levels))
    if cls in (pd.RangeIndex, pd.DatetimeIndex, pd.TimedeltaIndex):
        return True
    few = len(obj) <= MOST_LABELS and str(obj.dtype) in ("str", "object")
    return cls is pd.Index and (few or _numeric(obj) or _arrow(obj))


def _numeric(obj: Any) -> bool:
    return isinstance(obj._data, np.ndarray) and obj.dtype.kind in "biufc"


def _arrow(obj: Any) -> bool:
    return hasattr(obj._data, "_pa_array") and named_by_text(obj.dtype)


def _name(obj: Any) -> Any:
    return tuple(obj._names) if type(obj) is pd.MultiIndex else obj._name


def _header(obj: Any) -> tuple[Any, str | None]:
    """What can be changed in place: the name or names, and the frequency of dates."""
    return _name(obj), obj.freqstr if type(obj) in (pd.DatetimeIndex, pd.TimedeltaIndex) else None


def _header_of(state: State) -> tuple[Any, str | None]:
    return state[1], state[3] if state[0] == _DATES else None


def _describe(obj: Any) -> State:
    cls, name = type(obj), _name(obj)
    if not can_describe(obj):
        return (_KEPT, name, Undescribed(obj.view()))
    if cls is pd.RangeIndex:
        return (_RANGE, name, obj._range)
    if cls in (pd.DatetimeIndex, pd.TimedeltaIndex):
        return (_DATES, name, str(obj.dtype), obj.freqstr, Labels(obj._data._ndarray))
    if cls is pd.MultiIndex:
        return (_LEVELS, name, len(obj._levels), *obj._levels, *map(Labels, obj._codes))
    if _numeric(obj):
        return (_ARRAY, name, Labels(obj._data))
    if len(obj) > MOST_LABELS:
        return (_TEXT, name, str(obj.dtype), Labels(stream_of(obj._data)))
    return (_LABELS, name, str(obj.dtype), *obj.tolist())


def _dates(dtype: str, freq: str | None, labels: Labels) -> Any:
    array = DatetimeArray if labels.array.dtype.kind == "M" else TimedeltaArray
    values = array._simple_new(labels.array, dtype=pd.api.types.pandas_dtype(dtype))
    made = pd.Index(values)
    made.freq = freq
    return made


def _kept(labels: Any) -> Any:
    if type(labels) is not Undescribed:
        raise TypeError("only a pickle has its labels")
    return labels.index


_MAKERS: dict[str, Any] = {
    _KEPT: _kept,
    _RANGE: lambda found: pd.RangeIndex(found),
    _ARRAY: lambda labels: pd.Index(labels.array, copy=True),
    _DATES: _dates,
    _TEXT: lambda dtype, labels: pd.Index(values_of(labels.array, pd.api.types.pandas_dtype(dtype))),
    _LABELS: lambda dtype, *labels: pd.Index(list(labels), dtype=dtype),
    _LEVELS: lambda count, *parts: pd.MultiIndex(
        levels=parts[:count], codes=[part.array for part in parts[count:]], verify_integrity=False
    ),
}
INDEX = IndexKind()
LABELS = LabelsAdapter()
