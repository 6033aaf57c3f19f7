"""Leaves -> blocks: what of the arrays must be copied, and the copy.

A :class:`Capture` is everything one snapshot holds in memory. It shares records and
blocks with the captures before it, and whole tables when nothing in them changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import is_
from typing import Any, NamedTuple

from snapshot.adapters.protocol import Array, Form, Group
from snapshot.blocks import assemble, flat_bytes, hash_blocks, view_of
from snapshot.cutting import spans
from snapshot.digesting import Digested, digest_large, in_memory_order
from snapshot.errors import OverBudget
from snapshot.handles import AnyHandle, Handles
from snapshot.model import Leaf, View, format_dtype
from snapshot.pool import Blocks
from snapshot.sources import Sources
from snapshot.threads import ALONE, in_threads
from snapshot.walk import ATTEMPTS, Record, Walked


class Held(NamedTuple):
    """One leaf's contents and the form it needs to go back."""

    leaf: Leaf
    form: Form


@dataclass(eq=False)
class Capture:
    """The state of some names at one moment; nothing in it changes afterwards."""

    roots: Mapping[str, Any]
    starts: Mapping[str, int]
    records: Mapping[int, Record]
    leaves: Mapping[AnyHandle, Held]
    groups: Mapping[int, tuple[Any, Any, Group]]
    references: Mapping[int, tuple[Any, str]]
    names: Mapping[str, type | None]  #: every name present then -> the type it was bound to
    failed: Mapping[AnyHandle, str] = field(default_factory=dict)
    sealed: Collection[int] = ()  #: ids of objects whose unchanging contents only a pickle has
    observed: bool = False  #: who shares memory with whom is as it was seen, and not put together from parts
    memory: Mapping[AnyHandle, int] = field(default_factory=dict)  #: from disk: what shared memory has one number
    paths: Any = None  #: filled in by snapshot.paths when first asked for

    @cached_property
    def by_number(self) -> Mapping[int, AnyHandle]:
        """Leaf number -> handle."""
        return {handle.number: handle for handle in self.leaves}

    def digests(self) -> Iterator[bytes]:
        """The digest of every block, once for each leaf that refers to it."""
        for held in self.leaves.values():
            yield from held.leaf.blocks

    def read(self, handle: AnyHandle, blocks: Blocks) -> Array:
        """The stored contents as a fresh array."""
        leaf = self.leaves[handle].leaf
        if leaf.view is not None:
            return view_of(self.read(self.by_number[leaf.view.base], blocks), leaf).copy()
        return assemble(leaf, blocks)


def contents_of(
    sources: Sources, known: Mapping[AnyHandle, Held], large: Mapping[AnyHandle, Digested]
) -> tuple[dict[AnyHandle, Held], list[Digested]]:
    """Describe every leaf, and hash those that are not ``large``; nothing is copied but what is scattered in memory.

    ``known`` are descriptions to share where they still hold.
    """
    held: dict[AnyHandle, Held] = {}
    pending: list[Digested] = []
    for source, place in zip(sources.all, sources.places, strict=True):
        handle, kind, form, array = source
        view: View | None = None
        order, blocks = "C", tuple[bytes, ...]()
        if place is not None:
            view = View(sources.all[place.base].handle.number, place.offset, array.strides)
        else:
            one = large.get(handle)
            if one is None:
                order, memory = in_memory_order(array)
                one = Digested(handle, order, memory, hash_blocks(memory))
            order, blocks = one.order, one.blocks
            pending.append(one)
        before = known.get(handle)
        alike = before is not None and (before.form is form or before.form == form)
        if before is not None and alike and _describes(before.leaf, array, order, blocks, view):
            held[handle] = before
        else:
            leaf = Leaf(kind, format_dtype(array.dtype), array.shape, order, blocks, form.meta, view)
            held[handle] = Held(leaf, form)
    return held, pending


def _describes(leaf: Leaf, array: Array, order: str, blocks: tuple[bytes, ...], view: View | None) -> bool:
    alike = leaf.blocks == blocks and leaf.order == order and leaf.view == view and leaf.shape == array.shape
    return alike and leaf.dtype == format_dtype(array.dtype)


def new_bytes(pending: Iterable[Digested], blocks: Blocks) -> dict[AnyHandle, int]:
    """How many bytes each leaf would add to the pool."""
    found: dict[AnyHandle, int] = {}
    counted: set[bytes] = set()
    for handle, _, memory, digests in pending:
        missing = blocks.missing(digests) - counted
        if not missing:
            continue
        for digest, (start, stop) in zip(digests, spans(memory.shape, memory.itemsize), strict=True):
            if digest in missing:
                missing.discard(digest)
                counted.add(digest)
                found[handle] = found.get(handle, 0) + stop - start
    return found


def capture(
    walked: Walked,
    names: Mapping[str, Any],
    handles: Handles,
    blocks: Blocks,
    previous: Capture | None = None,
    fits: Callable[[int], bool] | None = None,
) -> tuple[Capture, dict[AnyHandle, int]]:
    """Copy what changed; returns the capture and the bytes each leaf added.

    Raises :class:`OverBudget` when ``fits`` says that so many bytes do not fit; whoever
    called sweeps the pool then.
    """
    sources = Sources(walked, handles)
    known = previous.leaves if previous is not None else {}
    large, copied = digest_large(sources, known, blocks, limited=fits is not None)
    held, pending = contents_of(sources, known, large)
    added = new_bytes(pending, blocks)
    if fits is not None:
        blocks.expect(sum(added.values()) + sum(copied.values()))
    if fits is not None and not fits(sum(added.values())):
        raise OverBudget(_Excess(blocks.nbytes - sum(copied.values()), added | copied, held))
    failed = sources.failed | (_copy_all(held, pending, blocks) if added else {})
    added |= copied
    held = {handle: one for handle, one in held.items() if handle not in failed and not _lies_in(one.leaf, failed)}
    # types, not objects: an array that only its name held must be free to go
    types = {name: type(value) for name, value in names.items()}
    made = Capture(
        walked.roots,
        walked.starts,
        walked.records,
        held,
        sources.groups,
        walked.references,
        types,
        failed,
        walked.sealed,
        observed=True,
    )
    if previous is not None:
        _share(made, previous)
    return made, added


class _Excess(NamedTuple):
    """What an over-budget store found; the workspace turns it into a sentence with paths."""

    used: int
    added: Mapping[AnyHandle, int]
    held: Mapping[AnyHandle, Held]


def _copy_all(held: dict[AnyHandle, Held], pending: Iterable[Digested], blocks: Blocks) -> dict[AnyHandle, str]:
    """Copy what is new; an array that another thread keeps writing to is named, and left out."""
    failed: dict[AnyHandle, str] = {}
    together: dict[bytes, Array] = {}
    for _, _, memory, digests in pending:
        if memory.nbytes >= ALONE and blocks.missing(digests):
            for digest, (start, stop) in zip(digests, spans(memory.shape, memory.itemsize), strict=True):
                together.setdefault(digest, flat_bytes(memory)[start:stop])
    # what did not arrive whole is seen below, one array at a time
    in_threads(lambda item: blocks.put(*item), list(together.items()), lambda item: item[1].nbytes)
    for handle, _, memory, _ in pending:
        for _ in range(ATTEMPTS):
            if _copy(held[handle].leaf, memory, blocks):
                break
            changed = replace(held[handle].leaf, blocks=hash_blocks(memory))
            held[handle] = held[handle]._replace(leaf=changed)
        else:
            failed[handle] = "another thread kept writing to it while it was copied"
    return failed


def _copy(leaf: Leaf, memory: Array, blocks: Blocks) -> bool:
    if not blocks.missing(leaf.blocks):
        return True
    flat = flat_bytes(memory)
    return all(
        digest in blocks or blocks.put(digest, flat[start:stop])
        for digest, (start, stop) in zip(leaf.blocks, spans(memory.shape, memory.itemsize), strict=True)
    )


def _lies_in(leaf: Leaf, failed: Mapping[AnyHandle, str]) -> bool:
    return leaf.view is not None and any(handle.number == leaf.view.base for handle in failed)


def _share(made: Capture, previous: Capture) -> None:
    """Use the previous capture's tables where they are equal: an unchanged store costs nothing."""
    if _same_values(made.records, previous.records) and made.starts == previous.starts:
        made.records, made.starts = previous.records, previous.starts
        if _same_values(made.roots, previous.roots):
            made.roots = previous.roots
    if _same_values(made.leaves, previous.leaves):
        made.leaves = previous.leaves
    if _same_values(made.names, previous.names):
        made.names = previous.names
    if made.references.keys() == previous.references.keys():
        made.references = previous.references
    if same_graph(made, previous):
        made.paths = previous.paths


def same_graph(left: Capture, right: Capture) -> bool:
    """Whether two captures differ in the contents of their leaves at most; not known of those with groups."""
    return (
        left.records is right.records
        and left.roots is right.roots
        and not left.groups
        and (
            left.leaves is right.leaves
            or (
                left.leaves.keys() == right.leaves.keys()
                and all(one.form == right.leaves[handle].form for handle, one in left.leaves.items())
            )
        )
    )


def _same_values(left: Mapping[Any, Any], right: Mapping[Any, Any]) -> bool:
    return left.keys() == right.keys() and all(map(is_, left.values(), map(right.__getitem__, left)))
