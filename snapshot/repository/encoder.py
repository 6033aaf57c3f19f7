"""Tables to JSON; :mod:`snapshot.repository.table` tells what it says, and reads it back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from snapshot.model import Variable
from snapshot.repository.entry import StoredLeaf
from snapshot.repository.table import Piece, Place, Table, block_out, number_out


class _Told(NamedTuple):
    """What was put into words, the numbers of its sources in the table, and the words."""

    what: tuple[StoredLeaf, tuple[Place, ...]] | Piece
    at: tuple[int, ...]
    text: str


class Encoder:
    """Encodes the tables of one writer, of which each is mostly what the one before was.

    A leaf or a piece that the last table had too is not put into words again. Equal
    tables are equal bytes, whatever was encoded before.
    """

    def __init__(self) -> None:
        self._leaves: dict[int, _Told] = {}
        self._records: dict[str, _Told] = {}
        self._pickles: dict[str, _Told] = {}
        self._last: tuple[Table, bytes] | None = None

    def encode(self, table: Table) -> bytes:
        """The table as it is stored."""
        if self._last is None or self._last[0] is not table:
            self._last = table, self._encode(table)
        return self._last[1]

    def _encode(self, table: Table) -> bytes:
        sources: dict[str, int] = {}
        self._leaves = dict(_leaves(table, self._leaves, sources))
        self._records = dict(_pieces(table.records, self._records, sources))
        self._pickles = dict(_pieces(table.pickles, self._pickles, sources))
        parts = {
            "leaves": f"[{_joined(self._leaves)}]",
            "records": f"{{{_joined(self._records)}}}",
            "pickles": f"{{{_joined(self._pickles)}}}",
            "names": _json(dict(table.names)),
            "report": _json(dict(table.report)),
            "plain": _json([_plain_out(one, table.numbers) for one in table.plain]),
            "sources": _json(list(sources)),
        }
        if table.signatures:
            parts["signatures"] = _json(dict(table.signatures))
        if table.joined:
            parts["joined"] = _json(dict(table.joined))
        text = ",".join(f'"{name}":{part}' for name, part in parts.items())
        # no time inside: equal tables are equal bytes
        return gzip.compress(f"{{{text}}}".encode(), compresslevel=1, mtime=0)


def _leaves(table: Table, known: Mapping[int, _Told], sources: dict[str, int]) -> Iterator[tuple[int, _Told]]:
    for stored, places in zip(table.leaves, table.places, strict=True):
        at = tuple([sources.setdefault(place[0], len(sources)) for place in places])
        told = known.get(stored.number)
        if told is None or told.at != at or told.what[0] is not stored or told.what[1] != places:
            told = _Told((stored, places), at, _json(_leaf_out(stored, places, sources)))
        yield stored.number, told


def _pieces(
    pieces: Mapping[str, Piece], known: Mapping[str, _Told], sources: dict[str, int]
) -> Iterator[tuple[str, _Told]]:
    for name, piece in pieces.items():
        at = (sources.setdefault(piece.place[0], len(sources)),)
        told = known.get(name)
        if told is None or told.at != at or told.what != piece:
            told = _Told(piece, at, f"{_json(name)}:{_json(block_out(*piece, sources))}")
        yield name, told


def _joined(told: Mapping[Any, _Told]) -> str:
    return ",".join([one.text for one in told.values()])


def _json(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), default=_scalar)


def _leaf_out(stored: StoredLeaf, places: tuple[Place, ...], sources: dict[str, int]) -> dict[str, Any]:
    leaf = stored.leaf
    out: dict[str, Any] = {
        "number": stored.number,
        "path": stored.path,
        "role": stored.role.value,
        "dtype": stored.dtype,
        "kind": leaf.kind,
        "bytes": leaf.dtype,
        "shape": leaf.shape,
        "blocks": [block_out(digest, at, sources) for digest, at in zip(leaf.blocks, places, strict=True)],
    }
    if leaf.order != "C":
        out["order"] = leaf.order
    if leaf.meta:
        out["meta"] = leaf.meta
    if leaf.view is not None:
        out["view"] = [leaf.view.base, leaf.view.offset, leaf.view.strides]
    if stored.aliases:
        out["aliases"] = stored.aliases
    return out


def _plain_out(one: Variable, numbers: Mapping[str, Any]) -> dict[str, Any]:
    value = {"value": number_out(numbers[one.path])} if one.path in numbers else {}
    return value | {
        "path": one.path,
        "role": one.role.value,
        "shape": one.shape,
        "dtype": one.dtype if isinstance(one.dtype, str) else one.dtype.str,
        "dtype_known": not isinstance(one.dtype, str),
        "nbytes": one.nbytes,
        "digest": one.digest.hex(),
        "aliases": one.aliases,
    }


def _scalar(value: Any) -> Any:
    """NumPy numbers among the descriptions become plain ones."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is not plain data: descriptions hold text, numbers and booleans only")
