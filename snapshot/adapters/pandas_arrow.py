"""Columns that Arrow holds or can describe, as the bytes of an Arrow stream: read back without pickle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from snapshot.adapters.pandas_columns import Text, fits_arrow, replace_values
from snapshot.adapters.protocol import Array, Form


class TextAdapter:
    """Such a column is never written to: it gets new values as pandas gives them, which spares all who share it."""

    kind = "pandas.arrow"
    immutable = False
    separate = True

    def form(self, obj: Text) -> Form:
        values = _values(obj)
        return Form((stream_of(values).size,), str(values.dtype), (("length", len(values)),))

    def view(self, obj: Text) -> Array:
        return stream_of(_values(obj))

    def misfit(self, obj: Text, form: Form) -> str | None:
        values = obj.values()
        if not fits_arrow(values):
            return "its frame has no such column of Arrow's any more"
        length = dict(form.meta)["length"]
        if len(values) != length:
            return f"has length {len(values)}, stored was {length}"
        if str(values.dtype) != form.dtype:
            return f"has dtype {values.dtype}, stored was {form.dtype}"
        return None

    def assign(self, obj: Text, contents: Array) -> None:
        replace_values(obj, values_of(contents, _values(obj).dtype))

    def assign_span(self, obj: Text, start: int, contents: Array) -> bool:
        return False

    def build(self, form: Form, contents: Array) -> Text:
        made = Text(None, "", 0)
        made.made = values_of(contents, pd.api.types.pandas_dtype(form.dtype))
        return made

    def attributes(self, obj: Text) -> Sequence[tuple[str, Any]]:
        return ()

    def set_attribute(self, obj: Text, name: str, value: Any) -> None:
        raise AttributeError(name)


def _values(obj: Text) -> Any:
    found = obj.made if obj.made is not None else obj.values()
    if not fits_arrow(found):
        raise LookupError("its frame has no such column any more")
    return found


def stream_of(values: Any) -> Array:
    """The bytes of an Arrow stream with the values of a pandas array."""
    import pyarrow as pa  # there wherever pandas holds such a column

    chunks = pa.chunked_array(pa.array(values if hasattr(values, "__arrow_array__") else pd.Series(values)))
    chunk = chunks.combine_chunks()
    batch = pa.record_batch([chunk if isinstance(chunk, pa.Array) else chunk.chunk(0)], names=[""])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return np.frombuffer(sink.getvalue(), np.uint8)


def values_of(contents: Array, dtype: Any) -> Any:
    """The pandas array that :func:`stream_of` wrote."""
    import pyarrow as pa

    with pa.ipc.open_stream(contents.tobytes()) as stream:
        column = stream.read_all().column(0)
    return dtype.__from_arrow__(column)


TEXT = TextAdapter()
