"""Whether what zarr is told about groups and arrays is what was written.

No value needs it to be restored, but who reads with zarr alone does. Nothing of it has a
hash, because it can be derived: from what tables say of the contents of an array, and
from the name of its folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from snapshot.model import Leaf
from snapshot.repository import layout, nodes
from snapshot.repository.storage import Storage
from snapshot.repository.table import InRow, Place, Table
from snapshot.timeline import SnapshotKey

#: Keys read together.
_TOGETHER = 64


class _Array(NamedTuple):
    """What tables say of an array: a leaf that lies in it, and how many rows it has at least."""

    leaf: Leaf
    rows: int


class ToldZarr:
    """What zarr must be told for some tables: :meth:`add` each, then ask for what is :meth:`wrong`."""

    def __init__(self) -> None:
        self._runs: set[str] = set()
        self._arrays: dict[str, _Array] = {}
        self._packs: dict[str, int] = {}  #: pack -> bytes it has at least

    def add(self, key: SnapshotKey, table: Table) -> None:
        """Take in everything that the table of a snapshot names."""
        self._runs.add(key[0])
        for stored, places in zip(table.leaves, table.places, strict=True):
            for place in places:
                self._add(place, stored.leaf)
        for piece in (*table.records.values(), *table.pickles.values()):
            self._add(piece.place, None)

    def _add(self, place: Place, leaf: Leaf | None) -> None:
        if isinstance(place, InRow):
            assert leaf is not None
            known = self._arrays.get(place.array)
            if known is None or place.row >= known.rows:
                self._arrays[place.array] = _Array(leaf, place.row + 1)
        elif place.length:  # a pack of nothing is not written
            self._packs[place.pack] = max(self._packs.get(place.pack, 0), place.offset + place.length)

    def keys(self) -> set[str]:
        """The keys at which zarr is told something."""
        return set(self._checks())

    def wrong(self, storage: Storage) -> dict[str, str]:
        """Key -> what is wrong there. Raises RepositoryError where it may not read."""
        found: dict[str, str] = {}
        checks = list(self._checks().items())
        for start in range(0, len(checks), _TOGETHER):
            some = checks[start : start + _TOGETHER]
            documents = storage.get_many([(key, None) for key, _ in some])
            sizes: dict[str, int] = {}
            for (key, check), data in zip(some, documents, strict=True):
                pack = key.rpartition("/")[0]
                problem = "is missing" if data is None else _problem(data, check)
                if problem:
                    found[key] = problem
                elif data is not None and pack in self._packs:
                    sizes[pack] = json.loads(bytes(data))["shape"][0]
            # one byte more is asked for than there should be
            ends = [(layout.pack_chunk_key(pack), (size - 1, size + 1)) for pack, size in sizes.items()]
            for (pack, size), end in zip(sizes.items(), storage.get_many(ends), strict=True):
                if end is not None and len(end) != 1:
                    found[f"{pack}/zarr.json"] = f"is not what was written: it says that the pack has {size} bytes"
        return found

    def _checks(self) -> dict[str, Callable[[dict[str, Any]], str]]:
        """Key -> what says which part of a document is wrong, empty when none is."""
        checks: dict[str, Callable[[dict[str, Any]], str]] = {layout.ROOT_KEY: _root, "runs/zarr.json": _group}
        for run in self._runs.union(array.split("/")[1] for array in (*self._arrays, *self._packs)):
            for folder in nodes.groups_of(run):
                checks[f"{folder}/zarr.json"] = _group
            checks[layout.run_key(run)] = _run
        for array, known in self._arrays.items():
            folder = array.rpartition("/")[0]
            checks[f"{folder}/zarr.json"] = partial(_variable, folder)
            checks[f"{array}/zarr.json"] = partial(_rows, folder, known)
        for pack, size in self._packs.items():
            checks[f"{pack}/zarr.json"] = partial(_pack, size)
        return checks


def _problem(data: memoryview, check: Callable[[dict[str, Any]], str]) -> str:
    try:
        part = check(json.loads(bytes(data)))
    except ValueError as error:
        return f"cannot be read: {error}"
    except (KeyError, TypeError, AttributeError, IndexError):
        part = "something in it"
    return f"is not what was written: {part} is another" if part else ""


def _differs(found: dict[str, Any], expected: bytes) -> str:
    wanted = json.loads(expected)
    return next((repr(key) for key in {**wanted, **found} if found.get(key) != wanted.get(key)), "")


def _group(found: dict[str, Any]) -> str:
    return _differs(found, nodes.group(found["attributes"]))


def _root(found: dict[str, Any]) -> str:
    said = found["attributes"]["snapshot_repository"]
    wanted = json.loads(nodes.root(said.get("id")))["attributes"]["snapshot_repository"]
    return _group(found) or ("'attributes'" if {**said, "format": 0} != {**wanted, "format": 0} else "")


def _run(found: dict[str, Any]) -> str:
    number = found["attributes"].get("format", 1)
    return _group(found) or ("" if number in range(1, layout.FORMAT + 1) else "'format'")


def _variable(folder: str, found: dict[str, Any]) -> str:
    if layout.slug(found["attributes"]["path"]) != folder.rpartition("/")[2]:
        return "'path'"
    return _group(found)


def _rows(folder: str, known: _Array, found: dict[str, Any]) -> str:
    about, rows = found["attributes"], found["shape"][0]
    if type(rows) is not int or rows < known.rows:
        return "'shape'"
    if not isinstance(about["dtype"], str) or layout.slug(about["path"]) != folder.rpartition("/")[2]:
        return "'attributes'"
    return _differs(found, nodes.row_array(about["path"], about["dtype"], known.leaf, rows))


def _pack(size: int, found: dict[str, Any]) -> str:
    says = found["shape"][0]
    return "'shape'" if type(says) is not int or says < size else _differs(found, nodes.pack_array(says))
