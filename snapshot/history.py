"""One variable across many snapshots: its distinct contents, and which snapshot holds which.

:func:`histories` is the door. Snapshots whose content has a ``home`` (a repository) are
asked for together, since a home knows thousands of them from a few reads; the others one by
one. Nothing is read of a value before :meth:`History.read`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from snapshot.errors import SnapshotError
from snapshot.model import Role, Snapshot, Variable
from snapshot.pausing import collector_paused
from snapshot.statistics import Statistics

Array = np.ndarray[Any, np.dtype[Any]]

#: So many bytes of values are in memory together.
TOGETHER = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """What contents have in common that can be laid one upon the other."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | str
    role: Role
    nbytes: int


class Batch(NamedTuple):
    """Contents of one form, and their values of shape (n, \\*shape); without values a ``problem``."""

    contents: list[int]
    values: Array | None
    problem: str = ""


class Numbers(NamedTuple):
    """What is known of contents without reading them, and log10 of the relative changes between two."""

    of: dict[int, Statistics]
    updates: dict[tuple[int, int], float]


class Held(Protocol):
    """The history of one path over the snapshots of one home.

    ``which`` has, for each snapshot, the number of its content, or -1 where it holds none.
    Of content number ``i``, ``keys[i]`` is equal for equal contents, and its form is
    ``forms[form_of[i]]``. The contents are in the order of the snapshots.
    """

    which: Array
    forms: list[Form]
    form_of: list[int]
    keys: list[str]

    def read(self, contents: Sequence[int]) -> Iterator[Batch]:
        """The values of some contents, a few at a time, in any order."""

    def kept(self) -> Numbers:
        """The numbers that were kept beside the values; any may be missing."""


class Home(Protocol):
    """Where contents lie that can be asked about together."""

    def histories(self, paths: Sequence[str], contents: Sequence[Any]) -> list[Held]:
        """One for each path."""

    def newest(self, contents: Sequence[Any], accept: Callable[[Variable], bool]) -> dict[str, Variable]:
        """Path -> the variable in the newest of ``contents`` (oldest first) that has one accepted."""


class History:
    """As :class:`Held`, over snapshots of any homes."""

    def __init__(self, path: str, count: int, parts: Iterable[tuple[Sequence[int], Held]]) -> None:
        self.path = path
        self.which: Array = np.full(count, -1, np.int32)
        self.forms: list[Form] = []
        self.form_of: list[int] = []
        self.keys: list[str] = []
        self._form_texts: list[str] = []
        self._parts: list[tuple[int, Held]] = []
        for positions, held in parts:
            first, form = len(self.keys), len(self.forms)
            self.which[positions] = np.where(held.which < 0, -1, held.which + first)
            self._parts.append((first, held))
            self.forms += held.forms
            self.form_of += [form + one for one in held.form_of]
            self.keys += held.keys

    def key(self, content: int) -> tuple[str, str, str]:
        """Equal for equal contents of one path, whichever history they are in."""
        while len(self._form_texts) < len(self.forms):
            form = self.forms[len(self._form_texts)]
            self._form_texts.append(f"{form.dtype} {form.shape}")
        return self.path, self._form_texts[self.form_of[content]], self.keys[content]

    def form(self, content: int) -> Form:
        """What a content looks like."""
        return self.forms[self.form_of[content]]

    def read(self, contents: Iterable[int]) -> Iterator[Batch]:
        """The values of some contents, at most :data:`TOGETHER` bytes (or one value) at a time, in any order."""
        wanted = sorted(contents)
        for (first, held), end in zip(self._parts, self._ends(), strict=True):
            own = [one - first for one in wanted if first <= one < end]
            for batch in held.read(own) if own else ():
                yield batch._replace(contents=[one + first for one in batch.contents])

    def kept(self) -> Numbers:
        """The numbers that were kept beside the values; any may be missing."""
        found = Numbers({}, {})
        for first, held in self._parts:
            numbers, updates = held.kept()
            found.of.update((first + content, one) for content, one in numbers.items())
            found.updates.update(((first + old, first + new), one) for (old, new), one in updates.items())
        return found

    def value(self, content: int) -> Array:
        """One value; raises SnapshotError when it cannot be read."""
        batch = next(self.read([content]))
        if batch.values is None:
            raise SnapshotError(batch.problem)
        found: Array = batch.values[0, ...]
        return found

    def _ends(self) -> list[int]:
        return [first for first, _ in self._parts[1:]] + [len(self.keys)]


def histories(paths: Sequence[str], snapshots: Sequence[Snapshot]) -> list[History]:
    """The history of each path over ``snapshots``, oldest first."""
    found: list[list[tuple[Sequence[int], Held]]] = [[] for _ in paths]
    with collector_paused():
        for home, positions in _by_home(snapshots):
            chosen = [snapshots[position] for position in positions]
            if home is None:
                every: list[Held] = list(_each(paths, chosen))
            else:
                every = home.histories(paths, [one.content for one in chosen])
            for parts, held in zip(found, every, strict=True):
                parts.append((positions, held))
    return [History(path, len(snapshots), parts) for path, parts in zip(paths, found, strict=True)]


def newest_variables(snapshots: Sequence[Snapshot], accept: Callable[[Variable], bool]) -> dict[str, Variable]:
    """Path -> the variable in the newest snapshot that has an accepted one there; ``snapshots`` oldest first."""
    found: dict[str, Variable] = {}
    groups = _by_home(snapshots)
    for home, positions in sorted(groups, key=lambda group: group[1][-1], reverse=True):
        chosen = [snapshots[position] for position in positions]
        if home is not None:
            with collector_paused():
                found = home.newest([one.content for one in chosen], accept) | found
            continue
        for snapshot in reversed(chosen):
            for path, variable in snapshot.variables.items():
                if path not in found and accept(variable):
                    found[path] = variable
    return found


def _by_home(snapshots: Sequence[Snapshot]) -> list[tuple[Home | None, list[int]]]:
    groups: dict[int, tuple[Home | None, list[int]]] = {}
    for position, snapshot in enumerate(snapshots):
        home = getattr(snapshot.content, "home", None)
        groups.setdefault(id(home), (home, []))[1].append(position)
    return list(groups.values())


class _Each:
    """The history of a path over snapshots that are asked one by one."""

    def __init__(self, path: str, snapshots: Sequence[Snapshot]) -> None:
        self.forms: list[Form] = []
        self.form_of: list[int] = []
        self.keys: list[str] = []
        self.which: Array = np.full(len(snapshots), -1, np.int32)
        self._path = path
        self._holders: list[Snapshot] = []
        self._known: dict[tuple[Form, bytes], int] = {}

    def add(self, position: int, snapshot: Snapshot, variable: Variable) -> None:
        """One more snapshot that holds the path."""
        form = Form(tuple(variable.shape), variable.dtype, variable.role, variable.nbytes)
        number = self._known.setdefault((form, variable.digest), len(self.keys))
        self.which[position] = number
        if number == len(self.keys):
            if form not in self.forms:
                self.forms.append(form)
            self.form_of.append(self.forms.index(form))
            self.keys.append(variable.digest.hex())
            self._holders.append(snapshot)

    def kept(self) -> Numbers:
        return Numbers({}, {})

    def read(self, contents: Sequence[int]) -> Iterator[Batch]:
        for content in contents:
            try:
                yield Batch([content], np.asarray(self._holders[content][self._path])[None])
            except (SnapshotError, LookupError, OSError, TypeError) as error:
                yield Batch([content], None, str(error))


def _each(paths: Sequence[str], snapshots: Sequence[Snapshot]) -> Iterable[_Each]:
    found = {path: _Each(path, snapshots) for path in paths}
    for position, snapshot in enumerate(snapshots):
        held = snapshot.variables
        for path in paths:
            variable = held.get(path)
            if variable is not None:
                found[path].add(position, snapshot, variable)
    return [found[path] for path in paths]
