"""Snapshots on disk, in plain zarr. ``layout`` knows the format; start reading there.

Names are loaded when they are first used: the core describes what is to be stored
with ``snapshot.repository.entry`` and must not pay for zarr before anything is.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Repository": "snapshot.repository.repository",
    "Series": "snapshot.repository.series",
    "Writer": "snapshot.repository.writer",
    "new_run_name": "snapshot.repository.runs",
}

__all__ = ["Repository", "Series", "Writer", "new_run_name"]

if TYPE_CHECKING:
    from snapshot.repository.repository import Repository as Repository
    from snapshot.repository.runs import new_run_name as new_run_name
    from snapshot.repository.series import Series as Series
    from snapshot.repository.writer import Writer as Writer


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
