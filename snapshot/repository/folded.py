"""A run's timeline, folded: what is asked of many snapshots at once, in one object for many.

A fold holds the headers of 16, and later of 256, snapshots of a run and, for each path,
a column (:mod:`snapshot.repository.columns`). It begins with the length of its index in
8 bytes, then the index in gzipped JSON, then the columns; so a reader fetches the index
and the columns it needs.

Only the run's writer makes folds, after the commits they hold, and nothing depends on
them: what no fold holds, or a fold that cannot be read, is read from each snapshot's own
keys. The snapshots that a fold names may have been collected since.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from snapshot.repository import layout
from snapshot.repository.columns import Columns, Located, decode_column
from snapshot.repository.header import Header
from snapshot.repository.storage import Storage
from snapshot.repository.table import Table

#: Read at once, in the hope that the whole index is in it.
_FIRST = 64 * 1024
#: What a damaged one raises.
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, zlib.error)


@dataclass(frozen=True)
class Fold:
    """An index: headers, and path -> (first byte, byte after the last) of its column."""

    key: str
    headers: tuple[Header, ...]
    columns: Mapping[str, tuple[int, int]]
    aliases: Mapping[str, str]

    @property
    def run(self) -> str:
        """Whose snapshots it holds."""
        return layout.run_of_fold(self.key)

    def span(self, path: str) -> tuple[int, int] | None:
        """Where the column of a path, or of an alias, lies."""
        return self.columns.get(path) or self.columns.get(self.aliases.get(path, ""))


def encode_fold(headers: Iterable[Header], columns: Columns) -> list[bytes]:
    """The parts of a fold, one behind the other."""
    encoded = columns.encode()
    ends = list(accumulate(map(len, encoded.values())))
    document = {
        "headers": [header.as_json() for header in headers],
        "columns": {path: [end - len(encoded[path]), end] for path, end in zip(encoded, ends, strict=True)},
        "aliases": columns.aliases,
    }
    index = gzip.compress(json.dumps(document, separators=(",", ":")).encode(), compresslevel=1, mtime=0)
    return [len(index).to_bytes(8, "little"), index, *encoded.values()]


def read_folds(storage: Storage, keys: Iterable[str]) -> dict[str, Fold | None]:
    """The indices of folds; None for one that cannot be read."""
    wanted = list(keys)
    found: dict[str, Fold | None] = {}
    for key, data in zip(wanted, storage.get_many([(key, (0, _FIRST)) for key in wanted]), strict=True):
        try:
            found[key] = _decode_index(storage, key, data)
        except _UNREADABLE:
            found[key] = None
    return found


def _decode_index(storage: Storage, key: str, data: memoryview | None) -> Fold:
    if data is None:
        raise KeyError(key)
    end = 8 + int.from_bytes(data[:8], "little")
    if end > len(data):
        data = storage.get(key, (0, end)) or data
    document = json.loads(gzip.decompress(data[8:end]))
    return Fold(
        key,
        tuple(map(Header.from_json, document["headers"])),
        {path: (end + first, end + last) for path, (first, last) in document["columns"].items()},
        document["aliases"],
    )


def locate(storage: Storage, folds: Iterable[Fold], path: str, ids: set[int]) -> dict[int, Located | None]:
    """Where ``path`` lies in those of ``ids`` that these folds of one run hold."""
    having = [(fold, sorted(ids.intersection(one.id for one in fold.headers))) for fold in folds]
    having = [(fold, wanted) for fold, wanted in having if wanted]
    found: dict[int, Located | None] = {}
    spans = [(fold, wanted, fold.span(path)) for fold, wanted in having]
    for _, wanted, span in spans:
        if span is None:
            found.update(dict.fromkeys(wanted))
    there = [(fold, wanted, span) for fold, wanted, span in spans if span is not None]
    columns = storage.get_many([(fold.key, span) for fold, _, span in there])
    for (_, wanted, _), data in zip(there, columns, strict=True):
        try:
            found.update(decode_column(data or b"", path, wanted))
        except _UNREADABLE:
            continue  # the tables know it too
    return found


class Folding:
    """Which of a run's commits are still to be folded, and when."""

    def __init__(self) -> None:
        self._headers: dict[int, dict[int, Header]] = {size: {} for size in layout.FOLDS}
        self._columns = {size: Columns() for size in layout.FOLDS}

    def add(self, run: str, header: Header, table: Table) -> Iterator[tuple[str, list[bytes]]]:
        """One more commit; the folds that are complete before it, as keys and parts."""
        for size in layout.FOLDS:
            first = next(iter(self._headers[size]), header.id)
            if layout.fold_of(header.id, size) != layout.fold_of(first, size):
                key = layout.fold_key(run, size, layout.fold_of(first, size))
                yield key, encode_fold(self._headers[size].values(), self._columns[size])
                self._headers[size], self._columns[size] = {}, Columns()
            self._headers[size][header.id] = header
            self._columns[size].add(header.id, table)

    def remove(self, number: int) -> None:
        """A commit was taken back: the columns may keep it, because nobody asks for what has no header."""
        for headers in self._headers.values():
            headers.pop(number, None)
