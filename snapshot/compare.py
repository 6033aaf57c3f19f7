"""Two snapshots -> what was added, what was removed, what changed and by how much.

Whether something changed is decided by digests alone, so only what did change is
read. Sizes of change are those of :mod:`snapshot.statistics`: the norm of the
difference over the larger of the two norms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html import escape
from math import inf, isnan, nan
from typing import Any

from snapshot.errors import SnapshotError
from snapshot.model import Role, Snapshot, Variable
from snapshot.statistics import Difference, as_numbers, difference, is_numeric
from snapshot.wording import enumerated, printable, shortened

_UNKNOWN = Difference(nan, nan, nan, nan)
# Values of these types can be read and compared without calling anybody's code.
_PLAIN = frozenset({"bool", "int", "float", "complex", "str", "bytes", "NoneType"})
_LISTED = 5
_ROWS = 200  # a browser takes seconds for many thousands
_WIDE = 40


@dataclass(frozen=True, slots=True)
class Change:
    """How one variable differs. ``norm_*``, ``largest`` and ``relative`` are NaN if unknown.

    ``largest`` is the largest absolute change of one element. ``values`` holds both
    values of a scalar. ``problem`` says why there are no numbers (other shape, no
    numbers, a damaged block).
    """

    path: str
    before: Variable
    after: Variable
    size: Difference = _UNKNOWN
    values: tuple[Any, Any] | None = None
    problem: str = ""

    @property
    def relative(self) -> float:
        """``|after - before| / max(|after|, |before|)``, Euclidean norms, from 0 to 2."""
        return self.size.relative

    @property
    def share(self) -> float:
        """The share of the elements that differ, from 0 to 1; NaN if unknown."""
        return self.size.share

    @property
    def norm_before(self) -> float:
        return self.size.norm_before

    @property
    def norm_after(self) -> float:
        return self.size.norm_after

    @property
    def largest(self) -> float:
        return self.size.largest

    def __str__(self) -> str:
        """One line without the path: ``by 12 % (largest change 0.31)``."""
        if self.values is not None:
            return f"{_short(self.values[0])} → {_short(self.values[1])}"
        if self.problem:
            return self.problem
        if isnan(self.relative):
            return "has no finite values to compare"
        return f"by {_percent(self.relative)} (largest change {self.largest:.3g})"


@dataclass(frozen=True, repr=False)
class Comparison:
    """What differs between two snapshots.

    ``added`` and ``removed`` hold the variables by path, ``changed`` the changes, and
    ``unchanged`` the paths of the rest. The same for all names of the namespace, by
    type: ``names_added`` and ``names_removed`` map a name to its type,
    ``names_retyped`` to both types, ``values`` to both values where a plain value
    (text, bytes, None) is bound to another one. ``contents`` maps paths inside lists,
    dicts, objects and functions to the text of both values, None where there is none.
    """

    before: Snapshot
    after: Snapshot
    added: Mapping[str, Variable]
    removed: Mapping[str, Variable]
    changed: Mapping[str, Change]
    unchanged: tuple[str, ...]
    names_added: Mapping[str, str] = field(default_factory=dict)
    names_removed: Mapping[str, str] = field(default_factory=dict)
    names_retyped: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    values: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    contents: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)

    def ranked(self) -> list[Change]:
        """The changes, largest relative change first; those that have no size lead."""
        changes = self.changed.values()
        return sorted(changes, key=lambda one: inf if isnan(one.relative) else one.relative, reverse=True)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(many)} {word}" for word, many in self._groups() if many) or "no variables"
        ranked = self.ranked()
        lines = [f"{_title(self.before)} → {_title(self.after)}: {counts}"]
        lines += [f"  {change.path}: {change}" for change in ranked[:_LISTED]]
        if len(ranked) > _LISTED:
            lines.append(f"  ... and {len(ranked) - _LISTED} more, in .changed")
        lines += [f"  {word}: {enumerated(list(many), _LISTED)}" for word, many in self._groups()[1:3] if many]
        return "\n".join(map(printable, lines + [f"  {line}" for line in self._name_lines()]))

    def _repr_html_(self) -> str:
        title = escape(f"{_title(self.before)} → {_title(self.after)}")
        head = "".join(f"<th>{word}</th>" for word in ("variable", "shape", "change", "largest", "norm"))
        ranked = self.ranked()
        rows = "".join(_row(change) for change in ranked[:_ROWS])
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        groups = [f"and {len(ranked) - _ROWS:,} more changed, in .changed"] if len(ranked) > _ROWS else []
        groups += [f"{word}: {enumerated(list(many), _LISTED)}" for word, many in self._groups()[1:] if many]
        notes = "".join(f"<p>{escape(printable(line))}</p>" for line in [*groups, *self._name_lines()])
        return f"<p>{title}</p>{table}{notes}"

    def _groups(self) -> list[tuple[str, Collection[str]]]:
        return [
            ("changed", list(self.changed)),
            ("added", list(self.added)),
            ("removed", list(self.removed)),
            ("unchanged", self.unchanged),
        ]

    def _name_lines(self) -> list[str]:
        lines = [f"{name}: {_short(old)} → {_short(new)}" for name, (old, new) in list(self.values.items())[:_LISTED]]
        inside = [f"{path}: {_between(*texts)}" for path, texts in self.contents.items()]
        lines += inside[:_LISTED]
        if len(inside) > _LISTED:
            lines.append(f"and {len(inside) - _LISTED} more inside names")
        retyped = [f"{name} ({old} → {new})" for name, (old, new) in self.names_retyped.items()]
        # A number is a variable too, and said once is enough.
        added = [name for name in self.names_added if name not in self.added]
        removed = [name for name in self.names_removed if name not in self.removed]
        named = {"names added": added, "names removed": removed, "retyped": retyped}
        return lines + [f"{word}: {enumerated(list(many), _LISTED)}" for word, many in named.items() if many]


def compare(a: Snapshot, b: Snapshot) -> Comparison:
    """What differs from ``a`` to ``b``. Reads only variables whose digests differ.

    A variable that cannot be read (a damaged block) is a change with a ``problem``,
    never an error.
    """
    old, new = a.variables, b.variables
    both = [path for path in new if path in old]
    same = {path for path in both if _same(old[path], new[path])}
    return Comparison(
        before=a,
        after=b,
        added={path: new[path] for path in new if path not in old},
        removed={path: old[path] for path in old if path not in new},
        changed={path: _change(a, b, path) for path in both if path not in same},
        unchanged=tuple(path for path in both if path in same),
        names_added={name: kind for name, kind in b.names.items() if name not in a.names},
        names_removed={name: kind for name, kind in a.names.items() if name not in b.names},
        names_retyped={
            name: (a.names[name], kind) for name, kind in b.names.items() if a.names.get(name, kind) != kind
        },
        values=_plain_values(a, b),
        contents=_contents(a, b),
    )


def _same(old: Variable, new: Variable) -> bool:
    return (old.digest, old.shape, str(old.dtype)) == (new.digest, new.shape, str(new.dtype))


def _change(a: Snapshot, b: Snapshot, path: str) -> Change:
    before, after = a.variables[path], b.variables[path]
    if after.role is Role.RNG:
        return Change(path, before, after, problem="another state")  # its numbers say nothing to anybody
    if isinstance(after.dtype, str) and not is_numeric(after.dtype):
        return Change(path, before, after, problem=f"other contents ({after.dtype})")
    if before.shape != after.shape:
        return Change(path, before, after, problem=f"shape {before.shape} → {after.shape}")
    try:
        old, new = a[path], b[path]
        size = difference(as_numbers(old, before.dtype), as_numbers(new, after.dtype))
    except TypeError:
        return Change(path, before, after, problem=f"other contents ({after.dtype})")
    except SnapshotError as error:
        return Change(path, before, after, problem=f"could not be read: {error}")
    return Change(path, before, after, size, values=None if before.shape else (old, new))


def _plain_values(a: Snapshot, b: Snapshot) -> dict[str, tuple[Any, Any]]:
    """Names bound to text, bytes and the like whose value differs; numbers are variables."""
    values = {}
    for name, kind in b.names.items():
        if name in a.variables or name in b.variables or a.names.get(name) != kind:
            continue
        if kind.rpartition(".")[2] not in _PLAIN:
            continue
        try:
            old, new = a[name], b[name]
        except (SnapshotError, LookupError):
            continue  # not kept by value; the snapshot's own report names it
        if old != new:
            values[name] = (old, new)
    return values


def _contents(a: Snapshot, b: Snapshot) -> dict[str, tuple[str | None, str | None]]:
    """What differs inside what both have: paths below a name, and functions defined anew."""
    try:
        old, new = a.content.outline(), b.content.outline()
    except SnapshotError:
        return {}  # damaged records; verifying says which
    shared = a.names.keys() & b.names.keys()
    paths = [path for path in dict.fromkeys((*old, *new)) if old.get(path) != new.get(path)]
    known = {*a.variables, *b.variables}
    named = [path for path in paths if path not in known and not _is_plain_name(path, a)]
    return {path: (old.get(path), new.get(path)) for path in named if _root(path) in shared}


def _root(path: str) -> str:
    return path.partition("[")[0].partition(".")[0].partition("{")[0]


def _is_plain_name(path: str, snapshot: Snapshot) -> bool:
    return snapshot.names.get(path, "").rpartition(".")[2] in _PLAIN


def _title(snapshot: Snapshot) -> str:
    return f"{snapshot.label or 'unlabelled'} (#{snapshot.id}, step {snapshot.step})"


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.3g} %"


def _short(value: Any) -> str:
    if hasattr(value, "item"):
        value = value.item()
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return shortened(text, _WIDE)


def _between(old: str | None, new: str | None) -> str:
    if old is None or new is None:
        return f"added, {shortened(str(new), _WIDE)}" if old is None else f"removed, was {shortened(old, _WIDE)}"
    return f"{shortened(old, _WIDE)} → {shortened(new, _WIDE)}"


def _row(change: Change) -> str:
    known = not isnan(change.relative)
    if change.values is not None:
        sized = [str(change), "", ""]
    elif known:
        norms = f"{change.norm_before:.4g} → {change.norm_after:.4g}"
        sized = [_percent(change.relative), f"{change.largest:.3g}", norms]
    else:
        sized = [str(change), "", ""]
    cells = [printable(change.path), str(change.after.shape), *sized]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
