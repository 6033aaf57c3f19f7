"""One example of a snapshot on its way to disk, made from plain arrays."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import xxhash

from snapshot.cutting import cut
from snapshot.model import Leaf, Role, Snapshot, View, format_dtype
from snapshot.repository import Repository, layout
from snapshot.repository.entry import Entry, StoredLeaf


@pytest.fixture(autouse=True)
def small_arrays_have_rows(monkeypatch):
    """Arrays of 100 KB stand for those of many MB, so that the tests need not be slow."""
    monkeypatch.setattr(layout, "SMALL_BYTES", 64 * 1024)


START = datetime(2026, 1, 1, tzinfo=UTC)


def described(array):
    """The leaf of an array, and its blocks by hash."""
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    memory = array.T if fortran else np.ascontiguousarray(array).reshape(array.shape)
    data = memory.tobytes()
    where = cut(memory.shape, array.itemsize)
    pieces = [data[slice(*where.span(index))] for index in range(len(where))]
    digests = tuple(map(xxhash.xxh3_128_digest, pieces))
    leaf = Leaf("numpy.ndarray", format_dtype(array.dtype), array.shape, "F" if fortran else "C", digests)
    return leaf, dict(zip(digests, map(memoryview, pieces)))


def entry_of(
    arrays,
    number=1,
    parent=None,
    *,
    views=(),
    aliases=(),
    dtypes=(),
    records=None,
    pickles=None,
    plain=(),
    names=None,
    report=None,
    **header,
):
    """An entry holding ``arrays`` (path -> array).

    ``views`` maps a path to (base path, array, offset in bytes), ``aliases`` a path to
    its other paths, ``dtypes`` a path to the dtype a user knows.
    """
    leaves, blocks, numbers = [], {}, {}
    for path, array in arrays.items():
        leaf, pieces = described(array)
        numbers[path] = len(leaves)
        blocks.update(pieces)
        known = dict(dtypes).get(path, array.dtype.name if array.dtype.names is None else leaf.dtype)
        other = tuple(dict(aliases).get(path, ()))
        leaves.append(StoredLeaf(len(leaves), path, Role.VALUE, known, leaf, other))
    for path, (base, array, offset) in dict(views).items():
        view = View(numbers[base], offset, array.strides)
        leaf = Leaf("numpy.ndarray", format_dtype(array.dtype), array.shape, "C", (), view=view)
        leaves.append(StoredLeaf(len(leaves), path, Role.VALUE, array.dtype.name, leaf))
    header.setdefault("time", START + timedelta(minutes=number))
    header.setdefault("step", 10 * number)
    header.setdefault("label", None)
    header.setdefault("run", "first")
    content = SimpleNamespace(variables={}, names={}, report={})
    return Entry(
        snapshot=Snapshot(id=number, parent=parent, content=content, **header),
        leaves=tuple(leaves),
        records=records or {},
        names=names if names is not None else dict.fromkeys(arrays, "ndarray"),
        report=report or {},
        block=blocks.__getitem__,
        pickles=pickles or {},
        plain=tuple(plain),
    )


def big(seed=0, shape=(1500, 1000)):
    """12 MB of numbers in three blocks, the last of them shorter."""
    return np.random.default_rng(seed).random(shape)


def files_of(folder):
    """Every file below a folder -> its bytes."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.fixture
def example():
    """What tests build snapshots with."""
    return SimpleNamespace(entry=entry_of, big=big, files=files_of, described=described)


@pytest.fixture
def home(tmp_path):
    """Where a repository will be."""
    return tmp_path / "snapshots.zarr"


@pytest.fixture
def commit(home):
    """Commit entries of one run to the repository; returns it, opened anew."""
    writer = Repository.create_or_open(home).writer("first", notebook="train.ipynb")

    def committed(*entries):
        for entry in entries:
            writer.commit(entry)
        return Repository(home)

    return committed
