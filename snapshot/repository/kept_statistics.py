"""The numbers of larger arrays, kept beside the snapshots so that a plot reads numbers and no values.

A file holds those of 16, and later of 256, snapshots of a run: the length of its index in 8
bytes, the index in gzipped JSON (path -> first byte, byte after the last, hash), and for each path its
rows (:data:`ROW`). A row belongs to a content, whichever snapshots hold it, and has the size of the
update from one earlier content. Nothing depends on these files: what is missing or damaged
is computed from the values.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from xxhash import xxh3_64_hexdigest, xxh3_128_digest

from snapshot.history import Form
from snapshot.repository import layout
from snapshot.repository.storage import Storage
from snapshot.statistics import PERCENTILES, Statistics

#: ``content`` and ``before`` are identities, see :func:`identity`, ``before`` zeros where there is no update.
ROW = np.dtype(
    [
        ("content", "V16"),
        ("before", "V16"),
        ("count", "<i8"),
        ("finite", "<i8"),
        ("sampled", "<i8"),
        ("mean", "<f8"),
        ("std", "<f8"),
        ("norm", "<f8"),
        ("percentiles", "<f8", (len(PERCENTILES),)),
        ("magnitude", "<f8"),
        ("update", "<f8"),
    ]
)
NONE = bytes(16)
#: For more paths than this a file is read as a whole.
_FEW = 8
#: Read at once, in the hope that the whole index is in it.
_FIRST = 64 * 1024
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error)


class Kept(NamedTuple):
    """Of one path: content -> its numbers, and (before, content) -> log10 of the relative change."""

    numbers: dict[bytes, Statistics]
    updates: dict[tuple[bytes, bytes], float]


def identity(form: str, key: str) -> bytes:
    """What identifies a content of a path in these files: 16 bytes; ``form`` is :func:`form_text`."""
    return xxh3_128_digest(f"{form} {key}".encode())


def form_text(form: Form) -> str:
    """The part of an identity that many contents share."""
    return f"{form.dtype} {form.shape}"


def row_of(content: bytes, before: bytes, numbers: Statistics, update: float) -> bytes:
    """One row as it is stored."""
    row = np.zeros(1, ROW)
    row["content"], row["before"] = np.void(content), np.void(before)
    for name in ("count", "finite", "sampled", "mean", "std", "norm", "percentiles", "magnitude"):
        row[name] = getattr(numbers, name)
    row["update"] = update
    return row.tobytes()


class Collecting:
    """Which rows still wait for their file to be full."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[str, list[bytes]]] = {size: {} for size in layout.FOLDS}
        self._last: dict[int, int] = {}

    def add(self, path: str, row: bytes) -> None:
        """One more row of the snapshot that is under way."""
        for rows in self._rows.values():
            rows.setdefault(path, []).append(row)

    def begin(self, run: str, number: int) -> Iterator[tuple[str, list[bytes]]]:
        """The rows of another snapshot follow; the files that are complete before it, as keys and parts."""
        for size, rows in self._rows.items():
            place = layout.fold_of(number, size)
            before = self._last.setdefault(size, place)
            if place != before:
                if rows:
                    yield layout.statistics_key(run, size, before), _encode(rows)
                self._rows[size], self._last[size] = {}, place


def _encode(rows: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    columns = {path: b"".join(found) for path, found in rows.items()}
    ends = accumulate(map(len, columns.values()))
    index = {
        path: [end - len(data), end, xxh3_64_hexdigest(data)]
        for (path, data), end in zip(columns.items(), ends, strict=True)
    }
    text = gzip.compress(json.dumps(index, separators=(",", ":")).encode(), compresslevel=1, mtime=0)
    return [len(text).to_bytes(8, "little"), text, *columns.values()]


class KeptStatistics:
    """Reads what is kept for the runs of one repository."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._indices: dict[str, dict[str, tuple[int, int, str]]] = {}

    def read(self, paths: Sequence[str], runs: Iterable[str]) -> dict[str, list[memoryview]]:
        """What there is of each path, for :func:`decode`; nothing of a damaged file or column."""
        found: dict[str, list[memoryview]] = {path: [] for path in paths}
        keys = [
            f"{layout.statistics_folder(run)}/{name}"
            for run in runs
            for name in self._storage.children(layout.statistics_folder(run))
            if layout.read_fold_name(name)
        ]
        keys = sorted(set(keys) - {small for key in keys for small in layout.folds_within(key)})
        self._read_indices([key for key in keys if key not in self._indices])
        spans = [
            (key, path, self._indices[key][path]) for key in keys for path in paths if path in self._indices[key]
        ]
        for (_, path, (_, _, digest)), data in zip(spans, self._columns(spans, len(paths) > _FEW), strict=True):
            if data is not None and xxh3_64_hexdigest(data) == digest:
                found[path].append(data)
        return found

    def _columns(
        self, spans: Sequence[tuple[str, str, tuple[int, int, str]]], whole: bool
    ) -> list[memoryview | None]:
        if not whole:
            return self._storage.get_many([(key, (first, last)) for key, _, (first, last, _) in spans])
        keys = list(dict.fromkeys(key for key, _, _ in spans))
        files = dict(zip(keys, self._storage.get_many([(key, None) for key in keys]), strict=True))
        return [None if (data := files[key]) is None else data[first:last] for key, _, (first, last, _) in spans]

    def _read_indices(self, keys: Sequence[str]) -> None:
        for key, data in zip(keys, self._storage.get_many([(key, (0, _FIRST)) for key in keys]), strict=True):
            try:
                end = 8 + int.from_bytes((data or b"")[:8], "little")
                whole = data if data is not None and len(data) >= end else self._storage.get(key, (0, end))
                index: dict[str, Any] = json.loads(gzip.decompress((whole or b"")[8:end]))
                self._indices[key] = {
                    path: (end + first, end + last, text) for path, (first, last, text) in index.items()
                }
            except _UNREADABLE:
                self._indices[key] = {}


def decode(columns: Iterable[memoryview]) -> Kept:
    """The rows of one path."""
    found = Kept({}, {})
    for data in columns:
        rows = np.frombuffer(data, ROW)
        values = [rows[name].tolist() for name in ROW.names or ()]
        for content, before, count, finite, sampled, mean, std, norm, percentiles, magnitude, update in zip(*values):
            numbers = Statistics(count, finite, mean, std, norm, tuple(percentiles), magnitude, bool(sampled))
            found.numbers[content] = numbers
            if before != NONE:
                found.updates[before, content] = update
    return found
