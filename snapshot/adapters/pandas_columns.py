"""One column of a frame, or the values of a series, as an object of its own.

pandas makes no lasting object for a column, so these stand in for one: the same for
the same frame and label, for as long as the frame lives. A numeric column is a leaf,
so is one of Arrow's (its bytes are in ``pandas_arrow``), an object column is a
container of its cells, and of any other a copy is kept until its values differ.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import ref

import numpy as np
import pandas as pd
from pandas.arrays import DatetimeArray, FloatingArray, TimedeltaArray

from snapshot.adapters.containers import State, same
from snapshot.adapters.protocol import Array, Form
from snapshot.model import format_dtype, parse_dtype


class Token:
    """The values under one name of a frame, -1 where it has none now; ``made`` are values that await a frame."""

    __slots__ = ("__weakref__", "made", "name", "owner", "position")

    def __init__(self, owner: Any, name: str, position: int) -> None:
        self.owner = ref(owner) if owner is not None else lambda: None
        self.name = name
        self.position = position
        self.made: Any = None

    def values(self) -> Any:
        """The live array as it lies in the frame's block; None when there is none any more."""
        frame = self.owner()
        if frame is None or self.position < 0 or (frame.ndim == 2 and self.position >= frame.shape[1]):
            return None
        return block_values(frame, self.position)


class Column(Token):
    """A column whose values NumPy can hold."""

    __slots__ = ()


class Cells(Token):
    """A column of Python objects."""

    __slots__ = ()


class Text(Token):
    """A column that Arrow holds or can describe: text, masked numbers, times of a zone."""

    __slots__ = ()


class Kept(Token):
    """A column of any other type; ``array`` is a copy from the time this was made."""

    __slots__ = ("array",)
    by_pickle = True  #: a new kernel cannot have it otherwise

    def __init__(self, owner: Any, name: str, position: int) -> None:
        super().__init__(owner, name, position)
        self.array = block_values(owner, position).copy()

    def is_current(self) -> bool:
        """Whether the frame's values are still these; a write behind pandas' back is seen too."""
        values = self.values()
        return type(values) is type(self.array) and values.dtype == self.array.dtype and self.array.equals(values)


def block_values(frame: Any, position: int) -> Any:
    """The array of one column, sharing the frame's memory."""
    manager = frame._mgr
    if frame.ndim == 1:
        return manager.blocks[0].values
    values = manager.blocks[manager.blknos[position]].values
    return values if values.ndim == 1 else values[manager.blklocs[position]]


def plain(values: Any) -> Array | None:
    """The NumPy array behind numeric, boolean or datetime values without a time zone, shared."""
    if type(values) in (DatetimeArray, TimedeltaArray) and isinstance(values.dtype, np.dtype):
        found: Array = values._ndarray
        return found
    return values if isinstance(values, np.ndarray) and values.dtype != object else None


def token_class(values: Any) -> type[Token]:
    """Which stand-in takes a column with these values."""
    if plain(values) is not None:
        return Column
    if isinstance(values, np.ndarray):
        return Cells
    return Text if fits_arrow(values) else Kept


def fits_arrow(values: Any) -> bool:
    """Whether Arrow can hold these values, and pandas make them again from there."""
    if isinstance(values, np.ndarray) or "pyarrow" not in sys.modules:
        return False
    if type(values) is FloatingArray and np.isnan(values._data[~values._mask]).any():
        return False  # pandas would read NaN back as nothing
    known = hasattr(values, "__arrow_array__") or type(values) is DatetimeArray
    return known and hasattr(values.dtype, "__from_arrow__") and named_by_text(values.dtype)


def named_by_text(dtype: Any) -> bool:
    """Whether a dtype can be made again from its name."""
    try:
        return bool(pd.api.types.pandas_dtype(str(dtype)) == dtype)
    except TypeError:
        return False


def wrapped(array: Array) -> Any:
    """A NumPy array as pandas keeps it in a block."""
    return pd.array(array, copy=False) if array.dtype.kind in "mM" else array


def private_values(token: Any) -> Any:
    """The values a token stands for, shared with nobody."""
    if token.made is not None:
        return wrapped(token.made) if isinstance(token.made, np.ndarray) else token.made
    return token.array.copy() if type(token) is Kept else token.values().copy()


class ColumnAdapter:
    """Numeric columns. Written in place unless another frame shares the memory, as pandas would."""

    kind = "pandas.column"
    immutable = False
    separate = True

    def form(self, obj: Column) -> Form:
        array = self.view(obj)
        return Form(array.shape, format_dtype(array.dtype))

    def view(self, obj: Column) -> Array:
        found: Array | None = obj.made if obj.made is not None else plain(obj.values())
        if found is None:
            raise LookupError("its frame has no such column any more")
        return found

    def misfit(self, obj: Column, form: Form) -> str | None:
        present = plain(obj.values())
        if present is None:
            return "its frame has no such numeric column any more"
        if present.shape != form.shape:
            return f"has shape {present.shape}, stored was {form.shape}"
        if format_dtype(present.dtype) != form.dtype:
            return f"has dtype {present.dtype}, stored was {parse_dtype(form.dtype)}"
        return None

    def assign(self, obj: Column, contents: Array) -> None:
        target = self._writable(obj)
        if target is not None:
            np.copyto(target, contents, casting="no")
        else:
            replace_values(obj, wrapped(np.array(contents, order="C")))

    def assign_span(self, obj: Column, start: int, contents: Array) -> bool:
        target = self._writable(obj)
        if target is None:
            return False
        np.copyto(target[start : start + contents.size], contents, casting="no")
        return True

    def build(self, form: Form, contents: Array) -> Column:
        made = Column(None, "", 0)
        made.made = np.array(contents, order="C")
        return made

    def attributes(self, obj: Column) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Column, name: str, value: Any) -> None:
        raise AttributeError(name)

    def _writable(self, obj: Column) -> Array | None:
        frame: Any = obj.owner()
        manager = frame._mgr
        block = manager.blocks[manager.blknos[obj.position] if frame.ndim == 2 else 0]
        array = plain(obj.values())
        # another frame or index that shares the memory copy-on-write must not change with this one
        if array is None or block.refs.has_reference() or not array.flags.writeable:
            return None
        return array


def replace_values(token: Token, values: Any) -> None:
    """Give a live frame's column other values of the same length."""
    frame: Any = token.owner()
    if frame.ndim == 2:
        frame.isetitem(token.position, pd.Series(values, index=frame.index, dtype=values.dtype, copy=False))
    else:
        made = pd.Series(values, index=frame.index, dtype=values.dtype, copy=False)
        frame._update_inplace(made)


class _Gone:
    """In place of cells: the column holds no objects, or has no frame yet. Not even an empty one is like that."""


_GONE: State = (_Gone,)


class CellsKind:
    """A column of Python objects. State: its cells from first to last."""

    name = "pandas.cells"
    fixed = False
    hashes = False
    lead = 0

    def take(self, obj: Cells) -> State:
        if obj.made is not None:
            return tuple(obj.made.tolist())
        values = obj.values()
        return tuple(values.tolist()) if isinstance(values, np.ndarray) and values.dtype == object else _GONE

    def put(self, obj: Cells, state: State) -> None:
        obj.made = None
        if same(state, _GONE):
            return
        cells = np.empty(len(state), object)
        cells[:] = state
        frame, values = obj.owner(), obj.values()
        fits = isinstance(values, np.ndarray) and values.dtype == object and len(values) == len(cells)
        if frame is not None and fits:
            replace_values(obj, cells)
        else:
            # the frame takes them when it is put back, which comes later
            obj.made = cells

    def build(self, cls: type, state: State) -> Cells:
        return Cells(None, "", 0)

    def edges(self, state: State) -> Iterable[tuple[str, Any]]:
        return ((f"[{index}]", cell) for index, cell in enumerate(state) if cell is not _Gone)


COLUMN = ColumnAdapter()
CELLS = CellsKind()
