"""Names whose objects only a pickle can make, among names that have live ones or are made from their records.

Each stream is loaded once. What it shares with other names is theirs too: they take it
from here, or, where there is a live object already, that takes the place of the copy.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

from snapshot.adapters.protocol import Kind, is_kind
from snapshot.engine import Engine
from snapshot.errors import SnapshotError
from snapshot.grafting import Graft
from snapshot.graph import CODE_KINDS, Graph
from snapshot.handles import Handle, numbers
from snapshot.kinds import PLAIN, adapter_named
from snapshot.leaf_binding import LeafBinder, Leaves
from snapshot.makeable import NEEDS_PICKLE, NO_PICKLE
from snapshot.matching import LEFT_OUT
from snapshot.unpickling import Loaded, Streams
from snapshot.walk import Record, take


class Remaking:
    """The pickles of one binding. ``objects`` are those of the binding, by number of their node.

    ``adopt`` is told of a node that a name which is not bound may have alive, and the path it is met at.
    """

    def __init__(
        self,
        streams: Streams,
        graph: Graph,
        engine: Engine,
        leaves: Leaves,
        bound: LeafBinder,
        objects: dict[int, Any],
        unused: dict[str, str],
        adopt: Callable[[int, str], None],
    ) -> None:
        self._streams = streams
        self._graph = graph
        self._engine = engine
        self._leaves = leaves
        self._bound = bound
        self._objects = objects
        self._unused = unused
        self._adopt = adopt
        self._loaded: dict[Loaded, dict[int, tuple[Any, Kind, Any]]] = {}
        self._roots: dict[str, tuple[Loaded, Any]] = {}
        self._held: list[Handle] = []
        self.offered: set[int] = set()  #: numbers of the objects in ``objects`` that a pickle made

    def __contains__(self, name: str) -> bool:
        return name in self._streams

    def make(self, name: str, live: Any) -> Any:
        """The object of a name, or the live one that is to take its state; LEFT_OUT when there is neither."""
        try:
            loaded = self._streams.load(name, self._leaf)
        except LookupError:
            # there is no pickle, so trust would change nothing
            for path in [path for path in self._unused if _below(path, name)]:
                self._unused[path] = self._unused[path].replace(NEEDS_PICKLE, NO_PICKLE)
            return LEFT_OUT
        except SnapshotError as error:
            self._unused[name] = str(error)
            return LEFT_OUT
        except Exception as error:
            # what a pickle runs may fail in any way, and its own words rarely say of what
            known = self._unused.get(name, "").replace(f", {NEEDS_PICKLE}", "")
            known += "; " if known else ""
            self._unused[name] = f"{known}its pickle cannot be loaded here ({type(error).__name__}: {error})"
            return LEFT_OUT
        for path in [path for path in self._unused if _below(path, name)]:
            del self._unused[path]
        found = loaded.names[name]
        if loaded not in self._loaded:
            self._loaded[loaded] = {}
            for number in loaded.shared:
                self._adopt(number, name)
            alive = self._is_alive(loaded)
            for number, obj in loaded.shared.items():
                self._offer(number, obj, fixed=not alive)
        self._roots[name] = loaded, found
        root = self._graph.roots[name]
        kind = self._kind_of(live)
        if kind is not None and type(live) is type(found) and kind.name.endswith("instance"):
            self._loaded[loaded][id(found)] = (found, kind, live)
            if "node" in root:
                self._objects[root["node"]] = live
            return live
        return found

    def finish(self) -> Iterator[tuple[str, Any, dict[int, Record]]]:
        """Each name made, what it is now that all live objects are known, and the records to be written for it."""
        grafts: dict[Loaded, Graft | None] = {}
        for name, (loaded, found) in self._roots.items():
            records: dict[int, Record] = {}
            try:
                if loaded not in grafts:
                    grafts[loaded] = graft = self._graft(loaded)
                    records = graft.records() if graft is not None else {}
                    for made, kind, live in self._loaded[loaded].values():
                        state = graft.state_of(made) if graft is not None else None
                        state = (*take(kind, live)[: kind.lead], *(state or take(kind, made))[kind.lead :])
                        records[id(live)] = Record(live, kind, state, next(numbers))
            except Exception as error:  # a class of C code, or a member's __hash__, may refuse in any way
                grafts.setdefault(loaded, None)
                self._unused[name] = f"some of it is not that of other names ({type(error).__name__}: {error})"
            graft = grafts[loaded]
            number = self._graph.roots[name].get("leaf")
            handle = self._bound.known(number) if number is not None else None
            yield name, handle or (found if graft is None else graft.of(found)), records

    def _graft(self, loaded: Loaded) -> Graft | None:
        instead: dict[int, Any] = {id(made): live for made, _, live in self._loaded[loaded].values()}
        for number, obj in loaded.shared.items():
            handle = self._bound.known(number)
            if handle is not None and handle.get() is not obj:
                instead[id(self._handle_of(number, obj))] = handle
            elif number in self._objects and self._objects[number] is not obj:
                instead[id(obj)] = self._objects[number]
        for number, copy in loaded.copies.items():
            instead[id(self._handle_of(number, copy))] = self._bound.known(number)
        told = {id(self._bound.known(number)) for number in loaded.leaves & self._graph.attributes.keys()}
        if not instead and not told:
            return None
        return Graft(self._engine.reached(loaded.names.values()), instead, told)

    def _handle_of(self, number: int, obj: Any) -> Handle:
        adapter = adapter_named(self._leaves.held(number).leaf.kind, self._engine.registry)
        assert adapter is not None
        # handles are kept by those who need them only
        self._held.append(self._engine.handles.of(obj, adapter))
        return self._held[-1]

    def _is_alive(self, loaded: Loaded) -> bool:
        """Whether anything of a stream has a live object that takes its place."""
        objects, known = self._objects, self._bound.known
        return bool(loaded.copies) or any(
            objects.get(number, obj) is not obj or ((handle := known(number)) is not None and handle.get() is not obj)
            for number, obj in loaded.shared.items()
        )

    def _offer(self, number: int, obj: Any, *, fixed: bool) -> None:
        """Other names may take what this one made, unless theirs is alive, or code of a cell that is to be run.

        What is ``fixed``, as a tuple is, has copies in it where there are live objects:
        then others make their own, which takes the place of this one.
        """
        node = self._graph.nodes.get(number)
        if node is None:
            self._bound.take(number, obj)
        elif not fixed and node.kind in PLAIN and PLAIN[node.kind].fixed:
            pass
        elif node.kind not in CODE_KINDS and number not in self._objects:
            self._objects[number] = obj
            self.offered.add(number)

    def _kind_of(self, live: Any) -> Kind | None:
        handler = self._engine.registry.handler(live) if live is not LEFT_OUT else None
        return handler if is_kind(handler) else None

    def _leaf(self, number: int, copies: dict[int, Any]) -> Any:
        if number in copies:
            return copies[number]
        held, path = self._leaves.held(number), self._leaves.path(number)
        if adapter_named(held.leaf.kind, self._engine.registry) is None:
            # the stream itself may have imported the library by now
            self._engine.registry.load_frameworks()
        handle = self._bound.bind(number, LEFT_OUT, path)
        if handle is LEFT_OUT:
            raise pickle.UnpicklingError(self._unused.pop(path, f"{path} cannot be made here"))
        if handle in self._bound.made or handle.adapter.immutable:
            return handle.get()
        # what is unpickled may look at it, and the live one has other contents yet
        copies[number] = handle.adapter.build(held.form, self._leaves.contents(number))
        return copies[number]


def _below(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))
