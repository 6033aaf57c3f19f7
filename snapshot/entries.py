"""A capture as the plain data that goes to disk.

Everything here reads live objects (types, code, what a pickle walks through), so it is
done before a store returns. What comes out holds bytes and text only: no object of the
user's is kept alive by a write that is on its way, or let go by its thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from snapshot import pickling
from snapshot.capture import Capture, same_graph
from snapshot.content import MemoryContent, number_variable
from snapshot.engine import Engine
from snapshot.graph import encode_groups
from snapshot.handles import AnyHandle
from snapshot.model import Content, Snapshot
from snapshot.paths import Paths, numbers_of
from snapshot.repository.entry import Entry, StoredLeaf
from snapshot.signing import signer

#: JSON has no number that holds these.
_WIDER = (np.longdouble, np.clongdouble)


class Entries:
    """Makes entries; what did not change since the last one is used again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._groups: dict[str, tuple[Any, bytes]] = {}
        self._pickles = pickling.Pickles()
        self._known: dict[str, bytes] = {}
        self._last: Capture | None = None
        self._paths: Paths | None = None
        self._leaves: dict[AnyHandle, StoredLeaf] = {}
        self._named: tuple[StoredLeaf, ...] = ()

    def of(
        self,
        snapshot: Snapshot,
        block: Callable[[bytes], Any],
        wrote: Callable[[int], None],
        *,
        pickled: pickling.Pickled | None = None,
    ) -> tuple[Entry, int]:
        """The entry of a snapshot in memory, and how many bytes of it are not shared with the entry before.

        ``block`` returns the bytes of a digest, ``wrote`` is told what is written; blocks are not counted.
        With ``pickled``, its pickles, nothing of live objects is read but their types.
        """
        content = snapshot.content
        assert isinstance(content, MemoryContent)
        capture = content.capture
        self._name_leaves(capture)
        if self._last is None or not same_graph(capture, self._last):
            self._groups = encode_groups(capture, self._groups)
        self._last = capture
        numbers = numbers_of(capture)
        made = self._pickles.of(capture) if pickled is None else pickled
        entry = Entry(
            snapshot=bare(snapshot),
            leaves=self._named,
            records={name: data for name, (_, data) in self._groups.items()},
            names=content.names,
            report=content.report,
            block=block,
            pickles=made.streams,
            joined=made.joined,
            sign=signer() if made.streams else None,
            plain=tuple(number_variable(name, value) for name, value in numbers.items()),
            numbers={name: value for name, value in numbers.items() if not isinstance(value, _WIDER)},
            wrote=wrote,
        )
        before, self._known = self._known, {**entry.records, **{f"pickle {n}": p for n, p in entry.pickles.items()}}
        new = sum(len(data) for name, data in self._known.items() if before.get(name) is not data)
        return entry, new

    def kept_pickles(self, capture: Capture) -> pickling.Pickled | None:
        """The pickles of a capture that was written, if nothing in them changed since; else None."""
        return self._pickles.kept(capture)

    def _name_leaves(self, capture: Capture) -> None:
        paths = self._engine.paths(capture)
        if paths is self._paths and self._last is not None and capture.leaves is self._last.leaves:
            return
        known = self._leaves if paths is self._paths else {}
        found: dict[AnyHandle, StoredLeaf] = {}
        for handle, held in capture.leaves.items():
            stored = known.get(handle)
            if stored is None or stored.leaf is not held.leaf or stored.dtype != held.form.dtype:
                path, role, aliases = paths.leaves.get(handle, ("", held.form.role, ()))
                stored = StoredLeaf(handle.number, path, role, held.form.dtype, held.leaf, aliases)
            found[handle] = stored
        self._paths, self._leaves, self._named = paths, found, tuple(found.values())


def bare(snapshot: Snapshot) -> Snapshot:
    """The header of a snapshot, without what it holds."""
    return replace(snapshot, content=cast(Content, None))
