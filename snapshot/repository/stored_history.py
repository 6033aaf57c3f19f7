"""One path over many snapshots of a repository: its distinct contents, read many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from xxhash import xxh3_128_digest

from snapshot.described import as_known, content_digest, known_dtype
from snapshot.errors import SnapshotError
from snapshot.history import TOGETHER, Array, Batch, Form, Numbers
from snapshot.model import Leaf, Role, Variable, View, parse_dtype
from snapshot.repository import layout
from snapshot.repository.fetching import beginning, damage
from snapshot.repository.kept_statistics import Kept, form_text, identity
from snapshot.repository.storage import Storage
from snapshot.repository.table import block_in, number_in

if TYPE_CHECKING:
    from snapshot.repository.content import StoredContent


class Run(NamedTuple):
    """What a table or a column says of one path, as it stands there in JSON.

    ``form`` has ``bytes``, ``dtype``, ``shape`` and ``role``, or ``scalar``, the dtype of a
    ``value``, or ``plain`` for a value that only the records have. ``base`` is the form of the
    leaf that has the blocks of a view.
    """

    form: Mapping[str, Any]
    blocks: Sequence[Any] = ()
    sources: list[str] = []  # noqa: RUF012 - of a tuple, hence never added to
    value: Any = None
    base: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """Equal for equal contents of one form."""
        if len(self.blocks) == 1 and self.base is None:
            digest: str = self.blocks[0][0]
            return digest
        digests = "".join(block[0] for block in self.blocks)
        if self.base is not None:
            return f"{digests}{self.form['view'][1:]}"
        return digests if self.blocks else repr(self.form.get("digest", self.value))

    def outlined(self, path: str) -> Variable:
        """The variable, without what distinguishes its contents and without its aliases."""
        form = _form(self.form)
        return Variable(path, form.role, form.shape, form.dtype, form.nbytes, b"")


def run_of_leaf(leaf: Mapping[str, Any], leaves: Mapping[int, Mapping[str, Any]], sources: list[str]) -> Run:
    """A leaf of a table; ``leaves`` has them all by number."""
    if "view" in leaf:
        base = leaves[leaf["view"][0]]
        return Run(leaf, base["blocks"], sources, base=base)
    return Run(leaf, leaf["blocks"], sources)


def run_of_plain(one: Mapping[str, Any]) -> Run:
    """A number of a table."""
    if "value" in one and one["dtype_known"]:
        return Run({"scalar": one["dtype"]}, value=one["value"])
    return Run({"plain": one["dtype"], "known": one["dtype_known"], "digest": one["digest"], "nbytes": one["nbytes"]})


class StoredHistory:
    """Implements :class:`snapshot.history.Held`."""

    def __init__(self, path: str, storage: Storage, contents: Sequence[StoredContent]) -> None:
        self.path = path
        self.which: Array = np.full(len(contents), -1, np.int32)
        self.forms: list[Form] = []
        self.form_of: list[int] = []
        self.keys: list[str] = []
        self.statistics: Callable[[], Kept] = lambda: Kept({}, {})
        self.has_aliases = False  #: which of them a snapshot has, only its table knows
        self._storage = storage
        self.contents = contents
        self._runs: list[Run] = []
        self._form_numbers: dict[Any, int] = {}
        self._numbers: dict[tuple[int, str], int] = {}

    def form_number(self, about: Mapping[str, Any]) -> int:
        """The number of a form as JSON has it."""
        form = (
            about.get("dtype"), about.get("bytes"), tuple(about.get("shape", ())), about.get("role"),
            about.get("order", "C"), about.get("scalar"), about.get("plain"),
        )  # fmt: skip
        index = self._form_numbers.setdefault(form, len(self.forms))
        if index == len(self.forms):
            self.forms.append(_form(about))
        self.has_aliases = self.has_aliases or "aliases" in about
        return index

    def number(self, run: Run, form: int | None = None) -> int:
        """The number of a content; a new one for one that was not there yet."""
        index = self.form_number(run.form) if form is None else form
        key = run.key
        number = self._numbers.setdefault((index, key), len(self.keys))
        if number == len(self.keys):
            self.form_of.append(index)
            self.keys.append(key)
            self._runs.append(run)
        return number

    def order(self) -> None:
        """Number the contents in the order in which they came; those that no snapshot holds are left out."""
        used, first = np.unique(self.which, return_index=True)
        used = used[np.argsort(first)]
        used = used[used >= 0]
        renumbered = np.full(len(self.keys) + 1, -1, np.int32)  # the last is for -1
        renumbered[used] = np.arange(used.size)
        self.which = renumbered[self.which]
        self.form_of = [self.form_of[old] for old in used]
        self.keys = [self.keys[old] for old in used]
        self._runs = [self._runs[old] for old in used]
        self._numbers = {}

    def only(self, positions: Array) -> StoredHistory:
        """The same contents, as some of the snapshots hold them."""
        found = copy(self)
        found.which = self.which[positions]
        found.contents = [self.contents[position] for position in positions]
        return found

    def variable(self, content: int) -> Variable | None:
        """What a snapshot says of this content; None where only its table can."""
        form, run = self.forms[self.form_of[content]], self._runs[content]
        if "plain" in run.form:
            return None
        if "scalar" in run.form:
            number = np.array(number_in(run.value), form.dtype)
            digest = xxh3_128_digest(number.tobytes() + number.dtype.str.encode())
        else:
            digest = self._digest(run)
        return Variable(self.path, form.role, form.shape, form.dtype, form.nbytes, digest)

    def _digest(self, run: Run) -> bytes:
        blocks = tuple(bytes.fromhex(block[0]) for block in run.blocks)
        about = run.form
        view = View(about["view"][0], about["view"][1], tuple(about["view"][2])) if run.base is not None else None
        base = None if view is None else replace(_leaf(run), blocks=blocks)
        leaf = Leaf("", about["bytes"], tuple(about["shape"]), about.get("order", "C"), blocks, (), view)
        return content_digest(leaf, base)

    def array(self, content: int) -> Array | None:
        """One value; None when it is no array, or cannot be read."""
        if "bytes" not in self._runs[content].form:
            return None
        batch = next(self.read([content]))
        return None if batch.values is None else batch.values[0, ...]

    def kept(self) -> Numbers:
        """Those numbers that a :mod:`~snapshot.repository.statistician` has left."""
        kept = self.statistics()
        texts = [form_text(form) for form in self.forms]
        pairs = zip(self.form_of, self.keys, strict=True) if kept.numbers else ()
        places = {identity(texts[form], key): at for at, (form, key) in enumerate(pairs)}
        return Numbers(
            {places[one]: numbers for one, numbers in kept.numbers.items() if one in places},
            {
                (places[old], places[new]): update
                for (old, new), update in kept.updates.items()
                if old in places and new in places
            },
        )

    def read(self, contents: Sequence[int]) -> Iterator[Batch]:
        """The values of some contents; each block is compared with its hash."""
        by_form: dict[int, list[int]] = {}
        for content in contents:
            by_form.setdefault(self.form_of[content], []).append(content)
        for form, chosen in by_form.items():
            about = self._runs[chosen[0]].form
            if "plain" in about:
                yield from map(self._plain, chosen)
            elif "scalar" in about:
                values = [number_in(self._runs[one].value) for one in chosen]
                yield Batch(chosen, np.array(values, np.dtype(about["scalar"])))
            else:
                at_once = max(1, TOGETHER // max(1, self._nbytes(self._runs[chosen[0]])))
                for start in range(0, len(chosen), at_once):
                    yield from self._arrays(chosen[start : start + at_once], self.forms[form])

    def _nbytes(self, run: Run) -> int:
        return _leaf(run).nbytes

    def _plain(self, content: int) -> Batch:
        holder = self.contents[int(np.argmax(self.which == content))]
        try:
            return Batch([content], np.asarray(holder.read(self.path))[None])
        except (SnapshotError, LookupError, OSError, TypeError) as error:
            return Batch([content], None, str(error))

    def _arrays(self, chosen: list[int], form: Form) -> Iterator[Batch]:
        """Arrays of one form, as many as fit into memory together."""
        leaves = [_leaf(self._runs[one]) for one in chosen]
        out = np.empty((len(chosen), leaves[0].nbytes), np.uint8)
        requests, parts = [], []
        for row, (content, leaf) in enumerate(zip(chosen, leaves, strict=True)):
            if not leaf.nbytes:
                continue
            where, run = layout.cut_of(leaf), self._runs[content]
            for index, block in enumerate(run.blocks):
                digest, place = block_in(block, run.sources)
                first, last = where.span(index)
                key, start = beginning(leaf, place)
                requests.append((key, start, out[row, first:last].data))
                parts.append((row, digest))
        problems: dict[int, str] = {}
        there = self._storage.read_many_into(requests)
        for (row, digest), (key, _, data), found in zip(parts, requests, there, strict=True):
            if row not in problems and (not found or layout.digest_of(data) != digest):
                what = f"variable {self.path!r}"
                problems[row] = damage(what, key, data if found else None, self._storage)
        for row, problem in problems.items():
            yield Batch([chosen[row]], None, problem)
        good = [row for row in range(len(chosen)) if row not in problems]
        if good:
            run = self._runs[chosen[0]]
            rows = out[good] if problems else out
            yield Batch([chosen[row] for row in good], as_known(_shaped(rows, leaves[0], run), form.dtype))


def _shaped(rows: Array, leaf: Leaf, run: Run) -> Array:
    """Bytes, one content a row, as what they are."""
    count, dtype = len(rows), parse_dtype(run.form["bytes"])
    if run.base is not None:
        _, offset, strides = run.form["view"]
        shape = (count, *run.form["shape"])
        return np.ndarray(shape, dtype, rows, offset, (rows.strides[0], *strides)).copy()
    memory = np.ndarray((count, *leaf.stored_shape), dtype, rows)
    return memory.transpose(0, *range(memory.ndim - 1, 0, -1)) if leaf.order == "F" else memory


def _leaf(run: Run) -> Leaf:
    """The leaf that has the blocks."""
    about = run.form if run.base is None else run.base
    return _plain_leaf(about["bytes"], tuple(about["shape"]), about.get("order", "C"))


@lru_cache(maxsize=4096)
def _plain_leaf(dtype: str, shape: tuple[int, ...], order: str) -> Leaf:
    return Leaf("", dtype, shape, order, ())


def _form(about: Mapping[str, Any]) -> Form:
    if "scalar" in about:
        dtype = np.dtype(about["scalar"])
        return Form((), dtype, Role.VALUE, dtype.itemsize)
    if "plain" in about:
        return Form((), np.dtype(about["plain"]) if about["known"] else about["plain"], Role.VALUE, about["nbytes"])
    shape = tuple(about["shape"])
    leaf = _plain_leaf(about["bytes"], shape, "C")
    nbytes = prod(shape) * parse_dtype(about["bytes"]).itemsize
    return Form(shape, known_dtype(about["dtype"], leaf), Role(about["role"]), nbytes)
