"""A repository that was deleted, replaced or unmounted under a process that uses it: what is left, what is lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from snapshot.capture import Capture
from snapshot.engine import Engine
from snapshot.errors import RepositoryError
from snapshot.places import Opened, Stored
from snapshot.timeline import SnapshotKey, key_of

if TYPE_CHECKING:
    from snapshot.repository import Repository

#: So many names at most are said of one snapshot.
_SAID = 20


class Watch:
    """Looks whether a repository is still the one that was written to. ``disk`` is held while it is read."""

    def __init__(self, repository: Repository, disk: Any) -> None:
        self._repository = repository
        self._disk = disk
        self._root: bytes | None = None  #: by which the repository is known again
        self._replaced = False  #: the thread that writes has found another one
        with suppress(RepositoryError):
            self._root = repository.identity()

    def wrote_to(self, root: bytes | None) -> None:
        """A commit has just been made to the repository with this root."""
        if self._root not in (None, root):
            self._replaced = True
        self._root = root

    def look(
        self, stored: Mapping[int, Stored], *, has_away: bool
    ) -> tuple[dict[int, Stored], set[SnapshotKey] | None]:
        """What of ``stored`` is gone, and all that is there; None for that when nothing has changed, or nobody knows.

        Far away a look takes its time, and is taken only when contents lie there alone.
        """
        if not (has_away or (stored and (self._replaced or self._repository.is_near))):
            return {}, None
        try:
            with self._disk:
                root = self._repository.identity()
                if root == self._root and not self._replaced:
                    return {}, None
                found = not_there(self._repository, stored)
        except RepositoryError:
            return {}, None
        self._root, self._replaced = root, False
        return found


def not_there(repository: Repository, stored: Mapping[int, Stored]) -> tuple[dict[int, Stored], set[SnapshotKey]]:
    """Those of this run's snapshots that are there no longer, though nobody dropped them; and all that is there."""
    timeline = repository.timeline
    there, gone = {(key_of(one), one.time) for one in timeline}, repository.gone()
    lost = {n: one for n, one in stored.items() if (one.key, one.snapshot.time) not in there and one.key not in gone}
    return lost, {key_of(one) for one in timeline} | gone


def sources_in(
    sources: Collection[Stored | Opened], lost: Collection[Stored], there: set[SnapshotKey]
) -> list[Stored | Opened]:
    """Those of ``sources`` that went with the repository."""
    return [one for one in sources if one in lost or (isinstance(one, Opened) and one.key not in there)]


def lost_paths(capture: Capture, gone: set[bytes], engine: Engine) -> list[str]:
    """What of a capture lay in blocks that are gone."""
    handles = [handle for handle, held in capture.leaves.items() if not gone.isdisjoint(held.leaf.blocks)]
    paths = engine.paths(capture) if handles else None
    return sorted({paths.of(handle) for handle in handles}) if paths is not None else []


def described(
    place: str, lost: Mapping[int, Sequence[str]], kept: Sequence[int], unpickled: Mapping[int, Sequence[str]]
) -> str:
    """The sentences for whoever stored there.

    ``lost`` are paths by snapshot, ``kept`` what is whole in memory, ``unpickled`` names in
    those whose pickles are lost, because what they are made from has changed.
    """
    texts = [f"What was in the repository {place} is gone: it was deleted, replaced or unmounted."]
    if lost:
        named = [f"#{number} ({_some(paths)})" for number, paths in lost.items()]
        texts.append(f"Contents that were there only are lost: {'; '.join(named)}.")
    if kept:
        numbers = ", ".join(f"#{number}" for number in kept)
        texts.append(f"Whole in memory, and written again by the next store or a flush: {numbers}.")
    if unpickled:
        named = [f"{_some(names)} of #{number}" for number, names in unpickled.items()]
        texts.append(f"The pickles that make these in a new kernel are lost, store again: {'; '.join(named)}.")
    texts.append("Snapshots of other runs come back only with a copy of the repository.")
    return " ".join(texts)


def _some(paths: Sequence[str]) -> str:
    more = len(paths) - _SAID
    return ", ".join(paths[:_SAID]) + (f" and {more} more" if more > 0 else "")
