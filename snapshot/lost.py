"""What a restore cannot do because contents that were on disk only are gone, or damaged there.

Those variables stay as they are and are named, the rest is restored. Most of it is found
out before anything is written; large contents in a folder are looked at when they are
written, and what was written by then is taken back first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain

from snapshot.capture import Capture
from snapshot.errors import Damaged
from snapshot.handles import AnyHandle, Handle
from snapshot.paths import Paths
from snapshot.plan import Plan, tainted_by, touches
from snapshot.pool import Blocks


def written_by(made: Plan) -> list[AnyHandle]:
    """The leaves that a plan writes to."""
    return [*made.write, *(part for _, _, parts in made.group_writes.values() for part in parts.values())]


def unreadable(
    handles: Iterable[AnyHandle], capture: Capture, blocks: Blocks, *, near: bool = True
) -> dict[AnyHandle, str]:
    """Those leaves of ``handles`` whose contents in ``capture`` cannot be had any more, and why.

    Without ``near``, contents that are quickly read when they are needed are not looked at.
    """
    wanted = {handle: _blocks_of(handle, capture) for handle in handles}
    with suppress(Damaged):
        blocks.check(chain.from_iterable(wanted.values()), near=near)
        return {}
    found: dict[AnyHandle, str] = {}
    for handle, digests in wanted.items():
        try:
            blocks.check(digests, near=near)
        except Damaged as error:
            found[handle] = str(error)
    return found


def _blocks_of(handle: AnyHandle, capture: Capture) -> tuple[bytes, ...]:
    held = capture.leaves.get(handle)
    if held is not None and held.leaf.view is not None:
        held = capture.leaves[capture.by_number[held.leaf.view.base]]
    return held.leaf.blocks if held is not None else ()


def leave_out(made: Plan, target: Capture, lost: Mapping[AnyHandle, str], paths: Paths) -> None:
    """Take what is ``lost`` out of a plan, with everything that cannot be right without it; say why."""
    made.unused.update({paths.of(handle): reason for handle, reason in lost.items()})
    made.write = [handle for handle in made.write if handle not in lost]
    for _, _, parts in made.group_writes.values():
        for name in [name for name, part in parts.items() if part in lost]:
            del parts[name]
    gone = {handle: reason for handle, reason in lost.items() if made.rebuild.pop(handle, None) is not None}
    if not gone:
        return
    # nothing lives that could stand for these, so what leads to them stays as it is
    tainted = tainted_by(target, gone)
    made.fixed = [record for record in made.fixed if id(record.owner) not in tainted]
    for record in [record for record in made.records if touches(record, gone, tainted)]:
        made.records.remove(record)
        made.unused.setdefault(paths.of(record.owner), "it held contents that cannot be read any more")
    for name, stored in list(made.bind.items()):
        if stored in gone if type(stored) is Handle else id(stored) in tainted:
            del made.bind[name]
            made.unused.setdefault(name, "it held contents that cannot be read any more")
