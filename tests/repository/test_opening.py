"""What opening does, and what it must never do."""

import json
import os
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from zarr.storage import LocalStore, WrapperStore

from snapshot import SnapshotWarning, Workspace
from snapshot.errors import Damaged, NewerFormat, NotARepository, NotWritable, RepositoryError
from snapshot.repository import Repository, layout


@pytest.mark.parametrize("opener", [Repository, Repository.create_or_open])
def test_a_file_is_not_a_repository(home, opener):
    home.write_text("mine")
    with pytest.raises(NotARepository, match="is a file"):
        opener(home)
    assert home.read_text() == "mine"


@pytest.mark.parametrize("opener", [Repository, Repository.create_or_open])
@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"zarr_format": 3, "node_type": "group", "attributes": {"theirs": 1}}']
)
def test_something_else_of_zarr_is_not_a_repository_and_stays_as_it_is(example, home, opener, content):
    home.mkdir()
    (home / "zarr.json").write_text(content)
    before = example.files(home)
    with pytest.raises(NotARepository, match=r"something else is stored there.*another one"):
        opener(home)
    assert example.files(home) == before


def test_a_folder_of_other_files_is_not_a_repository(home):
    home.mkdir()
    (home / "thesis.tex").write_text("\\section{}")
    with pytest.raises(NotARepository):
        Repository.create_or_open(home)


@pytest.mark.parametrize("there", [True, False])
def test_looking_where_nothing_is_says_so(home, there):
    if there:
        home.mkdir()
    with pytest.raises(NotARepository, match=r"no snapshot repository at .*nothing was found"):
        Repository(home)


@pytest.mark.parametrize("opener", [Repository, Repository.create_or_open])
def test_a_newer_format_names_both_versions_and_the_way_out(example, commit, home, opener):
    commit(example.entry({"w": np.arange(3)}))
    about = json.loads((home / "zarr.json").read_text())
    about["attributes"]["snapshot_repository"]["format"] = 7
    (home / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(NewerFormat, match=rf"format 7.*up to {layout.FORMAT}.*pip install --upgrade"):
        opener(home)


def test_nothing_is_on_disk_before_the_first_commit(home):
    repository = Repository.create_or_open(home)
    repository.writer()
    assert repository.timeline == []
    assert len(repository) == 0
    assert not home.exists()


def test_a_folder_made_beforehand_can_become_a_repository(example, home, commit):
    home.mkdir()
    assert len(commit(example.entry({"w": np.arange(3)}))) == 1


def test_folders_on_the_way_are_made(example, tmp_path):
    home = tmp_path / "a" / "b" / "run.zarr"
    Repository.create_or_open(home).writer().commit(example.entry({"w": np.arange(3)}))
    assert len(Repository(str(home))) == 1


def test_a_new_repository_is_its_owners_and_not_gits(example, commit, home):
    commit(example.entry({"w": np.arange(3)}))
    assert (home / ".gitignore").read_text() == "*\n"
    if sys.platform != "win32":
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_looking_at_everything_writes_nothing(example, commit, home):
    commit(example.entry({"w": example.big(), "b": np.arange(3)}, records={"g": b"[]"}))
    before = {one: one.stat().st_mtime_ns for one in [home, *home.rglob("*")]}
    repository = Repository(home)
    assert repository.series("w")[:, 0, 0].shape == (1,)
    assert repr(repository)
    assert repository._repr_html_()
    for one in repository:
        assert {path: one[path].nbytes for path in one.variables} == {"w": 12_000_000, "b": 24}
        assert repository.entry(one).record("g") == b"[]"
    assert {one: one.stat().st_mtime_ns for one in [home, *home.rglob("*")]} == before


def test_a_repository_that_may_not_be_written_can_be_read(example, commit, home):
    commit(example.entry({"w": np.arange(3)}))
    with as_somebody_else(home.parent):
        for one in [home, *home.rglob("*")]:
            assert not os.access(one, os.W_OK, effective_ids=True)
        assert Repository(home)["latest"]["w"].tolist() == [0, 1, 2]
        with pytest.raises(NotWritable):
            Repository(home).drop("latest")


def test_a_kernel_restores_from_a_repository_that_may_not_be_written_and_keeps_what_it_stores_in_memory(
    tmp_path, home
):
    earlier = Workspace({"w": np.arange(3)}, home)
    earlier.store("kept")
    earlier.close()
    names = {"w": np.zeros(3, int)}
    with as_somebody_else(home.parent):
        workspace = Workspace(names, home)
        assert [one.label for one in workspace.timeline] == ["kept"]
        workspace.restore("kept")
        assert names["w"].tolist() == [0, 1, 2]
        names["w"] += 1
        with pytest.warns(SnapshotWarning, match=r"#1 could not be written.* is read-only.*stays in memory"):
            mine = workspace.store("mine")
        assert "read-only" in workspace.state(mine)
        names["w"][:] = 9
        workspace.restore("mine")
        assert names["w"].tolist() == [1, 2, 3]
        with pytest.raises(NotWritable):
            workspace.drop("kept")
    workspace.flush()
    assert [one.label for one in Repository(home)] == ["kept", "mine"]


def test_a_disk_that_is_mounted_to_be_read_only_is_restored_from(tmp_path):
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root mounts a disk")
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("this system mounts nothing here")
    try:
        names = {"w": np.arange(3)}
        earlier = Workspace(names, place / "run.zarr")
        earlier.store("kept")
        earlier.close()
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        names["w"][:] = 9
        workspace = Workspace(names, place / "run.zarr")
        workspace.restore("kept")
        assert names["w"].tolist() == [0, 1, 2]
        with pytest.warns(SnapshotWarning, match=r"#1 could not be written.* is read-only.*stays in memory"):
            workspace.store("mine")
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        workspace.flush()
        assert [one.label for one in Repository(place / "run.zarr")] == ["kept", "mine"]
    finally:
        subprocess.run(["umount", place], check=True)


class Refusing(WrapperStore):
    """A store that gives and does not take."""

    async def set(self, key, value):
        raise PermissionError(13, "Permission denied")

    async def delete(self, key):
        raise PermissionError(13, "Permission denied")


def test_a_store_that_refuses_writes_is_restored_from(home):
    earlier = Workspace({"w": np.arange(3)}, home)
    earlier.store("kept")
    earlier.close()
    names = {"w": np.zeros(3, int)}
    workspace = Workspace(names, Refusing(LocalStore(home)))
    workspace.restore("kept")
    assert names["w"].tolist() == [0, 1, 2]
    mine = workspace.store("mine")
    with pytest.warns(
        SnapshotWarning, match=r"#1 could not be written.*Permission denied.*keep the snapshots in memory"
    ):
        workspace.flush()
    assert "Permission denied" in workspace.state(mine)


@pytest.mark.parametrize("opener", [Repository, Repository.create_or_open])
@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"zarr_format": 3, "node_type": "group"}'])
def test_a_damaged_root_of_a_repository_is_said_to_be_that_with_the_way_out(
    example, commit, home, tmp_path, opener, content
):
    commit(example.entry({"w": np.arange(3)}))
    (home / "zarr.json").unlink() if content is None else (home / "zarr.json").write_text(content)
    before = example.files(home)
    found = "is missing" if content is None else f"its {len(content)} bytes"
    with pytest.raises(Damaged, match=rf"root \(zarr.json\) is damaged: .*{found}.*1 run .*copy the zarr.json"):
        opener(home)
    assert example.files(home) == before
    # what the message advises
    other = Repository.create_or_open(tmp_path / "other.zarr").writer()
    other.commit(example.entry({"w": np.arange(3)}, run=other.run))
    shutil.copy(tmp_path / "other.zarr/zarr.json", home / "zarr.json")
    assert opener(home)["latest"]["w"].tolist() == [0, 1, 2]


def test_a_repository_that_may_not_be_read_says_so(example, commit, home):
    commit(example.entry({"w": np.arange(3)}))
    with (
        as_somebody_else(home, 0o000),
        pytest.raises(RepositoryError, match=f"{home} cannot be read: Permission denied"),
    ):
        Repository(home)


def test_an_address_is_not_taken_for_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RepositoryError, match="ftp:// is none of"):
        Repository.create_or_open("ftp://host/run.zarr")


def test_a_folder_that_refuses_writes_is_named_with_a_way_out(example, tmp_path):
    with as_somebody_else(tmp_path), pytest.raises(NotWritable, match="Choose another folder"):
        Repository.create_or_open(tmp_path / "run.zarr").writer().commit(example.entry({"w": np.arange(3)}))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_begins_to_refuse_writes_is_named(example, commit, home):
    commit(example.entry({"w": np.arange(3)}, 1))
    with as_somebody_else(home.parent), pytest.raises(NotWritable, match=str(home)):
        commit(example.entry({"w": np.arange(4)}, 2, 1))
    assert len(commit(example.entry({"w": np.arange(4)}, 2, 1))) == 2


@contextmanager
def as_somebody_else(folder: Path, mode: int = 0o555):
    """``folder`` and all in it refuse writes (or more), also when the tests run as root."""
    if sys.platform == "win32":
        pytest.skip("folders of Windows refuse writes in another way")
    before = {one: one.stat().st_mode for one in [folder, *folder.rglob("*")]}
    parents = {one: one.stat().st_mode for one in folder.parents if os.access(one, os.W_OK) and one.owner() == me()}
    root = os.geteuid() == 0
    try:
        for one, was in before.items():
            one.chmod(mode if stat.S_ISDIR(was) else mode & 0o444)
        if root:
            for one, was in parents.items():
                one.chmod(stat.S_IMODE(was) | 0o011)
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        for one, was in {**parents, **before}.items():
            one.chmod(stat.S_IMODE(was))


def me():
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


class Late(WrapperStore):
    """The root appears only after it was looked for, as when another process makes the repository."""

    looked = False

    async def get(self, key, prototype, byte_range=None):
        looked, self.looked = self.looked, True
        return await super().get(key, prototype, byte_range) if looked else None


def test_a_repository_that_another_process_makes_meanwhile_is_one(example, commit, home):
    commit(example.entry({"w": np.arange(3)}))
    assert len(Repository.create_or_open(Late(LocalStore(home)))) == 1
