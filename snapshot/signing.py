"""Signatures of pickles: what this user stored loads without being asked for, what others stored does not.

As Jupyter does it for notebooks (https://jupyter-notebook.readthedocs.io/en/stable/security.html),
with a secret of the user's in a file beside Jupyter's own, made when the first pickle is
stored, readable by its owner only and never sent anywhere. A signature is an HMAC over the
run, the number of the snapshot, the name, and the bytes of the pickle; so a pickle that was
changed, or moved to another name or snapshot, is not taken for this user's.
"""

from __future__ import annotations

import hmac
import json
import os
import stat
import warnings
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from snapshot.errors import SnapshotWarning
from snapshot.repository.entry import Sign

#: Names another file for the secret, as for several machines that share one.
VARIABLE = "SNAPSHOT_SECRET_FILE"

_warned: set[str] = set()


class _NoSecret(Exception):
    """Why there is no secret to sign with."""


def secret_file() -> Path:
    """Where this user's secret is, or will be."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "snapshot_secret"


def signer() -> Sign:
    """What signs pickles with this user's secret, which is made if there is none.

    Without one nothing is signed: a SnapshotWarning says why, once.
    """
    try:
        return partial(_sign, _secret(secret_file(), make=True))
    except _NoSecret as reason:
        if str(reason) not in _warned:
            _warned.add(str(reason))
            warnings.warn(
                f"pickles are not signed, and a later kernel loads them only from a trusted repository: {reason}",
                SnapshotWarning,
                stacklevel=2,
            )
        return _unsigned


def _unsigned(run: str, number: int, name: str, data: bytes) -> str:
    return ""


def doubt(run: str, number: int, name: str, data: bytes, signature: str) -> str:
    """Why a pickle is not taken for one that this user stored under that name; empty when it is one."""
    if not signature:
        return "it is not signed"
    try:
        secret = _secret(secret_file(), make=False)
    except _NoSecret as reason:
        return f"its signature cannot be checked: {reason}"
    signer, _, _ = signature.partition(":")
    if signer != _fingerprint(secret):
        return f"it is signed with another key than yours, {secret_file()}"
    if not hmac.compare_digest(signature, _sign(secret, run, number, name, data)):
        return "it is not what you signed: it was changed, or moved from another name or snapshot"
    return ""


def _sign(secret: bytes, run: str, number: int, name: str, data: bytes) -> str:
    # JSON holds no zero byte, so the context ends where it seems to
    context = json.dumps(["snapshot pickle", 1, run, number, name]).encode() + b"\0"
    return f"{_fingerprint(secret)}:{hmac.new(secret, context + data, sha256).hexdigest()}"


def _fingerprint(secret: bytes) -> str:
    """Tells keys apart without giving them away."""
    return hmac.new(secret, b"snapshot fingerprint", sha256).hexdigest()[:16]


def _secret(file: Path, *, make: bool) -> bytes:
    try:
        return _read(file)
    except FileNotFoundError:
        if not make:
            raise _NoSecret(f"you have no key yet ({file})") from None
    except OSError as error:
        raise _NoSecret(f"{file} cannot be read: {error.strerror or error}") from error
    try:
        _make(file)
        return _read(file)
    except OSError as error:
        raise _NoSecret(f"{file} cannot be made: {error.strerror or error}") from error


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        about = os.fstat(opened.fileno())
        secret = opened.read().strip()
    if len(secret) < 32:
        raise _NoSecret(f"{file} is no key; delete it and a new one is made")
    if os.name != "nt":
        if about.st_mode & stat.S_IRWXO:
            raise _NoSecret(f"{file} is open to everybody on this machine; delete it and a new one is made")
        if about.st_uid not in (os.geteuid(), 0):
            raise _NoSecret(f"{file} belongs to another user")
    return secret


def _make(file: Path) -> None:
    """The file appears whole, and never takes the place of one that another process made meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f"{file.name}.{token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(token_hex(64))
        # both refuse when the file is there, as renaming does on Windows only
        with suppress(FileExistsError):
            (os.rename if os.name == "nt" else os.link)(draft, file)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
