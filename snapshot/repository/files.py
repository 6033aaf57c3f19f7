"""Keys as files below one folder: what zarr's ``LocalStore`` does, without a detour for every key.

The files are the same, byte for byte and name for name. Going through the store costs
0.2 ms a call and a copy of every block; here blocks are written from, and read into,
the very memory they are needed in.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any

Bytes = bytes | memoryview

#: Measured on local disks: four writers at once are the fastest, more change nothing.
AT_ONCE = 4


class Files:
    """Reads and writes below ``folder``; raises OSError as it comes.

    A file appears whole or not at all. With ``durable`` it has reached the disk, and so
    has its name, when :meth:`put` returns.
    """

    at_once = 1  #: reading several files at a time is no faster

    def __init__(self, folder: Path, durable: bool = False) -> None:
        self._folder = os.fspath(folder)
        self._durable = durable

    def _path(self, key: str) -> str:
        return f"{self._folder}/{key}" if key else self._folder

    def get_many(self, requests: Sequence[tuple[str, tuple[int, int] | None]]) -> list[memoryview | None]:
        """As :meth:`get` for several."""
        return [self.get(key, span) for key, span in requests]

    def read_many_into(self, requests: Sequence[tuple[str, int, memoryview]]) -> list[bool]:
        """As :meth:`read_into` for several."""
        return [self.read_into(*one) for one in requests]

    def get(self, key: str, span: tuple[int, int] | None = None) -> memoryview | None:
        """The bytes of ``key`` or of a span of it (shorter where the file ends); None when absent."""
        try:
            file = os.open(self._path(key), os.O_RDONLY | _BINARY)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        try:
            size = os.fstat(file).st_size
            first, last = (0, size) if span is None else (min(span[0], size), min(span[1], size))
            out = bytearray(last - first)
            return memoryview(out)[: _fill(file, memoryview(out), first)]
        finally:
            os.close(file)

    def read_into(self, key: str, start: int, out: memoryview) -> bool:
        """Fill ``out`` with the bytes from ``start`` on; False when the file is absent or too short."""
        try:
            file = os.open(self._path(key), os.O_RDONLY | _BINARY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return _fill(file, out, start) == len(out)
        finally:
            os.close(file)

    def put(self, items: Sequence[tuple[str, Any]], stopped: Any) -> None:
        """Write (key, function that gives its parts), a few at a time; nothing new is begun once ``stopped``."""

        def write(item: tuple[str, Any]) -> None:
            if stopped.is_set():
                return
            try:
                self._write(item[0], item[1]())
            except BaseException:
                stopped.set()
                raise

        if len(items) <= AT_ONCE:
            for item in items:
                write(item)
        else:
            with ThreadPoolExecutor(AT_ONCE, "snapshot-write") as pool:
                try:
                    for done in [pool.submit(write, item) for item in items]:
                        done.result()
                except BaseException:
                    # an interrupt reaches this thread only; what was begun is over when we leave
                    stopped.set()
                    raise
        if self._durable:
            self._sync_folders(key for key, _ in items)

    def _write(self, key: str, parts: Bytes | Sequence[Bytes]) -> None:
        whole = [parts] if isinstance(parts, bytes | memoryview) else parts
        for _ in range(_ATTEMPTS - 1):
            # somebody who collects may take away an empty folder, or a file that was left for hours
            with suppress(FileNotFoundError, FileExistsError):
                self._write_once(key, whole)
                return
        self._write_once(key, whole)

    def _write_once(self, key: str, parts: Sequence[Bytes]) -> None:
        path = self._path(key)
        # the name zarr's own local store gives to what is not whole yet
        partial = f"{path}.{token_hex(16)}.partial"
        try:
            self._write_whole(partial, parts)
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial)
            raise

    def _write_whole(self, path: str, parts: Sequence[Bytes]) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # without a buffer: parts are large, or many are written in one call
        with open(path, "xb", buffering=0) as file:
            _write_all(file.fileno(), parts)
            if self._durable:
                os.fsync(file.fileno())

    def _sync_folders(self, keys: Iterable[str]) -> None:
        """A new name is durable when its folder is, and that one's name when the one above is."""
        if os.name == "nt":
            return  # folders cannot be opened there, and need not be
        folders = {os.path.dirname(self._path(key)) for key in keys}
        while folders:
            for folder in folders:
                descriptor = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            folders = {os.path.dirname(one) for one in folders if len(one) > len(self._folder)}

    def delete(self, keys: Sequence[str]) -> None:
        """Take files away that are there."""
        for key in keys:
            with suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self._path(key))

    def sizes(self, keys: Sequence[str]) -> int:
        """The bytes of all of them."""
        return sum(map(self.size, keys))

    def size(self, key: str) -> int:
        """The bytes of a file, 0 when there is none."""
        try:
            return os.stat(self._path(key)).st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def sweep(self, seconds: float) -> int:
        """Take away unfinished files that nobody has written to for so long; returns their bytes."""
        size, before = 0, time() - seconds
        for key in self.keys(""):
            path = self._path(key)
            with suppress(FileNotFoundError):
                if key.endswith(".partial") and (found := os.stat(path)).st_mtime < before:
                    os.unlink(path)
                    size += found.st_size
        return size

    def older(self, prefix: str, seconds: float) -> list[str]:
        """The files below ``prefix`` that nobody has written to for so long."""
        before = time() - seconds
        return [key for key in self.keys(prefix) if self._is_older(key, before)]

    def delete_older(self, keys: Sequence[str], seconds: float, mark: str) -> int:
        """Take those files away that are so much older than the file ``mark``; returns their bytes.

        This machine's clock does not count: it may be far from that of the disk, or of who wrote them.
        """
        try:
            before = os.stat(self._path(mark)).st_mtime - seconds
        except FileNotFoundError:
            return 0
        size = 0
        for key in keys:
            # looked at once more: the name may have been given to something new
            if self._is_older(key, before):
                size += self.size(key)
                self.delete([key])
        return size

    def _is_older(self, key: str, before: float) -> bool:
        try:
            return os.stat(self._path(key)).st_mtime <= before
        except (FileNotFoundError, NotADirectoryError):
            return False

    def delete_folders(self, prefixes: Sequence[str]) -> None:
        """As :meth:`delete_folder` for several: on some disks each waits for milliseconds."""
        if len(prefixes) <= AT_ONCE:
            for prefix in prefixes:
                self.delete_folder(prefix)
        else:
            with ThreadPoolExecutor(2 * AT_ONCE, "snapshot-delete") as pool:
                list(pool.map(self.delete_folder, prefixes))

    def delete_below(self, prefix: str) -> None:
        """Take every file below ``prefix`` away."""
        self.delete(self.keys(prefix))

    def delete_folder(self, prefix: str) -> None:
        """Take a folder away if nothing is left in it."""
        with suppress(OSError):
            os.rmdir(self._path(prefix))

    def children_many(self, prefixes: Sequence[str]) -> list[list[str]]:
        """As :meth:`children` for several."""
        return [self.children(prefix) for prefix in prefixes]

    def children(self, prefix: str) -> list[str]:
        """Names directly below ``prefix``; none when it is not a folder."""
        try:
            return os.listdir(self._path(prefix))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def keys(self, prefix: str) -> list[str]:
        """Every file below ``prefix``."""
        top = self._path(prefix)
        skip = len(self._folder) + 1
        return [
            os.path.join(folder, name)[skip:].replace(os.sep, "/")
            for folder, _, names in os.walk(top)
            for name in names
        ]


#: Each needs somebody to take a folder away within microseconds.
_ATTEMPTS = 10
_BINARY = getattr(os, "O_BINARY", 0)
#: The least that systems which have such a call allow: POSIX says 16, Linux and macOS 1,024.
_AT_A_TIME = 1024
#: Some systems refuse to write 2 GiB and more in one call.
_MOST = 1 << 30


def _write_all(file: int, parts: Sequence[Bytes]) -> None:
    """Write ``parts`` one behind the other.

    In as few calls as can be: the page cache takes what comes in one call in pages as large
    as it is, which is up to three times as fast as small ones.
    """
    if not hasattr(os, "writev") or sum(map(len, parts)) > _MOST:
        for part in parts:
            _write_rest(file, memoryview(part))
        return
    for first in range(0, len(parts), _AT_A_TIME):
        some = parts[first : first + _AT_A_TIME]
        written = os.writev(file, some)
        for part in some:
            # a disk that is almost full takes less than it is given, and says why the next time
            if written < len(part):
                _write_rest(file, memoryview(part)[written:])
            written = max(0, written - len(part))


def _write_rest(file: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(file, rest) :]


def _fill(file: int, out: memoryview, start: int) -> int:
    """Read into ``out`` until it is full or the file ends; returns how much was read."""
    if not hasattr(os, "preadv"):
        os.lseek(file, start, os.SEEK_SET)
        with os.fdopen(os.dup(file), "rb", buffering=0) as opened:
            return opened.readinto(out) or 0
    done = 0
    while done < len(out):
        count = os.preadv(file, [out[done:]], start + done)
        if count == 0:
            break
        done += count
    return done
