"""What passes between the core and the repository: one snapshot, as plain data.

The core turns a capture into an :class:`Entry` and the repository writes it; on the
way back the repository hands out a :class:`StoredEntry`. Neither side sees the
other's insides: leaves are descriptions with block hashes, records are opaque bytes
under a name, and blocks are fetched by hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from snapshot.model import Leaf, Role, Snapshot, Variable

#: Run, number of the snapshot, group, pickle -> signature; empty when it cannot be signed.
Sign = Callable[[str, int, str, bytes], str]
#: The same and a signature -> why the pickle is not to be loaded; empty when it may be.
Doubt = Callable[[str, int, str, bytes, str], str]


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """A leaf with the paths under which users know it.

    ``number`` is unique within the snapshot; records and ``View.base`` refer to it.
    ``dtype`` is the dtype a user knows (``"bfloat16"``); ``leaf.dtype`` that of the bytes.
    """

    number: int
    path: str
    role: Role
    dtype: str
    leaf: Leaf
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One snapshot on its way to disk.

    ``records`` maps a group name to UTF-8 JSON bytes (the object graph, see
    ``snapshot.graph``); ``pickles`` maps a group name to a pickle stream that refers
    to leaves by number; both are content-addressed by the repository, so an
    unchanged group costs a reference. ``joined`` maps names whose objects are in one
    stream together to that stream's name among the ``pickles``. ``block`` returns the bytes of a digest, valid
    until the commit is done. ``plain`` describes numbers that live in the records, so
    that they are listed among the variables, and ``numbers`` has their values, so that a
    series of them needs no records. ``sign`` signs a pickle, see ``snapshot.signing``.
    ``wrote`` is told the number of bytes whenever some are about to be written, by any
    thread; what it raises ends the commit.
    """

    snapshot: Snapshot
    leaves: tuple[StoredLeaf, ...]
    records: Mapping[str, bytes]
    names: Mapping[str, str]
    report: Mapping[str, str]
    block: Callable[[bytes], memoryview]
    pickles: Mapping[str, bytes] = field(default_factory=dict)
    joined: Mapping[str, str] = field(default_factory=dict)
    plain: tuple[Variable, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    sign: Sign | None = None
    wrote: Callable[[int], None] = lambda nbytes: None


class StoredEntry(Protocol):
    """One committed snapshot, read on demand."""

    @property
    def leaves(self) -> tuple[StoredLeaf, ...]:
        """Every leaf, without values."""

    @property
    def plain(self) -> tuple[Variable, ...]:
        """Numbers that live in the records."""

    @property
    def names(self) -> Mapping[str, str]:
        """Name -> type, of every name present when it was stored."""

    @property
    def report(self) -> Mapping[str, str]:
        """Path -> why it was not stored by value."""

    def record(self, group: str) -> bytes:
        """The record bytes of a group; KeyError when there are none."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the record groups."""

    @property
    def pickled(self) -> tuple[str, ...]:
        """Names of the groups that also have a pickle, their own or a joined one."""

    @property
    def joined(self) -> Mapping[str, str]:
        """Name -> the stream that it shares with others."""

    def pickle(self, group: str, *, trust: bool, doubt: Doubt | None = None) -> bytes:
        """The pickle stream that a group is in; NotTrusted without trust, unless ``doubt`` has none."""

    def block(self, number: int, index: int) -> bytes:
        """Bytes of one block of one leaf (hash checked); Damaged when they do not match."""

    def blocks(self, number: int, indices: Sequence[int]) -> Iterator[memoryview]:
        """As :meth:`block` for several, in their order, with few of them in memory at a time."""

    def read_into(self, number: int, index: int, out: memoryview) -> None:
        """Fill ``out``, of the block's size, with one block of one leaf; Damaged as :meth:`block`."""

    @property
    def is_near(self) -> bool:
        """Whether reading twice costs little: files on this machine, not a network."""

    def contents(self, number: int) -> np.ndarray[Any, np.dtype[Any]]:
        """All of one leaf as a fresh writable array of ``leaf.dtype`` and ``leaf.shape``."""
