"""Mutable hash tables of a graph that has the ops to export and to import them.

Such a table is two parts, ``NAME/keys`` and ``NAME/values``, row by row. TensorFlow
exports them in any order, so that they are sorted by key: equal tables are then equal
arrays. A ``Saver`` makes the import op; without one the table is reported instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from snapshot.adapters.protocol import Array
from snapshot.adapters.tensorflow1_graph import GraphTable, GraphVariable
from snapshot.adapters.tensorflow1_values import to_feed, to_plain
from snapshot.model import Role


def find_tables(graph: Any, operations: Iterable[Any]) -> dict[str, GraphTable]:
    """The tables that can be read and set, by op name."""
    exports: dict[str, Any] = {}
    imports: dict[str, Any] = {}
    for op in operations:
        kind = {"LookupTableExportV2": exports, "LookupTableImportV2": imports}.get(op.type)
        if kind is not None and not op.control_inputs and not op.inputs[0].op.control_inputs:
            kind.setdefault(op.inputs[0].op.name, op)
    return {
        name: _table(name, export, imports[name])
        for name, export in exports.items()
        if name in imports and all(map(graph.is_feedable, imports[name].inputs[1:3]))
    }


def _table(name: str, export: Any, load: Any) -> GraphTable:
    keys, values = (
        GraphVariable(f"{name}/{part}", tensor.dtype.name, None, False, Role.VALUE, tensor.name)
        for part, tensor in zip(("keys", "values"), export.outputs, strict=True)
    )
    return GraphTable(keys, values, load.name, load.inputs[1].name, load.inputs[2].name)


def sort_by_key(tables: Iterable[GraphTable], arrays: dict[str, Array]) -> None:
    """Bring the rows of every table that was read into the order of its keys."""
    for table in tables:
        if table.keys.name in arrays and table.values.name in arrays:
            order = np.argsort(arrays[table.keys.name], kind="stable")
            for part in (table.keys, table.values):
                arrays[part.name] = arrays[part.name][order]


def load(session: Any, table: GraphTable, given: Mapping[str, Array]) -> None:
    """Replace the contents of ``table``. A part that is not given stays as it is."""
    arrays = dict(given)
    if table.keys.name not in given or table.values.name not in given:
        rows = session.run([table.keys.read, table.values.read])
        now = dict(zip((table.keys.name, table.values.name), map(to_plain, rows), strict=True))
        sort_by_key([table], now)
        arrays = {**now, **given}
    feeds = {
        table.feed_keys: to_feed(arrays[table.keys.name], table.keys.dtype),
        table.feed_values: to_feed(arrays[table.values.name], table.values.dtype),
    }
    session.run(table.load, feeds)
