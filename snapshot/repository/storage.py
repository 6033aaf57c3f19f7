"""Keys and bytes: everything the repository reads or writes passes through here.

:class:`Storage` is a zarr ``Store`` seen from ordinary code: many keys a call, a few
at a time, errors in our words. A local folder is read and written without zarr in
between (:mod:`snapshot.repository.files`); only this file knows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from zarr.abc.store import RangeByteRequest, Store
from zarr.core.buffer import cpu, default_buffer_prototype
from zarr.core.sync import sync

from snapshot.errors import NotARepository, RepositoryError
from snapshot.repository import addresses
from snapshot.repository.files import Bytes, Files
from snapshot.repository.folder import unreadable, unwritable

#: A key, and what gives its bytes, in one part or several.
Write = tuple[str, Callable[[], Bytes | Sequence[Bytes]]]
#: A key, and first byte and byte after the last for a part of it.
Request = tuple[str, tuple[int, int] | None]
T = TypeVar("T")


@dataclass
class _Batch:
    """Items to write, and where that stands."""

    items: list[Write]
    begun: Event = field(default_factory=Event)
    stopped: Event = field(default_factory=Event)
    settled: Event = field(default_factory=Event)


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
        if isinstance(target, str) and addresses.is_address(target):
            self._name = addresses.shown(target)
            target = addresses.place_of(target, options)
        if isinstance(target, Store):
            self.folder = None
            self._store = target
            self._process = os.getpid()
        else:
            self.folder = Path(target).expanduser().absolute()
            self._files = Files(self.folder, durable)
            target = self.folder
        self._failures = addresses.failures_of(target)

    def __str__(self) -> str:
        return str(self.folder or self._name or self._store)

    @property
    def at_once(self) -> int:
        """How many reads are worth asking for together: far away the waiting adds up, on a disk it does not."""
        return addresses.READ_AT_ONCE if self.folder is None else 1

    def get(self, key: str, span: tuple[int, int] | None = None) -> memoryview | None:
        """The bytes of ``key``, or those of ``span`` (first, after the last); None when absent."""
        return self.get_many([(key, span)])[0]

    def get_many(self, requests: Sequence[Request]) -> list[memoryview | None]:
        """As :meth:`get` for several keys, in their order."""
        if self.folder is None:
            return self._look(self._get_all(requests))
        with self._reading():
            return [self._files.get(key, span) for key, span in requests]

    def read_into(self, key: str, start: int, out: memoryview) -> bool:
        """Fill ``out`` from byte ``start`` of ``key`` on; False when it is absent or too short."""
        if self.folder is not None:
            with self._reading():
                return self._files.read_into(key, start, out)
        found = self.get(key, (start, start + len(out)))
        if found is None or len(found) != len(out):
            return False
        out[:] = found
        return True

    def read_many_into(self, requests: Sequence[tuple[str, int, memoryview]]) -> list[bool]:
        """As :meth:`read_into` for several."""
        if self.folder is not None:
            with self._reading():
                return [self._files.read_into(*one) for one in requests]
        found = self.get_many([(key, (start, start + len(out))) for key, start, out in requests])
        there = []
        for data, (_, _, out) in zip(found, requests, strict=True):
            there.append(data is not None and len(data) == len(out))
            if data is not None and there[-1]:
                out[:] = data
        return there

    def put(self, items: Iterable[Write]) -> None:
        """Write every item; bytes are asked for when their turn comes. Raises at the first failure."""
        batch = _Batch(list(items))
        try:
            if self.folder is not None:
                self._files.put(batch.items, batch.stopped)
            else:
                self._sync(self._put_all(batch))
        except self._failures as error:
            raise self._in_our_words(error, writing=True) from error
        finally:
            # an interrupt reaches this thread, not the one that writes: nothing more is
            # begun, and what was begun is over when we leave
            batch.stopped.set()
            if batch.begun.is_set():
                batch.settled.wait()

    def delete(self, *keys: str) -> None:
        """Take keys away that are there."""
        try:
            if self.folder is None:
                self._sync(self._delete_all(keys))
            else:
                for key in keys:
                    self._files.delete(key)
        except self._failures as error:
            raise self._in_our_words(error, writing=True) from error

    def remove(self, *keys: str) -> int:
        """As :meth:`delete`; returns how many bytes they took."""
        try:
            size = self._sync(self._sizes(keys)) if self.folder is None else sum(map(self._files.size, keys))
        except self._failures as error:
            raise self._in_our_words(error, writing=True) from error
        self.delete(*keys)
        return size

    def sweep(self, seconds: float) -> int:
        """Take away files that were begun so long ago and never finished; returns how many bytes they took."""
        try:
            return 0 if self.folder is None else self._files.sweep(seconds)
        except OSError as error:
            raise self._in_our_words(error, writing=True) from error

    def delete_folder(self, *prefixes: str) -> None:
        """Take empty folders away; only disks have such a thing."""
        if self.folder is not None:
            self._files.delete_folders(prefixes)

    def delete_below(self, prefix: str) -> None:
        """Take away everything below ``prefix`` of a store."""
        try:
            self._sync(self._store.delete_dir(prefix))
        except self._failures as error:
            raise self._in_our_words(error, writing=True) from error

    def keys(self, prefix: str) -> list[str]:
        """Every key below ``prefix``, sorted."""
        if self.folder is None:
            return sorted(self._look(_collect(partial(self._store.list_prefix, prefix))))
        with self._reading():
            return sorted(self._files.keys(prefix))

    def children(self, prefix: str) -> list[str]:
        """Names directly below ``prefix``."""
        return self.children_many([prefix])[0]

    def children_many(self, prefixes: Sequence[str]) -> list[list[str]]:
        """As :meth:`children` for several, in their order."""
        if self.folder is None:
            return self._look(self._list_all(prefixes))
        with self._reading():
            return [self._files.children(prefix) for prefix in prefixes]

    def is_there(self) -> bool:
        """Whether there is anything to read from: stores other than folders are always there."""
        with self._reading():
            return self.folder is None or self.folder.is_dir()

    def is_empty(self) -> bool:
        """Whether nothing lies here that another program made; NotARepository when a file does."""
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            raise NotARepository(f"{self} is a file, not a repository: give the folder that was stored to.")
        return all(name == ".gitignore" or name.endswith(".partial") for name in self.children(""))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise self._in_our_words(error, writing=False) from error

    def _look(self, work: Coroutine[Any, Any, T]) -> T:
        with self._reading():
            return self._sync(work)

    def _sync(self, work: Coroutine[Any, Any, T]) -> T:
        if os.getpid() != self._process and len(self._failures) > 1:
            work.close()
            raise RepositoryError(
                f"{self} cannot be used in a process that was forked from another one that uses it: the library for "
                "object stores would wait for ever. Start the process with multiprocessing's 'spawn'."
            )
        return sync(work)

    def _in_our_words(self, error: Exception, *, writing: bool) -> RepositoryError:
        if self.folder is None and not (isinstance(error, OSError) and error.errno):
            return addresses.unreached(str(self), error, writing=writing)
        assert isinstance(error, OSError)
        return unwritable(str(self), error) if writing else unreadable(str(self), error)

    async def _list_all(self, prefixes: Sequence[str]) -> list[list[str]]:
        gate = asyncio.Semaphore(addresses.READ_AT_ONCE)

        async def one(prefix: str) -> list[str]:
            async with gate:
                return await _collect(partial(self._store.list_dir, prefix))

        return list(await asyncio.gather(*map(one, prefixes)))

    async def _get_all(self, requests: Sequence[Request]) -> list[memoryview | None]:
        gate = asyncio.Semaphore(addresses.READ_AT_ONCE)
        prototype = default_buffer_prototype()

        async def one(key: str, span: tuple[int, int] | None) -> memoryview | None:
            async with gate:
                try:
                    found = await self._store.get(key, prototype, RangeByteRequest(*span) if span else None)
                except self._failures as error:
                    if not addresses.is_past_the_end(error):
                        raise
                    return memoryview(b"")
            return None if found is None else found.as_numpy_array().data

        return list(await asyncio.gather(*(one(key, span) for key, span in requests)))

    async def _delete_all(self, keys: Sequence[str]) -> None:
        gate = asyncio.Semaphore(addresses.WRITE_AT_ONCE)

        async def one(key: str) -> None:
            async with gate:
                await self._store.delete(key)

        await asyncio.gather(*map(one, keys))

    async def _sizes(self, keys: Sequence[str]) -> int:
        gate = asyncio.Semaphore(addresses.READ_AT_ONCE)

        async def one(key: str) -> int:
            async with gate:
                try:
                    return await self._store.getsize(key)
                except FileNotFoundError:
                    return 0

        return sum(await asyncio.gather(*map(one, keys)))

    async def _put_all(self, batch: _Batch) -> None:
        gate = asyncio.Semaphore(addresses.WRITE_AT_ONCE)
        batch.begun.set()

        async def one(key: str, data: Callable[[], Bytes | Sequence[Bytes]]) -> None:
            async with gate:
                if not batch.stopped.is_set():
                    try:
                        await self._store.set(key, cpu.Buffer.from_bytes(_joined(data())))
                    except BaseException:
                        batch.stopped.set()
                        raise

        try:
            outcomes = await asyncio.gather(*(one(*item) for item in batch.items), return_exceptions=True)
        finally:
            batch.settled.set()
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome


def _joined(data: Bytes | Sequence[Bytes]) -> bytes:
    # a copy: a store in memory would keep the caller's own bytes, which change later
    return bytes(data) if isinstance(data, bytes | memoryview) else b"".join(data)


async def _collect(keys: Callable[[], AsyncIterator[str]]) -> list[str]:
    # an object store's listing is begun where the event loop runs
    return [key async for key in keys()]
