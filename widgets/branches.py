"""The tree of snapshots as text: one line for each, a column for each branch that is open.

::

    ●
    ●─╮      two snapshots descend from this one
    │ ●
    ● │
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from snapshot.model import Snapshot
from snapshot.timeline import SnapshotKey, branch, key_of, parent_key

#: More branches than this side by side are not told apart.
WIDEST = 12


def tree(snapshots: Sequence[Snapshot], head: Snapshot | None = None) -> list[str]:
    """A drawing for each of ``snapshots`` (oldest first); ``◉`` marks the ``head``.

    The line that leads to the head goes straight on, and behind it the one to the newest.
    """
    present = None if head is None else key_of(head)
    ends = [end for end in (head, *snapshots[-1:]) if end is not None]
    children = _children(snapshots, [{key_of(one) for one in branch(snapshots, end)} for end in ends])
    lanes: list[SnapshotKey | None] = []  # the snapshot that each column leads to
    lines = []
    for snapshot in snapshots:
        key = key_of(snapshot)
        lane = lanes.index(key) if key in lanes else _free(lanes, 0)
        first, *others = children.get(key) or (None,)
        lanes[lane] = first
        opened = []
        for child in others:
            opened.append(_free(lanes, lane + 1))
            lanes[opened[-1]] = child
        lines.append(_line(lanes, lane, opened, "◉" if key == present else "●"))
    return lines


def _children(
    snapshots: Sequence[Snapshot], lines: Sequence[set[SnapshotKey]]
) -> Mapping[SnapshotKey, list[SnapshotKey]]:
    """Key -> the keys of those that came later and descend from it, first those on the first of ``lines``."""
    seen: set[SnapshotKey] = set()
    found: dict[SnapshotKey, list[SnapshotKey]] = {}
    for snapshot in snapshots:
        key, parent = key_of(snapshot), parent_key(snapshot)
        if parent in seen and parent is not None:
            found.setdefault(parent, []).append(key)
        seen.add(key)
    return {key: sorted(ones, key=lambda one: [one not in line for line in lines]) for key, ones in found.items()}


def _free(lanes: list[SnapshotKey | None], start: int) -> int:
    """The first column from ``start`` that leads nowhere; made when there is none."""
    for index in range(start, len(lanes)):
        if lanes[index] is None:
            return index
    lanes.extend([None] * (max(start, len(lanes)) + 1 - len(lanes)))
    return len(lanes) - 1


def _line(lanes: Sequence[SnapshotKey | None], lane: int, opened: Sequence[int], dot: str) -> str:
    end = max(opened, default=lane)
    drawn = ""
    for index in range(min(len(lanes), WIDEST)):
        if index == lane:
            drawn += dot
        elif index in opened:
            drawn += "╮" if index == end else "┬"
        elif lanes[index] is not None:
            drawn += "┼" if lane < index < end else "│"
        else:
            drawn += "─" if lane < index < end else " "
        drawn += "─" if lane <= index < end else " "
    return drawn.rstrip()
