"""What a stored snapshot shows a user: variables by path, values when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np

from snapshot.errors import PathNotFound
from snapshot.model import Leaf, Variable, parse_dtype
from snapshot.repository import layout
from snapshot.repository.entry import StoredEntry, StoredLeaf
from snapshot.repository.reader import Committed

Array = np.ndarray[Any, np.dtype[Any]]
#: Turns (stored snapshot, path) into a plain value kept in the records.
Decode = Callable[[StoredEntry, str], Any]


class StoredContent:
    """Implements :class:`snapshot.model.Content` for a snapshot on disk."""

    def __init__(self, entry: Committed, decode: Decode | None = None) -> None:
        self.entry = entry
        self._decode = decode

    @cached_property
    def variables(self) -> Mapping[str, Variable]:
        found = {stored.path: self._variable(stored) for stored in self.entry.leaves if stored.path}
        return found | {one.path: one for one in self.entry.plain}

    @property
    def names(self) -> Mapping[str, str]:
        return self.entry.names

    @property
    def report(self) -> Mapping[str, str]:
        return self.entry.report

    def read(self, path: str) -> Any:
        """The value at ``path`` or one of its aliases: a fresh array, or a plain value.

        Raises PathNotFound, or Damaged when the bytes are not what was stored.
        """
        number = self.numbers.get(path)
        if number is not None:
            return as_known(self.entry.contents(number), known_dtype(self.entry.stored(number)))
        if self._decode is None:
            raise PathNotFound(self._missing(path))
        return self._decode(self.entry, path)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Every path and alias -> the number of its leaf."""
        leaves = self.entry.leaves
        aliases = {alias: stored.number for stored in leaves for alias in stored.aliases}
        return aliases | {stored.path: stored.number for stored in leaves if stored.path}

    def _variable(self, stored: StoredLeaf) -> Variable:
        return Variable(
            path=stored.path,
            role=stored.role,
            shape=stored.leaf.shape,
            dtype=known_dtype(stored),
            nbytes=stored.leaf.nbytes,
            digest=self._digest(stored.leaf),
            aliases=stored.aliases,
        )

    def _digest(self, leaf: Leaf) -> bytes:
        base = self.entry.stored(leaf.view.base).leaf if leaf.view is not None else None
        return content_digest(leaf, base)

    def _missing(self, path: str) -> str:
        header = self.entry.header
        near = get_close_matches(path, list(self.numbers), n=1)
        guess = f" Did you mean {near[0]!r}?" if near else " See .variables for what it holds."
        return f"Snapshot #{header.run}.{header.id} holds no value at {path!r}.{guess}"


def content_digest(leaf: Leaf, base: Leaf | None = None) -> bytes:
    """A hash that is equal for equal contents; ``base`` owns the memory of a view.

    The same rule holds for snapshots in memory, so that the two can be compared.
    """
    about = repr((leaf.dtype, leaf.shape, leaf.order))
    if leaf.view is not None and base is not None:
        about += repr((leaf.view.offset, leaf.view.strides))
    return layout.digest_of(about.encode() + b"".join((base or leaf).blocks))


def known_dtype(stored: StoredLeaf) -> np.dtype[Any] | str:
    """The dtype a user knows: NumPy's, or text where NumPy itself has none (``bfloat16``)."""
    in_bytes = parse_dtype(stored.leaf.dtype)
    try:
        dtype = parse_dtype(stored.dtype)
    except (TypeError, ValueError, SyntaxError):
        return stored.dtype
    if dtype.isbuiltin == 2:
        return stored.dtype  # there only while the library that registered it is imported
    # "float32" does not say that the bytes are big-endian
    return in_bytes if dtype.kind == in_bytes.kind else dtype


def as_known(contents: Array, dtype: np.dtype[Any] | str) -> Array:
    """``contents`` as the dtype a user knows where it can be had, else as its bytes' dtype."""
    if isinstance(dtype, str):
        try:
            import ml_dtypes
        except ImportError:
            return contents
        dtype = np.dtype(getattr(ml_dtypes, dtype, contents.dtype))
    fits = dtype.itemsize == contents.dtype.itemsize and not dtype.hasobject
    return contents.view(dtype) if fits and dtype != contents.dtype else contents
