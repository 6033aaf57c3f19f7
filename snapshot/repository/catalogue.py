"""Which snapshots a repository holds: headers, labels and what was dropped."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from snapshot.errors import SnapshotWarning
from snapshot.repository import layout
from snapshot.repository.folded import Fold, read_folds
from snapshot.repository.header import Header, aware
from snapshot.repository.removed import Removed, decode_removed
from snapshot.repository.storage import Storage
from snapshot.repository.tombstones import old_among
from snapshot.timeline import SnapshotKey as Key
from snapshot.timeline import link


class Catalogue:
    """Headers of every committed snapshot, read again only where something changed.

    A header never changes; a label or a drop decided later is a key of its own.
    """

    def __init__(self, storage: Storage, *, warn: bool = True) -> None:
        self._storage = storage
        self._warn = warn
        self.unreadable: dict[Key, str] = {}  #: snapshots that are left out, and why
        self._headers: dict[Key, Header] = {}
        self._old: dict[str, bool] = {}
        self._folds: dict[str, dict[str, Fold | None]] = {}
        self._records: dict[str, list[Removed]] = {}

    def read(self) -> tuple[list[Header], dict[Key, Key | None]]:
        """(those that count, with the labels they have now; each dropped or removed one -> its parent)."""
        there: set[Key] = set()
        notes: dict[str, dict[Key, str]] = {"label": {}, "dropped": {}, "undone": {}}
        runs = layout.runs_among(self._storage.children("runs"))
        # asked for together, run by run: far away each answer takes its time
        self._old.update(old_among(self._storage, [run for run in runs if run not in self._old]))
        new = [run for run in runs if not self._old.get(run, False)]
        folders = [place for run in new for place in (layout.timeline_folder(run), layout.snapshots_folder(run))]
        listed = self._storage.children_many(folders)
        self._read_folds(dict(zip(new, listed[::2], strict=True)))
        for run, names in zip(new, listed[1::2], strict=True):
            # a folder is made before its header: without one it is not a snapshot yet
            there |= {(run, int(name)) for name in names if name.isdecimal()}
        for run in set(runs).difference(new):
            there |= self._read_old(run, notes)
        # after the snapshots: what was removed in between has left a record
        names = self._storage.children(layout.NOTES)
        for name in names:
            if found := layout.read_note_name(name):
                notes[found[2]][found[0], found[1]] = f"{layout.NOTES}/{name}"
        removed = self._read_records(filter(layout.is_collection, names))
        self._load(there - self.unreadable.keys())
        headers = {key: self._headers[key] for key in there if key in self._headers}
        gone = {one.key: one.parent_key for one in removed}
        gone |= {key: link(key[0], headers[key].parent) for key in notes["dropped"] if key in headers}
        self._label(headers, notes["label"], removed)
        return [one for key, one in headers.items() if key not in gone], gone

    def gone(self) -> set[Key]:
        """What was dropped or removed, by one listing; drops of format 1 are not among it."""
        names = self._storage.children(layout.NOTES)
        notes = [note for note in map(layout.read_note_name, names) if note is not None and note[2] == "dropped"]
        removed = self._read_records(filter(layout.is_collection, names))
        return {note[:2] for note in notes}.union(one.key for one in removed)

    def _read_records(self, names: Iterable[str]) -> list[Removed]:
        """What collections have removed, each once; a record is never changed."""
        keys = [f"{layout.NOTES}/{name}" for name in names]
        for key in self._records.keys() - set(keys):
            del self._records[key]
        fresh = [key for key in keys if key not in self._records]
        for key, data in zip(fresh, self._storage.get_many([(key, None) for key in fresh]), strict=True):
            self._records[key] = decode_removed(data)
        return list({one.key: one for record in self._records.values() for one in record}.values())

    def _read_old(self, run: str, notes: dict[str, dict[Key, str]]) -> set[Key]:
        """The committed snapshots of a run of format 1, which keeps labels and drops beside each."""
        there: set[Key] = set()
        for key in self._storage.keys(f"runs/{run}/snapshots"):
            if found := layout.read_snapshot_key(key):
                if found[2] == "zarr.json":
                    there.add((found[0], found[1]))
                else:
                    notes[found[2]][found[0], found[1]] = key
        return there

    def _read_folds(self, names: Mapping[str, Iterable[str]]) -> None:
        """Read those folds, run -> names, that are new; forget those that are gone."""
        keys = {run: _fold_keys(run, there) for run, there in names.items()}
        fresh = [key for run, there in keys.items() for key in there if key not in self._folds.get(run, {})]
        found = read_folds(self._storage, fresh)
        for run, there in keys.items():
            known = self._folds.get(run, {})
            self._folds[run] = {key: known[key] if key in known else found[key] for key in there}
        for fold in found.values():
            for header in fold.headers if fold is not None else ():
                self._headers.setdefault(header.key, header)

    def header(self, key: Key) -> Header | None:
        """One header, dropped or not, as of the last :meth:`read`."""
        return self._headers.get(key)

    def folds(self, run: str) -> list[Fold]:
        """The folds of a run, as of the last :meth:`read`."""
        return [fold for fold in self._folds.get(run, {}).values() if fold is not None]

    def _load(self, keys: Iterable[Key]) -> None:
        missing = [key for key in keys if key not in self._headers]
        found = self._storage.get_many([(layout.commit_key(*key), None) for key in missing])
        for key, data in zip(missing, found, strict=True):
            if data is None:
                continue
            try:
                self._headers[key] = Header.decode_of(key, data)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self.unreadable[key] = str(error)
                if self._warn:
                    warnings.warn(
                        f"{self._storage}: snapshot #{key[0]}.{key[1]} is left out, because its header "
                        f"({layout.commit_key(*key)}) cannot be read: {error}. The others are not affected.",
                        SnapshotWarning,
                        stacklevel=5,
                    )

    def _label(self, headers: dict[Key, Header], relabelled: Mapping[Key, str], removed: Iterable[Removed]) -> None:
        """Give each the label it has now.

        A label stored again in a notebook's run has moved for good: the older snapshot
        does not get it back when the newer one loses it or is dropped.
        """
        wanted = [key for key in relabelled if key in headers]
        found = self._storage.get_many([(relabelled[key], None) for key in wanted])
        said = {key: note for key, data in zip(wanted, found, strict=True) if (note := read_label(data))}
        claims: list[tuple[datetime, int, Header | Removed, str | None]]
        claims = [(one.time, one.id, one, one.label) for one in headers.values() if one.label is not None]
        bearers = {*said, *(one.key for _, _, one, _ in claims)}
        claims += [(since, key[1], headers[key], label) for key, (label, since) in said.items()]
        claims += [(time, one.id, one, label) for one in removed for label, time in one.claims]
        last: dict[tuple[str, str, str | None], Key] = {}
        for _, _, one, label in sorted(claims, key=lambda claim: claim[:2]):
            last[one.run, one.notebook, label] = one.key
        for key in bearers:
            header = headers[key]
            label = said[key][0] if key in said else header.label
            is_last = last[header.run, header.notebook, label] == key
            headers[key] = replace(header, label=label if is_last else None)


def _fold_keys(run: str, names: Iterable[str]) -> set[str]:
    """The folds that count: a large one takes the place of the small ones within it."""
    keys = {f"{layout.timeline_folder(run)}/{name}" for name in names if layout.read_fold_name(name)}
    return keys - {small for key in keys for small in layout.folds_within(key)}


def label_note(label: str | None) -> bytes:
    """What is written beside a snapshot whose label was changed after it was stored."""
    return json.dumps({"label": label, "time": datetime.now(UTC).isoformat()}).encode()


def dropped_note() -> bytes:
    """What is written beside a snapshot that was dropped."""
    return json.dumps({"time": datetime.now(UTC).isoformat()}).encode()


def read_label(data: memoryview | None) -> tuple[str | None, datetime] | None:
    """(label, when) of a label's note; None where it cannot be read."""
    try:
        note: dict[str, Any] = json.loads(bytes(data or b""))
        return note["label"], aware(note["time"])
    except (ValueError, KeyError, TypeError):
        return None
