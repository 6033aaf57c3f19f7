"""Giving snapshots labels and dropping them, whichever run stored them, while other kernels do so too."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from snapshot.errors import SnapshotWarning
from snapshot.model import Snapshot
from snapshot.parts import Parts
from snapshot.timeline import key_of, meant
from snapshot.wording import enumerated, reference_of, shortened


def label(parts: Parts, found: Snapshot, new: str) -> Snapshot:
    """Have ``new`` mean ``found`` from now on; returns it with that label. Raises ReferenceNotFound.

    Snapshots of other runs that would give way to it anyway keep the label: they may be another kernel's.
    """
    there = parts.snapshots(all=False)
    parts.shelf.check_there(found)
    _say_if_dropped(parts, [found], "the label is there too")
    if found.run == parts.archive.run:
        parts.archive.relabel(found, new)
        return parts.shelf.relabel(found, new)
    labelled = replace(found, label=new)
    left = {key_of(one): one for one in there if one.label == new or key_of(one) == key_of(found)}
    # another notebook's would not be found by its label anyway
    while key_of(found) in left:
        bearer = meant(new, ({**left, key_of(found): labelled}).values(), parts.archive.run)
        if bearer is None or bearer is labelled:
            break
        parts.archive.relabel(bearer, None)
        if bearer.run == parts.archive.run:
            parts.shelf.take_label(new)
        del left[key_of(bearer)]
    parts.archive.relabel(found, new)
    return labelled


def drop(parts: Parts, found: Sequence[Snapshot], *, named: bool = True) -> None:
    """Forget snapshots here and on disk. Raises ReferenceNotFound before anything is dropped.

    That others have dropped some already is said of those that were ``named``.
    """
    parts.snapshots(all=False)
    for snapshot in found:
        parts.shelf.check_there(snapshot)
    if named:
        _say_if_dropped(parts, found, "now it is forgotten here as well")
    head = parts.shelf.head
    for snapshot in found:
        parts.archive.drop(snapshot)
        parts.shelf.drop(snapshot)
    if head is not None and key_of(head) in map(key_of, found):
        parts.shelf.stand_on(head)
    parts.archive.dropped(parts.shelf.snapshots)


def _say_if_dropped(parts: Parts, found: Sequence[Snapshot], outcome: str) -> None:
    run, archive = parts.archive.run, parts.archive
    there = [one for one in found if one.run == run and archive.was_dropped_elsewhere(one)]
    if there:
        names = [reference_of(one, run) + (f" ({shortened(one.label)})" if one.label else "") for one in there]
        warnings.warn(
            f"another kernel has dropped {enumerated(names)} on disk, so it was in memory only; {outcome}",
            SnapshotWarning,
            stacklevel=4,
        )
