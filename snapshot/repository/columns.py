"""One variable across many snapshots: the tables of a fold, turned on their side.

A fold (:mod:`snapshot.repository.folded`) keeps, for each path, where its contents lie in
every snapshot it folds, so that a series of thousands is a few reads and not a table
each. A variable that did not change costs nothing; views are left to the tables, because
their bytes are another leaf's.

One column is JSON: ``{"sources": [...], "forms": [...], "runs": [[id, form, number, blocks], ...]}``.
A run holds from its snapshot on until the next run; ``form`` -1 says that the path is
not there, -2 that the table knows more.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from snapshot.model import Leaf, Role
from snapshot.repository.entry import StoredLeaf
from snapshot.repository.table import Place, Table, block_in, block_out, frozen, number_in, number_out

ABSENT = -1
IN_TABLE = -2


class Located(NamedTuple):
    """A variable in one snapshot: an array and where its blocks lie, or a number's ``value`` and ``dtype``."""

    stored: StoredLeaf | None
    places: tuple[Place, ...] = ()
    value: Any = None
    dtype: str = ""


class _Column:
    """What is known of one path so far."""

    def __init__(self) -> None:
        self.sources: dict[str, int] = {}
        self.forms: dict[str, int] = {}
        self.runs: list[str] = []
        self._last: Any = None

    def is_other(self, key: Any) -> bool:
        """Whether one more snapshot, which ``key`` tells from others, differs from the one before."""
        if key == self._last:
            return False
        self._last = key
        return True

    def begin(self, snapshot: int, index: int, number: int = 0, blocks: Any = ()) -> None:
        """From this snapshot on; ``index`` is that of a form, :data:`ABSENT` or :data:`IN_TABLE`."""
        self.runs.append(json.dumps([snapshot, index, number, blocks], separators=(",", ":")))

    def form(self, form: Mapping[str, Any]) -> int:
        """The index of a form."""
        return self.forms.setdefault(json.dumps(form, sort_keys=True), len(self.forms))

    def encode(self) -> bytes:
        sources = json.dumps(list(self.sources))
        text = f'{{"sources":{sources},"forms":[{",".join(self.forms)}],"runs":[{",".join(self.runs)}]}}'
        return gzip.compress(text.encode(), compresslevel=1, mtime=0)


class Columns:
    """The columns of the snapshots added, in their order."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self.aliases: dict[str, str] = {}
        self._last: Table | None = None

    def add(self, snapshot: int, table: Table) -> None:
        """One more snapshot."""
        if table is self._last:
            return
        self._last = table
        there: set[str] = set()
        for stored, places in zip(table.leaves, table.places, strict=True):
            if stored.path:
                there.add(stored.path)
                self._add_leaf(snapshot, stored, places)
        for one in table.plain:
            there.add(one.path)
            column = self._columns.setdefault(one.path, _Column())
            if one.path in table.numbers and not isinstance(one.dtype, str):
                if column.is_other((one.digest, one.dtype)):
                    value = number_out(table.numbers[one.path])
                    column.begin(snapshot, column.form({"number": one.dtype.str}), 0, value)
            elif column.is_other(one.digest):
                column.begin(snapshot, IN_TABLE)
        for path in self._columns.keys() - there:
            if self._columns[path].is_other(None):
                self._columns[path].begin(snapshot, ABSENT)

    def _add_leaf(self, snapshot: int, stored: StoredLeaf, places: tuple[Place, ...]) -> None:
        leaf = stored.leaf
        column = self._columns.setdefault(stored.path, _Column())
        for alias in stored.aliases:
            self.aliases.setdefault(alias, stored.path)
        if leaf.view is not None:
            if column.is_other("view"):
                column.begin(snapshot, IN_TABLE)
            return
        # most are what they were in the snapshot before
        if not column.is_other((stored.number, stored.role, stored.dtype, places, leaf)):
            return
        form = {
            "role": stored.role.value,
            "dtype": stored.dtype,
            "kind": leaf.kind,
            "bytes": leaf.dtype,
            "shape": leaf.shape,
            "order": leaf.order,
            "meta": leaf.meta,
        }
        blocks = [block_out(digest, at, column.sources) for digest, at in zip(leaf.blocks, places, strict=True)]
        column.begin(snapshot, column.form(form), stored.number, blocks)

    def encode(self) -> dict[str, bytes]:
        """Each column as it is stored."""
        return {path: column.encode() for path, column in self._columns.items()}


def decode_column(data: bytes | memoryview, path: str, wanted: list[int]) -> dict[int, Located | None]:
    """Where ``path`` lies in the snapshots ``wanted`` (ascending ids); None where it does not.

    Those that only the table knows are left out. Raises OSError, ValueError, KeyError or
    TypeError on anything but a column.
    """
    document = json.loads(gzip.decompress(data))
    sources, runs = document["sources"], document["runs"]
    found: dict[int, Located | None] = {}
    position, current = -1, None
    for snapshot in wanted:
        fresh = position
        while fresh + 1 < len(runs) and runs[fresh + 1][0] <= snapshot:
            fresh += 1
        if fresh < 0:
            found[snapshot] = None
            continue
        if fresh != position:
            position, current = fresh, _located(path, runs[fresh], document["forms"], sources)
        if runs[position][1] != IN_TABLE:
            found[snapshot] = current
    return found


def _located(path: str, run: list[Any], forms: list[Any], sources: list[str]) -> Located | None:
    _, index, number, blocks = run
    if index < 0:
        return None
    form = forms[index]
    if "number" in form:
        return Located(None, (), number_in(blocks), form["number"])
    read = [block_in(block, sources) for block in blocks]
    leaf = Leaf(
        kind=form["kind"],
        dtype=form["bytes"],
        shape=tuple(form["shape"]),
        order=form["order"],
        blocks=tuple(digest for digest, _ in read),
        meta=tuple((name, frozen(value)) for name, value in form["meta"]),
    )
    stored = StoredLeaf(number, path, Role(form["role"]), form["dtype"], leaf)
    return Located(stored, tuple(place for _, place in read))
