"""What only dropped snapshots hold. No I/O."""

from __future__ import annotations

import gzip
import json
import zlib

from snapshot.repository import layout
from snapshot.repository.table import InRow, Table


class Dead:
    """The keys that some tables name, less those that others name.

    A row goes block by block, a pack when no piece of it is named any more.
    """

    def __init__(self) -> None:
        self._packs: set[str] = set()
        self._blocks: dict[str, dict[tuple[int, int], str]] = {}
        self._arrays: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._packs or self._blocks)

    def add(self, data: memoryview) -> bool:
        """Everything that a table names; False when it cannot be read."""
        try:
            table = Table.decode(data)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
            return False
        for stored, places in zip(table.leaves, table.places, strict=True):
            for place in places:
                if isinstance(place, InRow):
                    where = layout.cut_of(stored.leaf)
                    key = layout.chunk_key(place.array, stored.leaf, where, place.row, place.number)
                    self._blocks.setdefault(place.array, {})[place.row, place.number] = key
                else:
                    self._packs.add(place.pack)
        self._packs.update(piece.place.pack for piece in (*table.records.values(), *table.pickles.values()))
        self._arrays.update(self._blocks)
        return True

    def spare(self, data: memoryview) -> bool:
        """Leave out everything that this table names; False when it cannot be read."""
        try:
            # thousands of tables may be read here, so nothing is made of them
            document = json.loads(gzip.decompress(data))
            sources = document["sources"]
            blocks = [block for leaf in document["leaves"] for block in leaf["blocks"]]
        except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
            return False
        self._packs.difference_update(sources)
        arrays = {index: self._blocks[one] for index, one in enumerate(sources) if one in self._blocks}
        if arrays:
            for _, source, row, number in blocks:
                if source in arrays:
                    arrays[source].pop((row, number), None)
            self._blocks = {array: rest for array, rest in self._blocks.items() if rest}
        return True

    def keys(self) -> list[str]:
        """What to delete."""
        packs = [key for pack in self._packs for key in (layout.pack_chunk_key(pack), f"{pack}/zarr.json")]
        return [*packs, *(key for rest in self._blocks.values() for key in rest.values())]

    def arrays(self) -> list[str]:
        """Arrays that may have lost their last row."""
        return list(self._arrays)

    def packs(self) -> list[str]:
        """Packs that go."""
        return list(self._packs)
