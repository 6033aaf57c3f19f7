"""The leaves of a stored state by number, wherever it lies: what binding asks for."""

from __future__ import annotations

from typing import Any

import numpy as np

from snapshot.adapters.protocol import Form
from snapshot.blocks import assemble, view_of
from snapshot.capture import Capture, Held
from snapshot.cutting import spans
from snapshot.engine import Engine
from snapshot.model import parse_dtype
from snapshot.places import Opened, Place
from snapshot.repository.entry import StoredEntry
from snapshot.timeline import SnapshotKey


class LeavesInMemory:
    """Leaves of a capture in memory, by number."""

    def __init__(self, capture: Capture, engine: Engine) -> None:
        self._capture = capture
        self._engine = engine

    def held(self, number: int) -> Held:
        return self._capture.leaves[self._capture.by_number[number]]

    def contents(self, number: int) -> np.ndarray[Any, Any]:
        return self._capture.read(self._capture.by_number[number], self._engine.blocks)

    def load(self, number: int) -> None:
        self._engine.blocks.fetch(self.held(number).leaf.blocks)

    def path(self, number: int) -> str:
        return self._engine.paths(self._capture).of(self._capture.by_number[number])


class LeavesOnDisk:
    """Leaves of a stored snapshot, by number."""

    def __init__(self, entry: StoredEntry, engine: Engine, key: SnapshotKey | None = None) -> None:
        self._entry = entry
        self._engine = engine
        self._opened = Opened(entry, key)
        self._by_number = {stored.number: stored for stored in entry.leaves}

    def held(self, number: int) -> Held:
        stored = self._by_number[number]
        leaf = stored.leaf
        return Held(leaf, Form(leaf.shape, stored.dtype, leaf.meta, stored.role))

    def contents(self, number: int) -> np.ndarray[Any, Any]:
        leaf = self._by_number[number].leaf
        if self._entry.is_near:
            return self._entry.contents(number)
        if leaf.view is not None:
            return view_of(self.contents(leaf.view.base), leaf).copy()
        # the same blocks are asked for again when all is written; far away they are read once
        self.load(number)
        return assemble(leaf, self._engine.blocks)

    def path(self, number: int) -> str:
        return self._by_number[number].path

    def load(self, number: int) -> None:
        pool, leaf = self._engine.blocks, self._by_number[number].leaf
        digests = leaf.blocks
        if self._entry.is_near:
            # what differs from the live contents will be read, and nothing else
            cuts = spans(leaf.stored_shape, parse_dtype(leaf.dtype).itemsize) if leaf.view is None else []
            sizes = [stop - start for start, stop in cuts]
            places = [Place(self._opened, number, index) for index in range(len(digests))]
            pool.lie_at(dict(zip(digests, zip(places, sizes, strict=True), strict=True)))
            return
        missing = list({digest: index for index, digest in enumerate(digests) if digest not in pool}.values())
        for index, data in zip(missing, self._entry.blocks(number, missing), strict=True):
            pool.put(digests[index], np.frombuffer(data, np.uint8))
