"""Reading small things out of packs: one read serves all its neighbours."""

from __future__ import annotations

from collections import OrderedDict

from snapshot.forking import forked_lock
from snapshot.repository import layout
from snapshot.repository.storage import Storage
from snapshot.repository.table import InPack

_WINDOW = 4 * 1024 * 1024
_KEPT = 16


class Pieces:
    """Pieces of packs, read in windows of 4 MiB, of which the last 16 are kept."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._windows: OrderedDict[tuple[str, int], memoryview] = OrderedDict()
        self._lock = forked_lock()

    def read(self, place: InPack) -> memoryview | None:
        """The bytes at ``place``, unchecked and not to be written; None when the pack is missing."""
        if place.length == 0:
            return memoryview(b"")
        start = place.offset // _WINDOW
        if place.offset + place.length > (start + 1) * _WINDOW:
            span = (place.offset, place.offset + place.length)
            return self._storage.get(layout.pack_chunk_key(place.pack), span)
        window = self._window(place.pack, start)
        first = place.offset - start * _WINDOW
        return None if window is None else window[first : first + place.length]

    def _window(self, pack: str, number: int) -> memoryview | None:
        with self._lock:
            if (pack, number) in self._windows:
                self._windows.move_to_end((pack, number))
                return self._windows[pack, number]
        span = (number * _WINDOW, (number + 1) * _WINDOW)
        found = self._storage.get(layout.pack_chunk_key(pack), span)
        if found is not None:
            with self._lock:
                self._windows[pack, number] = found
                while len(self._windows) > _KEPT:
                    self._windows.popitem(last=False)
        return found
