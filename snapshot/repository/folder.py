"""What is special about a repository in a local folder: making it, and why it refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from snapshot.errors import NotWritable, RepositoryError

_ELSEWHERE = "Choose another folder, or keep the snapshots in memory."
_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR)


def make_folder(folder: Path) -> None:
    """Make a folder readable by its owner only and ignored by git. Raises NotWritable."""
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise unwritable(str(folder), error) from error


def check_writable(folder: Path) -> None:
    """Raise NotWritable when ``folder`` could not be made or written; writes nothing."""
    try:
        place = next(one for one in (folder, *folder.parents) if one.exists())
    except OSError as error:
        raise unwritable(str(folder), error) from error
    if not place.is_dir() or not _may_write(place):
        raise NotWritable(f"{folder} cannot be written: {place} refuses it. {_ELSEWHERE}")


def refusal(folder: Path) -> NotWritable | None:
    """Why nothing can be stored in a folder that is there; None where it can, or where that shows only by trying."""
    if not folder.is_dir() or _may_write(folder):
        return None
    return NotWritable(
        f"{folder} is read-only: what is there can be restored, what is stored stays in memory. "
        "Make it writable, or open another repository."
    )


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def unwritable(where: str, error: OSError) -> RepositoryError:
    """A failed write in our words: the place, the reason, what still holds and what to do."""
    if isinstance(error, RepositoryError):
        return error
    reason = error.strerror or str(error)
    if error.errno in _REFUSALS:
        return NotWritable(f"{where} cannot be written: {reason}. {_ELSEWHERE}")
    return RepositoryError(
        f"Writing to {where} failed: {reason}. Every earlier snapshot is as it was; store again when there is room."
    )


def unreadable(where: str, error: OSError) -> RepositoryError:
    """A failed read in our words."""
    reason = error.strerror or str(error)
    return RepositoryError(f"{where} cannot be read: {reason}. Ask its owner, or check the disk.")
