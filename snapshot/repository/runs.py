"""Names of runs. A run is one process that writes; its name is part of ``#run.12``."""

from __future__ import annotations

import re
import secrets
import time

from snapshot.errors import InvalidName

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
#: Seconds are counted from 2020, so six base-36 digits sort until 2089.
_EPOCH = 1_577_836_800
_FITTING = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def new_run_name() -> str:
    """Six digits of time, which sort, and six of chance, which keep apart what starts in the same second.

    The chance comes from the operating system, so a forked process draws another.
    """
    seconds = max(0, int(time.time()) - _EPOCH)
    clock = "".join(_DIGITS[seconds // 36**place % 36] for place in range(5, -1, -1))
    return clock + "".join(secrets.choice(_DIGITS) for _ in range(6))


def check_run_name(name: str) -> str:
    """``name`` itself when it can name a run: it becomes a folder and part of a reference."""
    if not _FITTING.fullmatch(name):
        raise InvalidName(f"{name!r} cannot name a run: use 1 to 40 lower-case letters, digits, '-' or '_'.")
    return name
