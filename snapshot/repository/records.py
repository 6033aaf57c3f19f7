"""Records of collections: made before anything is deleted, merged when they are many."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from secrets import token_hex

from snapshot.repository import layout
from snapshot.repository.catalogue import Catalogue, read_label
from snapshot.repository.header import Header
from snapshot.repository.removed import Claim, Removed, decode_removed, encode_removed
from snapshot.repository.storage import Storage
from snapshot.repository.tombstones import Tombstone
from snapshot.timeline import link

#: What is as old as this belongs to nobody who is still at it: unfinished files, records to be merged.
SETTLED = timedelta(hours=1)
#: How many settled records may lie apart.
_APART = 8
#: Whoever had a snapshot open when it was removed may store a child of it for so long.
_CHILDREN = timedelta(days=1)
_TIME = "%Y%m%dT%H%M%S"


def new_record() -> str:
    """The key of a record made now."""
    return layout.collection_key(f"{datetime.now(UTC):{_TIME}}-{token_hex(4)}")


def describe(storage: Storage, due: Mapping[Tombstone, datetime]) -> list[Removed]:
    """What is worth knowing of snapshots once they are gone; of those half gone it is recorded already."""
    dropped = [one for one in due if not one.undone]
    headers = storage.get_many([(layout.commit_key(*one.key), None) for one in dropped])
    labels = storage.get_many([(layout.label_key(*one.key), None) for one in dropped])
    found = []
    for one, data, label in zip(dropped, headers, labels, strict=True):
        try:
            header = Header.decode(data or b"")
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        claims: list[Claim] = [(header.label, header.time)] if header.label is not None else []
        claims += [note for note in [read_label(label)] if note is not None]
        found.append(Removed(*one.key, header.parent, header.notebook, due[one], tuple(claims)))
    return found


def merge_records(storage: Storage) -> None:
    """Make one of old records when there are many, of what is still needed of them."""
    names = [name for name in storage.children(layout.NOTES) if layout.is_collection(name) and _is_settled(name)]
    if len(names) <= _APART:
        return
    keys = [f"{layout.NOTES}/{name}" for name in names]
    found = storage.get_many([(key, None) for key in keys])
    removed = {one.key: one for data in found for one in decode_removed(data)}
    headers, _ = Catalogue(storage, warn=False).read()
    needed = _needed(removed, headers)
    storage.put([(new_record(), lambda: encode_removed(needed))])
    storage.delete(*keys)


def _is_settled(name: str) -> bool:
    try:
        return datetime.now(UTC) - datetime.strptime(f"{name.partition('-')[0]}+0000", f"{_TIME}%z") >= SETTLED
    except ValueError:
        return False


def _needed(removed: dict[tuple[str, int], Removed], headers: list[Header]) -> list[Removed]:
    """Those that a snapshot descends from, that took a label from one, or that may still get children."""
    linked = set()
    for header in headers:
        key = link(header.run, header.parent)
        while key in removed and key not in linked:
            linked.add(key)
            key = removed[key].parent_key
    now = datetime.now(UTC)
    notebooks = {(header.run, header.notebook) for header in headers}
    return [
        one
        for one in removed.values()
        if one.key in linked or now - one.time < _CHILDREN or (one.claims and (one.run, one.notebook) in notebooks)
    ]
