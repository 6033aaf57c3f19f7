"""Many snapshots of a repository asked at once: implements :class:`snapshot.history.Home`.

Which contents a path had, and in which snapshots, is in the columns of the folds: tables
are opened only of snapshots that no fold holds, and where a column sends us to them.
"""

from __future__ import annotations

import json
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from xxhash import xxh3_128_digest

from snapshot.described import content_digest, known_dtype
from snapshot.errors import Damaged, SnapshotWarning
from snapshot.history import Array, Held
from snapshot.model import Role, Variable
from snapshot.repository.catalogue import Catalogue
from snapshot.repository.columns import ABSENT, IN_TABLE, Located, decode_column
from snapshot.repository.content import StoredContent
from snapshot.repository.folded import Fold
from snapshot.repository.kept_statistics import Kept, KeptStatistics, decode
from snapshot.repository.reader import read_document
from snapshot.repository.storage import Storage
from snapshot.repository.stored_history import Run, StoredHistory, run_of_leaf, run_of_plain
from snapshot.timeline import SnapshotKey

Accept = Callable[[Variable], bool]

#: For more paths than this a fold is read as a whole.
_FEW = 8
#: So many tables are kept as plain data; no more snapshots than these are without a fold, normally.
_DOCUMENTS = 32

#: Histories of single paths that are kept.
_KEPT = 8

UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zlib.error)


class _There(NamedTuple):
    """Snapshots that a fold holds: their ids, ascending, and their positions among those asked about."""

    fold: Fold
    ids: Array
    positions: Array


class LookedUp(NamedTuple):
    """A path of one snapshot in the history of that path: implements what :mod:`.content` asks for."""

    history: StoredHistory
    number: int

    @property
    def is_there(self) -> bool:
        return self.number >= 0

    def variable(self) -> Variable | None:
        return None if self.history.has_aliases else self.history.variable(self.number)

    def array(self) -> Any:
        return self.history.array(self.number) if self.is_there else None


class Histories:
    """What all the snapshots of one repository know together."""

    def __init__(self, storage: Storage, catalogue: Catalogue) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._kept = KeptStatistics(storage)
        self._documents: OrderedDict[SnapshotKey, Mapping[str, Run]] = OrderedDict()
        self._known: OrderedDict[str, tuple[StoredHistory, Mapping[SnapshotKey, int]]] = OrderedDict()

    def histories(self, paths: Sequence[str], contents: Sequence[StoredContent]) -> list[Held]:
        """The history of each path. A snapshot whose table is damaged holds nothing, and that is a warning."""
        if len(paths) > _FEW:
            return list(self._read(paths, contents))
        found: list[Held] = []
        for path in paths:
            if any(self._place(path, one) is None for one in contents):
                self._look_up(path, contents)
            history, places = self._known.get(path) or (StoredHistory(path, self._storage, ()), {})
            found.append(history.only(np.array([places[one.entry.header.key] for one in contents], int)))
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found

    def _look_up(self, path: str, contents: Sequence[StoredContent]) -> None:
        """Read a history; snapshots that were looked at before stay among those that are known."""
        before = self._known.pop(path, None)
        every = {one.entry.header.key: one for one in (before[0].contents if before is not None else ())}
        every |= {one.entry.header.key: one for one in contents}
        (history,) = self._read([path], list(every.values()))
        self._known[path] = history, {key: place for place, key in enumerate(every)}

    def looked_up(self, path: str, content: StoredContent) -> LookedUp | None:
        """What the last look at this path over many snapshots has shown of one; None when it did not include it."""
        place = self._place(path, content)
        if place is None:
            return None
        history, _ = self._known[path]
        return LookedUp(history, int(history.which[place]))

    def _place(self, path: str, content: StoredContent) -> int | None:
        known = self._known.get(path)
        return None if known is None else known[1].get(content.entry.header.key)

    def _read(self, paths: Sequence[str], contents: Sequence[StoredContent]) -> list[StoredHistory]:
        found = [StoredHistory(path, self._storage, contents) for path in paths]
        folded, rest = self._split(contents)
        columns = self._columns(paths, folded)
        missing: dict[SnapshotKey, Iterable[StoredHistory]] = dict.fromkeys(rest, found)
        left: dict[SnapshotKey, list[StoredHistory]] = {}
        aliased = {meant for there in folded for meant in there.fold.aliases.values()}
        for history in found:
            history.has_aliases = history.path in aliased
            for there in folded:
                if history.path not in there.fold.columns:
                    continue
                try:
                    ids = _add_column(history, columns(there.fold, history.path), there)
                except UNREADABLE:
                    ids = there.ids  # the tables know it too
                for number in ids.tolist():
                    left.setdefault((there.fold.run, number), []).append(history)
        self._add_tables(missing | left, contents)
        runs = dict.fromkeys(one.entry.header.run for one in contents)
        read: Callable[[], Mapping[str, list[memoryview]]] = partial(self._kept.read, tuple(paths), runs)
        # of one path it is read anew each time, since there may be more by then, and the numbers are many
        read = cache(read) if len(paths) > 1 else read
        for history in found:
            history.order()
            history.statistics = partial(_kept_of, read, history.path)
        return found

    def newest(self, contents: Sequence[StoredContent], accept: Accept) -> dict[str, Variable]:
        """Path -> the newest accepted variable; of old snapshots no tables are read."""
        found: dict[str, Variable] = {}
        folded, _ = self._split(contents)
        of_key = {(there.fold.run, number): there for there in folded for number in there.ids.tolist()}
        done: set[str] = set()
        for content in reversed(contents):
            there = of_key.get(content.entry.header.key)
            if there is None or content is contents[-1]:
                self._look_at(content, found, accept)
            if there is not None and there.fold.key not in done:
                done.add(there.fold.key)
                for position in self._look_at_columns(there, found, accept):
                    self._look_at(contents[position], found, accept)
        return found

    def _look_at(self, content: StoredContent, found: dict[str, Variable], accept: Accept) -> None:
        """Take in a table; unless it has something new, it is not made into more than plain data."""
        try:
            if found and not any(
                path not in found and accept(run.outlined(path)) for path, run in self._runs(content).items()
            ):
                return
            for path, variable in content.variables.items():
                if path not in found and accept(variable):
                    found[path] = variable
        except Damaged as error:
            warnings.warn(str(error), SnapshotWarning, stacklevel=6)

    def _look_at_columns(self, there: _There, found: dict[str, Variable], accept: Accept) -> set[int]:
        """Take in what a fold knows; returns the positions of snapshots whose tables know more."""
        paths = [path for path in there.fold.columns if path not in found]
        columns = self._columns(paths, [there])
        more: set[int] = set()
        for path in paths:
            try:
                located = decode_column(columns(there.fold, path), path, there.ids.tolist())
            except UNREADABLE:
                located = {}
            there_too = [number for number, one in located.items() if one is not None]
            in_table = there.ids[~np.isin(there.ids, list(located))]
            if in_table.size and in_table[-1] > max(there_too, default=0):
                more.add(int(there.positions[np.searchsorted(there.ids, in_table[-1])]))
                continue
            last = located[max(there_too)] if there_too else None
            variable = None if last is None else _variable(path, last, there.fold.aliases)
            if variable is not None and accept(variable):
                found[path] = variable
        return more

    def _split(self, contents: Iterable[StoredContent]) -> tuple[list[_There], list[SnapshotKey]]:
        """The folds that hold some of these snapshots, and those that no fold holds."""
        places = {content.entry.header.key: position for position, content in enumerate(contents)}
        folded = []
        for run in dict.fromkeys(run for run, _ in places):
            for fold in self._catalogue.folds(run):
                held = sorted((header.id, header.key) for header in fold.headers if header.key in places)
                if held:
                    positions = [places.pop(key) for _, key in held]
                    folded.append(_There(fold, np.array([one for one, _ in held]), np.array(positions)))
        return folded, list(places)

    def _columns(self, paths: Sequence[str], folded: Sequence[_There]) -> Callable[[Fold, str], bytes | memoryview]:
        """What gives a column: for many paths the folds are read whole, for few only their columns."""
        if len(paths) > _FEW:
            keys = [there.fold.key for there in folded]
            whole = dict(zip(keys, self._storage.get_many([(key, None) for key in keys]), strict=True))
            return lambda fold, path: (whole[fold.key] or b"")[slice(*fold.columns[path])]
        wanted = [
            (there.fold.key, there.fold.columns[path])
            for path in paths
            for there in folded
            if path in there.fold.columns
        ]
        read = dict(zip(wanted, self._storage.get_many(wanted), strict=True))
        return lambda fold, path: read[fold.key, fold.columns[path]] or b""

    def _add_tables(
        self, missing: Mapping[SnapshotKey, Iterable[StoredHistory]], contents: Sequence[StoredContent]
    ) -> None:
        for position, content in enumerate(contents):
            histories = missing.get(content.entry.header.key, ())
            try:
                runs = self._runs(content) if histories else {}
            except Damaged as error:
                warnings.warn(str(error), SnapshotWarning, stacklevel=5)
                continue
            for history in histories:
                run = runs.get(history.path)
                if run is not None:
                    history.which[position] = history.number(run)

    def _runs(self, content: StoredContent) -> Mapping[str, Run]:
        """Path -> what a table says of it, as plain data; raises Damaged."""
        header = content.entry.header
        if header.key in self._documents:
            return self._documents[header.key]
        document = read_document(self._storage, header)
        leaves = {leaf["number"]: leaf for leaf in document["leaves"]}
        runs = {
            leaf["path"]: run_of_leaf(leaf, leaves, document["sources"]) for leaf in leaves.values() if leaf["path"]
        }
        runs |= {one["path"]: run_of_plain(one) for one in document["plain"]}
        self._documents[header.key] = runs
        while len(self._documents) > _DOCUMENTS:
            self._documents.popitem(last=False)
        return runs


def _kept_of(read: Callable[[], Mapping[str, list[memoryview]]], path: str) -> Kept:
    return decode(read()[path])


def _add_column(history: StoredHistory, data: bytes | memoryview, there: _There) -> Array:
    """Take in a column; returns those ids that only their tables know."""
    document = json.loads(zlib.decompress(data, 31))
    sources, runs = document["sources"], document["runs"]
    forms = [{"scalar": form["number"]} if "number" in form else form for form in document["forms"]]
    indices = [history.form_number(form) for form in forms]
    numbers = [
        index
        if index < 0
        else history.number(
            Run(forms[index], value=blocks) if "scalar" in forms[index] else Run(forms[index], blocks, sources),
            indices[index],
        )
        for _, index, _, blocks in runs
    ]
    numbers.append(ABSENT)  # the last is for what comes before the first run
    found = np.array(numbers)[np.searchsorted([run[0] for run in runs], there.ids, side="right") - 1]
    history.which[there.positions] = np.maximum(found, ABSENT)
    left: Array = there.ids[found == IN_TABLE]
    return left


def _variable(path: str, located: Located, aliases: Mapping[str, str]) -> Variable:
    """What a column knows of a variable."""
    names = tuple(alias for alias, meant in aliases.items() if meant == path)
    if located.stored is None:
        number = np.array(located.value, located.dtype)
        digest = xxh3_128_digest(number.tobytes() + number.dtype.str.encode())
        return Variable(path, Role.VALUE, (), number.dtype, number.nbytes, digest, names)
    leaf = located.stored.leaf
    dtype = known_dtype(located.stored.dtype, leaf)
    return Variable(path, located.stored.role, leaf.shape, dtype, leaf.nbytes, content_digest(leaf), names)
