"""Scanning a TensorFlow 1 graph for variables: by its ops, not by names or collections.

An op called ``x/Assign`` pushes the initializer of ``x`` to ``x/Assign_1``, and
collections miss local variables, ``collections=[]`` and imported graphs. What an op
is and which op it takes its input from cannot mislead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from snapshot.adapters.tensorflow1_graph import Assign, GraphVariable, Scan, StaticShape
from snapshot.adapters.tensorflow1_roles import role_of, slot_inputs
from snapshot.adapters.tensorflow1_tables import find_tables

_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})
_ASSIGNS = frozenset({"AssignVariableOp", "Assign"})
_READS = frozenset({"ReadVariableOp", "Identity"})
_PROBES = frozenset({"VarIsInitializedOp", "IsVariableInitialized"})
#: TensorFlow makes a new resource at every run for handles of this shared name.
_ANONYMOUS = "cd2c89b7-88b7-44c8-ad83-06c2a9158347"

_OTHER_STATE = re.compile(
    r"(?P<table>(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?)"
    r"|(?P<iterator>(Anonymous|OneShot|MultiDevice|AnonymousMultiDevice)?Iterator)"
    r"|(?P<queue>(FIFO|RandomShuffle|PaddingFIFO|Priority)Queue|Barrier|Stage|(Ordered)?MapStage)"
    r"|(?P<accumulator>(Sparse|Resource)?ConditionalAccumulator)"
    r"|(?P<reader>(TextLine|WholeFile|TFRecord|FixedLengthRecord|LMDB|Identity)Reader)"
    r"|(?P<ensemble>BoostedTrees\w+HandleOp)"
)


_scans: WeakKeyDictionary[Any, tuple[tuple[int, ...], Scan]] = WeakKeyDictionary()


def scan(graph: Any) -> Scan:
    """Scan ``graph``, or give the last scan when nothing was added since."""
    collections = ("trainable_variables", "global_step", "variables", "local_variables")
    mark = (graph.version, *(len(graph.get_collection(name)) for name in collections))
    known = _scans.get(graph)
    if known is None or known[0] != mark:
        known = _scans[graph] = (mark, _scan(graph))
    return known[1]


@dataclass(slots=True)
class _Storage:
    """What the ops of one piece of storage add up to while the graph is read."""

    name: str
    node: Any
    reads: list[str] = field(default_factory=list)
    probes: list[str] = field(default_factory=list)
    assigns: list[Assign] = field(default_factory=list)


def _scan(graph: Any) -> Scan:
    storages: dict[tuple[Any, ...], _Storage] = {}
    owners: dict[str, _Storage] = {}
    report: dict[str, str] = {}
    operations = graph.get_operations()
    tables = find_tables(graph, operations)
    for op in operations:
        if op.type in _VARIABLES:
            reason = _refusal(op)
            if reason is None:
                owners[op.name] = storages.setdefault(_storage_key(op), _Storage(op.name, op))
            else:
                report[op.name] = reason
        elif op.name not in tables and (other := _OTHER_STATE.fullmatch(re.sub(r"V\d+$", "", op.type))):
            report[op.name] = f"a {op.type} op: the contents of a {other.lastgroup} stay inside TensorFlow"
    for op in operations:
        _note_use(graph, op, owners)
    spellings = {spelling: storage.name for spelling, storage in owners.items()}
    variables = dict(_describe(graph, storages.values(), operations, spellings))
    report.update(
        (name, "no op of the graph reads it without running other ops first")
        for name, variable in variables.items()
        if variable.read is None
    )
    spellings.update((part, part) for table in tables.values() for part in table.parts)
    return Scan(variables, spellings, report, _step(graph, spellings), tuple(tables.values()))


def _refusal(op: Any) -> str | None:
    if op.control_inputs:
        return f"a {op.type} op with control inputs: reading it would run other ops"
    if op.get_attr("dtype").name in ("resource", "variant"):
        return f"a {op.type} op of dtype {op.get_attr('dtype').name}: its value is no array"
    if op.get_attr("shared_name") == _ANONYMOUS.encode():
        return f"an anonymous {op.type} op: it makes new storage at every run"
    return None


def _storage_key(op: Any) -> tuple[Any, ...]:
    # A graph imported into itself has two handles with one shared name: one storage.
    shared = op.get_attr("shared_name")
    if op.type != "VarHandleOp":
        shared = shared or op.name.encode()
    return (op.type == "VarHandleOp", op.get_attr("container"), shared, op.device, op.get_attr("dtype"))


def _note_use(graph: Any, op: Any, owners: Mapping[str, _Storage]) -> None:
    if op.type not in _ASSIGNS and op.type not in _READS and op.type not in _PROBES:
        return
    storage = owners.get(op.inputs[0].op.name)
    # A read or assign with control inputs runs whatever the user hung on it.
    if storage is None or op.control_inputs or not graph.is_fetchable(op):
        return
    if op.type in _READS:
        storage.reads.append(op.outputs[0].name)
    elif op.type in _PROBES:
        storage.probes.append(op.outputs[0].name)
    elif graph.is_feedable(op.inputs[1]):
        target, value = op.inputs[0].name, op.inputs[1]
        storage.assigns.append(Assign(op.name, target, value.name, _static(value.shape), _validates(op)))


def _validates(op: Any) -> bool:
    try:
        return bool(op.get_attr("validate_shape"))
    except ValueError:  # graphs written before AssignVariableOp had the attribute
        return False


def _static(shape: Any) -> StaticShape:
    return None if shape.rank is None else tuple(shape.as_list())


def _describe(
    graph: Any, storages: Iterable[_Storage], operations: Iterable[Any], spellings: Mapping[str, str]
) -> Iterator[tuple[str, GraphVariable]]:
    trainable = {spellings.get(name, name) for name in _collected(graph, "trainable_variables")}
    updated, slots = slot_inputs(operations, spellings)
    initializers = _initializers(graph, spellings)
    for storage in storages:
        by_reference = storage.node.type != "VarHandleOp"
        reads = [*storage.reads, *([storage.node.outputs[0].name] if by_reference else [])]
        first_assign = storage.assigns[0].op if storage.assigns else None
        yield (
            storage.name,
            GraphVariable(
                storage.name,
                storage.node.get_attr("dtype").name,
                _declared_shape(storage.node),
                by_reference,
                role_of(storage.name, trainable | updated, slots),
                next(iter(reads), None),
                next(iter(storage.probes), None),
                initializers.get(storage.name, first_assign),
                tuple(storage.assigns),
            ),
        )


def _declared_shape(op: Any) -> StaticShape:
    proto = op.get_attr("shape")
    # The oldest graphs wrote "no shape given" as a scalar's empty list of sizes.
    if proto.unknown_rank or (op.type == "Variable" and not proto.dim):
        return None
    return tuple(None if dim.size < 0 else int(dim.size) for dim in proto.dim)


def _collected(graph: Any, collection: str) -> Iterator[str]:
    for item in graph.get_collection(collection):
        yield str(getattr(item, "name", "")).partition(":")[0]


def _initializers(graph: Any, spellings: Mapping[str, str]) -> dict[str, str]:
    """Variable -> the op its Python object calls its initializer, where there is one."""
    found: dict[str, str] = {}
    for collection in ("variables", "local_variables"):
        for item in graph.get_collection(collection):
            name = spellings.get(str(getattr(item, "name", "")).partition(":")[0])
            op = getattr(item, "initializer", None)
            if name is not None and op is not None:
                found[name] = op.name
    return found


def _step(graph: Any, spellings: Mapping[str, str]) -> str | None:
    for name in (*_collected(graph, "global_step"), "global_step"):
        if name in spellings:
            return spellings[name]
    return None
