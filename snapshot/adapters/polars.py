"""polars: frames and series, whose columns never change but are exchanged for others in place.

The contents are those of an Arrow stream, so that they need no pickle. A frame is given
its stored columns again and stays the same object. What polars never changes (lazy
frames, expressions, data types) is kept as it is.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import polars as pl

from snapshot.adapters.protocol import Array, Form
from snapshot.adapters.reference import BENIGN
from snapshot.adapters.simple_leaf import SimpleLeaf


class FrameLeaf(SimpleLeaf):
    """A ``DataFrame``."""

    kind = "polars.DataFrame"

    def view(self, obj: Any) -> Array:
        frame = _as_frame(obj)
        if any("Object" in str(dtype) for dtype in frame.dtypes):
            raise TypeError("it has a column of Python objects, for which a stream has addresses only")
        stream = BytesIO()
        frame.write_ipc_stream(stream)
        return np.frombuffer(stream.getvalue(), np.uint8)

    def form(self, obj: Any) -> Form:
        return Form((1,), self.kind)

    def misfit(self, obj: Any, form: Form) -> str | None:
        return None  # any frame takes any columns

    def assign(self, obj: Any, contents: Array) -> None:
        obj._df = _read(contents)._df

    def build(self, form: Form, contents: Array) -> Any:
        return _read(contents)


class SeriesLeaf(FrameLeaf):
    """A ``Series``."""

    kind = "polars.Series"

    def assign(self, obj: Any, contents: Array) -> None:
        obj._s = self.build(self.form(obj), contents)._s

    def build(self, form: Form, contents: Array) -> Any:
        return _read(contents).to_series()


def _as_frame(obj: Any) -> Any:
    return obj if type(obj) is pl.DataFrame else obj.to_frame()


def _read(contents: Array) -> Any:
    return pl.read_ipc_stream(BytesIO(contents.tobytes()))


LEAF_ADAPTERS = (FrameLeaf(), SeriesLeaf())
_BY_TYPE = {pl.DataFrame: LEAF_ADAPTERS[0], pl.Series: LEAF_ADAPTERS[1]}


def handler_for(obj: Any) -> Any:
    """The adapter for a frame or series; polars' other objects never change."""
    top = type(obj).__module__.partition(".")[0]
    return _BY_TYPE.get(type(obj)) or (BENIGN if top == "polars" else None)
