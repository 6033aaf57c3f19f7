"""What can be taken back: one bounded stack of the states before each restore and assign."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from snapshot.capture import Capture, Held
from snapshot.errors import NothingToUndo
from snapshot.handles import AnyHandle
from snapshot.model import Snapshot
from snapshot.pool import Blocks


@dataclass(eq=False)
class Before:
    """The state before one change of ours.

    ``what`` says which change (``"restore before"``); ``made`` are names that did not
    exist before it; ``cells`` is how many cells had run by then; ``digests`` are held in
    the pool for as long as this is. ``later`` is what variables that did not exist yet held
    before a value that had waited for them was assigned.
    """

    what: str
    capture: Capture
    head: Snapshot | None
    cells: int
    made: frozenset[str] = frozenset()
    digests: tuple[bytes, ...] = field(default=(), repr=False)
    later: dict[AnyHandle, Held] = field(default_factory=dict, repr=False)

    def target(self) -> Capture:
        """What to go back to."""
        if not self.later:
            return self.capture
        return replace(self.capture, leaves={**self.capture.leaves, **self.later}, paths=None)


class UndoStack:
    """The newest ``limit`` states to go back to, and those to go forward to again.

    Older ones are let go sooner when the pool holds more than ``budget`` bytes; the
    newest stays until a store needs its room.
    """

    def __init__(self, blocks: Blocks, budget: int, limit: int = 20) -> None:
        self._blocks = blocks
        self._budget = budget
        self._limit = limit
        self._undo: deque[Before] = deque()
        self._redo: deque[Before] = deque()
        self._made_room = False  #: since the newest was pushed

    @property
    def undo_depth(self) -> int:
        """How many changes can be taken back."""
        return len(self._undo)

    @property
    def redo_depth(self) -> int:
        """How many can be brought again."""
        return len(self._redo)

    def __contains__(self, before: object) -> bool:
        return any(known is before for known in self._undo)

    def add(self, before: Before, handle: AnyHandle, held: Held) -> None:
        """Let ``before``, which is on the stack, give this back too; its blocks are in the pool."""
        before.later[handle] = held
        before.digests = (*before.digests, *held.leaf.blocks)
        self._blocks.retain(held.leaf.blocks)

    def push(self, before: Before, *, again: bool = False) -> None:
        """A change was made; unless it is one brought ``again``, what was undone is forgotten."""
        self._hold(before)
        self._undo.append(before)
        self._made_room = False
        if not again:
            self._let_go(self._redo)
        while len(self._undo) > self._limit or (len(self._undo) > 1 and self._blocks.nbytes > self._budget):
            self._release(self._undo.popleft())

    def push_redo(self, before: Before) -> None:
        """A change was taken back; ``before`` is the state with it."""
        self._hold(before)
        self._redo.append(before)

    def last(self, *, redo: bool = False) -> Before:
        """The state to go to next; raises :class:`NothingToUndo` when there is none."""
        stack = self._redo if redo else self._undo
        if not stack:
            why = "nothing was undone" if redo else "nothing was restored or assigned yet"
            if self._made_room:
                why = "a store needed the memory; %snapshot exclude NAME keeps large variables out of both"
            raise NothingToUndo(f"nothing to {'redo' if redo else 'undo'}: {why}")
        return stack[-1]

    def make_room(self, nbytes: int) -> bool:
        """Let the oldest states go until so many bytes are free; False, and all stay, when that is not enough."""
        states = [*self._undo, *self._redo]
        if self._blocks.freed_by(digest for before in states for digest in before.digests) < nbytes:
            return False
        enough = self._blocks.nbytes - nbytes
        while self._blocks.nbytes > enough and (stack := self._undo or self._redo):
            self._release(stack.popleft())
            self._made_room = True
        return True

    def pop(self, *, redo: bool = False) -> None:
        """Forget the state that was gone to."""
        self._release((self._redo if redo else self._undo).pop())

    def clear(self) -> None:
        """Forget everything."""
        self._let_go(self._undo)
        self._let_go(self._redo)

    def _hold(self, before: Before) -> None:
        before.digests = tuple(before.capture.digests())
        self._blocks.retain(before.digests)

    def _release(self, before: Before) -> None:
        self._blocks.release(before.digests)

    def _let_go(self, stack: deque[Before]) -> None:
        released: Iterable[Before] = list(stack)
        stack.clear()
        for before in released:
            self._release(before)
