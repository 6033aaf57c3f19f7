"""The bytes of leaves: cut into blocks, hashed, put into the pool, and put together again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from xxhash import xxh3_128_digest

from snapshot.cutting import BLOCK_BYTES, spans
from snapshot.model import Leaf, parse_dtype
from snapshot.pool import Blocks
from snapshot.staging import Bytes


def hash_blocks(contents: np.ndarray[Any, Any]) -> tuple[bytes, ...]:
    """The digest of each block of a C-contiguous array."""
    if 0 < contents.nbytes <= BLOCK_BYTES:
        return (xxh3_128_digest(flat_bytes(contents).data),)  # most arrays of most programs are this small
    flat = flat_bytes(contents)
    return tuple(xxh3_128_digest(flat[start:stop].data) for start, stop in spans(contents.shape, contents.itemsize))


def flat_bytes(contents: np.ndarray[Any, Any]) -> Bytes:
    """The memory of a C-contiguous array as flat bytes, shared."""
    return contents.reshape(-1).view(np.uint8)


def assemble(leaf: Leaf, blocks: Blocks) -> np.ndarray[Any, Any]:
    """A fresh array with a leaf's contents."""
    dtype = parse_dtype(leaf.dtype)
    contents = np.empty(leaf.stored_shape, dtype)
    flat = flat_bytes(contents) if contents.size else np.empty(0, np.uint8)
    for digest, (start, stop) in zip(leaf.blocks, spans(leaf.stored_shape, dtype.itemsize), strict=True):
        blocks.copy_into(digest, flat[start:stop])
    return contents.T if leaf.order == "F" else contents


def view_of(base: np.ndarray[Any, Any], leaf: Leaf) -> np.ndarray[Any, Any]:
    """The part of ``base``'s memory that a view leaf describes, shared."""
    assert leaf.view is not None
    memory = base if base.flags.c_contiguous else base.T
    return np.ndarray(
        leaf.shape, parse_dtype(leaf.dtype), flat_bytes(memory).data, leaf.view.offset, leaf.view.strides
    )


def put_contents(leaf: Leaf, contents: np.ndarray[Any, Any], blocks: Blocks) -> Leaf:
    """The leaf that owns ``contents`` (a private array) itself; its blocks are in the pool, not counted."""
    contents = np.ascontiguousarray(contents).reshape(contents.shape)
    order = leaf.order if leaf.view is None else "C"
    memory = np.ascontiguousarray(contents.T).reshape(leaf.shape[::-1]) if order == "F" else contents
    digests = hash_blocks(memory)
    for digest, (start, stop) in zip(digests, spans(memory.shape, memory.itemsize), strict=True):
        blocks.put(digest, flat_bytes(memory)[start:stop])
    return replace(leaf, blocks=digests, order=order, view=None)
