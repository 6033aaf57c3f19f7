"""How a framework tells that it made the variables of an object: the door for values that wait.

An adapter module that can tell has ``builder_for(cls)``, which gives the
:class:`Builder` of a class or None. Nothing is installed before somebody watches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

#: ``tell(owner)``: its variables were made; ``tell(owner, place, child)``: child is about to be put there.
Tell = Callable[..., None]


class Builder(Protocol):
    """What is known of one framework's objects before their variables exist.

    A *place* is the way from an object to something in it, as paths spell it:
    ``"._parameters['weight']"``.
    """

    def unbuilt(self, obj: Any) -> bool:
        """Whether ``obj`` stands for something whose shape, value or class comes later. Runs no user code."""

    def prepare(self, obj: Any) -> None:
        """Let the framework begin its bookkeeping of ``obj``, which no restore of values may touch."""

    def makes(self, place: str) -> bool:
        """Whether what is missing at a place of such an object is for the framework to make."""

    def private(self, place: str) -> bool:
        """Whether a place is the framework's own bookkeeping, which keeps itself up to date."""

    def watch(self, obj: Any, places: Collection[str], tell: Tell) -> Callable[[], None]:
        """Call ``tell`` as soon as variables of ``obj`` exist, before they are used; returns what ends that.

        ``tell`` never raises. The hook must not hold ``obj``, outlive a copy or a pickle of
        it, or add anything to what the framework traces.
        """
