"""TensorFlow 1 sessions: the variables of a graph, read and assigned by the ops it already has.

No op is ever added, so that finalized graphs work and a snapshot every few steps
costs the same at the thousandth as at the first. Values go in by running each
variable's own initializer with the stored value fed in place of the initial one.

:data:`ADAPTER` takes every kind of session that :func:`matches` knows; graphs, ops,
tensors and graph variables themselves are by reference (:func:`reference_reason`),
because their values belong to a session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary, ref

import tensorflow as tf
from tensorflow.python.client.session import BaseSession, SessionInterface
from tensorflow.python.ops.ref_variable import RefVariable
from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable
from tensorflow.python.ops.variables import PartitionedVariable

from snapshot.adapters.protocol import Array, Form, Group, Part
from snapshot.adapters.reference import BENIGN, Reference
from snapshot.adapters.tensorflow1_graph import GraphVariable, Scan
from snapshot.adapters.tensorflow1_read import Reading, first_line, read, sort_out
from snapshot.adapters.tensorflow1_scan import scan
from snapshot.adapters.tensorflow1_tables import sort_by_key
from snapshot.adapters.tensorflow1_values import dtype_misfit
from snapshot.adapters.tensorflow1_write import write
from snapshot.errors import RestoreFailed

DEFAULT_SESSION = "(default session)"
_GRAPH_VARIABLES = (BaseResourceVariable, RefVariable, PartitionedVariable)
_CLOSED = "the session is closed: the values it held are gone"

# A monitored session forgets its graph when it is closed; a snapshot of it has to know.
_graphs: WeakKeyDictionary[Any, ref[Any]] = WeakKeyDictionary()


class SessionAdapter:
    """Sessions as groups of variables named by their ops: ``net/dense/kernel``."""

    kind = "tensorflow.Session"

    def capture(self, owner: Any) -> Group:
        """Read every initialized variable in one run. A closed session gives an empty group."""
        session = _open_session(owner)
        if session is None:
            return Group({}, report={"(session)": _CLOSED})
        _graphs[owner] = ref(session.graph)
        found = scan(session.graph)
        readable = found.readable
        try:
            reading = read(session, readable.values())
        except RuntimeError as error:  # closed by another thread meanwhile
            return Group({}, report={"(session)": first_line(error)})
        sort_by_key(found.tables, reading.values)
        parts = {
            name: Part(array, readable[name].dtype, readable[name].role) for name, array in reading.values.items()
        }
        return Group(parts, tuple(reading.uninitialized), {**found.report, **reading.failed}, _step(found, reading))

    def successor(self, owner: Any, candidates: Iterable[Any]) -> Any | None:
        """``owner`` while it is open, else an open session of the same graph.

        Of several the thread's default session is taken, otherwise the last of
        ``candidates``.
        """
        if _open_session(owner) is not None:
            return owner
        graph = _graph_of(owner)
        if graph is None:
            return None
        heirs = [heir for heir in candidates if matches(heir) and _is_open_on(heir, graph)]
        default = tf.compat.v1.get_default_session()
        return next((heir for heir in heirs if heir is default), heirs[-1] if heirs else None)

    def misfits(self, owner: Any, forms: Mapping[str, Form]) -> Mapping[str, str]:
        """Check every form against the graph; nothing is run."""
        graph = _graph_of(owner)
        if graph is None or _open_session(owner) is None:
            return dict.fromkeys(forms, "the session is closed; open another session of its graph")
        found = scan(graph)
        reasons = {name: _misfit(found, name, form) for name, form in forms.items()}
        reasons.update(_uneven_tables(found, forms))
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def assign(self, owner: Any, values: Mapping[str, Array]) -> None:
        """Feed ``values`` into the variables' own assign ops.

        Raises RestoreFailed, naming the variables, when TensorFlow refuses; those of
        earlier waves then hold their new values.
        """
        session = _open_session(owner)
        if session is None:
            raise RestoreFailed(f"{', '.join(list(values)[:5])}: the session is closed")
        found = scan(session.graph)
        unknown = [name for name in values if found.resolve(name) is None]
        if unknown:
            raise RestoreFailed(f"{', '.join(unknown[:5])}: the session's graph has no such variable")
        write(session, found, {str(found.resolve(name)): array for name, array in values.items()})

    def part_path(self, owner_path: str, name: str, alone: bool) -> str:
        """``net/kernel``, or ``session/net/kernel`` where several sessions hold values."""
        return name if alone else f"{owner_path}/{name}"

    def resolve(self, owner: Any, name: str) -> str | None:
        """``W`` for ``W`` and ``W:0``."""
        graph = _graph_of(owner)
        return None if graph is None else scan(graph).resolve(name)

    def initialize_rest(self, owner: Any) -> list[str]:
        """Run the initializers of the variables that have no value yet; return their names.

        An initializer that needs another variable waits for it. One that cannot run
        leaves its variable as it is: it stays among the uninitialized. Raises
        RestoreFailed for a closed session.
        """
        opened = _open_session(owner)
        if opened is None:
            raise RestoreFailed("the session is closed: there is nothing to initialize")
        variables = [v for v in scan(opened.graph).variables.values() if v.read is not None]
        missing = Reading()
        sort_out(opened, variables, missing)
        by_name = {variable.name: variable for variable in variables}
        waiting = [by_name[name] for name in missing.uninitialized if by_name[name].initializer is not None]
        done: set[str] = set()
        while started := [variable for variable in waiting if _initialized(opened, variable)]:
            done.update(variable.name for variable in started)
            waiting = [variable for variable in waiting if variable.name not in done]
        return [name for name in missing.uninitialized if name in done]


ADAPTER = SessionAdapter()


def matches(obj: object) -> bool:
    """Whether ``obj`` is a session of any kind: plain, interactive, monitored or wrapped."""
    # By type: isinstance would ask a proxy, or a user's object, for its __class__.
    cls = type(obj)
    return issubclass(cls, SessionInterface) or any("_tf_sess" in vars(base) for base in cls.__mro__)


def implicit() -> dict[str, object]:
    """The calling thread's default session, which no name needs to lead to."""
    session = tf.compat.v1.get_default_session()
    return {} if session is None else {DEFAULT_SESSION: session}


def reference_reason(obj: object) -> str | None:
    """Why the walk keeps ``obj`` as it is, without looking behind it; None when it may look."""
    cls = type(obj)
    if issubclass(cls, tf.Graph):
        return "a TensorFlow graph: its variables' values are held by its sessions"
    if issubclass(cls, tf.Operation):
        return "an op of a TensorFlow graph"
    if issubclass(cls, tf.Tensor) and tf.is_symbolic_tensor(obj):
        return "a tensor of a TensorFlow graph: it has a value in a run only"
    if issubclass(cls, _GRAPH_VARIABLES) and getattr(obj, "_in_graph_mode", True):
        return "a variable of a TensorFlow graph: its value is held by its session"
    return None


def handler_for(obj: object) -> SessionAdapter | Reference | None:
    """How ``obj`` is captured, for what this module knows; else None."""
    if matches(obj):
        return ADAPTER
    # identity is all there is to them: what they stand for is stored with the session
    return None if reference_reason(obj) is None else BENIGN


def _open_session(owner: Any) -> Any | None:
    """The plain session behind ``owner``, without its hooks; None when it is closed."""
    session = owner
    while session is not None and not isinstance(session, BaseSession):
        session = session._tf_sess() if hasattr(type(session), "_tf_sess") else session._sess
    return None if session is None or session._closed else session


def _graph_of(owner: Any) -> Any | None:
    session = owner if isinstance(owner, BaseSession) else _open_session(owner)
    if session is not None:
        return session.graph
    known = _graphs.get(owner)
    return None if known is None else known()


def _is_open_on(owner: Any, graph: Any) -> bool:
    session = _open_session(owner)
    return session is not None and session.graph is graph


def _step(found: Scan, reading: Reading) -> int | None:
    value = reading.values.get(found.step) if found.step is not None else None
    return int(value) if value is not None and value.ndim == 0 and value.dtype.kind in "iu" else None


def _misfit(found: Scan, name: str, form: Form) -> str | None:
    resolved = found.resolve(name)
    if resolved is None:
        return "the session's graph has no such variable"
    variable = found.variables.get(resolved) or found.readable[resolved]
    reason = dtype_misfit(form.dtype, variable.dtype)
    if reason is not None or resolved not in found.variables:
        return reason
    if not variable.assigns:
        return "no op of the graph assigns it without running other ops first"
    if variable.assign_for(form.shape) is None:
        return f"its shape is {form.shape}, the variable's is {_shape_text(variable)}"
    return None


def _uneven_tables(found: Scan, forms: Mapping[str, Form]) -> dict[str, str]:
    rows = {name: form.shape[:1] for name, form in forms.items()}
    uneven = [
        table
        for table in found.tables
        if table.parts.keys() <= rows.keys() and rows[table.keys.name] != rows[table.values.name]
    ]
    return {name: "a table's keys and values differ in number" for table in uneven for name in table.parts}


def _shape_text(variable: GraphVariable) -> str:
    shapes = {variable.shape, *(assign.shape for assign in variable.assigns)}
    texts = ["unknown" if s is None else str(s).replace("None", "?") for s in sorted(shapes, key=repr)]
    return texts[0] if len(texts) == 1 else f"{texts[0]} (its assign ops take {', '.join(texts[1:])})"


def _initialized(session: Any, variable: GraphVariable) -> bool:
    try:
        session.run(variable.initializer)
    except tf.errors.OpError:
        return False
    return True
