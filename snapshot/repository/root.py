"""Is this a repository, and one that this version can read?"""

from __future__ import annotations

import json
from secrets import token_hex
from typing import Any

from snapshot.errors import Damaged, NewerFormat, NotARepository
from snapshot.repository import layout
from snapshot.repository.storage import Storage


def is_repository(storage: Storage) -> bool:
    """True for a repository, False when nothing is there yet.

    Raises NotARepository when something else is there, Damaged when it is a repository
    whose root cannot be read, NewerFormat when it was made by a later version.
    """
    data = storage.get(layout.ROOT_KEY)
    if data is None:
        if storage.is_empty():
            return False
        # another process may have made it since
        data = storage.get(layout.ROOT_KEY)
    number = _format_number(data)
    if number is None:
        _check_root(storage, data)
        raise NotARepository(
            f"{storage} is not a snapshot repository: something else is stored there. "
            "Nothing was changed; choose the folder that %snapshot store made, or another one."
        )
    if number > layout.FORMAT:
        raise NewerFormat(
            f"{storage} has repository format {number}; this version reads formats up to {layout.FORMAT}. "
            "Upgrade with: pip install --upgrade jupyter-snapshot"
        )
    return True


def _check_root(storage: Storage, data: memoryview | None) -> None:
    """Raises Damaged when the other keys are those of a repository."""
    runs = [
        run
        for run in layout.runs_among(storage.children("runs"))
        if {"snapshots", "packs", "variables"} & {*storage.children(f"runs/{run}")}
    ]
    if runs:
        found = "it is missing" if data is None else f"its {len(data)} bytes do not say which format this is"
        raise Damaged(
            f"{storage} is a snapshot repository whose root ({layout.ROOT_KEY}) is damaged: {found}. "
            f"The snapshots of its {len(runs)} run{'s' * (len(runs) != 1)} do not lie in that file. "
            f"Bring it back from a copy, or copy the {layout.ROOT_KEY} of another repository that this "
            "version made to its place; then open it again. Nothing was changed."
        )


def check_is_there(storage: Storage) -> None:
    """As :func:`is_repository`, with NotARepository also when nothing is there."""
    if not is_repository(storage):
        raise NotARepository(
            f"There is no snapshot repository at {storage}: nothing was found there. "
            "Check the path; %snapshot store makes one."
        )


def identity_to_upgrade(storage: Storage) -> str | None:
    """The identity of a repository whose root names an older format than we write; None when it needs no change.

    Earlier runs stay as they are; versions that do not know the newer runs then say so.
    """
    data = storage.get(layout.ROOT_KEY)
    number = _format_number(data)
    if data is None or number is None or number >= layout.FORMAT:
        return None
    about: dict[str, Any] = json.loads(bytes(data))["attributes"]["snapshot_repository"]
    return str(about.get("id") or token_hex(8))


def _format_number(data: memoryview | None) -> int | None:
    if data is None:
        return None
    try:
        about: Any = json.loads(bytes(data))["attributes"]["snapshot_repository"]
        return int(about["format"])
    except (ValueError, KeyError, TypeError):
        return None
