"""What a restore did, as paths, with the assertions of ``tf.train.Checkpoint``'s status."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from snapshot.errors import NotMatched
from snapshot.selection import root_of
from snapshot.wording import enumerated


@dataclass(eq=False)
class RestoreStatus:
    """Which paths a restore reached, and which it did not.

    ``assigned`` holds the stored value in the very same live object (``changed`` are
    those that had to be written for it); ``rebuilt`` got a new object, because the old
    one was gone or did not fit; ``untouched`` is live and was left alone (``created``
    are names made since); ``unused`` is in the snapshot but nothing live takes it
    (``unused_reasons`` says why); ``deferred`` waits for its variable, and leaves for
    ``assigned`` when that is made (``deferred_reasons`` says why one did not take it);
    ``by_reference`` maps paths whose contents were never captured to the reason.
    """

    reference: str
    assigned: Sequence[str] = ()
    rebuilt: Sequence[str] = ()
    untouched: Sequence[str] = ()
    unused: Sequence[str] = ()
    deferred: Sequence[str] = ()
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()
    kept_code: Sequence[str] = ()
    created: Sequence[str] = ()
    by_reference: Mapping[str, str] = field(default_factory=dict)
    unused_reasons: Mapping[str, str] = field(default_factory=dict)
    deferred_reasons: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    dry_run: bool = False
    verb: str = "restore"
    waiting: Callable[[], None] | None = field(default=None, repr=False)

    def assert_existing_matched(self) -> RestoreStatus:
        """Every live variable got a stored value; else :class:`NotMatched` with the paths."""
        if self.untouched:
            raise NotMatched(_list_paths("these live variables are not in the snapshot", self.untouched))
        return self

    def assert_consumed(self) -> RestoreStatus:
        """That, and every stored value found a place; else :class:`NotMatched` with the paths."""
        self.assert_existing_matched()
        if self.unused or self.deferred:
            paths = (*self.unused, *self.deferred)
            raise NotMatched(_list_paths("these stored variables found nothing live to take them", paths))
        return self

    def expect_partial(self) -> RestoreStatus:
        """Say that unmatched paths are meant; they leave the status's text."""
        self.unused_reasons = {}
        self.unused = ()
        return self

    def wait(self, names: Collection[str], values: Iterable[str]) -> None:
        """``names``, unused so far, and ``values`` wait."""
        whole = tuple(path for path in self.unused if path in names)
        self.deferred = tuple(dict.fromkeys((*whole, *values)))
        self.deferred_reasons = {path: why for path, why in self.unused_reasons.items() if path in whole}
        self.unused = tuple(path for path in self.unused if path not in whole)
        self.unused_reasons = {path: why for path, why in self.unused_reasons.items() if path not in whole}

    def took(self, paths: Collection[str], reasons: Mapping[str, str]) -> None:
        """These wait no longer, they are assigned; ``reasons`` are why others are not."""
        self.assigned = (*self.assigned, *(path for path in self.deferred if path in paths))
        self.deferred = tuple(path for path in self.deferred if path not in paths)
        known = {**self.deferred_reasons, **reasons}
        self.deferred_reasons = {path: known[path] for path in self.deferred if path in known}

    def give_up(self, reasons: Mapping[str, str]) -> None:
        """These wait no longer, and stay without a place."""
        gone = [path for path in self.deferred if path in reasons]
        self.deferred = tuple(path for path in self.deferred if path not in reasons)
        self.unused = (*self.unused, *gone)
        self.unused_reasons = {**self.unused_reasons, **{path: reasons[path] for path in gone}}
        self.deferred_reasons = {path: why for path, why in self.deferred_reasons.items() if path not in reasons}

    def take_over(self, found: RestoreStatus, tried: Collection[str]) -> None:
        """``found`` is a restore of ``tried``, which waited: what of it still waits does so here."""
        left = {*found.deferred, *found.unused}
        self.took([path for path in tried if path not in left], {**found.unused_reasons, **found.deferred_reasons})
        self.deferred = tuple(dict.fromkeys((*self.deferred, *found.deferred)))

    def apply_deferred(self) -> RestoreStatus:
        """Assign the values that waited for variables which exist by now and have not taken theirs yet."""
        if self.waiting is not None and self.deferred:
            self.waiting()
        return self

    def __str__(self) -> str:
        if self.verb == "assign":
            return f"{'would assign' if self.dry_run else 'assigned'} {', '.join(self.assigned)}"
        verb = "would restore" if self.dry_run else "restored"
        names = _names(self.assigned) | _names(self.rebuilt)
        changed = names & (_names(self.changed) | _names(self.rebuilt))
        parts = [f"{verb} {self.reference}: {_count(names, 'variable')}, {len(changed)} had changed"]
        parts += _named("rebuilt", self.rebuilt)
        parts += _named("removed", self.removed)
        parts += _named("deferred", self.deferred, self.deferred_reasons)
        extras = _named("made since, kept:", self.created)
        extras += _named("redefined since, kept as it is:", self.kept_code)
        extras += _named("not restored:", self.unused, self.unused_reasons)
        extras += list(self.notes)
        extras += _named("by reference:", tuple(self.by_reference))
        first = ", ".join(parts)
        return f"{first}\n{'; '.join(extras)}" if extras else first

    def __repr__(self) -> str:
        return str(self)


def _names(paths: Iterable[str]) -> set[str]:
    """The names that paths start from; generators that no name leads to do not count."""
    return {root_of(path) for path in paths if not path.startswith("(")}


def _count(paths: Collection[str], noun: str) -> str:
    return f"{len(paths)} {noun}{'' if len(paths) == 1 else 's'}"


def _named(verb: str, paths: Sequence[str], reasons: Mapping[str, str] | None = None, most: int = 4) -> list[str]:
    if not paths:
        return []
    reason = (reasons or {}).get(paths[0])
    which = f"{paths[0]}: " if len(paths) > 1 else ""
    return [f"{verb} {enumerated(paths, most)}" + (f" ({which}{reason})" if reason else "")]


def _list_paths(sentence: str, paths: Sequence[str]) -> str:
    return f"{sentence}: {enumerated(paths, 20)}"
