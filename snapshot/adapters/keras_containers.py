"""Lists and dicts of a layer, in which Keras tracks layers and variables.

Once a layer is built Keras locks them: nobody but ``build`` can have put in what they
hold more than a snapshot. As the weights made since stay, so do these members; a
layer that went on without them would compute something else, without a word.
"""

from __future__ import annotations

from typing import Any

from keras.src.backend.common.variables import Variable
from keras.src.utils.tracking import TrackedDict, TrackedList

from snapshot.adapters.containers import CONTAINERS, State
from snapshot.adapters.keras_objects import STATEFUL
from snapshot.adapters.objects import ContainerInstanceKind


class TrackedKind(ContainerInstanceKind):
    """An instance of a list or dict, with Keras's tracker as its attribute."""

    def put(self, obj: Any, state: State) -> None:
        if getattr(obj.tracker, "locked", False):
            children, attributes = self._split(state)
            kept = self._with_what_was_built(children, self.container.take(obj))
            state = (attributes[0], len(kept), *kept, *attributes[1:])
        super().put(obj, state)

    def _with_what_was_built(self, children: State, live: State) -> State:
        return (*children, *(each for each in live if _is_new_state(each, children)))


class TrackedDictKind(TrackedKind):
    """The children of a dict are its keys, then its values."""

    def _with_what_was_built(self, children: State, live: State) -> State:
        half, live_half = len(children) // 2, len(live) // 2
        pairs = zip(live[:live_half], live[live_half:], strict=True)
        new = [(key, value) for key, value in pairs if _is_new_state(value, children[half:])]
        return (*children[:half], *(key for key, _ in new), *children[half:], *(value for _, value in new))


def _is_new_state(value: Any, known: State) -> bool:
    return issubclass(type(value), (Variable, *STATEFUL)) and not any(value is each for each in known)


_KINDS = {kind.base: kind for kind in CONTAINERS}
KINDS = {TrackedList: TrackedKind(_KINDS[list]), TrackedDict: TrackedDictKind(_KINDS[dict])}
