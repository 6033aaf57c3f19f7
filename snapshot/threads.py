"""Moving many bytes with more than one core: copying, hashing and reading files let other threads run."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

#: Blocks below this size are not worth a thread's attention.
ALONE = 128 * 1024
#: A thread takes so many bytes at a time: handing over costs more than copying a small block.
_BATCH = 4 * 1024 * 1024
#: One core copies about half as fast as two, and four are hardly faster than that: memory is the limit.
_AT_ONCE = 4

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """How many threads can work at once here."""
    if hasattr(os, "sched_getaffinity"):
        return min(_AT_ONCE, len(os.sched_getaffinity(0)))
    return min(_AT_ONCE, os.cpu_count() or 1)


def in_threads(work: Callable[[T], object], items: Sequence[T], nbytes: Callable[[T], int]) -> None:
    """``work`` on each item, which is so many bytes; the first error is raised when all threads have stopped."""
    batches = list(_batches(items, nbytes))
    rest = iter(batches)  # whoever is done takes the next: to hand each over costs more than to copy a block

    def on_rest() -> None:
        with _cleared_on_error(batches):
            for batch in rest:
                for item in batch:
                    work(item)

    if len(batches) < 2 or cores() < 2:
        on_rest()
        return
    with ThreadPoolExecutor(cores(), "snapshot-copy") as pool, _cleared_on_error(batches):
        for done in [pool.submit(on_rest) for _ in range(cores())]:
            done.result()


@contextmanager
def _cleared_on_error(batches: list[list[T]]) -> Iterator[None]:
    """Nobody takes another batch when this fails."""
    try:
        yield
    except BaseException:
        batches.clear()
        raise


def _batches(items: Sequence[T], nbytes: Callable[[T], int]) -> Iterator[list[T]]:
    batch, size = list[T](), 0
    for item in items:
        batch.append(item)
        size += nbytes(item)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def ahead(work: Callable[[T], R], items: Sequence[T], most: int) -> Generator[R]:
    """The results of ``work`` in order; other threads are up to ``most`` items ahead of whoever takes them."""
    if len(items) < 2 or cores() < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(cores() - 1, "snapshot-read") as pool:
        rest = iter(items)
        begun: list[Future[R]] = [pool.submit(work, item) for item in islice(rest, most)]
        try:
            while begun:
                yield begun.pop(0).result()
                begun += [pool.submit(work, item) for item in islice(rest, 1)]
        finally:
            for one in begun:
                one.cancel()
