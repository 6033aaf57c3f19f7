"""With ``durable`` a snapshot exists only once everything it needs has reached the disk."""

import os
import sys

import numpy as np
import pytest

from snapshot import Workspace
from snapshot.repository import Repository


@pytest.fixture
def events(monkeypatch):
    """What happened to files and folders, in order: ("sync" or "name", path)."""
    seen = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        seen.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def replaced(source, target):
        seen.append(("name", str(target)))
        # the file is known by its final name from now on
        seen[:] = [(what, str(target) if path == str(source) else path) for what, path in seen]
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return seen


linux = pytest.mark.skipif(sys.platform != "linux", reason="descriptors have names on Linux only")


@linux
def test_everything_is_on_the_disk_before_the_key_that_makes_it_exist(example, home, events):
    writer = Repository.create_or_open(home, durable=True).writer("first")
    writer.commit(example.entry({"w": example.big(0, (150, 1000)), "b": np.arange(3)}, 1, records={"g": b"[1]"}))
    events.clear()
    writer.commit(example.entry({"w": example.big(1, (150, 1000)), "b": np.arange(4)}, 2, 1, records={"g": b"[2]"}))
    key = str(home / "runs/first/snapshots/2/zarr.json")
    commit = events.index(("name", key))
    before = events[:commit]
    written = {path for what, path in before if what == "name"}
    # a row and its array, a pack and its array, the table
    assert len(written) == 5
    for path in written:
        named = before.index(("name", path))
        assert ("sync", path) in before[:named]
        assert ("sync", os.path.dirname(path)) in before[named:]
    assert ("sync", key) in before
    assert ("sync", os.path.dirname(key)) in events[commit:]


@linux
def test_it_is_not_asked_for_unless_told(example, home, events):
    writer = Repository.create_or_open(home).writer("first")
    writer.commit(example.entry({"b": np.arange(3)}))
    assert [one for one in events if one[0] == "sync"] == []


@linux
def test_a_workspace_can_be_told(tmp_path, events):
    workspace = Workspace({"w": np.arange(3.0)}, tmp_path / "run.zarr", durable=True)
    workspace.store("before")
    workspace.flush()
    assert sum(what == "sync" for what, _ in events) > 5
