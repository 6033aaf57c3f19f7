"""What runs that were killed left behind: rows and packs that no table names, tables that no header follows. No I/O.

A writer makes its contents first, then the table that names them, then the header. Killed
in between it leaves what nobody will ever name; how a collection tells that from what a
living writer has not named yet is told in :mod:`snapshot.repository.collector`.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable

from snapshot.timeline import SnapshotKey

_BLOCK = re.compile(r"(runs/[^/]+/variables/[^/]+/[^/]+)/c\.(\d+)\.[\d.]+")
_PACK = re.compile(r"(runs/[^/]+/packs/\d+)/(c\.0|zarr\.json)")
_TABLE = re.compile(r"runs/([^/]+)/snapshots/(\d+)/table")


class Orphans:
    """Keys of contents, less those that tables name. A row of which any block is named stays as a whole."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._rows: dict[tuple[str, int], list[str]] = {}
        self._packs: dict[str, list[str]] = {}
        for key in keys:
            if block := _BLOCK.fullmatch(key):
                self._rows.setdefault((block[1], int(block[2])), []).append(key)
            elif pack := _PACK.fullmatch(key):
                self._packs.setdefault(pack[1], []).append(key)

    def __bool__(self) -> bool:
        return bool(self._rows or self._packs)

    def spare(self, data: memoryview) -> bool:
        """Leave out what this table names; False when it cannot be read."""
        try:
            document = json.loads(gzip.decompress(data))
            sources = document["sources"]
            rows = {(sources[one[1]], one[2]) for leaf in document["leaves"] for one in leaf["blocks"]}
        except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zlib.error):
            return False
        for pack in sources:
            self._packs.pop(pack, None)
        for row in rows:
            self._rows.pop(row, None)
        return True

    def keys(self) -> list[str]:
        """What to delete."""
        return [key for some in (*self._packs.values(), *self._rows.values()) for key in some]

    def arrays(self) -> set[str]:
        """Arrays that may have lost their last row."""
        return {array for array, _ in self._rows}

    def packs(self) -> list[str]:
        """Packs that go."""
        return list(self._packs)


def tables_among(keys: Iterable[str]) -> set[SnapshotKey]:
    """The snapshots whose tables are among these keys."""
    return {(found[1], int(found[2])) for found in map(_TABLE.fullmatch, keys) if found}
