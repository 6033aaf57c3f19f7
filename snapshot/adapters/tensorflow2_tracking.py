"""TensorFlow 2: how a tracked object tells that it got a variable, for values that wait.

``tf.train.Checkpoint`` waits for variables too: every tracked object has a table of
what waits for a child of a name, which is emptied when the child is tracked: by an
attribute, an append to a tracked list, or a key of a tracked dict. Ours wait in the
same table, so nothing of TensorFlow is patched.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Collection
from typing import Any
from weakref import ref

from tensorflow.python.framework import ops
from tensorflow.python.trackable.autotrackable import AutoTrackable
from tensorflow.python.trackable.data_structures import ListWrapper, TrackableDataStructure, _DictWrapper

from snapshot.adapters.builders import Builder, Tell


class Position:
    """One value that waits at one place, as TensorFlow expects it in its table; a copy of it does nothing."""

    def __init__(self, place: str = "", tell: Tell | None = None) -> None:
        self._place = place
        self._tell = tell
        self.restore_uid = ops.uid()  # of several that wait, TensorFlow asks the newest first
        self.checkpoint = self

    def restore(self, trackable: Any, reader: Any = None) -> None:
        """``trackable`` has come: TensorFlow's call."""
        if self._tell is not None:
            self._tell(self._place, trackable)

    def __reduce__(self) -> tuple[type[Position], tuple[()]]:
        return (Position, ())


class TrackingBuilder:
    """Objects of one class. Children come to places that match ``pattern``, whose group is the child's name."""

    def __init__(self, pattern: str, private: str) -> None:
        self._pattern = re.compile(pattern, re.DOTALL)
        self._private = re.compile(private)

    def unbuilt(self, obj: Any) -> bool:
        return False

    def prepare(self, obj: Any) -> None:
        obj._maybe_initialize_trackable()

    def makes(self, place: str) -> bool:
        return self._name(place) is not None

    def private(self, place: str) -> bool:
        return self._private.match(place) is not None

    def watch(self, obj: Any, places: Collection[str], tell: Tell) -> Callable[[], None]:
        table = obj._deferred_dependencies
        positions = [(name, Position(place, tell)) for place in places if (name := self._name(place)) is not None]
        for name, position in positions:
            table.setdefault(name, []).append(position)
        held = ref(obj)

        def end() -> None:
            live = held()
            table = live._deferred_dependencies if live is not None else {}
            for name, position in positions:
                left = [each for each in table.get(name, ()) if each is not position]
                if left:
                    table[name] = left
                else:
                    table.pop(name, None)

        return end

    def _name(self, place: str) -> str | None:
        found = self._pattern.fullmatch(place)
        if found is None:
            return None
        return str(literal_eval(found[1])) if found[1].startswith(("'", '"')) else found[1]


ATTRIBUTES = TrackingBuilder(r"\.((?!_self_)\w+)", r"\._self_")
LIST = TrackingBuilder(r"\._storage\[(\d+)\]", r"(?!\._storage)")
# a proxy's state begins with the dict it wraps
DICT = TrackingBuilder(r"\[0\]\[('.*'|\".*\")\]", r"(?!\[0\])")


def builder_for(cls: type) -> Builder | None:
    """Tracked objects, lists and dicts; Keras has its own way."""
    if any(base.__module__.split(".")[0] == "keras" for base in cls.__mro__):
        return None
    if issubclass(cls, ListWrapper):
        return LIST
    if issubclass(cls, _DictWrapper):
        return DICT
    return ATTRIBUTES if issubclass(cls, AutoTrackable) and not issubclass(cls, TrackableDataStructure) else None
