"""The nouns: what a snapshot is, without any input or output.

A :class:`Snapshot` is a header (id, label, step, time, ...) over a
:class:`Content`. The content says which :class:`Variable` were stored and reads
one when asked; it lives in memory (``snapshot.capture``) or on disk
(``snapshot.repository``), and nothing here knows which.

A :class:`Leaf` describes the contents of one array: how it is cut into blocks
and the hash of each. Equal contents have equal leaves, wherever they live.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from math import prod
from typing import Any, Protocol

import numpy as np

#: An id in this run (``12``) or in another (``"a1b2c3.12"``).
type_of_id = int | str


class Role(StrEnum):
    """What a variable is to the program that owns it."""

    PARAMETER = "parameter"
    BUFFER = "buffer"
    SLOT = "slot"
    RNG = "rng"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class View:
    """Where a leaf's memory lies inside another leaf's, in bytes."""

    base: int  #: number of the leaf that owns the memory
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """The contents of one array.

    ``dtype`` is NumPy's text for the bytes (``"<f4"``; for structured dtypes the
    ``repr`` of their ``descr``), ``kind`` the adapter that reads and writes it, and
    ``meta`` what only that adapter understands (device, real dtype, type name) as
    plain text, numbers and booleans. ``blocks`` holds one 16-byte xxh3 digest for
    each block of :func:`snapshot.cutting.cut`; it is empty when ``view`` is given,
    because the bytes are then part of another leaf.
    """

    kind: str
    dtype: str
    shape: tuple[int, ...]
    order: str  #: "C", or "F" when the bytes lie in Fortran order
    blocks: tuple[bytes, ...]
    meta: tuple[tuple[str, Any], ...] = ()
    view: View | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the contents, without compression."""
        return prod(self.shape) * parse_dtype(self.dtype).itemsize

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape in which the bytes lie in memory, slowest axis first."""
        return self.shape[::-1] if self.order == "F" else self.shape


@dataclass(frozen=True, slots=True, repr=False)
class Variable:
    """One array (or number) of a snapshot, under the path a user recognises.

    ``dtype`` is NumPy's dtype, or text where NumPy has no such dtype
    (``"bfloat16"``). ``digest`` is equal for equal contents. ``aliases`` are other
    paths to the same object.
    """

    path: str
    role: Role
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | str
    nbytes: int
    digest: bytes
    aliases: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.role.value} {self.path}: {self.dtype} {self.shape}>"


class Content(Protocol):
    """What a snapshot holds, wherever it is kept."""

    @property
    def variables(self) -> Mapping[str, Variable]:
        """Every array and number stored, by path."""

    @property
    def names(self) -> Mapping[str, str]:
        """Every name of the namespace at that time -> the type it was bound to."""

    @property
    def report(self) -> Mapping[str, str]:
        """Path -> why it was not stored by value."""

    def outline(self) -> Mapping[str, str]:
        """Path -> text of every plain value inside containers and objects; no arrays."""

    def read(self, path: str) -> Any:
        """The value at ``path``: arrays as a fresh NumPy array, else plain Python."""


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """The state of some variables at one moment.

    ``id`` counts from 1 within a run (``#12``); ``time`` is aware, in UTC; ``parent``
    is the snapshot that was current when this one was stored.
    """

    id: int
    label: str | None
    step: int
    time: datetime
    run: str
    parent: type_of_id | None
    note: str = ""
    notebook: str = ""
    content: Content = field(repr=False, kw_only=True)

    @property
    def variables(self) -> Mapping[str, Variable]:
        """Path -> :class:`Variable`; reading it reads no values."""
        return self.content.variables

    @property
    def names(self) -> Mapping[str, str]:
        """Every name present when this was stored -> its type."""
        return self.content.names

    @property
    def report(self) -> Mapping[str, str]:
        """Path -> why its contents were not stored."""
        return self.content.report

    @property
    def nbytes(self) -> int:
        """Bytes of all variables, counting shared memory once per variable."""
        return sum(variable.nbytes for variable in self.variables.values())

    @property
    def reference(self) -> str:
        """Text that finds this snapshot again within its run."""
        return self.label or f"#{self.id}"

    def __repr__(self) -> str:
        label = f" {self.label}" if self.label else ""
        return f"<snapshot #{self.id}{label}, step {self.step}, {self.time:%Y-%m-%d %H:%M:%S} UTC>"

    def __getitem__(self, path: str) -> Any:
        return self.content.read(path)

    def __contains__(self, path: object) -> bool:
        return path in self.variables

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def __bool__(self) -> bool:
        return True  # one without variables is a snapshot all the same


def parse_dtype(text: str) -> np.dtype[Any]:
    """The NumPy dtype that :attr:`Leaf.dtype` names."""
    if text.startswith("["):
        # unlike np.dtype(descr), this reads padding between fields as padding
        found: np.dtype[Any] = np.lib.format.descr_to_dtype(literal_eval(text))
        return found
    return _plain_dtype(text)


def format_dtype(dtype: np.dtype[Any]) -> str:
    """The text kept in :attr:`Leaf.dtype`; :func:`parse_dtype` reads it back."""
    return repr(dtype.descr) if dtype.names is not None else _plain_text(dtype)


# asked for several times for every array; a structured dtype can be changed by who has it


@lru_cache
def _plain_dtype(text: str) -> np.dtype[Any]:
    return np.dtype(text)


@lru_cache
def _plain_text(dtype: np.dtype[Any]) -> str:
    return dtype.str
