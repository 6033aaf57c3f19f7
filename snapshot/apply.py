"""Carrying a plan out: build, write, rebind; all of it, or none.

Order: leaves first, then attributes and sequences, then the dicts and sets that hash
them, then the names. Everything displaced is held until the end, so no ``__del__``
runs in between. If an object refuses, what was written is taken back in reverse.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing, contextmanager
from typing import Any

import numpy as np

from snapshot.adapters.protocol import Array, Kind
from snapshot.block_writes import BlockWrites
from snapshot.blocks import view_of
from snapshot.capture import Capture
from snapshot.errors import Damaged, RestoreFailed
from snapshot.handles import AnyHandle, Handle, Handles, PartHandle
from snapshot.model import parse_dtype
from snapshot.plan import MISSING, Plan
from snapshot.pool import Blocks
from snapshot.walk import Record, take


class Application:
    """One plan being carried out."""

    def __init__(
        self,
        plan: Plan,
        target: Capture,
        present: Capture,
        namespace: MutableMapping[str, Any],
        blocks: Blocks,
        handles: Handles,
        path_of: Callable[[Any], str] | None = None,
    ) -> None:
        """``path_of`` says by which path users know the owner of a record, for messages."""
        self._plan = plan
        self._target = target
        self._present = present
        self._namespace = namespace
        self._blocks = blocks
        self._handles = handles
        self._built: dict[AnyHandle, Any] = {}
        self._rebuilt: dict[int, Any] = {}
        self._undo: list[Callable[[], object]] = []
        self._where = ""
        self._owner: Any = None
        self._path_of = path_of
        self._fixed = {id(record.owner): record for record in plan.fixed}

    def run(self) -> None:
        """Carry out the plan; on any error take back what was written and raise :class:`RestoreFailed`.

        Raises Damaged instead when contents cannot be read.
        """
        held = [handle.get() for handle in self._present.leaves if type(handle) is Handle]
        with interrupts_wait():
            try:
                self._build_leaves()
                self._move_leaves()
                self._write_leaves()
                self._write_groups()
                self._write_records()
                self._bind_names()
            except BaseException as error:
                named = self._named()
                if self._take_back() and isinstance(error, Damaged):
                    raise
                raise RestoreFailed(
                    f"{named}{self._where} could not be written ({type(error).__name__}: {error}); "
                    "everything is as it was before the restore"
                ) from error
        del held

    def _named(self) -> str:
        """The path of what was being written, where that is an object with one."""
        if self._owner is None or self._path_of is None:
            return ""
        try:
            return f"{self._path_of(self._owner)}: "
        except Exception:  # a message must not hide the error it is about
            return ""

    def _take_back(self) -> bool:
        """Whether everything is as it was."""
        done = True
        for step in reversed(self._undo):
            try:
                step()
            except Exception as error:  # the others must still be taken back
                self._where += f" (and taking it back: {error})"
                done = False
        return done

    def _build_leaves(self) -> None:
        views = []
        for handle in self._plan.rebuild:
            if self._target.leaves[handle].leaf.view is None:
                self._built[handle] = self._build(handle, self._target.read(handle, self._blocks))
            else:
                views.append(handle)
        for handle in views:
            self._built[handle] = self._build(handle, self._view_contents(handle))
        for handle, obj in self._built.items():
            # the next restore is to find this one, not to make another
            if type(handle) is Handle and handle.get() is None:
                self._handles.adopt(handle, obj)

    def _build(self, handle: AnyHandle, contents: Array) -> Any:
        assert type(handle) is Handle
        return handle.adapter.build(self._target.leaves[handle].form, contents)

    def _view_contents(self, handle: AnyHandle) -> Array:
        """A view into its base where the base is there, so that they share memory again."""
        leaf = self._target.leaves[handle].leaf
        assert leaf.view is not None
        base = self._target.by_number[leaf.view.base]
        if type(base) is Handle:
            memory = base.adapter.view(self.resolve(base))
            wanted = self._target.leaves[base].leaf
            dense = memory.flags.c_contiguous or memory.flags.f_contiguous
            if dense and memory.shape == wanted.shape and memory.dtype == parse_dtype(wanted.dtype):
                return view_of(memory, leaf)
        return self._target.read(handle, self._blocks)

    def _move_leaves(self) -> None:
        """Give live leaves memory of their own, then others a part of it: what they hold is written afterwards."""
        views = [handle for handle in self._plan.moves if self._target.leaves[handle].leaf.view is not None]
        own = [handle for handle in self._plan.moves if handle not in views]
        for handle in (*own, *views):
            obj, adapter = handle.get(), handle.adapter
            self._where = f"an object of type {type(obj).__name__}"
            contents = self._view_contents(handle) if handle in views else np.array(adapter.view(obj))
            self._undo.append(adapter.move(obj, self._target.leaves[handle].form, contents))  # type: ignore[attr-defined]

    def _write_leaves(self) -> None:
        with closing(BlockWrites(self._plan.write, self._target, self._present, self._blocks)) as parts:
            self._where = "an array"
            for one in parts.straight:
                self._undo.append(lambda one=one: self._write(one, one.get(), self._present))  # type: ignore[misc]
            parts.write_straight()
            for handle in self._plan.write:
                assert type(handle) is Handle
                if handle in parts.straight:
                    continue
                obj = handle.get()
                self._where, self._owner = f"an object of type {type(obj).__name__}", handle
                if handle in self._present.leaves:
                    self._undo.append(lambda handle=handle, obj=obj: self._write(handle, obj, self._present))  # type: ignore[misc]
                if not parts.write(handle, obj):
                    self._write(handle, obj, self._target)
        self._owner = None
        self._put_forms()
        self._tell_views()

    def _put_forms(self) -> None:
        """What beside the contents an object's own flags say."""
        for handle in self._plan.write:
            put = getattr(handle.adapter, "put_form", None)
            if put is None or type(handle) is not Handle or handle not in self._present.leaves:
                continue
            wanted, now = self._target.leaves[handle].form, self._present.leaves[handle].form
            if wanted is not now and wanted != now:
                obj = handle.get()
                self._undo.append(lambda put=put, obj=obj, form=now: put(obj, form))  # type: ignore[misc]
                put(obj, wanted)

    def _tell_views(self) -> None:
        """Tell views that their memory was written: a tensor in an array's memory counts its changes itself."""
        written = {handle.number for handle in self._plan.write}
        for handle in self._plan.matched if written else ():
            view = self._target.leaves[handle].leaf.view
            touched = getattr(handle.adapter, "touched", None)
            if view is not None and view.base in written and touched is not None and type(handle) is Handle:
                touched(handle.get())

    def _write(self, handle: Handle, obj: Any, source: Capture) -> None:
        handle.adapter.assign(obj, source.read(handle, self._blocks))

    def _write_groups(self) -> None:
        for heir, adapter, parts in self._plan.group_writes.values():
            self._where = f"{adapter.kind} variables {', '.join(sorted(parts)[:5])}"
            now = {
                handle.name: self._present.read(handle, self._blocks)
                for handle in self._present.leaves
                if isinstance(handle, PartHandle) and handle.owner is heir and handle.name in parts
            }
            self._undo.append(lambda a=adapter, h=heir, v=now: a.assign(h, v))  # type: ignore[misc]
            adapter.assign(heir, {name: self._target.read(handle, self._blocks) for name, handle in parts.items()})

    def _write_records(self) -> None:
        ordered = sorted(self._plan.records, key=lambda record: record.kind.hashes)
        again = [record for record in ordered if id(record.owner) in self._plan.rehash] if self._plan.rehash else []
        for record in again:
            # taken back last, when the keys hash as they do now
            self._where = f"an object of type {type(record.owner).__name__}"
            before = take(record.kind, record.owner)
            self._undo.append(lambda one=record, state=before: one.kind.rehash(one.owner, state))  # type: ignore[misc]
        for record in ordered:
            owner = self.resolve(record.owner) if type(record.owner) is Handle else record.owner
            self._where, self._owner = f"an object of type {type(owner).__name__}", record.owner
            state = self._resolve_state(record)
            if id(record.owner) in self._plan.rehash:
                record.kind.rehash(owner, state)  # type: ignore[attr-defined]
                continue
            self._undo.append(_way_back(record.kind, owner))
            record.kind.put(owner, state)

        self._owner = None

    def _bind_names(self) -> None:
        for name, stored in self._plan.bind.items():
            self._where = f"the name {name}"
            self._rebind(name, self.resolve(stored))
        for name in self._plan.unbind:
            self._rebind(name, MISSING)

    def _rebind(self, name: str, value: Any) -> None:
        before = self._namespace.get(name, MISSING)
        self._undo.append(lambda: _set_name(self._namespace, name, before))
        _set_name(self._namespace, name, value)

    def _resolve_state(self, record: Record) -> tuple[Any, ...]:
        lead = record.kind.lead
        return (*record.state[:lead], *map(self.resolve, record.state[lead:]))

    def resolve(self, child: Any) -> Any:
        """The live object that a stored child means now."""
        if type(child) is Handle:
            return self._built[child] if child in self._built else child.get()
        if id(child) in self._plan.heirs:
            return self._plan.heirs[id(child)]
        if id(child) in self._rebuilt:
            return self._rebuilt[id(child)]
        record = self._fixed.get(id(child))
        if record is None:
            return child
        made = record.kind.build(type(child), tuple(map(self.resolve, record.state)))
        self._rebuilt[id(child)] = made
        return made


def _way_back(kind: Kind, owner: Any) -> Callable[[], None]:
    """What makes ``owner`` as it is now again, whatever is put into it in between."""
    if hasattr(kind, "way_back"):
        found: Callable[[], None] = kind.way_back(owner)
        return found
    before = take(kind, owner)
    return lambda: kind.put(owner, before)


def _set_name(namespace: MutableMapping[str, Any], name: str, value: Any) -> None:
    if value is MISSING:
        namespace.pop(name, None)
    else:
        namespace[name] = value


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Ctrl-C waits until the block is done; a half-written state helps nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[tuple[int, Any]] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, frame: pending.append((number, frame)))
    except ValueError:  # not the main interpreter
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pending and callable(before):
            before(*pending[-1])
