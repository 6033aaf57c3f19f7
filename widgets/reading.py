"""The numbers of many contents of one variable, and of the changes between them, from few reads.

Contents are read in the order in which they came, several megabytes at a time; a change is
measured while both of its ends are in memory, and both are read again where they never are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from snapshot.errors import SnapshotError
from snapshot.history import Batch, History
from snapshot.row_statistics import describe_rows, update_sizes
from snapshot.statistics import Statistics, as_numbers, update_size

Array = np.ndarray[Any, np.dtype[Any]]
#: Two contents, the older first.
Pair = tuple[int, int]


class Described(NamedTuple):
    """Contents, and for each its numbers or why there are none."""

    contents: list[int]
    numbers: list[Statistics | str]


def is_update(history: History, before: int, after: int) -> bool:
    """Whether the change between two contents can be measured, and is not known to be none."""
    return before != after and history.form(before).shape == history.form(after).shape


def read_pairs(
    history: History, contents: Iterable[int], pairs: Iterable[Pair]
) -> Iterator[Described | dict[Pair, float]]:
    """The numbers of ``contents`` and the update size of each pair, as they are read.

    A pair of which one end cannot be read is left out.
    """
    wanted, left = set(contents), set(pairs)
    with_end: dict[int, list[Pair]] = {}
    for pair in left:
        for end in pair:
            with_end.setdefault(end, []).append(pair)
    before = Batch([], None)
    for batch in history.read(wanted.union(with_end)):
        numbers, problem = numbers_of(history, batch)
        chosen = [row for row, content in enumerate(batch.contents) if content in wanted]
        if chosen and numbers is None:
            yield Described([batch.contents[row] for row in chosen], [problem] * len(chosen))
        elif chosen and numbers is not None:
            rows = numbers if len(chosen) == len(numbers) else numbers[chosen]
            yield Described([batch.contents[row] for row in chosen], list(describe_rows(rows)))
        touched = {pair for content in batch.contents for pair in with_end.get(content, ())} & left
        if numbers is None:
            left -= touched
            continue
        now = batch._replace(values=numbers)
        found = _updates(before, now, touched)
        left -= found.keys()
        yield found
        before = now
    for old, new in sorted(left):
        try:
            values = _alone(history, old), _alone(history, new)
        except (SnapshotError, TypeError):
            continue
        yield {(old, new): update_size(*values)}


def numbers_of(history: History, batch: Batch) -> tuple[Array | None, str]:
    """The values of a batch as numbers, or None and why not."""
    if batch.values is None:
        return None, batch.problem
    try:
        return as_numbers(batch.values, _text(history.form(batch.contents[0]).dtype)), ""
    except TypeError as error:
        return None, str(error)


def _alone(history: History, content: int) -> Array:
    return as_numbers(history.value(content), _text(history.form(content).dtype))


def _text(dtype: Any) -> str:
    return dtype if isinstance(dtype, str) else ""


def _updates(before: Batch, now: Batch, pairs: set[Pair]) -> dict[Pair, float]:
    """The pairs with one end in this batch, and the other in it or in the one before."""
    assert now.values is not None
    rows = {content: row for row, content in enumerate(now.contents)}
    inside = [pair for pair in pairs if pair[0] in rows and pair[1] in rows]
    found: dict[Pair, float] = {}
    if inside:
        old, new = (now.values[[rows[pair[end]] for pair in inside]] for end in (0, 1))
        found.update(zip(inside, update_sizes(old, new), strict=True))
    if before.values is None or before.values.shape[1:] != now.values.shape[1:]:
        return found
    earlier = {content: row for row, content in enumerate(before.contents)}
    for pair in pairs:
        if pair[0] in earlier and pair[1] in rows:
            found[pair] = update_size(before.values[earlier[pair[0]]], now.values[rows[pair[1]]])
        elif pair[1] in earlier and pair[0] in rows:
            found[pair] = update_size(now.values[rows[pair[0]]], before.values[earlier[pair[1]]])
    return found
