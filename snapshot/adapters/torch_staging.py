"""Contents on their way between a CUDA device and the host, through two reused pinned buffers.

The device copies straight into pinned memory while the other buffer is emptied, so a
capture waits once for each bufferful and not once for each tensor. Buffers are bounded:
to pin as much memory as a model takes would take it from every other process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import torch

from snapshot.adapters.protocol import Array

BUFFER_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes ``start:stop`` of item number ``item``, from ``offset`` on in the buffer."""

    item: int
    start: int
    stop: int
    offset: int

    @property
    def room(self) -> slice:
        """Where it lies in the buffer."""
        return slice(self.offset, self.offset + self.stop - self.start)


def bufferfuls(sizes: Sequence[int], room: int) -> Iterator[list[Piece]]:
    """Pack items of these sizes, in bytes, into buffers of ``room`` bytes; large ones are split. Pure."""
    packed: list[Piece] = []
    used = 0
    for item, size in enumerate(sizes):
        start = 0
        while start < size:
            take = min(size - start, room - used)
            packed.append(Piece(item, start, start + take, used))
            start, used = start + take, used + take
            if used == room:
                yield packed
                packed, used = [], 0
    if packed:
        yield packed


class Staging:
    """The way to and from one device. ``torch.device("cpu")`` goes the same way, without waiting."""

    def __init__(self, device: Any, room: int = BUFFER_BYTES) -> None:
        self._device = device
        self._room = room
        self._buffers: list[Any] = []
        self._lock = Lock()

    def fetch(self, sources: Sequence[Any]) -> list[Array]:
        """Private copies of flat byte tensors on the device."""
        found: list[Array] = [np.empty(source.numel(), np.uint8) for source in sources]
        with self._lock, self._at_home():
            filling: tuple[Any, list[Piece], Any] | None = None
            for number, pieces in enumerate(bufferfuls([source.numel() for source in sources], self._room)):
                buffer = self._buffer(number)
                for piece in pieces:
                    part = sources[piece.item][piece.start : piece.stop]
                    buffer[piece.room].copy_(part, non_blocking=True)
                mark = self._mark()
                if filling is not None:
                    _empty(found, *filling)
                filling = (buffer, pieces, mark)
            if filling is not None:
                _empty(found, *filling)
        return found

    def send(self, contents: Array, target: Any) -> None:
        """Write flat bytes into a flat byte tensor on the device; done when this returns."""
        marks: list[Any] = [None, None]
        with self._lock, self._at_home(), torch.no_grad():
            for number, pieces in enumerate(bufferfuls([contents.nbytes], self._room)):
                _wait(marks[number % 2])  # it may still be read
                buffer = self._buffer(number)
                for piece in pieces:
                    np.copyto(buffer[piece.room].numpy(), contents[piece.start : piece.stop])
                    target[piece.start : piece.stop].copy_(buffer[piece.room], non_blocking=True)
                marks[number % 2] = self._mark()
            for mark in marks:
                _wait(mark)

    def _at_home(self) -> AbstractContextManager[Any]:
        """On the device's own stream; what was queued on others is waited for."""
        if self._device.type != "cuda":
            return nullcontext()
        torch.cuda.synchronize(self._device)
        made: AbstractContextManager[Any] = torch.cuda.device(self._device)
        return made

    def _buffer(self, number: int) -> Any:
        if len(self._buffers) <= number % 2:
            self._buffers.append(self._new_buffer())
        return self._buffers[number % 2]

    def _new_buffer(self) -> Any:
        # neither the user's default device nor the inference mode of a moment is ours
        with torch.inference_mode(False):
            made = torch.empty(self._room, dtype=torch.uint8, device="cpu")
        if self._device.type != "cuda":
            return made
        try:
            return made.pin_memory()
        except RuntimeError:
            return made  # the system lets no more memory be pinned: slower, and right

    def _mark(self) -> Any:
        if self._device.type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event


def _wait(mark: Any) -> None:
    if mark is not None:
        mark.synchronize()


def _empty(found: list[Array], buffer: Any, pieces: list[Piece], mark: Any) -> None:
    _wait(mark)
    for piece in pieces:
        np.copyto(found[piece.item][piece.start : piece.stop], buffer[piece.room].numpy())


@cache
def staging_for(device: Any) -> Staging:
    """The one way to and from ``device``, with its buffers."""
    return Staging(device)
