"""What zarr reads: the metadata of groups and arrays, so that any zarr tool finds its way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from snapshot.cutting import BLOCK_BYTES
from snapshot.model import Leaf, parse_dtype
from snapshot.repository.layout import FORMAT, cut_of, is_native


def group(attributes: Mapping[str, Any] | None = None) -> bytes:
    """A zarr v3 group."""
    return _json({"zarr_format": 3, "node_type": "group", "attributes": dict(attributes or {})})


def root(identity: str | None) -> bytes:
    """The group that makes a folder a repository; ``identity`` tells it from one made later in its place."""
    about = {
        "format": FORMAT,
        "id": identity,
        "block_bytes": BLOCK_BYTES,
        "hash": "xxh3_128",
    }
    return group({"snapshot_repository": about})


def groups_of(run: str) -> dict[str, dict[str, Any]]:
    """The folders above a run's arrays, with their attributes: zarr lists only what is a node of its own."""
    here = f"runs/{run}"
    plain = ("runs", *(f"{here}/{part}" for part in ("variables", "packs", "snapshots")))
    return {**{folder: {} for folder in plain}, here: {"format": FORMAT}}


def with_rows(description: bytes, rows: int) -> bytes:
    """The metadata of a group as they are, and those of an array for so many rows at least."""
    about = json.loads(description)
    if about["node_type"] == "array":
        about["shape"][0] = max(about["shape"][0], rows)
    return json.dumps(about).encode()


def row_array(path: str, dtype: str, leaf: Leaf, rows: int) -> bytes:
    """zarr v3 metadata of the array (rows, \\*shape) that holds the contents of one variable.

    The bytes are exactly those of memory. Fortran order is zarr's transpose codec; a
    dtype that zarr does not know (structured, dates, text, long double) is shown as
    bytes along one more axis.
    """
    numpy_dtype = parse_dtype(leaf.dtype)
    shape, block = list(leaf.shape), list(cut_of(leaf).block_shape)
    turned = leaf.order == "F"
    axes = list(range(1, len(shape) + 1))[:: -1 if turned else 1]
    if turned:
        block.reverse()
    if not is_native(leaf):
        shape.append(numpy_dtype.itemsize)
        block.append(numpy_dtype.itemsize)
        axes.append(len(shape))
    codecs: list[Any] = [{"name": "transpose", "configuration": {"order": [0, *axes]}}] if turned else []
    return _array(
        shape=[rows, *shape],
        chunk=[1, *block],
        dtype=numpy_dtype if is_native(leaf) else np.dtype("u1"),
        codecs=codecs,
        attributes={"path": path, "dtype": dtype, "bytes": leaf.dtype},
    )


def pack_array(size: int) -> bytes:
    """zarr v3 metadata of a pack of ``size`` bytes."""
    return _array(shape=[size], chunk=[size], dtype=np.dtype("u1"), codecs=[], attributes={})


def _array(
    *, shape: list[int], chunk: list[int], dtype: np.dtype[Any], codecs: list[Any], attributes: dict[str, Any]
) -> bytes:
    endian = {"configuration": {"endian": "big" if dtype.byteorder == ">" else "little"}}
    return _json(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            # one folder for all chunks: a folder for each axis would cost more than most blocks
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
            "fill_value": _FILL.get(dtype.kind, 0),
            "codecs": [*codecs, {"name": "bytes", **({} if dtype.itemsize == 1 else endian)}],
            "attributes": attributes,
        }
    )


#: An absent chunk must not pass for a value where the dtype has a way to say so.
_FILL: dict[str, Any] = {"f": "NaN", "c": ["NaN", "NaN"], "b": False}


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1).encode()
