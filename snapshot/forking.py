"""What a forked process must not share with its parent: locks that are held, threads that are not there.

A lock is copied as it is at that moment. If another thread held it, nobody in the child
ever lets it go.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Something that has to begin anew in a child."""

    def begin_anew(self) -> None:
        """Called in the child, right after the fork, before anything else runs there."""


_all: WeakSet[Any] = WeakSet()


def renew_after_fork(owner: Forked) -> None:
    """Have ``begin_anew`` called in every process forked from this one, for as long as ``owner`` lives."""
    _all.add(owner)


def renew_lock(lock: Any) -> None:
    """Free a lock in a child, unless it is the forking thread that holds it."""
    # what Python does with its own locks after a fork; there is no public name for it
    if not lock._is_owned():
        lock._at_fork_reinit()


def _in_child() -> None:
    for owner in list(_all):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

#: The type of :func:`threading.RLock`, which is a function.
ReentrantLock = type(threading.RLock())
