"""Moments, ids, counts and any text -> what people read, on one line.

Light: nothing is imported that loading the extension could not afford.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snapshot.model import Snapshot

# Control characters, line ends, lone surrogates and marks that turn the direction of text;
# not every unprintable character, since emoji are joined by some.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """``text`` on one line: line ends and control characters as Python writes them."""
    return _UNSHOWABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """A message without its line breaks."""
    return " ".join(line.strip() for line in str(text).splitlines() if line.strip())


def shortened(text: str, most: int = 80) -> str:
    """``text`` without its end when it is long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def clock(moment: datetime, now: datetime | None = None) -> str:
    """An aware time in the reader's zone: the time of day, with the date unless it is today's."""
    local = moment.astimezone()
    today = (now or datetime.now().astimezone()).date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")


def reference_of(snap: Snapshot, run: str) -> str:
    """``#12`` in this ``run``, ``#other.12`` in another: an id as commands take it."""
    return f"#{snap.id}" if snap.run == run else f"#{snap.run}.{snap.id}"


def named(snap: Snapshot, run: str) -> str:
    """Its label, if it has one that fits a line, else its id: what a command takes for it in this ``run``."""
    return snap.label if snap.label and shortened(snap.label) == snap.label else reference_of(snap, run)


def counted(number: int, noun: str) -> str:
    """``1 snapshot``, ``3 snapshots``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def found(value: object) -> str:
    """``3 (int)``: what was given where something else was expected."""
    return f"{reprlib.repr(value)} ({type(value).__name__})"


def enumerated(items: Sequence[str], most: int = 6) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most:,} more"
