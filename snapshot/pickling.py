"""Pickles beside the records: for objects that a new kernel can make in no other way.

One stream a name, with its arrays left out (they are leaves, referred to by number),
so a training step changes blocks and not the pickle. Loading one runs whatever it
says, so it is loaded only when this user signed it (:mod:`snapshot.signing`), or says
that the repository is to be trusted.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from operator import is_
from types import ModuleType
from typing import Any

import cloudpickle

from snapshot import signing
from snapshot.adapters.code import cached_property_of
from snapshot.adapters.protocol import LeafAdapter
from snapshot.capture import Capture
from snapshot.graph import needs_pickle
from snapshot.handles import Handle
from snapshot.kinds import adapter_named
from snapshot.repository.entry import StoredEntry
from snapshot.walk import Record


class Pickles:
    """The pickles of the capture written last; a name's is used again while nothing behind the name changed."""

    def __init__(self) -> None:
        self._records: Any = None
        self._roots: Any = None
        #: name -> its root and the records behind it; its pickle, None where there is none
        self._made: dict[str, tuple[tuple[Any, ...], bytes | None]] = {}

    def of(self, capture: Capture) -> dict[str, bytes]:
        """Name -> pickle, for the names that need one and can be pickled."""
        if capture.records is not self._records or capture.roots is not self._roots:
            self._made = self._of_all(capture)
            self._records, self._roots = capture.records, capture.roots
        return {name: data for name, (_, data) in self._made.items() if data is not None}

    def _of_all(self, capture: Capture) -> dict[str, tuple[tuple[Any, ...], bytes | None]]:
        numbers = {
            id(handle.get()): handle.number
            for handle in capture.leaves
            if type(handle) is Handle and not _is_whole(handle)
        }
        made: dict[str, tuple[tuple[Any, ...], bytes | None]] = {}
        for name, root in capture.roots.items():
            plain = type(root) is ModuleType or (type(root) is Handle and not _is_whole(root))
            if name.startswith("(") or plain:
                continue
            source = (root, *_behind(root, capture))
            known = self._made.get(name)
            if known is not None and len(known[0]) == len(source) and all(map(is_, known[0], source)):
                made[name] = known
            else:
                needed = needs_pickle(name, capture)
                data = _dump(root.get() if type(root) is Handle else root, numbers) if needed else None
                made[name] = (source, data)
        return made


def _behind(root: Any, capture: Capture) -> Iterator[Record]:
    """Every record that can be reached from a root."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        child = stack.pop()
        record = capture.records.get(id(child))
        if record is not None and id(child) not in seen:
            seen.add(id(child))
            yield record
            if not record.flat:
                stack.extend(record.state[record.kind.lead :])


def _is_whole(handle: Handle) -> bool:
    """Whether a leaf is nothing without its attributes, as a frame is without its columns."""
    return getattr(handle.adapter, "whole", False)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, numbers: dict[int, int]) -> None:
        super().__init__(file, protocol=5)
        self._numbers = numbers

    def persistent_id(self, obj: Any) -> Any:
        number = self._numbers.get(id(obj))
        return None if number is None else ("leaf", number)

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is cached_property:
            # before Python 3.12 it has a lock, for which alone no instance of its class could be pickled
            return cached_property_of, (obj.func, obj.attrname)
        return super().reducer_override(obj)


def _dump(root: Any, numbers: dict[int, int]) -> bytes | None:
    file = io.BytesIO()
    try:
        _Pickler(file, numbers).dump(root)
    except Exception:
        # any object may refuse, in any way: it is then listed as needing what there is not
        return None
    return file.getvalue()


class _Unpickler(pickle.Unpickler):
    """Instances are of the class that a cell of this kernel defines, if there is one; as it is, not as it was."""

    def __init__(self, data: bytes, load: Callable[[int], Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._load = load
        self._live: set[type] = set()

    def persistent_load(self, pid: Any) -> Any:
        return self._load(pid[1])

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        # what cloudpickle writes for a class of a notebook: make it empty, then fill it
        if (module, name) == ("cloudpickle.cloudpickle", "_make_skeleton_class"):
            return partial(self._class, found)
        if (module, name) == ("cloudpickle.cloudpickle", "_class_setstate"):
            return partial(self._fill, found)
        return found

    def _class(self, make: Callable[..., type], meta: type, name: str, bases: Any, about: Any, *rest: Any) -> type:
        live = getattr(sys.modules.get(about.get("__module__", "")), name, None)
        if not isinstance(live, type) or live.__qualname__ != name:
            return make(meta, name, bases, about, *rest)
        self._live.add(live)
        return live

    def _fill(self, fill: Callable[[type, Any], type], cls: type, state: Any) -> type:
        return cls if cls in self._live else fill(cls, state)


def loader(entry: StoredEntry, leaves: Any, engine: Any, trust: bool) -> Callable[[str], Any]:
    """A function from a name to its unpickled object; raises when there is no pickle, or no trust in it."""
    made: dict[int, Any] = {}

    def leaf(number: int) -> Any:
        if number not in made:
            held = leaves.held(number)
            adapter: LeafAdapter | None = adapter_named(held.leaf.kind, engine.registry)
            if adapter is None:
                raise pickle.UnpicklingError(f"a {held.leaf.kind} needs its library: import it, then restore again")
            made[number] = adapter.build(held.form, leaves.contents(number))
        return made[number]

    def load(name: str) -> Any:
        if name not in entry.pickled:
            raise LookupError(f"{name} has no pickle")
        return _Unpickler(entry.pickle(name, trust=trust, doubt=signing.doubt), leaf).load()

    return load
