"""What every stored entry and every content promises, whoever implements them."""

import subprocess
import sys

import numpy as np
import pytest

import snapshot
from snapshot.errors import PathNotFound
from snapshot.model import Leaf, Variable
from snapshot.repository.entry import StoredEntry
from snapshot.repository.reader import Committed


class EntryContract:
    """Subclasses supply ``entry``: a float array ``w`` (3, 4), a group ``g`` with record and pickle."""

    def test_numbers_are_unique_and_find_their_leaf(self, entry):
        numbers = [one.number for one in entry.leaves]
        assert len(set(numbers)) == len(numbers)
        assert all(isinstance(one.leaf, Leaf) for one in entry.leaves)

    def test_blocks_joined_are_the_contents(self, entry):
        (one,) = (one for one in entry.leaves if one.path == "w")
        joined = b"".join(entry.block(one.number, index) for index in range(len(one.leaf.blocks)))
        assert joined == entry.contents(one.number).tobytes()

    def test_contents_are_private_to_whoever_asked(self, entry):
        number = entry.leaves[0].number
        entry.contents(number)[...] = -1
        assert (entry.contents(number) != -1).all()

    def test_groups_have_records(self, entry):
        assert entry.groups == ("g",)
        assert isinstance(entry.record("g"), bytes)
        with pytest.raises(KeyError):
            entry.record("h")

    def test_pickles_need_trust(self, entry):
        assert entry.pickled == ("g",)
        assert isinstance(entry.pickle("g", trust=True), bytes)
        with pytest.raises(PermissionError):
            entry.pickle("g", trust=False)

    def test_names_and_reasons_are_text(self, entry):
        assert set(map(type, [*entry.names, *entry.names.values(), *entry.report, *entry.report.values()])) == {str}

    def test_it_is_what_the_core_expects(self, entry):
        promised = {name for name in vars(StoredEntry) if not name.startswith("_")}
        assert promised <= set(dir(entry))


class ContentContract:
    """Subclasses supply ``content`` holding the same."""

    def test_variables_describe_what_is_read(self, content):
        for path, one in content.variables.items():
            value = content.read(path)
            assert isinstance(one, Variable)
            assert (one.path, one.shape, one.dtype, one.nbytes) == (path, value.shape, value.dtype, value.nbytes)

    def test_what_is_read_is_fresh_and_writable(self, content):
        content.read("w")[...] = -1
        assert (content.read("w") != -1).all()

    def test_an_unknown_path_is_said(self, content):
        with pytest.raises(PathNotFound):
            content.read("unknown")


@pytest.fixture
def repository(example, commit):
    w = np.arange(12.0).reshape(3, 4)
    return commit(example.entry({"w": w}, records={"g": b"[]"}, pickles={"g": b"\x80."}, report={"f": "a generator"}))


class TestCommitted(EntryContract):
    @pytest.fixture
    def entry(self, repository):
        stored = repository.entry("latest")
        assert isinstance(stored, Committed)
        return stored


class TestStoredContent(ContentContract):
    @pytest.fixture
    def content(self, repository):
        return repository["latest"].content


def test_a_digest_on_disk_is_the_one_in_memory(tmp_path):
    whole = np.arange(12.0)
    workspace = snapshot.Workspace({"whole": whole, "part": whole[3:5]}, tmp_path / "run.zarr")
    in_memory = workspace.store("before").variables
    on_disk = snapshot.open(tmp_path / "run.zarr")["before"].variables
    assert {path: one.digest for path, one in on_disk.items()} == {p: one.digest for p, one in in_memory.items()}


def test_describing_what_is_to_be_stored_does_not_load_zarr():
    program = "import sys, snapshot.repository.entry, snapshot.timeline; sys.exit('zarr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
