"""What an adapter is: the border between live objects and plain arrays.

Three shapes, each small:

* :class:`LeafAdapter` for an object that *is* an array (``numpy.ndarray``,
  ``torch.Tensor``, a random generator as its encoded state);
* :class:`GroupAdapter` for an object that *owns* arrays behind an interface of its
  own (a TensorFlow 1 session and its variables), read and written all at once;
* :class:`Kind` for an object that holds other objects (a list, an instance, a
  closure cell): its shallow state, and how to put a state back.

The core calls these and sees arrays and descriptions, never a framework.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

import numpy as np

from snapshot.model import Role

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """What a value must look like to go into an object: the live side of a ``Leaf``.

    ``dtype`` is the dtype a user knows (``"float32"``, ``"bfloat16"``); ``meta`` is
    plain text, numbers and booleans only, enough for :meth:`LeafAdapter.build`.
    """

    shape: tuple[int, ...]
    dtype: str
    meta: tuple[tuple[str, Any], ...] = ()
    role: Role = Role.VALUE


@dataclass(frozen=True, slots=True)
class Step:
    """How paths pass through one attribute of an object.

    ``transparent`` attributes are left out, as in ``model.weight`` for what lies in
    ``model._parameters['weight']``; ``role`` is the role of what lies behind.
    """

    transparent: bool
    role: Role | None


class LeafAdapter(Protocol):
    """One kind of array-like object."""

    kind: str  #: recorded on disk: "numpy.ndarray"
    immutable: bool  #: contents cannot change (a JAX array): the object itself is kept, never written

    def form(self, obj: Any) -> Form:
        """Describe ``obj`` without reading its contents."""

    def view(self, obj: Any) -> Array:
        """The contents as an ndarray sharing memory with ``obj`` where that is possible.

        The caller reads it at once and never writes it. A private copy is allowed
        where there is no shared memory (another device).
        """

    def misfit(self, obj: Any, form: Form) -> str | None:
        """Why contents of ``form`` cannot be assigned to ``obj``; None when they can."""

    def assign(self, obj: Any, contents: Array) -> None:
        """Write ``contents`` (dtype and shape of :meth:`view`) into ``obj``."""

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        """Write flat ``contents`` from flat element ``start`` on; False if not supported."""

    def build(self, form: Form, contents: Array) -> Any:
        """A new object with these contents; ``contents`` is private to the caller."""

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        """State beside the contents: ``grad``, ``requires_grad``, an instance dict."""

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        """Put one of :meth:`attributes` back."""


@dataclass(frozen=True, slots=True)
class Part:
    """One array of a group, as captured. ``array`` is private: nobody writes it later."""

    array: Array
    dtype: str
    role: Role = Role.VALUE


@dataclass(frozen=True, slots=True)
class Group:
    """What a :class:`GroupAdapter` captured.

    ``uninitialized`` names parts that exist but hold no value yet; ``report`` maps
    names of things that cannot be captured (tables, queues) to a reason; ``step`` is
    the group's own idea of the global step.
    """

    parts: Mapping[str, Part]
    uninitialized: tuple[str, ...] = ()
    report: Mapping[str, str] = field(default_factory=dict)
    step: int | None = None


class GroupAdapter(Protocol):
    """One kind of object that owns named arrays."""

    kind: str

    def capture(self, owner: Any) -> Group:
        """Read every part at once. Never raises for a closed or empty owner."""

    def successor(self, owner: Any, candidates: Iterable[Any]) -> Any | None:
        """The live object that should take ``owner``'s values: itself unless it is closed."""

    def misfits(self, owner: Any, forms: Mapping[str, Form]) -> Mapping[str, str]:
        """Part name -> why a value of that form cannot be assigned; {} when all can."""

    def assign(self, owner: Any, values: Mapping[str, Array]) -> None:
        """Write these parts. Arrays are private to the callee and never written again."""

    def part_path(self, owner_path: str, name: str, alone: bool) -> str:
        """The path of a part; ``alone`` when no other owner of this kind has parts."""

    def resolve(self, owner: Any, name: str) -> str | None:
        """The part that a user's spelling means (``"W:0"`` for ``"W"``), or None."""


class StartsValues(Protocol):
    """A :class:`GroupAdapter` that can give a part its first value."""

    def initialize_rest(self, owner: Any) -> list[str]:
        """Run the initializers of the parts that hold no value, of no others; names of those that do now."""


class Kind(Protocol):
    """One kind of object that holds other objects.

    A *state* is a flat tuple of children. It is compared element by element by
    identity, so it must hold the very objects, and small constants for structure.
    """

    name: str  #: recorded on disk: "list", "instance"
    fixed: bool  #: the object cannot be changed (a tuple): rebuilt when a child must be
    hashes: bool  #: holds hashed children (a dict): written after everything else
    lead: int  #: how many elements at the start of a state are structure, not children

    def take(self, obj: Any) -> tuple[Any, ...]:
        """The shallow state now. Calls no user code."""

    def put(self, obj: Any, state: tuple[Any, ...]) -> None:
        """Make ``obj``'s shallow state equal ``state``, writing only differences."""

    def build(self, cls: type, state: tuple[Any, ...]) -> Any:
        """A new object of this kind with that state."""

    def edges(self, state: tuple[Any, ...]) -> Iterable[tuple[str, Any]]:
        """(text of the path step, child) for each child a user can reach: ``("[3]", x)``."""


def is_leaf_adapter(handler: object) -> TypeGuard[LeafAdapter]:
    """Whether a handler reads and writes arrays; cheaper than ``isinstance`` on a protocol."""
    return hasattr(handler, "assign_span")


def is_group_adapter(handler: object) -> TypeGuard[GroupAdapter]:
    """Whether a handler owns several named arrays."""
    return hasattr(handler, "successor")


def starts_values(adapter: object) -> TypeGuard[StartsValues]:
    """Whether parts without a value can be given their first one."""
    return hasattr(adapter, "initialize_rest")


def is_kind(handler: object) -> TypeGuard[Kind]:
    """Whether a handler records a container's shallow state."""
    return hasattr(handler, "take")
