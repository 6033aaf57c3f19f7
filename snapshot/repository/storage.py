"""Keys and bytes: everything the repository reads or writes passes through here.

:class:`Storage` is a place seen from ordinary code: many keys a call, a few at a time,
errors in our words. What lies there is files of a folder, read and written without zarr
in between (:mod:`snapshot.repository.files`), or a zarr ``Store``
(:mod:`snapshot.repository.zarr_keys`); only this file knows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from snapshot.errors import NotARepository, RepositoryError
from snapshot.repository import addresses
from snapshot.repository.files import Bytes, Files
from snapshot.repository.folder import unreadable, unwritable
from snapshot.wording import found

if TYPE_CHECKING:
    from zarr.abc.store import Store

#: A key, and what gives its bytes, in one part or several.
Write = tuple[str, Callable[[], Bytes | Sequence[Bytes]]]
#: A key, and first byte and byte after the last for a part of it.
Request = tuple[str, tuple[int, int] | None]


class Keys(Protocol):
    """Keys of one kind of place; what fails is raised as it comes."""

    at_once: int  #: how many reads are worth asking for together

    def get_many(self, requests: Sequence[Request]) -> list[memoryview | None]:
        """The bytes of each key, or of a span of it; None where it is absent."""

    def read_many_into(self, requests: Sequence[tuple[str, int, memoryview]]) -> list[bool]:
        """Fill each buffer from a byte of a key on; False where that is absent or too short."""

    def put(self, items: Sequence[Write], stopped: Event) -> None:
        """Write every item; nothing new is begun once ``stopped``, and what was begun is over at the end."""

    def delete(self, keys: Sequence[str]) -> None:
        """Take keys away that are there."""

    def sizes(self, keys: Sequence[str]) -> int:
        """The bytes of all of them."""

    def sweep(self, seconds: float) -> int:
        """Take away what was begun so long ago and never finished; returns its bytes."""

    def older(self, prefix: str, seconds: float) -> list[str]:
        """The keys below a prefix that nobody has written for so long, where that is known."""

    def delete_older(self, keys: Sequence[str], seconds: float, mark: str) -> int:
        """Take those of the keys away that are so much older than ``mark``; returns their bytes."""

    def delete_folders(self, prefixes: Sequence[str]) -> None:
        """Take empty folders away, where there is such a thing."""

    def delete_below(self, prefix: str) -> None:
        """Take everything below a prefix away."""

    def keys(self, prefix: str) -> list[str]:
        """Every key below a prefix."""

    def children_many(self, prefixes: Sequence[str]) -> list[list[str]]:
        """Names directly below each prefix."""


class Storage:
    """The keys below one place, a local folder or any zarr store.

    Nothing is created by looking. Failures are RepositoryError, refused writes NotWritable.
    With ``durable`` what was written to a folder survives a power cut. ``options`` are for
    addresses, see :func:`snapshot.repository.addresses.place_of`.
    """

    def __init__(
        self, target: str | Path | Store, *, durable: bool = False, options: addresses.Options | None = None
    ) -> None:
        self._name = ""
        self._keys: Keys
        self._failures: tuple[type[Exception], ...]
        place: Any = target
        given = addresses.checked(options)
        if isinstance(target, str) and addresses.is_address(target):
            self._name = addresses.shown(target)
            place = addresses.place_of(target, given)
        if is_store(place):
            from snapshot.repository.zarr_keys import ZarrKeys

            self.folder = None
            self._name = self._name or str(place)
            self._failures = addresses.failures_of(place)
            self._keys = ZarrKeys(place, self._name, self._failures)
        elif not isinstance(place, str | PathLike) or isinstance(fspath(place), bytes):
            raise TypeError(
                f"A repository is a path or an address such as 's3://bucket/run.zarr' (or a zarr store), "
                f"not {found(place)}: give the folder that snapshots lie in, or are to go to."
            )
        else:
            self.folder = Path(place).expanduser().absolute()
            self._failures = (OSError,)
            self._keys = Files(self.folder, durable)

    def __str__(self) -> str:
        return str(self.folder or self._name)

    @property
    def at_once(self) -> int:
        """How many reads are worth asking for together: far away the waiting adds up, on a disk it does not."""
        return self._keys.at_once

    def get(self, key: str, span: tuple[int, int] | None = None) -> memoryview | None:
        """The bytes of ``key``, or those of ``span`` (first, after the last); None when absent."""
        return self.get_many([(key, span)])[0]

    def get_many(self, requests: Sequence[Request]) -> list[memoryview | None]:
        """As :meth:`get` for several keys, in their order."""
        with self._asking():
            return self._keys.get_many(requests)

    def read_into(self, key: str, start: int, out: memoryview) -> bool:
        """Fill ``out`` from byte ``start`` of ``key`` on; False when it is absent or too short."""
        return self.read_many_into([(key, start, out)])[0]

    def read_many_into(self, requests: Sequence[tuple[str, int, memoryview]]) -> list[bool]:
        """As :meth:`read_into` for several."""
        with self._asking():
            return self._keys.read_many_into(requests)

    def put(self, items: Iterable[Write]) -> None:
        """Write every item; bytes are asked for when their turn comes. Raises at the first failure."""
        stopped = Event()
        try:
            with self._asking(writing=True):
                self._keys.put(list(items), stopped)
        finally:
            # an interrupt reaches this thread, not those that write
            stopped.set()

    def delete(self, *keys: str) -> None:
        """Take keys away that are there."""
        with self._asking(writing=True):
            self._keys.delete(keys)

    def remove(self, *keys: str) -> int:
        """As :meth:`delete`; returns how many bytes they took."""
        with self._asking(writing=True):
            size = self._keys.sizes(keys)
        self.delete(*keys)
        return size

    def sweep(self, seconds: float) -> int:
        """Take away files that were begun so long ago and never finished; returns how many bytes they took."""
        with self._asking(writing=True):
            return self._keys.sweep(seconds)

    def older(self, prefix: str, seconds: float) -> list[str]:
        """The keys below a prefix that nobody has written for so long; none where that is not known."""
        with self._asking():
            return self._keys.older(prefix, seconds)

    def delete_older(self, keys: Sequence[str], seconds: float, mark: str) -> int:
        """Take those of the keys away that are so much older than ``mark``; returns how many bytes they took."""
        with self._asking(writing=True):
            return self._keys.delete_older(keys, seconds, mark)

    def delete_folder(self, *prefixes: str) -> None:
        """Take empty folders away; only disks have such a thing."""
        self._keys.delete_folders(prefixes)

    def delete_below(self, prefix: str) -> None:
        """Take everything below ``prefix`` away."""
        with self._asking(writing=True):
            self._keys.delete_below(prefix)

    def keys(self, prefix: str) -> list[str]:
        """Every key below ``prefix``, sorted."""
        with self._asking():
            return sorted(self._keys.keys(prefix))

    def children(self, prefix: str) -> list[str]:
        """Names directly below ``prefix``."""
        return self.children_many([prefix])[0]

    def children_many(self, prefixes: Sequence[str]) -> list[list[str]]:
        """As :meth:`children` for several, in their order."""
        with self._asking():
            return self._keys.children_many(prefixes)

    def is_there(self) -> bool:
        """Whether there is anything to read from: stores other than folders are always there."""
        with self._asking():
            return self.folder is None or self.folder.is_dir()

    def is_empty(self) -> bool:
        """Whether nothing lies here that another program made; NotARepository when a file does."""
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            raise NotARepository(f"{self} is a file, not a repository: give the folder that was stored to.")
        return all(name == ".gitignore" or name.endswith(".partial") for name in self.children(""))

    @contextmanager
    def _asking(self, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise self._in_our_words(error, writing=writing) from error

    def _in_our_words(self, error: Exception, *, writing: bool) -> RepositoryError:
        if self.folder is None and not (isinstance(error, OSError) and error.errno):
            return addresses.unreached(str(self), error, writing=writing)
        assert isinstance(error, OSError)
        return unwritable(str(self), error) if writing else unreadable(str(self), error)


def is_store(target: Any) -> bool:
    """Whether this is a zarr store; zarr is not imported for it, and was where there is one."""
    module = sys.modules.get("zarr.abc.store")
    return module is not None and isinstance(target, module.Store)
