"""What a stored snapshot shows a user: variables by path, values when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from snapshot.described import as_known, content_digest, known_dtype
from snapshot.errors import PathNotFound
from snapshot.history import Home
from snapshot.model import Leaf, Variable
from snapshot.repository.entry import StoredEntry, StoredLeaf
from snapshot.repository.reader import Committed


class Decode(Protocol):
    """Reads what is kept in the records; the core supplies it."""

    def __call__(self, entry: StoredEntry, path: str) -> Any:
        """The plain value at ``path``."""

    def outline(self, entry: StoredEntry) -> Mapping[str, str]:
        """Path -> text of every plain value inside containers and objects."""


class LookedUp(Protocol):
    """What is known of a path of one snapshot because it was looked up over many."""

    @property
    def is_there(self) -> bool:
        """Whether the snapshot holds it."""

    def variable(self) -> Variable | None:
        """As the table describes it; None when only the table can."""

    def array(self) -> Any:
        """A fresh array; None when it is none, or cannot be read."""


class Knows(Home, Protocol):
    """What knows all the snapshots of one repository together."""

    def looked_up(self, path: str, content: StoredContent) -> LookedUp | None:
        """What is known already; None when nobody asked for this path yet."""


class StoredContent:
    """Implements :class:`snapshot.model.Content` for a snapshot on disk."""

    def __init__(self, entry: Committed, decode: Decode | None = None, home: Knows | None = None) -> None:
        self.entry = entry
        self.home = home  #: what knows this and its like together
        self._decode = decode

    @cached_property
    def variables(self) -> Mapping[str, Variable]:
        """Every array and number by path; the table is read when it is needed."""
        return _Variables(self)

    @cached_property
    def every_variable(self) -> dict[str, Variable]:
        """All of them, from the table. Raises Damaged."""
        found = {stored.path: self._variable(stored) for stored in self.entry.leaves if stored.path}
        return found | {one.path: one for one in self.entry.plain}

    @property
    def names(self) -> Mapping[str, str]:
        return self.entry.names

    @property
    def report(self) -> Mapping[str, str]:
        return self.entry.report

    def outline(self) -> Mapping[str, str]:
        """Path -> text of every plain value inside containers and objects."""
        return {} if self._decode is None else self._decode.outline(self.entry)

    def read(self, path: str) -> Any:
        """The value at ``path`` or one of its aliases: a fresh array, or a plain value.

        Raises PathNotFound, or Damaged when the bytes are not what was stored.
        """
        known = self.home.looked_up(path, self) if self.home is not None else None
        array = known.array() if known is not None else None
        if array is not None:
            return array
        number = self.numbers.get(path)
        if number is not None:
            return as_known(self.entry.contents(number), self._dtype(self.entry.stored(number)))
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
            dtype=self._dtype(stored),
            nbytes=stored.leaf.nbytes,
            digest=self._digest(stored.leaf),
            aliases=stored.aliases,
        )

    def _dtype(self, stored: StoredLeaf) -> np.dtype[Any] | str:
        return known_dtype(stored.dtype, stored.leaf)

    def _digest(self, leaf: Leaf) -> bytes:
        base = self.entry.stored(leaf.view.base).leaf if leaf.view is not None else None
        return content_digest(leaf, base)

    def _missing(self, path: str) -> str:
        header = self.entry.header
        near = get_close_matches(path, list(self.numbers), n=1)
        guess = f" Did you mean {near[0]!r}?" if near else " See .variables for what it holds."
        return f"Snapshot #{header.run}.{header.id} holds no value at {path!r}.{guess}"


class _Variables(Mapping[str, Variable]):
    """The variables of a snapshot; what was looked up over many snapshots is not read again from each table."""

    def __init__(self, content: StoredContent) -> None:
        self._content = content

    def __getitem__(self, path: str) -> Variable:
        known = self._looked_up(path)
        if known is not None and not known.is_there:
            raise KeyError(path)
        variable = known.variable() if known is not None else None
        return variable if variable is not None else self._content.every_variable[path]

    def __contains__(self, path: object) -> bool:
        known = self._looked_up(path) if isinstance(path, str) else None
        return known.is_there if known is not None else path in self._content.every_variable

    def _looked_up(self, path: str) -> LookedUp | None:
        has_table = "every_variable" in vars(self._content)
        return None if has_table or self._content.home is None else self._content.home.looked_up(path, self._content)

    def __iter__(self) -> Iterator[str]:
        return iter(self._content.every_variable)

    def __len__(self) -> int:
        return len(self._content.every_variable)

    def __repr__(self) -> str:
        return repr(self._content.every_variable)
