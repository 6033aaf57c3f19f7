"""A capture as the public :class:`~snapshot.model.Content` of a snapshot in memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from xxhash import xxh3_128_digest

from snapshot.capture import Capture
from snapshot.described import as_known, content_digest, known_dtype
from snapshot.engine import Engine
from snapshot.graph import decode_groups, encode_groups
from snapshot.handles import AnyHandle, Handle
from snapshot.model import Leaf, Role, Variable
from snapshot.outline import outline
from snapshot.ownership import is_users_module
from snapshot.paths import numbers_of
from snapshot.registry import ATOMS
from snapshot.selection import not_found

_MODULE = "a module: what its variables hold is not stored"


class MemoryContent:
    """What one capture holds; values are read from the pool of blocks."""

    def __init__(self, capture: Capture, engine: Engine) -> None:
        self.capture = capture
        self._engine = engine

    @cached_property
    def variables(self) -> Mapping[str, Variable]:
        """Path -> variable: every array, and every number bound to a name."""
        found: dict[str, Variable] = {}
        named = self._engine.paths(self.capture).leaves
        for handle, (path, role, aliases) in named.items():
            held = self.capture.leaves[handle]
            dtype = known_dtype(held.form.dtype, held.leaf)
            digest = content_digest(held.leaf, self._base(held.leaf))
            found[path] = Variable(path, role, held.leaf.shape, dtype, held.leaf.nbytes, digest, aliases)
        for name, value in numbers_of(self.capture).items():
            found[name] = number_variable(name, value)
        return found

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Every name present then -> the type it was bound to."""
        return {name: cls.__name__ if cls else "" for name, cls in self.capture.names.items()}

    @cached_property
    def report(self) -> Mapping[str, str]:
        """Path -> why its contents were not stored."""
        found = {name: _MODULE for name, root in self.capture.roots.items() if is_users_module(root)}
        if not (self.capture.references or self.capture.failed or self.capture.groups):
            return found  # without naming everything first
        named = self._engine.paths(self.capture)
        found |= {
            named.objects[key]: reason for key, (_, reason) in self.capture.references.items() if key in named.objects
        }
        found.update({named.of(handle): reason for handle, reason in self.capture.failed.items()})
        for _, _, group in self.capture.groups.values():
            found.update(group.report)
            found.update(dict.fromkeys(group.uninitialized, "not initialized when it was stored"))
        return found

    def outline(self) -> Mapping[str, str]:
        """Path -> text of every plain value inside containers and objects."""
        return outline(decode_groups({name: data for name, (_, data) in encode_groups(self.capture, {}).items()}))

    def read(self, path: str) -> Any:
        """The value at ``path``: a fresh NumPy array, or a copy of a plain value."""
        handle = self.handle_at(path)
        if handle is not None:
            return self._engine_read(handle)
        if path in self.capture.roots:
            return plain_copy(self.capture, self.capture.roots[path], self._engine_read)
        for key, known in self._engine.paths(self.capture).objects.items():
            if known == path and key in self.capture.records:
                return plain_copy(self.capture, self.capture.records[key].owner, self._engine_read)
        way = self._engine.way(self.capture, path)
        if way is not None:
            return plain_copy(self.capture, way.found, self._engine_read)
        raise not_found([path], (*self.variables, *self.capture.roots))

    def handle_at(self, path: str) -> AnyHandle | None:
        """The leaf that a path or an alias means; None when it means something else."""
        found = self._engine.paths(self.capture).lookup.get(path)
        if found is not None:
            return found
        for owner, adapter, _ in self.capture.groups.values():
            part = adapter.resolve(owner, path)
            if part is not None:
                handle = self._engine.handles.part(owner, adapter, part)
                return handle if handle in self.capture.leaves else None
        way = self._engine.way(self.capture, path)
        if way is None or type(way.found) is not Handle or getattr(way.found.adapter, "hidden", False):
            return None
        return way.found if way.found in self.capture.leaves else None

    def _engine_read(self, handle: AnyHandle) -> Any:
        held = self.capture.leaves[handle]
        contents = self.capture.read(handle, self._engine.blocks)
        return as_known(contents, known_dtype(held.form.dtype, held.leaf))

    def _base(self, leaf: Leaf) -> Leaf | None:
        handle = self.capture.by_number.get(leaf.view.base) if leaf.view is not None else None
        return self.capture.leaves[handle].leaf if handle is not None else None


def number_variable(name: str, value: Any) -> Variable:
    """A number bound to a name, as a variable of shape ()."""
    array = np.asarray(value)
    digest = xxh3_128_digest(array.tobytes() + array.dtype.str.encode())
    return Variable(name, Role.VALUE, (), array.dtype, array.nbytes, digest)


def plain_copy(capture: Capture, child: Any, read: Callable[[AnyHandle], Any]) -> Any:
    """A stored value rebuilt from plain parts; other objects come back as their text."""
    memo: dict[int, Any] = {}
    # generators that wait for each other instead of calls: depth is no limit
    waiting = [_copying(capture, child, read, memo)]
    made: Any = None
    while waiting:
        try:
            part = waiting[-1].send(made)
        except StopIteration as done:
            waiting.pop()
            made = done.value
        else:
            waiting.append(_copying(capture, part, read, memo))
            made = None
    return made


def _copying(
    capture: Capture, child: Any, read: Callable[[AnyHandle], Any], memo: dict[int, Any]
) -> Generator[Any, Any, Any]:
    """Yields the parts it needs copied, is sent the copies, and returns its own."""
    if type(child) is Handle:
        return read(child)
    if type(child) in ATOMS:
        return child
    if id(child) in memo:
        return memo[id(child)]
    record = capture.records.get(id(child))
    if record is None or type(child).__module__ not in ("builtins", "collections"):
        return f"<{type(child).__module__}.{type(child).__qualname__}>"
    if not record.kind.fixed:
        # a container may hold itself, so it exists before its members do
        head = record.state[:1] if record.kind.name in ("deque", "defaultdict") else ()
        memo[id(child)] = record.kind.build(type(child), head)
    parts = []
    for part in record.state:
        parts.append((yield part))
    if record.kind.fixed:
        memo[id(child)] = record.kind.build(type(child), tuple(parts))
    else:
        record.kind.put(memo[id(child)], tuple(parts))
    return memo[id(child)]
