"""Reading everything that is stored, to see whether it is what was stored. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeVar

from snapshot.errors import Damaged, RepositoryError
from snapshot.repository import layout
from snapshot.repository.catalogue import Catalogue
from snapshot.repository.fetching import beginning
from snapshot.repository.header import Header
from snapshot.repository.reader import read_table
from snapshot.repository.storage import Request, Storage
from snapshot.repository.table import Table
from snapshot.repository.told_zarr import ToldZarr

#: Called with the bytes that were read so far, and those there are.
Progress = Callable[[int, int], object]

#: Blocks are read in groups of so many, snapshots' tables too.
_TOGETHER = 16
T = TypeVar("T")


class Damage(NamedTuple):
    """Something that is not what was stored: whose, what, where it lies, and what is wrong with it."""

    snapshot: str
    what: str
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.snapshot}, {self.what}: {self.key} {self.problem}"


@dataclass(frozen=True)
class Verified:
    """What :meth:`Repository.verify` found; true when nothing is damaged."""

    snapshots: int
    nbytes: int  #: of contents, each counted once
    damaged: tuple[Damage, ...]

    def __bool__(self) -> bool:
        return not self.damaged

    def __str__(self) -> str:
        looked = f"{self.snapshots} snapshot{'s' * (self.snapshots != 1)}, {self.nbytes / 1e6:,.1f} MB"
        if self:
            return f"{looked}: everything is as it was stored"
        return "\n".join([f"{looked}: {len(self.damaged)} damaged", *map(str, self.damaged)])


class _Content(NamedTuple):
    """Some bytes on disk, and the hash they must have."""

    key: str
    start: int
    size: int
    digest: bytes


def verify(storage: Storage, progress: Progress | None = None) -> Verified:
    """Compare headers, tables and every distinct content with their hashes, and what zarr is told with those."""
    catalogue = Catalogue(storage, warn=False)
    headers, gone = catalogue.read()
    broken = [
        Damage(f"#{run}.{number}", "header", layout.commit_key(run, number), f"cannot be read: {why}")
        for (run, number), why in catalogue.unreadable.items()
        if (run, number) not in gone
    ]
    headers.sort(key=lambda one: one.key)
    broken += _wrong_headers(storage, catalogue, headers)
    told = ToldZarr()
    readable: list[Header] = []
    contents: set[_Content] = set()
    for header, table in _tables(storage, headers):
        if isinstance(table, Damaged):
            broken.append(_of_table(header, table))
        else:
            readable.append(header)
            told.add(header.key, table)
            contents.update(content for _, content in _contents(table))
    nbytes = sum(one.size for one in contents)
    wrong = _wrong_contents(storage, sorted(contents), lambda done: progress and progress(done, nbytes))
    if wrong:
        for header, table in _tables(storage, readable):
            broken += [_of_table(header, table)] if isinstance(table, Damaged) else _named(header, table, wrong)
    count = len(headers) + len(catalogue.unreadable.keys() - gone.keys())
    misled = told.wrong(storage)
    if broken or misled:
        # what somebody removed meanwhile is not damaged
        gone = catalogue.read()[1]
        removed = {f"#{run}.{number}" for run, number in gone}
        broken = [one for one in broken if one.snapshot not in removed]
        broken += _misleading(storage, [one for one in readable if one.key not in gone], misled)
    return Verified(count, nbytes, tuple(sorted(set(broken))))


def _batches(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _TOGETHER):
        yield items[start : start + _TOGETHER]


def _wrong_headers(storage: Storage, catalogue: Catalogue, headers: list[Header]) -> Iterator[Damage]:
    """A timeline may know headers from a fold; each has a key of its own besides."""
    for some in _batches(headers):
        found = storage.get_many([(layout.commit_key(*one.key), None) for one in some])
        for header, data in zip(some, found, strict=True):
            try:
                if data is None:
                    raise ValueError("it is missing")
                own, known = Header.decode_of(header.key, data), catalogue.header(header.key)
                if own.table != header.table:
                    raise ValueError("it is of another snapshot")
                Header.check(data)
                if own != known:
                    raise ValueError("the fold of its timeline says otherwise")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                key = layout.commit_key(*header.key)
                yield Damage(_reference(header), "header", key, f"cannot be relied on: {error}")


def _misleading(storage: Storage, headers: list[Header], wrong: dict[str, str]) -> Iterator[Damage]:
    """What zarr is told wrongly about anything that those snapshots name."""
    told = ToldZarr()
    for header, table in _tables(storage, headers) if wrong else ():
        if not isinstance(table, Damaged):
            told.add(header.key, table)
    for key in wrong.keys() & told.keys():
        where = key.split("/")
        whose = f"run {where[1]}" if len(where) > 2 else "the repository"
        yield Damage(whose, "what zarr is told", key, f"{wrong[key]} (no value depends on it)")


def _tables(storage: Storage, headers: list[Header]) -> Iterator[tuple[Header, Table | Damaged]]:
    for header in headers:
        try:
            yield header, read_table(storage, header)
        except Damaged as error:
            yield header, error


def _of_table(header: Header, error: Damaged) -> Damage:
    problem = f"cannot be read: {error.__cause__}"
    return Damage(_reference(header), "table, so all of it", layout.table_key(*header.key), problem)


def _reference(header: Header) -> str:
    return f"#{header.run}.{header.id}"


def _contents(table: Table) -> Iterator[tuple[str, _Content]]:
    """What it is to a user -> the bytes, of everything a table names."""
    for stored, places in zip(table.leaves, table.places, strict=True):
        for index, place in enumerate(places):
            first, last = layout.cut_of(stored.leaf).span(index)
            key, start = beginning(stored.leaf, place)
            yield f"variable {stored.path!r}", _Content(key, start, last - first, stored.leaf.blocks[index])
    for what, pieces in (("records of", table.records), ("pickle of", table.pickles)):
        for name, (digest, place) in pieces.items():
            yield f"{what} {name}", _Content(layout.pack_chunk_key(place.pack), place.offset, place.length, digest)


def _wrong_contents(
    storage: Storage, contents: list[_Content], progress: Callable[[int], object]
) -> dict[_Content, str]:
    """Those that are not what they should be, and why. Neighbours in a pack are read with one request."""
    wrong: dict[_Content, str] = {}
    done = 0
    groups = [list(group) for _, group in groupby(contents, key=lambda one: one.key)]
    for some in _batches(groups):
        spans = [(group[0].key, (group[0].start, max(one.start + one.size for one in group))) for group in some]
        for group, data in zip(some, _read(storage, spans), strict=True):
            for one in group:
                if data is None or isinstance(data, RepositoryError):
                    wrong[one] = "is missing" if data is None else f"cannot be read: {data}"
                    continue
                found = data[one.start - group[0].start :][: one.size]
                if len(found) < one.size:
                    wrong[one] = f"is too short: {len(found)} of {one.size} bytes at {one.start} are there"
                elif layout.digest_of(found) != one.digest:
                    wrong[one] = f"does not match its hash ({one.size} bytes at {one.start})"
            done += sum(one.size for one in group)
        progress(done)
    return wrong


def _read(storage: Storage, spans: Sequence[Request]) -> list[memoryview | RepositoryError | None]:
    """The bytes of each; on a disk, one file that cannot be read does not keep the others from being looked at."""
    try:
        return [*storage.get_many(spans)]
    except RepositoryError:
        if storage.folder is None:
            raise
    found: list[memoryview | RepositoryError | None] = []
    for key, span in spans:
        try:
            found.append(storage.get(key, span))
        except RepositoryError as error:
            found.append(error)
    return found


def _named(header: Header, table: Table, wrong: dict[_Content, str]) -> Iterable[Damage]:
    """What of a snapshot the wrong contents are; a view is as damaged as the array it looks into."""
    found: dict[str, Damage] = {}
    for what, content in _contents(table):
        if content in wrong:
            found.setdefault(what, Damage(_reference(header), what, content.key, wrong[content]))
    paths = {stored.number: stored.path for stored in table.leaves}
    for stored in table.leaves:
        if stored.leaf.view is not None:
            base = found.get(f"variable {paths[stored.leaf.view.base]!r}")
            if base is not None:
                what = f"variable {stored.path!r}"
                found[what] = base._replace(what=what)
    return found.values()
