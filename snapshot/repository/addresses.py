"""Addresses in place of folders: ``s3://bucket/run.zarr`` and its kin, as zarr stores.

Object stores are reached through obstore, which is imported when the first address is
used. Whatever goes wrong there is said in our words (:func:`unreached`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from snapshot.errors import NotWritable, RepositoryError
from snapshot.wording import found

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.storage import MemoryStore

Options = Mapping[str, Any]

#: Requests at a time. One waits for the network, not for a disk, so more than files.AT_ONCE;
#: fewer uploads than downloads, because all that are begun share the line until the timeout.
READ_AT_ONCE, WRITE_AT_ONCE = 16, 8

#: A host that does not answer is given up after 20 s; 8 blocks of 4 MiB need 2.2 Mbit/s to be up in time.
_CLIENT = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=120)}
_RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}

_CLOUDS = {
    **dict.fromkeys(("s3", "s3a"), "Amazon S3"),
    **dict.fromkeys(("gs",), "Google Cloud Storage"),
    **dict.fromkeys(("az", "azure", "abfs", "abfss", "adl"), "Azure"),
    **dict.fromkeys(("http", "https"), "the web"),
}
#: Where the environment names a server of the user's own.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
#: zarr's stores in memory by address, so that the same address is the same store in this process.
_IN_MEMORY: dict[str, MemoryStore] = {}


def is_address(target: object) -> bool:
    """Whether this is an address; one letter before the colon is a drive of Windows."""
    return isinstance(target, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", target) is not None


def shown(address: str) -> str:
    """The address without a password or a signature, for people and messages."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def checked(options: Options | None) -> Options:
    """``storage_options`` as they were given. Raises TypeError when they are something else."""
    if options is None:
        return {}
    example = "storage_options={'endpoint': 'http://127.0.0.1:9000', 'region': 'us-east-1'}"
    if not isinstance(options, Mapping):
        raise TypeError(f"storage_options is {found(options)}, not a dict: write {example}.")
    wrong = next((name for name in options if not isinstance(name, str)), None)
    if wrong is not None:
        raise TypeError(f"A name in storage_options is {found(wrong)}, not text: write {example}.")
    return options


def _check_endpoints(address: str, options: Options) -> None:
    """RepositoryError for one that is no URL: the library below panics where it is used."""
    given = {f"storage_options[{key!r}]": value for key, value in options.items() if "endpoint" in key.lower()}
    said = given or {name: os.environ[name] for name in _ENDPOINTS if os.environ.get(name)}
    for where, url in said.items():
        if not (isinstance(url, str) and re.match(r"https?://[^/\s]+\S*$", url)):
            beginning = "" if not isinstance(url, str) or "://" in url else f", such as 'http://{url}'"
            raise RepositoryError(
                f"{shown(address)} cannot be opened: {where} is {url!r}, which is no URL of a server. "
                f"Write it with http:// or https:// in front{beginning}."
            )


def place_of(address: str, options: Options | None = None) -> Path | Store:
    """The folder or store that an address names; nothing is asked of it yet.

    ``options`` are obstore's (``endpoint``, ``region``, ``access_key_id``, ...), with
    ``client_options``, ``retry_config`` and ``credential_provider`` among them. Without
    credentials in them the usual ones of this user are taken. Raises RepositoryError.
    """
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(url2pathname(unquote(parts.path)))
    if parts.scheme == "memory":
        from zarr.storage import MemoryStore

        return _IN_MEMORY.setdefault(shown(address), MemoryStore())
    if parts.scheme not in _CLOUDS:
        known = ", ".join(f"{scheme}://" for scheme in ("s3", "gs", "az", "file", "memory"))
        raise RepositoryError(f"{shown(address)} cannot be opened: {parts.scheme}:// is none of {known}.")
    return _object_store(address, dict(options or {}))


def _object_store(address: str, options: dict[str, Any]) -> Store:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import HTTPStore, from_url
    except ImportError as error:
        raise RepositoryError(
            f"{shown(address)} needs the library obstore: pip install 'jupyter-snapshot[cloud]'"
        ) from error
    from zarr.storage import ObjectStore

    _check_endpoints(address, options)
    client = {**_CLIENT, **_plain_http(options), **options.pop("client_options", {})}
    retries = {**_RETRIES, **options.pop("retry_config", {})}
    made_from: Callable[..., Any] = from_url  # its types list every option of every cloud
    try:
        if urlsplit(address).scheme in ("s3", "s3a"):
            options = _usual_credentials(options)
        store = made_from(address, client_options=client, retry_config=retries, **options)
    except (BaseError, TypeError, ValueError) as error:
        raise RepositoryError(f"{shown(address)} cannot be opened: {_first_line(error)}.") from error
    if isinstance(store, HTTPStore):
        raise RepositoryError(
            f"{shown(address)} cannot be opened: a web server does not list what it holds. "
            "Give the address of the bucket (s3://, gs://, az://), or download the folder and open that."
        )
    return ObjectStore(store)


def _plain_http(options: Options) -> dict[str, bool]:
    """Whoever names an endpoint without TLS, as for a server of their own, means it."""
    given = [str(value) for key, value in options.items() if "endpoint" in key.lower()]
    plain = any(url.startswith("http://") for url in given or map(os.environ.get, _ENDPOINTS) if url)
    return {"allow_http": True} if plain else {}


def _usual_credentials(options: dict[str, Any]) -> dict[str, Any]:
    """The options with what ``~/.aws`` says (profile, region, single sign-on), which obstore does not read.

    Raises RepositoryError when there are no credentials at all.
    """
    given = {key.lower().removeprefix("aws_") for key in options}
    unsigned = "skip_signature" in given or os.environ.get("AWS_SKIP_SIGNATURE")
    if given & {"access_key_id", "credential_provider"} or unsigned or find_spec("boto3") is None:
        return options
    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        if not given & {"region", "default_region"} and session.region_name:
            options = {**options, "region": session.region_name}
        if "AWS_ACCESS_KEY_ID" in os.environ:
            return options
        if session.get_credentials() is None:
            raise ValueError(
                "there are no credentials for Amazon S3. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
                "aws configure; for a public bucket give storage_options={'skip_signature': True}"
            )
        return {**options, "credential_provider": Boto3CredentialProvider(session)}
    except BotoCoreError as error:
        raise ValueError(str(error)) from error


def failures_of(store: Store) -> tuple[type[Exception], ...]:
    """What reading and writing there may raise, besides our own errors."""
    if not type(store).__module__.endswith("_obstore"):
        return (OSError,)
    from obstore.exceptions import BaseError

    return (OSError, BaseError)


def unreached(where: str, error: Exception, *, writing: bool) -> RepositoryError:
    """A failed request in our words: the address, the reason, what still holds and what to do."""
    if isinstance(error, RepositoryError):
        return error
    text = str(error)
    reason, advice = _reason(text)
    if not writing:
        return RepositoryError(f"{where} cannot be read: {reason}. {advice}")
    held = "Every earlier snapshot is as it was."
    kind = NotWritable if "403" in text or "credentials" in reason else RepositoryError
    return kind(f"Writing to {where} failed: {reason}. {held} {advice}")


def _reason(text: str) -> tuple[str, str]:
    """Why a request failed, and what to do, from obstore's account of it."""
    code = _found(r"<Code>(\w+)</Code>", text)
    status = _found(r"status code: (\d+ [\w ]+)", text) or ""
    credentials = "Check your credentials (environment, aws configure, gcloud auth, az login) and your rights there."
    if code in ("NoSuchBucket", "ContainerNotFound"):
        return "there is no such bucket", "Check the address, or make the bucket first."
    if "External AWS credential provider" in text or "lacked valid authentication" in text:
        return f"no valid credentials ({_first_line(text).rpartition('provider: ')[2]})", credentials
    if "169.254." in text or "metadata.google" in text:
        return "there are no credentials for it", credentials
    if status[:3] in ("401", "403"):
        return f"it is refused ({code or status})", credentials
    if code == "PermanentRedirect" or status[:3] == "301":
        return "the bucket is in another region", "Give storage_options={'region': ...}, or set AWS_REGION."
    if "HTTP error" in text:
        tries = _found(r"after (\d+) retries", text)
        again = f", tried {int(tries) + 1} times" if tries else ""
        cause = "it does not answer in time" if "Timeout" in text else "it cannot be reached"
        return f"{cause}{again}", "Check the network and the endpoint; then try again."
    return code or status or _first_line(text), "Try again; the service may be busy."


def is_past_the_end(error: Exception) -> bool:
    """Whether a read failed because the object is shorter: a disk gives no bytes then."""
    return "416" in str(error) and "InvalidRange" in str(error)


def _found(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match and match[1].strip()


def _first_line(error: object) -> str:
    """Without the details for developers, and without anything after a question mark, which may be a signature."""
    line = str(error).strip().partition("\n")[0]
    return re.sub(r"\?\S+", "", line).rstrip(" .")
