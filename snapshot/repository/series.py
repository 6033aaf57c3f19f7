"""One variable across snapshots, as if it were one array ``(n, *shape)``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import UTC
from difflib import get_close_matches
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from snapshot.described import as_known, known_dtype
from snapshot.errors import Damaged, PathNotFound, SnapshotWarning
from snapshot.model import Snapshot, format_dtype, parse_dtype
from snapshot.repository import layout
from snapshot.repository.columns import Located
from snapshot.repository.content import StoredContent
from snapshot.repository.region import RegionReader
from snapshot.timeline import SnapshotKey, key_of

if TYPE_CHECKING:
    import xarray

Array = np.ndarray[Any, np.dtype[Any]]
#: What a task of Dask reads at most; smaller ones cost more than they read.
_CHUNK_BYTES = 32 * 1024 * 1024
#: A snapshot, its content, and where the variable lies in it.
Found = tuple[Snapshot, StoredContent, Located]


class Series:
    """The values of one variable, oldest first, read only where they are indexed.

    ``series[:, 3, 5]`` reads the bytes of that element and no more, and what did not change
    from one snapshot to the next only once; ``series[-1]`` reads the newest value. Whole
    blocks are compared with their hashes; a small part of one cannot be.
    Only snapshots in which the variable has the shape and dtype of its newest value take
    part.
    """

    def __init__(self, path: str, found: list[Found]) -> None:
        shape, self._known, bytes_dtype = _form(path, found[-1])
        self.path = path
        self.shape = (len(found), *shape)
        self.snapshots = [snapshot for snapshot, _, _ in found]
        self.steps = [snapshot.step for snapshot in self.snapshots]
        self._bytes = parse_dtype(bytes_dtype)
        self._found = found

    @classmethod
    def of(
        cls,
        path: str,
        contents: list[tuple[Snapshot, StoredContent]],
        folded: Mapping[SnapshotKey, Located | None],
    ) -> Series:
        """The series of ``path``; PathNotFound when no snapshot holds an array or number there.

        ``folded`` says where it lies in those snapshots whose tables need not be read.
        """
        found: list[Found] = []
        readable: list[tuple[Snapshot, StoredContent]] = []
        for snapshot, content in contents:
            key = key_of(snapshot)
            if key not in folded and not _is_readable(content):
                continue
            readable.append((snapshot, content))
            located = folded[key] if key in folded else _located(path, content)
            if located is not None:
                found.append((snapshot, content, located))
        if not found:
            raise PathNotFound(_missing(path, readable))
        form = _form(path, found[-1])
        return cls(path, [one for one in found if _form(path, one) == form])

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of the values, that of their bytes where NumPy has none."""
        return as_known(np.empty(0, self._bytes), self._known).dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        steps = f"steps {self.steps[0]} to {self.steps[-1]}"
        return f"<series of {self.path!r}: {len(self)} x {self.shape[1:]} {self.dtype}, {steps}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        whole: Array = self[...]
        return whole if dtype is None else whole.astype(dtype)

    def __getitem__(self, key: Any) -> Any:
        """As NumPy indexes an array of this shape. Raises IndexError, or Damaged."""
        keys = self._basic(key if isinstance(key, tuple) else (key,))
        if keys is None:
            # lists, masks and new axes: NumPy's own rules, on everything
            return self[...][key]
        picks = [_pick(one, size, axis) for one, size, axis in zip(keys, self.shape, range(self.ndim))]
        out = self._read(picks[0], picks[1:])
        return out[tuple(0 if isinstance(one, int) else slice(None) for one in keys)]

    def to_xarray(self) -> xarray.DataArray:
        """The series with its steps, and the times of its snapshots (UTC), as coordinates.

        Where Dask is installed no value is read before it is computed, and ``.sel(step=30)[5, 7]``
        reads one block of one snapshot. Raises ImportError without xarray.
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError("to_xarray needs xarray and Dask: pip install 'jupyter-snapshot[xarray]'") from error

        times = [np.datetime64(one.time.astimezone(UTC).replace(tzinfo=None), "us") for one in self.snapshots]
        dims = ["step", *(f"axis_{axis}" for axis in range(self.ndim - 1))]
        coords = {"step": self.steps, "time": ("step", np.array(times))}
        return xarray.DataArray(self._lazy(), dims=dims, coords=coords, name=self.path)

    def _lazy(self) -> Any:
        try:
            import dask.array
        except ImportError:
            return self[...]
        # no name: Dask would pickle the series to find one
        meta = np.empty((0,) * self.ndim, self.dtype)
        return dask.array.from_array(self, chunks=self._chunks(), name=False, asarray=True, meta=meta)

    def _chunks(self) -> tuple[int, ...]:
        """One block as it is stored, because Dask reads the whole chunk for part of one, over many snapshots."""
        stored = self._found[-1][2].stored
        inner = tuple(layout.cut_of(stored.leaf).block_shape) if stored is not None else ()
        if stored is not None and stored.leaf.order == "F":
            inner = inner[::-1]
        size = prod(inner) * self._bytes.itemsize
        return (max(1, min(len(self), _CHUNK_BYTES // max(1, size))), *inner)

    def _basic(self, keys: tuple[Any, ...]) -> list[int | slice] | None:
        """One integer or slice an axis, or None when it takes more than those."""
        given = [one for one in keys if one is not Ellipsis]
        plain = all(isinstance(one, (int, np.integer, slice)) and not isinstance(one, bool) for one in given)
        if not plain or len(keys) - len(given) > 1:
            return None
        if len(given) > self.ndim:
            raise IndexError(f"{len(given)} indices for {self.ndim} axes, of which the first is the snapshot")
        at = next((place for place, one in enumerate(keys) if one is Ellipsis), len(given))
        rest = [slice(None)] * (self.ndim - len(given))
        every = [*given[:at], *rest, *given[at:]]
        return [one if isinstance(one, slice) else int(one) for one in every]

    def _read(self, rows: range, picks: list[range]) -> Array:
        out = np.empty((len(rows), *map(len, picks)), self._bytes)
        reader = RegionReader(self._found[0][1].entry.fetcher, f"variable {self.path!r}")
        for position, row in enumerate(rows):
            _, content, located = self._found[row]
            if located.stored is None:
                out[position] = content.read(self.path) if located.value is None else located.value
            elif located.stored.leaf.view is not None:
                out[position] = content.entry.contents(located.stored.number)[tuple(map(_as_slice, picks))]
                reader.forget()
            else:
                reader.fill(out[position, ...], located.stored.leaf, located.places, picks)
        reader.finish()
        return as_known(out, self._known)


def _located(path: str, content: StoredContent) -> Located | None:
    """Where a variable lies, from the table of the snapshot."""
    number = content.numbers.get(path)
    if number is not None:
        return Located(content.entry.stored(number), content.entry.places(number))
    if any(one.path == path for one in content.entry.plain):
        return Located(None, value=content.entry.table.numbers.get(path))
    return None


def _form(path: str, found: Found) -> tuple[tuple[int, ...], np.dtype[Any] | str, str]:
    """Shape, the dtype a user knows, that of the bytes."""
    _, content, (stored, _, _, text) = found
    if stored is not None:
        return stored.leaf.shape, known_dtype(stored.dtype, stored.leaf), stored.leaf.dtype
    dtype: np.dtype[Any] | str = np.dtype(text) if text else content.variables[path].dtype
    return (), dtype, dtype if isinstance(dtype, str) else format_dtype(dtype)


def _is_readable(content: StoredContent) -> bool:
    """A snapshot whose table is damaged is left out, with a warning; the others make the series."""
    try:
        return bool(content.entry.table)
    except Damaged as error:
        warnings.warn(str(error), SnapshotWarning, stacklevel=5)
        return False


def _missing(path: str, contents: list[tuple[Snapshot, StoredContent]]) -> str:
    known = {name for _, content in contents for name in content.variables}
    near = get_close_matches(path, known, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"None of {len(contents)} snapshots holds an array or number at {path!r}.{guess}"


def _pick(key: int | slice, size: int, axis: int) -> range:
    if isinstance(key, slice):
        return range(size)[key]
    if not -size <= key < size:
        what = "snapshots" if axis == 0 else f"on axis {axis}"
        raise IndexError(f"index {key} is out of range: there are {size} {what}")
    return range(size)[key : key + 1 or None]


def _as_slice(pick: range) -> slice:
    # a range that ends before 0 cannot be written as a slice's stop
    return slice(pick.start, pick.stop if pick.stop >= 0 else None, pick.step)
