"""The in-memory pool of content-addressed blocks.

Equal blocks are kept once, whoever stored them. Buffers of dropped blocks are kept
for the next ones: writing into pages that the process already owns is several times
faster than into fresh ones. A block is never handed out writable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from xxhash import xxh3_128_digest

from snapshot.cutting import spans
from snapshot.model import Leaf, parse_dtype

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

#: Buffers of this size and more are worth keeping for reuse.
REUSE_FROM = 64 * 1024
#: How many bytes of free buffers are kept at most.
KEEP_FREE = 256 * 1024 * 1024


def hash_blocks(contents: np.ndarray[Any, Any]) -> tuple[bytes, ...]:
    """The digest of each block of a C-contiguous array."""
    flat = flat_bytes(contents)
    return tuple(xxh3_128_digest(flat[start:stop].data) for start, stop in spans(contents.shape, contents.itemsize))


def flat_bytes(contents: np.ndarray[Any, Any]) -> Bytes:
    """The memory of a C-contiguous array as flat bytes, shared."""
    return contents.reshape(-1).view(np.uint8)


class Blocks:
    """Digest -> bytes, counted by the captures that refer to them."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, Bytes] = {}
        self._uses: Counter[bytes] = Counter()
        self._free: dict[int, list[Bytes]] = {}
        self._free_bytes = 0
        self.nbytes = 0

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._blocks

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, digest: bytes) -> Bytes:
        return self._blocks[digest]

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those that would have to be copied."""
        return {digest for digest in digests if digest not in self._blocks}

    def put(self, digest: bytes, source: Bytes) -> bool:
        """Copy one block in; False when what was copied does not have that digest.

        The copy is hashed again because another thread may have written to the source
        since it was hashed.
        """
        if digest in self._blocks:
            return True
        buffer = self._buffer(source.nbytes)
        np.copyto(buffer, source)
        if xxh3_128_digest(buffer.data) != digest:
            self._release_buffer(buffer)
            return False
        buffer.flags.writeable = False
        self._blocks[digest] = buffer
        self.nbytes += buffer.nbytes
        return True

    def retain(self, digests: Iterable[bytes]) -> None:
        """Count one more use of each."""
        self._uses.update(digests)

    def release(self, digests: Iterable[bytes]) -> None:
        """Count one use less of each; unused blocks leave, their buffers stay for reuse."""
        for digest in digests:
            self._uses[digest] -= 1
            if self._uses[digest] <= 0:
                del self._uses[digest]
                self._drop(digest)

    def sweep(self) -> None:
        """Drop blocks that nothing refers to (a store was interrupted before it counted)."""
        for digest in [digest for digest in self._blocks if digest not in self._uses]:
            self._drop(digest)

    def _drop(self, digest: bytes) -> None:
        buffer = self._blocks.pop(digest, None)
        if buffer is not None:
            self.nbytes -= buffer.nbytes
            self._release_buffer(buffer)

    def _buffer(self, nbytes: int) -> Bytes:
        free = self._free.get(nbytes)
        if free:
            self._free_bytes -= nbytes
            return free.pop()
        return np.empty(nbytes, np.uint8)

    def _release_buffer(self, buffer: Bytes) -> None:
        if buffer.nbytes >= REUSE_FROM and self._free_bytes + buffer.nbytes <= KEEP_FREE:
            buffer.flags.writeable = True
            self._free.setdefault(buffer.nbytes, []).append(buffer)
            self._free_bytes += buffer.nbytes


def assemble(leaf: Leaf, block: Any) -> np.ndarray[Any, Any]:
    """A fresh array with a leaf's contents; ``block(index)`` returns the bytes of one block."""
    dtype = parse_dtype(leaf.dtype)
    contents = np.empty(leaf.stored_shape, dtype)
    flat = flat_bytes(contents) if contents.size else np.empty(0, np.uint8)
    for index, (start, stop) in enumerate(spans(leaf.stored_shape, dtype.itemsize)):
        flat[start:stop] = np.frombuffer(block(index), np.uint8)
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
