"""Loading pickles: each stream once, whatever number of names is in it.

Loading one runs whatever it says, so it is loaded only when this user signed it
(:mod:`snapshot.signing`), or says that the repository is to be trusted.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from snapshot import signing
from snapshot.errors import NotTrusted
from snapshot.repository.entry import StoredEntry


@dataclass(eq=False)
class Loaded:
    """What one stream made. ``shared`` has by number what other names lead to as well.

    ``leaves`` are the numbers of the arrays in it. ``copies`` are arrays made for it
    alone, by number: the live ones, which are to take their places, do not have their
    contents yet.
    """

    names: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[int, Any] = field(default_factory=dict)
    copies: dict[int, Any] = field(default_factory=dict)
    leaves: set[int] = field(default_factory=set)


class Streams:
    """The pickles of one stored snapshot."""

    def __init__(self, entry: StoredEntry, trust: bool) -> None:
        self._entry = entry
        self._trust = trust
        self._loaded: dict[str, Loaded | Exception] = {}

    @cached_property
    def _joined(self) -> Mapping[str, str]:
        return self._entry.joined

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self._entry.pickled)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def load(self, name: str, leaf: Callable[[int, dict[int, Any]], Any]) -> Loaded:
        """The stream that a name is in; raises when there is none, or no trust in it.

        ``leaf`` gives an array by its number, and may note it among the copies.
        """
        if name not in self:
            raise LookupError(f"{name} has no pickle")
        key = self._joined.get(name, name)
        if key not in self._loaded:
            try:
                self._loaded[key] = self._load(name, leaf)
            except NotTrusted:
                raise  # says it of this name
            except Exception as error:
                self._loaded[key] = error
        found = self._loaded[key]
        if isinstance(found, Exception):
            raise found
        if name not in found.names:
            raise pickle.UnpicklingError(f"{name} is not in the pickle that is said to hold it")
        return found

    def _load(self, name: str, leaf: Callable[[int, dict[int, Any]], Any]) -> Loaded:
        data = self._entry.pickle(name, trust=self._trust, doubt=signing.doubt)
        made = Loaded()

        def load(number: int) -> Any:
            made.leaves.add(number)
            return leaf(number, made.copies)

        unpickler = _Unpickler(data, load)
        found = unpickler.load()
        if name not in self._joined:
            made.names = {name: found}
        else:
            made.names, made.shared = found, unpickler.load()
        return made


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
