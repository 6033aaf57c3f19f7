"""Repositories opened to be read from, and what is read from the records of a snapshot in one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapshot.background import wait_for_all
from snapshot.binding import Binder
from snapshot.budget import default_budget
from snapshot.content import MemoryContent
from snapshot.engine import Engine, Wanted
from snapshot.errors import PathNotFound, RepositoryError
from snapshot.graph import Graph, decode_groups
from snapshot.outline import outline
from snapshot.plan import Choice
from snapshot.repository.entry import StoredEntry
from snapshot.selection import not_found, root_of
from snapshot.stored_leaves import LeavesOnDisk
from snapshot.walk import Limits

if TYPE_CHECKING:
    from snapshot.repository import Repository


def open_repository(target: str | Path | Any, storage_options: Mapping[str, Any] | None = None) -> Repository:
    """A repository for looking: never writes. Plain values are read from the records."""
    # zarr takes longer to import than a store in memory takes
    from snapshot.repository import Repository

    # what this process has stored is looked for, too
    wait_for_all()
    return Repository(target, decode=Records(), storage_options=storage_options)


def open_for_writing(
    target: Any, storage_options: Mapping[str, Any] | None = None, *, durable: bool = False
) -> Repository:
    """A repository to write to, made at the first write; a ``Repository`` is taken as it is."""
    from snapshot.repository import Repository

    wait_for_all()
    if isinstance(target, Repository):
        return target
    return Repository.create_or_open(target, decode=Records(), durable=durable, storage_options=storage_options)


class Records:
    """Reads what a stored snapshot keeps in its records, for the repository."""

    def __call__(self, entry: StoredEntry, path: str) -> Any:
        """The plain value at ``path``."""
        return read_plain(entry, path)

    def outline(self, entry: StoredEntry) -> Mapping[str, str]:
        """Path -> text of every plain value inside containers and objects."""
        return outline(graph_of(entry)[0])


def read_plain(entry: StoredEntry, path: str) -> Any:
    """A plain value at a name, made anew in a namespace of its own; no pickle is loaded."""
    name = root_of(path)
    namespace: dict[str, Any] = {}
    engine = Engine(namespace, None, default_budget(), Limits())
    engine.registry.load_frameworks()
    graph, _ = graph_of(entry)
    if name not in graph.roots:
        raise not_found([path], (*(stored.path for stored in entry.leaves), *graph.roots))
    bound = Binder(graph, LeavesOnDisk(entry, engine), engine, None).bind({name: name}, {}, {})
    if name not in bound.capture.roots:
        reason = bound.unused.get(name) or next(iter(bound.unused.values()), "it was by reference")
        raise PathNotFound(f"{path} cannot be read here: {reason}")
    present, _ = engine.look(Wanted(), extra=bound.capture, limited=False)
    engine.apply(engine.plan(bound.capture, present, Choice()), bound.capture, present)
    if path == name:
        return namespace[name]
    made, _ = engine.look(Wanted(), limited=False)
    return MemoryContent(made, engine).read(path)


def graph_of(entry: StoredEntry) -> tuple[Graph, dict[str, str]]:
    """The object graph, and for each name whose records are damaged the reason."""
    groups: dict[str, bytes] = {}
    damaged: dict[str, str] = {}
    for name in entry.groups:
        try:
            groups[name] = entry.record(name)
        except RepositoryError as error:
            damaged[name] = str(error)
    return decode_groups(groups), damaged
