"""The digests of large arrays, by all cores.

An array that was seen before has mostly not changed: it is hashed where it lies, and
copied when it has. One that was never seen is copied at once, and the copy is hashed: a
copy cannot change between being hashed and being kept.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from xxhash import xxh3_128_digest

from snapshot.adapters.protocol import Array
from snapshot.blocks import flat_bytes
from snapshot.cutting import spans
from snapshot.handles import AnyHandle
from snapshot.pool import Blocks
from snapshot.sources import Sources
from snapshot.threads import ALONE, in_threads


class Digested(NamedTuple):
    """A leaf that has memory of its own."""

    handle: AnyHandle
    order: str
    memory: Array  #: C-contiguous, in memory order
    blocks: tuple[bytes, ...]


class _Block(NamedTuple):
    leaf: int  #: its position among the large ones
    position: int  #: of the block in the leaf
    start: int  #: first byte
    stop: int


def in_memory_order(array: Array) -> tuple[str, Array]:
    """``"C"`` or ``"F"``, and the array as a C-contiguous one; copied when it is scattered in memory."""
    if array.flags.c_contiguous:
        return "C", array
    order = "F" if array.flags.f_contiguous else "C"
    return order, np.ascontiguousarray(array.T if order == "F" else array)


def digest_large(
    sources: Sources, known: Collection[AnyHandle], blocks: Blocks, *, limited: bool
) -> tuple[dict[AnyHandle, Digested], dict[AnyHandle, int]]:
    """Every leaf of :data:`ALONE` bytes and more that has memory of its own; the bytes that were copied for each.

    Those that are not ``known`` are copied into the pool, unless that is ``limited`` and
    they might not all fit. They are not counted there.
    """
    large = [
        (source.handle, *in_memory_order(source.array))
        for source, place in zip(sources.all, sources.places, strict=True)
        if place is None and source.array.nbytes >= ALONE
    ]
    new = {handle for handle, _, _ in large if handle not in known}
    if limited and not blocks.has_room(sum(memory.nbytes for handle, _, memory in large if handle in new)):
        new.clear()
    digests: list[list[bytes]] = []
    parts: list[_Block] = []
    for leaf, (_, _, memory) in enumerate(large):
        where = spans(memory.shape, memory.itemsize)
        digests.append([b""] * len(where))
        parts += [_Block(leaf, position, start, stop) for position, (start, stop) in enumerate(where)]
    copied = [0] * len(parts)

    def digest(number: int) -> None:
        leaf, position, start, stop = parts[number]
        handle, _, array = large[leaf]
        memory = flat_bytes(array)[start:stop]
        if handle in new:
            digests[leaf][position], copied[number] = blocks.add(memory)
        else:
            digests[leaf][position] = xxh3_128_digest(memory.data)

    in_threads(digest, range(len(parts)), lambda number: parts[number].stop - parts[number].start)
    added: dict[AnyHandle, int] = {}
    for part, nbytes in zip(parts, copied, strict=True):
        if nbytes:
            handle = large[part.leaf][0]
            added[handle] = added.get(handle, 0) + nbytes
    found = {
        handle: Digested(handle, order, memory, tuple(hashes))
        for (handle, order, memory), hashes in zip(large, digests, strict=True)
    }
    return found, added
