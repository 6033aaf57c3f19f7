"""Taking away what a commit wrote that is not to be."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from secrets import token_hex

from snapshot.errors import RepositoryError
from snapshot.repository import layout
from snapshot.repository.storage import Storage
from snapshot.timeline import SnapshotKey


def remove(storage: Storage, keys: list[str]) -> None:
    """Take away what no snapshot names; what refuses stays."""
    with suppress(RepositoryError):
        storage.delete(*keys)
        storage.delete_folder(*{key.rpartition("/")[0] for key in keys})


def undo(storage: Storage, key: SnapshotKey, table: bytes | None) -> None:
    """Take a commit away that others may have seen; the collector finds its contents by its table."""
    storage.delete(layout.commit_key(*key))
    storage.delete(layout.table_key(*key))
    storage.delete_folder(layout.snapshot_folder(*key))
    leave_note(storage, key, table)


def leave_note(storage: Storage, key: SnapshotKey, table: bytes | None) -> None:
    """A table counts no longer: a collection may have spared what it names, and the next one need not."""
    if table is not None:
        note = layout.undone_key(*key, token_hex(4))
        with suppress(RepositoryError):
            storage.put([(note, partial(bytes, table))])
