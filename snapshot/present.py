"""What is live now, as a snapshot on no timeline: to look at, never to go back to.

Its blocks lie in the workspace's pool, so only what no snapshot holds takes memory. A view
may outlive the cell that made it by hours, hence what all presents of a workspace hold is
bounded: the oldest give their contents up when a newer one needs the room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from snapshot.engine import Wanted
from snapshot.errors import SnapshotError
from snapshot.model import Content, Snapshot, Variable

if TYPE_CHECKING:
    from snapshot.parts import Parts

#: The share of the memory budget that presents may hold together; the newest may exceed it.
SHARE = 0.25


class PresentContent:
    """A content in the pool, for as long as :attr:`held` is not None."""

    def __init__(self, content: Content, digests: tuple[bytes, ...], nbytes: int) -> None:
        self.held: Content | None = content
        self.digests = digests
        self.nbytes = nbytes  #: what it added to the pool
        self.variables: Mapping[str, Variable] = content.variables
        self.names = content.names
        self.report = content.report

    def outline(self) -> Mapping[str, str]:
        return self._content("the values inside containers").outline()

    def read(self, path: str) -> Any:
        """The value at ``path``; :class:`SnapshotError` once the contents were given up."""
        return self._content(path).read(path)

    def _content(self, what: str) -> Content:
        if self.held is None:
            raise SnapshotError(
                f"{what}: what was live then is no longer kept, a newer comparison took its room; compare again"
            )
        return self.held


def present(parts: Parts) -> Snapshot:
    """The live variables as a snapshot labelled ``now``; older presents may give up their contents."""
    engine, shelf = parts.engine, parts.shelf
    try:
        capture, added = engine.look(Wanted(exclude=parts.excluded), shelf.latest, limited=False)
        snapshot = shelf.describe("now", None, "", capture)
        digests = tuple(capture.digests())
        content = PresentContent(snapshot.content, digests, sum(added.values()))
        engine.blocks.retain(digests)
    finally:
        engine.blocks.sweep()
    kept = parts.presents
    kept.append(content)
    while len(kept) > 1 and sum(one.nbytes for one in kept) > SHARE * engine.budget:
        kept[0].held = None
        engine.blocks.release(kept.pop(0).digests)
    return replace(snapshot, content=content)
