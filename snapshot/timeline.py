"""Finding one snapshot among many. Pure: snapshots in, a snapshot out.

A *reference* is what a user types: a label, ``#12`` (id in this run), ``#run.12``,
``@1000`` (a step), ``latest``, or one of these followed by ``~n`` (n earlier on its
branch). A *branch* is a snapshot and everything it descends from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from snapshot.errors import InvalidName, ReferenceNotFound
from snapshot.model import Snapshot, type_of_id

#: (run, id): what identifies a snapshot among all runs.
SnapshotKey = tuple[str, int]

_SHOWN = 12


def key_of(snapshot: Snapshot) -> SnapshotKey:
    """What identifies ``snapshot`` among all runs."""
    return snapshot.run, snapshot.id


def parent_key(snapshot: Snapshot) -> SnapshotKey | None:
    """The key of the snapshot this one was stored after; None for a first one."""
    return link(snapshot.run, snapshot.parent)


def link(run: str, parent: type_of_id | None) -> SnapshotKey | None:
    """The key that ``parent`` of a snapshot of ``run`` means."""
    if parent is None or isinstance(parent, int):
        return None if parent is None else (run, parent)
    named, _, number = parent.rpartition(".")
    return named or run, int(number)


def in_order(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Oldest first; of equal times by run and id."""
    return sorted(snapshots, key=lambda one: (one.time, one.run, one.id))


def branch(snapshots: Iterable[Snapshot], head: Snapshot) -> list[Snapshot]:
    """``head`` and its ancestors among ``snapshots``, oldest first."""
    known = {key_of(one): one for one in snapshots}
    line = [head]
    seen = {key_of(head)}
    while (key := parent_key(line[-1])) in known and key not in seen:
        seen.add(key)
        line.append(known[key])
    return line[::-1]


def without(snapshots: Iterable[Snapshot], dropped: Iterable[Snapshot]) -> list[Snapshot]:
    """``snapshots`` less the dropped ones, whose children now descend from their parents."""
    gone = {key_of(one): parent_key(one) for one in dropped}
    left = [one for one in snapshots if key_of(one) not in gone]
    parents = [relinked(key_of(one), one.parent, gone) for one in left]
    return [
        one if parent == one.parent else replace(one, parent=parent)
        for one, parent in zip(left, parents, strict=True)
    ]


def relinked(
    key: SnapshotKey, parent: type_of_id | None, gone: Mapping[SnapshotKey, SnapshotKey | None]
) -> type_of_id | None:
    """The parent of snapshot ``key`` when ``gone`` ones, each with its own parent, are left out."""
    found = link(key[0], parent)
    if found is None or found not in gone:
        return parent
    seen: set[SnapshotKey] = set()
    while found is not None and found in gone and found not in seen:
        seen.add(found)
        found = gone[found]
    if found is None or found in seen or found == key:
        return None
    return found[1] if found[0] == key[0] else f"{found[0]}.{found[1]}"


def check_label(label: str) -> str:
    """``label`` itself when it can be one; InvalidName says why not."""
    if not isinstance(label, str):
        raise InvalidName(f"A label is text such as 'before', not {label!r} ({type(label).__name__}).")
    if not label:
        raise InvalidName("A label cannot be empty: give the snapshot a name such as before.")
    if label == "latest":
        raise InvalidName("A label cannot be 'latest': that always means the newest snapshot.")
    if label[0] in "#@":
        raise InvalidName(f"The label {label!r} starts with {label[0]!r}, the sign of an id (#12) or step (@9).")
    if "~" in label:
        raise InvalidName(f"The label {label!r} contains '~', which counts back from a snapshot (before~2).")
    if any(one.isspace() or unicodedata.category(one) in ("Cc", "Cs") for one in label):
        raise InvalidName(f"The label {label!r} contains a space or an unprintable character.")
    return label


def check_step(step: Any) -> int:
    """``step`` as an int: any whole number, also a framework's. Raises TypeError."""
    try:
        number = int(step)
        if number == step:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise TypeError(f"A step is a whole number such as 1000, not {step!r} ({type(step).__name__}).")


def resolve(
    reference: str | Snapshot,
    snapshots: Sequence[Snapshot],
    *,
    run: str | None,
    head: Snapshot | None = None,
    own_first: bool = False,
) -> Snapshot:
    """The snapshot that ``reference`` means.

    ``run`` is the run that a bare ``#12`` belongs to; ``head`` is the snapshot that the
    present descends from, by default the newest of ``run``, else the newest of all.
    Of equal labels the newest counts; with ``own_first`` the newest of ``run``, if it has one:
    another kernel may store in the same place. Raises ReferenceNotFound with what is known.
    """
    if isinstance(reference, Snapshot):
        return reference
    if not isinstance(reference, str):
        raise ReferenceNotFound(
            f"{reference!r} is no reference: write a label, '#{reference}' (id) or '@{reference}' (step)."
        )
    ordered = in_order(snapshots)
    name, tilde, count = reference.rpartition("~")
    if not tilde:
        return _named(reference, ordered, run, head, own_first)
    if not (count.isascii() and count.isdecimal()):
        raise ReferenceNotFound(f"{reference!r} needs a number behind '~', as in {name or 'latest'}~1.")
    line = branch(ordered, _named(name, ordered, run, head, own_first))
    if int(count) >= len(line):
        raise ReferenceNotFound(
            f"{reference!r} goes {count} back, but only {len(line) - 1} came before {name!r} on its branch."
        )
    return line[-1 - int(count)]


def _named(name: str, ordered: list[Snapshot], run: str | None, head: Snapshot | None, own_first: bool) -> Snapshot:
    found: Snapshot | None
    # a snapshot without variables is empty, hence false: never test it for truth
    present = head if head is not None else _default_head(ordered, run)
    if name == "latest":
        found = present
    elif name.startswith("#"):
        found = _by_id(name[1:], ordered, run)
    elif name.startswith("@"):
        found = _by_step(name[1:], ordered, present)
    else:
        found = meant(name, ordered, run if own_first else None)
    if found is None:
        raise ReferenceNotFound(_not_found(name, ordered, run))
    return found


def meant(label: str, snapshots: Iterable[Snapshot], run: str | None) -> Snapshot | None:
    """The one that a label means in ``run``: its own that bears it, else the newest."""
    labelled = [one for one in in_order(snapshots) if one.label == label]
    own = [one for one in labelled if one.run == run]
    return next(reversed(own or labelled), None)


def shadowed(snapshots: Iterable[Snapshot], run: str | None) -> set[SnapshotKey]:
    """Those whose label means another snapshot of the same notebook."""
    first: dict[tuple[str, str], Snapshot] = {}
    hidden: set[SnapshotKey] = set()
    for one in in_order(snapshots):
        if one.label is not None:
            before = first.get((one.notebook, one.label))
            loses = before is not None and before.run == run != one.run
            if before is not None:
                hidden.add(key_of(one if loses else before))
            if not loses:
                first[one.notebook, one.label] = one
    return hidden


def _default_head(ordered: list[Snapshot], run: str | None) -> Snapshot | None:
    own = [one for one in ordered if one.run == run] or ordered
    return own[-1] if own else None


def _by_id(text: str, ordered: list[Snapshot], run: str | None) -> Snapshot | None:
    named, _, number = text.rpartition(".")
    if not (number.isascii() and number.isdecimal()):
        return None
    wanted = named or run
    fitting = [one for one in ordered if one.id == int(number) and wanted in (None, one.run)]
    return fitting[-1] if fitting else None


def _by_step(text: str, ordered: list[Snapshot], head: Snapshot | None) -> Snapshot | None:
    try:
        step = int(text)
    except ValueError:
        return None
    line = branch(ordered, head) if head is not None else []
    return next((one for one in reversed(line) if one.step == step), None)


def _not_found(name: str, ordered: list[Snapshot], run: str | None) -> str:
    if not ordered:
        return f"There is no snapshot {name!r}: nothing has been stored yet."
    labels = list(dict.fromkeys(one.label for one in reversed(ordered) if one.label))
    near = get_close_matches(name, labels, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    elsewhere = [one for one in ordered if name == f"@{one.step}"]
    if elsewhere:
        found = elsewhere[-1]
        full = f"#{found.id}" if found.run == run else f"#{found.run}.{found.id}"
        return f"No snapshot on this branch has step {name[1:]!r}; on another one {full} has it."
    if name.startswith("@"):
        return f"No snapshot on this branch has step {name[1:]!r}; steps stored: {_listed(_steps(ordered))}."
    if name.startswith("#"):
        return f"There is no snapshot {name!r}; ids stored: {_listed(_ids(ordered, run))}."
    if not labels:
        return f"There is no snapshot {name!r}; none has a label, ids: {_listed(_ids(ordered, run))}."
    return f"There is no snapshot {name!r}; known labels: {_listed(labels)}.{guess}"


def _ids(ordered: list[Snapshot], run: str | None) -> list[str]:
    return [f"#{one.id}" if one.run == run else f"#{one.run}.{one.id}" for one in reversed(ordered)]


def _steps(ordered: list[Snapshot]) -> list[str]:
    return list(dict.fromkeys(f"@{one.step}" for one in reversed(ordered)))


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
