"""Where everything lies in a repository: the one file that knows keys.

What zarr is told about them is in :mod:`snapshot.repository.nodes`.

::

    zarr.json                                   group; FORMAT, the block size, the hash
    runs/<run>/                                 written by one process only, so nothing is locked
      variables/<slug>/<form>/                  array (rows, *shape) in chunks of one block
      packs/<n>/                                array of bytes: values up to 2 MiB, records, pickles
      snapshots/<n>/table                       gzipped JSON: what the snapshot holds and where
      snapshots/<n>/zarr.json                   group: label, step, time, ...; written last
      timeline/<size>-<k>                       folds: headers and columns of 16 or 256 snapshots
      statistics/<size>-<k>                     numbers of larger arrays, of as many snapshots
    notes/<run>.<n>.label, ....dropped          what was decided about a snapshot afterwards
    notes/<run>.<n>.<token>.undone              the table of a commit that was taken back
    notes/<time>-<token>.collected              what a collection removes: parents and labels it had

A snapshot exists when its ``zarr.json`` does; nothing that a committed table names is
ever written again. A *row* is one distinct content of a variable. In a row that
changed only in part, the chunks that did not change are absent: they are in an
earlier row, or in a row of another variable or run with the same contents. Plain
zarr shows its fill value there (NaN for floats), so **only the table is
authoritative**; for a variable that changed everywhere each row is complete.

Format history
--------------
1 (2026-11): rows of uncompressed blocks, packs of values up to 64 KiB (one a snapshot), gzipped
  JSON tables; ``label`` and ``dropped`` beside each snapshot's header.
2 (2026-11): packs of up to 8 MiB take values up to 2 MiB, because a file for each costs more than
  the bytes; ``notes`` and ``timeline``, so that opening reads a few keys and not some of every
  snapshot; records of what was collected. Runs of format 1 are read where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import xxhash

from snapshot.cutting import Cut, cut
from snapshot.model import Leaf, parse_dtype

FORMAT = 2
#: Leaves up to this size share objects: a file each would cost more than the bytes.
SMALL_BYTES = 2 * 1024 * 1024
#: A pack that has grown to this size is full.
PACK_BYTES = 8 * 1024 * 1024
#: How many ids a fold of a run's timeline covers: few soon, many later.
FOLDS = (16, 256)
#: Where a piece of a pack may start, so that every dtype is aligned.
PACK_ALIGNMENT = 64

ROOT_KEY = "zarr.json"
#: The dtypes of zarr's core; everything else is stored as bytes.
_NATIVE = frozenset(
    ["bool", "complex64", "complex128", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
_SNAPSHOT_KEY = re.compile(r"runs/([^/]+)/snapshots/(\d+)/(zarr\.json|label|dropped)")
_NOTE = re.compile(r"([^/.]+)\.(\d+)\.(label|dropped|[0-9a-f]+\.undone)")


def digest_of(data: Any) -> bytes:
    """The 16-byte hash that names a content."""
    return xxhash.xxh3_128_digest(data)


def snapshots_folder(run: str) -> str:
    return f"runs/{run}/snapshots"


def snapshot_folder(run: str, number: int) -> str:
    return f"{snapshots_folder(run)}/{number}"


def commit_key(run: str, number: int) -> str:
    return f"{snapshot_folder(run, number)}/zarr.json"


def table_key(run: str, number: int) -> str:
    return f"{snapshot_folder(run, number)}/table"


NOTES = "notes"


def label_key(run: str, number: int) -> str:
    return f"{NOTES}/{run}.{number}.label"


def dropped_key(run: str, number: int) -> str:
    return f"{NOTES}/{run}.{number}.dropped"


def old_dropped_key(run: str, number: int) -> str:
    """Where format 1 said that a snapshot was dropped."""
    return f"{snapshot_folder(run, number)}/dropped"


def undone_key(run: str, number: int, token: str) -> str:
    return f"{NOTES}/{run}.{number}.{token}.undone"


def collection_key(name: str) -> str:
    return f"{NOTES}/{name}.collected"


def read_note_name(name: str) -> tuple[str, int, str] | None:
    """(run, number, "label" | "dropped" | "undone") of a name below ``notes/``, else None."""
    found = _NOTE.fullmatch(name)
    return (found[1], int(found[2]), found[3].rpartition(".")[2]) if found else None


def is_collection(name: str) -> bool:
    """Whether a name below ``notes/`` is the record of a collection."""
    return name.endswith(".collected")


def run_key(run: str) -> str:
    return f"runs/{run}/zarr.json"


def runs_among(names: Iterable[str]) -> list[str]:
    """Those names below ``runs/`` that are runs; zarr's own is there too."""
    return [name for name in names if "." not in name]


def timeline_folder(run: str) -> str:
    return f"runs/{run}/timeline"


def fold_of(number: int, size: int) -> int:
    """Which fold of that size a snapshot belongs to."""
    return (number - 1) // size


def numbers_of_fold(size: int, number: int) -> range:
    """The snapshots that a fold covers."""
    return range(number * size + 1, (number + 1) * size + 1)


def fold_key(run: str, size: int, number: int) -> str:
    return f"{timeline_folder(run)}/{size}-{number}"


def run_of_fold(key: str) -> str:
    """The run that a fold belongs to."""
    return key.split("/")[1]


def statistics_folder(run: str) -> str:
    return f"runs/{run}/statistics"


def statistics_key(run: str, size: int, number: int) -> str:
    return f"{statistics_folder(run)}/{size}-{number}"


def read_fold_name(name: str) -> tuple[int, int] | None:
    """(size, number) of a name in a timeline or statistics folder, else None."""
    found = re.fullmatch(r"(\d+)-(\d+)", name)
    return (int(found[1]), int(found[2])) if found else None


def folds_within(key: str) -> list[str]:
    """The smaller folds that a fold makes superfluous."""
    folder, _, name = key.rpartition("/")
    size, number = read_fold_name(name) or (0, 0)
    return [
        f"{folder}/{small}-{number * size // small + nth}"
        for small in FOLDS
        if small < size
        for nth in range(size // small)
    ]


def read_snapshot_key(key: str) -> tuple[str, int, str] | None:
    """(run, number, "zarr.json" | "label" | "dropped") of a key of a run of format 1, else None."""
    found = _SNAPSHOT_KEY.fullmatch(key)
    return (found[1], int(found[2]), found[3]) if found else None


def slug(path: str) -> str:
    """A folder name for any path: safe on every file system, different for different paths.

    ``W`` and ``w`` are one folder on some systems, ``CON`` and a trailing dot are not
    allowed on others, and 255 bytes are the limit on most; hence the hash.
    """
    readable = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")[:40]
    exact = xxhash.xxh3_64_hexdigest(path.encode("utf-8", "surrogatepass"))
    return f"{readable}-{exact}" if readable else exact


def is_packed(leaf: Leaf) -> bool:
    """Whether the blocks of ``leaf`` go into packs instead of rows of an array."""
    return leaf.nbytes <= SMALL_BYTES or not leaf.shape


def form(leaf: Leaf) -> str:
    """The array folder for leaves of this dtype, shape and memory order: ``float32-1000x50``."""
    dtype = parse_dtype(leaf.dtype)
    name = dtype.name
    if name not in _NATIVE:
        name = f"bytes{dtype.itemsize}_{xxhash.xxh32_hexdigest(leaf.dtype.encode())}"
    elif dtype.byteorder == ">":
        name += "be"
    order = "-F" if leaf.order == "F" else ""
    return f"{name}-{'x'.join(map(str, leaf.shape))}{order}"


def variable_folder(run: str, path: str) -> str:
    return f"runs/{run}/variables/{slug(path)}"


def pack_folder(run: str, number: int) -> str:
    return f"runs/{run}/packs/{number}"


def cut_of(leaf: Leaf) -> Cut:
    return _cut(leaf.stored_shape, leaf.dtype)


@lru_cache(maxsize=4096)
def _cut(shape: tuple[int, ...], dtype: str) -> Cut:
    # asked for several times for every block, and most leaves of a model look alike
    return cut(shape, parse_dtype(dtype).itemsize)


def chunk_key(array: str, leaf: Leaf, where: Cut, row: int, index: int) -> str:
    """The key of block ``index`` (in memory order) of one row of ``array``."""
    place = [int(number) for number in np.unravel_index(index, where.grid)]
    if leaf.order == "F":
        place.reverse()
    if not is_native(leaf):
        place.append(0)
    return f"{array}/c.{row}." + ".".join(map(str, place))


def row_of_chunk(name: str) -> int | None:
    """The row that a file of an array folder belongs to, None for its metadata."""
    found = re.match(r"c\.(\d+)\.", name)
    return int(found[1]) if found else None


def pack_chunk_key(pack: str) -> str:
    return f"{pack}/c.0"


def is_native(leaf: Leaf) -> bool:
    """Whether zarr has the dtype of a leaf's bytes; others are shown as bytes along one more axis."""
    return parse_dtype(leaf.dtype).name in _NATIVE
