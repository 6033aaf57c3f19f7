"""A workspace's home on disk: snapshots out to the repository, and bound to live objects on the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from snapshot.capture import Capture
from snapshot.content import MemoryContent
from snapshot.engine import Engine
from snapshot.model import Snapshot


@dataclass(frozen=True)
class Bound:
    """A stored state in terms of live objects, and what of it found none."""

    capture: Capture
    unused: Mapping[str, str] = field(default_factory=dict)


class Archive:
    """Nothing on disk yet."""

    def __init__(
        self, target: Any, notebook: str, engine: Engine, *, run: str | None = None, trust: bool = False
    ) -> None:
        self.repository = None
        self.run = run or uuid4().hex[:6]
        self._engine = engine

    @property
    def place(self) -> str:
        return ""

    def earlier(self, all: bool = False) -> list[Snapshot]:
        return []

    def write(self, snapshot: Snapshot) -> None: ...

    def bind(self, snapshot: Snapshot, into: Mapping[str, str], patterns: tuple[str, ...]) -> Bound:
        content = snapshot.content
        assert isinstance(content, MemoryContent)
        return Bound(content.capture)

    def relabel(self, snapshot: Snapshot, label: str) -> Snapshot:
        return snapshot

    def drop(self, snapshot: Snapshot) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...
