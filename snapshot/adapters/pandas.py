"""pandas: frames and series are written column by column and stay the same objects.

A frame is a leaf without contents worth showing; its columns, index, ``attrs`` and
flags hang on it as attributes. Held weakly like an array, it can be made anew when
nothing holds it any more, and a cell like ``df = df[mask]`` keeps no old frame alive.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import ref

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionDtype
from pandas.core.generic import NDFrame

from snapshot.adapters.containers import State
from snapshot.adapters.pandas_arrow import TEXT
from snapshot.adapters.pandas_columns import (
    CELLS,
    COLUMN,
    Cells,
    Column,
    Kept,
    Text,
    Token,
    block_values,
    token_class,
)
from snapshot.adapters.pandas_index import INDEX, LABELS, Labels, Undescribed
from snapshot.adapters.pandas_index import handler_for as index_handler
from snapshot.adapters.pandas_putting import (
    VALUES,
    changed_in,
    names_of,
    put_header,
    rebuild,
    take_blocks,
)
from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import BENIGN
from snapshot.adapters.subclasses import find_class, name_class

_OWN = {"_mgr", "_attrs", "_flags", "_name", "_item_cache"}


class FrameAdapter:
    """``DataFrame``, ``Series`` and their subclasses: all that is not in the columns."""

    kind = "pandas.frame"
    immutable = False
    separate = True
    hidden = True
    whole = True

    def __init__(self) -> None:
        self._tokens: dict[int, tuple[ref[Any], dict[str, Token]]] = {}
        self.beside = FrameKind(self)

    def form(self, obj: Any) -> Form:
        return Form((1,), "uint8", (("class", name_class(type(obj))),))

    def view(self, obj: Any) -> Array:
        return np.zeros(1, np.uint8)

    def misfit(self, obj: Any, form: Form) -> str | None:
        wanted = dict(form.meta)["class"]
        return None if name_class(type(obj)) == wanted else f"is a {type(obj).__name__}, stored was a {wanted}"

    def assign(self, obj: Any, contents: Array) -> None:
        """Everything there is to a frame are its attributes."""

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return True

    def build(self, form: Form, contents: Array) -> Any:
        cls: Any = find_class(dict(form.meta)["class"], NDFrame)
        made = cls.__new__(cls)
        empty = pd.Series([], dtype=float) if issubclass(cls, pd.Series) else pd.DataFrame()
        NDFrame.__init__(made, empty._mgr)
        if made.ndim == 1:
            object.__setattr__(made, "_name", None)
        return made

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return (*_header(obj), *((token.name, token) for token in self.tokens(obj)))

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        raise AttributeError(name)

    def tokens(self, frame: Any) -> list[Token]:
        """A stand-in for each column, the same ones as long as the frame has such columns."""
        known = self._tokens.get(id(frame))
        if known is None or known[0]() is not frame:
            key = id(frame)
            known = self._tokens[key] = (ref(frame, lambda _: self._tokens.pop(key, None)), {})
        found = [
            self._token(frame, name, position, known[1].get(name)) for position, name in enumerate(names_of(frame))
        ]
        for token in set(known[1].values()).difference(found):
            token.position = -1  # where it was, another column may be now
        known[1].clear()
        known[1].update({token.name: token for token in found})
        return found

    def adopt(self, frame: Any, tokens: dict[str, Token]) -> None:
        """Stand-ins that were just put back are the frame's again, so that it counts as unchanged."""
        self.tokens(frame)
        known = self._tokens[id(frame)][1]
        for name, token in tokens.items():
            if token.owner() is None and type(token) in (Kept, Cells):
                token.owner = ref(frame)
            if token.owner() is frame:
                known[name] = token
        self.tokens(frame)  # which tells them where they are

    def _token(self, frame: Any, name: str, position: int, known: Token | None) -> Token:
        cls = token_class(block_values(frame, position))
        if type(known) is cls:
            known.position = position
            if type(known) is not Kept or known.is_current():
                return known
        return cls(frame, name, position)


class FrameKind:
    """The state of a frame: header and columns, put back all at once."""

    name = "attributes"
    fixed = False
    hashes = True  # columns of objects come first
    lead = 1

    def __init__(self, adapter: FrameAdapter) -> None:
        self.adapter = adapter

    def take(self, obj: Any) -> State:
        found = self.adapter.attributes(obj)
        return (_COUNTS.setdefault(len(found), len(found)), *(n for n, _ in found), *(v for _, v in found))

    def put(self, obj: Any, state: State) -> None:
        wanted = dict(zip(state[1 : 1 + state[0]], state[1 + state[0] :]))
        present = dict(self.adapter.attributes(obj))
        held = {name: value for name, value in wanted.items() if name.startswith("[")}
        axes = [wanted.get(axis, present.get(axis)) for axis in _AXES[obj.ndim]]
        changed = changed_in(present, wanted)
        if (
            held.keys() != {name for name in present if name.startswith("[")}
            or any(name in held or name in ("index", "columns") for name in changed)
            or any(type(token) is Cells and token.made is not None for token in held.values())
        ):
            rebuild(obj, axes, held)
            self.adapter.adopt(obj, held)
        put_header(obj, present, wanted)

    def way_back(self, obj: Any) -> Callable[[], None]:
        """What gives ``obj`` the blocks it has now: none of them is in any stand-in once it has others."""
        manager, before = obj._mgr, dict(self.adapter.attributes(obj))
        tokens = {name: token for name, token in before.items() if name.startswith("[")}

        def take_back() -> None:
            take_blocks(obj, manager)
            self.adapter.adopt(obj, tokens)
            put_header(obj, dict(self.adapter.attributes(obj)), before)

        return take_back

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("attributes are not an object")

    def edges(self, state: State) -> Iterator[tuple[str, Any]]:
        for name, value in zip(state[1 : 1 + state[0]], state[1 + state[0] :]):
            yield ("" if name == VALUES else name if name[0] in ".[" else f".{name}"), value


_AXES = {1: ("index",), 2: ("columns", "index")}
_COUNTS: dict[int, int] = {}  # states are compared by identity, and numbers above 256 have many


def _header(obj: Any) -> Iterator[tuple[str, Any]]:
    yield "index", obj.index
    if obj.ndim == 2:
        yield "columns", obj.columns
    else:
        yield "name", obj._name
    yield "attrs", obj._attrs
    yield "allows_duplicate_labels", obj._flags.allows_duplicate_labels
    for name, value in vars(obj).items():
        if name not in _OWN:
            yield sys.intern(f".{name}"), value


FRAME = FrameAdapter()
LEAF_ADAPTERS = (FRAME, COLUMN, TEXT, LABELS)
KINDS = (INDEX, CELLS)

_IMMUTABLE = (
    pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval, pd.DateOffset, ExtensionDtype,
    type(pd.NaT), type(pd.NA), pd.offsets.BaseOffset, pd.Flags,
)  # fmt: skip
_HANDLERS = {Column: COLUMN, Text: TEXT, Cells: CELLS, Kept: BENIGN, Labels: LABELS, Undescribed: BENIGN}


def handler_for(obj: Any) -> Any:
    """The adapter, kind or reference for what is pandas' own; None for anything else."""
    cls = type(obj)
    if cls in _HANDLERS:
        # a snapshot may know a column that its frame has no more: there is nothing to read then
        return _HANDLERS[cls] if not issubclass(cls, Token) or cls is Cells or _is_there(obj) else BENIGN
    if issubclass(cls, NDFrame):
        return FRAME
    if issubclass(cls, pd.Index):
        return index_handler(obj)
    return BENIGN if issubclass(cls, _IMMUTABLE) else None


def _is_there(token: Token) -> bool:
    values = token.values() if token.made is None else None
    return token.made is not None or (values is not None and token_class(values) is type(token))
