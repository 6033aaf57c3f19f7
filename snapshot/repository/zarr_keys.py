"""The keys of a zarr ``Store``, from ordinary code: its coroutines run on zarr's own event loop, some at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from threading import Event
from typing import Any, TypeVar

from zarr.abc.store import RangeByteRequest, Store
from zarr.core.buffer import cpu, default_buffer_prototype
from zarr.core.sync import sync

from snapshot.errors import RepositoryError
from snapshot.repository import addresses
from snapshot.repository.files import Bytes
from snapshot.repository.storage import Request, Write

T = TypeVar("T")

#: The processes in which an object store was asked for; the threads of its library live in the first.
_users: list[int] = []


class ZarrKeys:
    """What lies in ``store``, called ``name`` in messages. ``failures`` are what it may raise."""

    at_once = addresses.READ_AT_ONCE

    def __init__(self, store: Store, name: str, failures: tuple[type[Exception], ...]) -> None:
        self._store = store
        self._name = name
        self._failures = failures
        self._is_remote = len(failures) > 1
        if self._is_remote:
            _users.append(os.getpid())

    def get_many(self, requests: Sequence[Request]) -> list[memoryview | None]:
        """The bytes of each key, or of a span of it; None where it is absent."""
        return self._sync(self._get_all(requests))

    def read_many_into(self, requests: Sequence[tuple[str, int, memoryview]]) -> list[bool]:
        """Fill each buffer from a byte of a key on; False where that is absent or too short."""
        found = self.get_many([(key, (start, start + len(out))) for key, start, out in requests])
        there = []
        for data, (_, _, out) in zip(found, requests, strict=True):
            there.append(data is not None and len(data) == len(out))
            if data is not None and there[-1]:
                out[:] = data
        return there

    def put(self, items: Sequence[Write], stopped: Event) -> None:
        """Write every item; nothing new is begun once ``stopped``, and what was begun is over at the end."""
        begun, settled = Event(), Event()
        try:
            self._sync(self._put_all(items, stopped, begun, settled))
        finally:
            # an interrupt reaches this thread, not the one of the event loop
            stopped.set()
            if begun.is_set():
                settled.wait()

    def delete(self, keys: Sequence[str]) -> None:
        """Take keys away that are there."""
        self._sync(self._each(keys, self._store.delete))

    def sizes(self, keys: Sequence[str]) -> int:
        """The bytes of all of them."""
        return sum(self._sync(self._each(keys, self._size)))

    def sweep(self, seconds: float) -> int:
        """Nothing is ever there in part."""
        return 0

    def older(self, prefix: str, seconds: float) -> list[str]:
        """None: a store does not say how old something is."""
        return []

    def delete_older(self, keys: Sequence[str], seconds: float, mark: str) -> int:
        """Nothing, as :meth:`older` finds nothing."""
        return 0

    def delete_folders(self, prefixes: Sequence[str]) -> None:
        """There are none."""

    def delete_below(self, prefix: str) -> None:
        """Take everything below ``prefix`` away."""
        self._sync(self._store.delete_dir(prefix))

    def keys(self, prefix: str) -> list[str]:
        """Every key below ``prefix``."""
        return self._sync(_collect(partial(self._store.list_prefix, prefix)))

    def children_many(self, prefixes: Sequence[str]) -> list[list[str]]:
        """Names directly below each of them."""
        return self._sync(self._each(prefixes, lambda one: _collect(partial(self._store.list_dir, one))))

    def _sync(self, work: Coroutine[Any, Any, T]) -> T:
        if self._is_remote and os.getpid() != _users[0]:
            work.close()
            raise RepositoryError(
                f"{self._name} cannot be used in a process that was forked from another one that uses it: the "
                "library for object stores would wait for ever. Start the process with multiprocessing's 'spawn'."
            )
        return sync(work)

    async def _each(self, keys: Sequence[str], work: Callable[[str], Coroutine[Any, Any, T]]) -> list[T]:
        gate = asyncio.Semaphore(addresses.READ_AT_ONCE)

        async def one(key: str) -> T:
            async with gate:
                return await work(key)

        return list(await asyncio.gather(*map(one, keys)))

    async def _size(self, key: str) -> int:
        try:
            return await self._store.getsize(key)
        except FileNotFoundError:
            return 0

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

    async def _put_all(self, items: Sequence[Write], stopped: Event, begun: Event, settled: Event) -> None:
        gate = asyncio.Semaphore(addresses.WRITE_AT_ONCE)
        begun.set()

        async def one(key: str, data: Callable[[], Bytes | Sequence[Bytes]]) -> None:
            async with gate:
                if not stopped.is_set():
                    try:
                        await self._store.set(key, cpu.Buffer.from_bytes(_joined(data())))
                    except BaseException:
                        stopped.set()
                        raise

        try:
            outcomes = await asyncio.gather(*(one(*item) for item in items), return_exceptions=True)
        finally:
            settled.set()
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome


def _joined(data: Bytes | Sequence[Bytes]) -> bytes:
    # a copy: a store in memory would keep the caller's own bytes, which change later
    return bytes(data) if isinstance(data, bytes | memoryview) else b"".join(data)


async def _collect(keys: Callable[[], AsyncIterator[str]]) -> list[str]:
    # an object store's listing is begun where the event loop runs
    return [key async for key in keys()]
