"""Which snapshots a repository holds: headers, labels and what was dropped."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from snapshot.errors import SnapshotWarning
from snapshot.repository import layout
from snapshot.repository.header import Header
from snapshot.repository.storage import Storage

Key = tuple[str, int]


class Catalogue:
    """Headers of every committed snapshot, read again only where something changed.

    A header never changes; a label or a drop decided later is a key beside it.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._headers: dict[Key, Header] = {}
        self._unreadable: set[Key] = set()

    def read(self) -> tuple[list[Header], list[Header]]:
        """(those that count, those that were dropped), with the labels they have now."""
        notes: dict[str, set[Key]] = {"zarr.json": set(), "label": set(), "dropped": set()}
        for run in self._storage.children("runs"):
            for key in self._storage.keys(f"runs/{run}/snapshots"):
                if found := layout.read_snapshot_key(key):
                    notes[found[2]].add((found[0], found[1]))
        self._load(notes["zarr.json"] - self._unreadable)
        there = [self._headers[key] for key in sorted(notes["zarr.json"] & self._headers.keys())]
        labelled = self._labelled(there, notes["label"])
        dropped = notes["dropped"]
        return (
            [one for one in labelled if one.key not in dropped],
            [one for one in labelled if one.key in dropped],
        )

    def _load(self, keys: Iterable[Key]) -> None:
        missing = [key for key in keys if key not in self._headers]
        found = self._storage.get_many([(layout.commit_key(*key), None) for key in missing])
        for key, data in zip(missing, found, strict=True):
            try:
                self._headers[key] = Header.decode(data or b"")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self._unreadable.add(key)
                warnings.warn(
                    f"{self._storage}: snapshot #{key[0]}.{key[1]} is left out, because its header "
                    f"({layout.commit_key(*key)}) cannot be read: {error}. The others are not affected.",
                    SnapshotWarning,
                    stacklevel=5,
                )

    def _labelled(self, headers: list[Header], relabelled: set[Key]) -> list[Header]:
        """Each with the label it has now.

        A label stored again in a notebook's run has moved for good: the older snapshot
        does not get it back when the newer one loses it or is dropped.
        """
        wanted = [one.key for one in headers if one.key in relabelled]
        found = self._storage.get_many([(layout.label_key(*key), None) for key in wanted])
        said = {key: note for key, data in zip(wanted, found, strict=True) if (note := _read_label(data))}
        claims = [(one.time, one.id, one, one.label) for one in headers]
        claims += [(said[one.key][1], one.id, one, said[one.key][0]) for one in headers if one.key in said]
        last: dict[tuple[str, str, str | None], Key] = {}
        for _, _, one, label in sorted(claims, key=lambda claim: claim[:2]):
            last[one.run, one.notebook, label] = one.key

        def now(one: Header) -> str | None:
            label = said[one.key][0] if one.key in said else one.label
            return label if last[one.run, one.notebook, label] == one.key else None

        return [replace(one, label=now(one)) for one in headers]


def label_note(label: str | None) -> bytes:
    """What is written beside a snapshot whose label was changed after it was stored."""
    return json.dumps({"label": label, "time": datetime.now(UTC).isoformat()}).encode()


def dropped_note() -> bytes:
    """What is written beside a snapshot that was dropped."""
    return json.dumps({"time": datetime.now(UTC).isoformat()}).encode()


def _read_label(data: memoryview | None) -> tuple[str | None, datetime] | None:
    try:
        note: dict[str, Any] = json.loads(bytes(data or b""))
        return note["label"], datetime.fromisoformat(note["time"])
    except (ValueError, KeyError, TypeError):
        return None
