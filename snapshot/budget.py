"""How much memory snapshots may take: a quarter of what this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def default_budget(share: float = 0.25) -> int:
    """Bytes: ``share`` of the machine's memory, or of the container's limit if that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if hasattr(os, "sysconf") else [8 << 30]
    for file in _CGROUP_FILES:
        try:
            limits.append(int(Path(file).read_text()))
        except (OSError, ValueError):  # absent, or the word "max"
            continue
    return int(min(limits) * share)


def human_bytes(count: float) -> str:
    """``1234567`` -> ``"1.2 MB"``."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
