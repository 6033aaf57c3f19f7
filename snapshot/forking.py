"""What a forked process must not share with its parent: locks that are held, threads that are not there.

A lock is copied as it is at that moment. If another thread held it, nobody in the child
ever lets it go.
"""

from __future__ import annotations

import os
from threading import RLock
from typing import Any, Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Something that has to begin anew in a child."""

    def begin_anew(self) -> None:
        """Called in the child, right after the fork, before anything else runs there."""


_locks: WeakSet[Any] = WeakSet()
_owners: WeakSet[Any] = WeakSet()


def forked_lock() -> Any:
    """A reentrant lock that is free in every process forked from this one, whichever other thread holds it."""
    lock = RLock()
    _locks.add(lock)
    return lock


def renew_after_fork(owner: Forked) -> None:
    """Have ``begin_anew`` called in every process forked from this one, for as long as ``owner`` lives."""
    _owners.add(owner)


def _in_child() -> None:
    for lock in list(_locks):
        # what Python does with its own locks after a fork; there is no public name for it
        if not lock._is_owned():
            lock._at_fork_reinit()
    for owner in list(_owners):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
