"""The table of a snapshot: what it holds, and where each block lies. To JSON and back.

The JSON, gzipped, is a table of leaves whose block lists refer to ``sources``::

    {"sources": ["runs/r/variables/w-1f.../float32-1000x50", "runs/r/packs/3"],
     "leaves": [{"number": 0, "path": "W", "role": "parameter", "dtype": "float32",
                 "kind": "numpy.ndarray", "bytes": "<f4", "shape": [1000, 50],
                 "blocks": [["<hash>", 0, <row>, <block>], ...]}, ...],
     "records": {"<group>": ["<hash>", 1, <offset>, <length>]}, "pickles": {...},
     "joined": {"<group>": "<name of the pickle it is in with others>"},
     "signatures": {"<name of a pickle>": "<key>:<hmac>"},
     "names": {...}, "report": {...}}
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from snapshot.model import Leaf, Role, Variable, View
from snapshot.repository.entry import StoredLeaf


class InRow(NamedTuple):
    """A block in an array: ``number`` counts its blocks in memory order."""

    array: str
    row: int
    number: int


class InPack(NamedTuple):
    """Some bytes of a pack."""

    pack: str
    offset: int
    length: int


Place = InRow | InPack


class Piece(NamedTuple):
    """A record or a pickle: its hash and where it lies."""

    digest: bytes
    place: InPack


@dataclass(frozen=True)
class Table:
    """Everything a snapshot holds except values. ``places[i]`` are those of ``leaves[i]``'s blocks."""

    leaves: tuple[StoredLeaf, ...]
    places: tuple[tuple[Place, ...], ...]
    records: Mapping[str, Piece]
    pickles: Mapping[str, Piece]
    names: Mapping[str, str]
    report: Mapping[str, str]
    plain: tuple[Variable, ...] = field(default=())
    numbers: Mapping[str, Any] = field(default_factory=dict)  #: path of a plain one -> its value
    signatures: Mapping[str, str] = field(default_factory=dict)  #: name of a pickle -> who stored it
    joined: Mapping[str, str] = field(default_factory=dict)  #: group -> name of the pickle that it shares

    @cached_property
    def nbytes(self) -> int:
        """Of all contents; views have none of their own."""
        return sum(stored.leaf.nbytes for stored in self.leaves if stored.leaf.view is None)

    def referred(self) -> set[Place]:
        """Every place that this table names."""
        found = {place for places in self.places for place in places}
        return found.union(piece.place for piece in (*self.records.values(), *self.pickles.values()))

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Table:
        """Read it back. Raises OSError, ValueError or KeyError on anything else."""
        document = decode_document(data)
        sources = document["sources"]
        found = [_leaf_in(one, sources) for one in document["leaves"]]
        return cls(
            leaves=tuple(leaf for leaf, _ in found),
            places=tuple(places for _, places in found),
            records={name: Piece(*block_in(one, sources)) for name, one in document["records"].items()},
            pickles={name: Piece(*block_in(one, sources)) for name, one in document["pickles"].items()},
            names=document["names"],
            report=document["report"],
            plain=tuple(_plain_in(one) for one in document["plain"]),
            numbers={one["path"]: number_in(one["value"]) for one in document["plain"] if "value" in one},
            signatures=document.get("signatures", {}),
            joined=document.get("joined", {}),
        )


def decode_document(data: bytes | memoryview) -> dict[str, Any]:
    """The JSON of a table. Raises OSError, EOFError or ValueError on anything else."""
    document: dict[str, Any] = json.loads(gzip.decompress(data))
    return document


def _leaf_in(one: dict[str, Any], sources: list[str]) -> tuple[StoredLeaf, tuple[Place, ...]]:
    blocks = [block_in(block, sources) for block in one["blocks"]]
    view = one.get("view")
    leaf = Leaf(
        kind=one["kind"],
        dtype=one["bytes"],
        shape=tuple(one["shape"]),
        order=one.get("order", "C"),
        blocks=tuple(digest for digest, _ in blocks),
        meta=tuple((name, frozen(value)) for name, value in one.get("meta", ())),
        view=View(view[0], view[1], tuple(view[2])) if view else None,
    )
    aliases = tuple(one.get("aliases", ()))
    stored = StoredLeaf(one["number"], one["path"], Role(one["role"]), one["dtype"], leaf, aliases)
    return stored, tuple(place for _, place in blocks)


def block_out(digest: bytes, place: Place, sources: dict[str, int]) -> list[Any]:
    """A block as JSON has it; ``sources`` collects what it refers to."""
    return [digest.hex(), sources.setdefault(place[0], len(sources)), place[1], place[2]]


def block_in(block: list[Any], sources: list[str]) -> tuple[bytes, Any]:
    """Read :func:`block_out` back: the hash and the place."""
    digest, source, start, extent = block
    where = sources[source]
    kind = InRow if "/variables/" in where else InPack
    return bytes.fromhex(digest), kind(where, start, extent)


def _plain_in(one: dict[str, Any]) -> Variable:
    return Variable(
        path=one["path"],
        role=Role(one["role"]),
        shape=tuple(one["shape"]),
        dtype=np.dtype(one["dtype"]) if one["dtype_known"] else one["dtype"],
        nbytes=one["nbytes"],
        digest=bytes.fromhex(one["digest"]),
        aliases=tuple(one["aliases"]),
    )


def number_out(value: Any) -> Any:
    """A number as JSON has it; a complex one as its two parts."""
    value = value.item() if isinstance(value, np.generic) else value
    return [value.real, value.imag] if isinstance(value, complex) else value


def number_in(value: Any) -> Any:
    """Read :func:`number_out` back."""
    return complex(*value) if isinstance(value, list) else value


def frozen(value: Any) -> Any:
    """JSON has no tuples; leaves are compared and hashed, so they hold no lists."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value
