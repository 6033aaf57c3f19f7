"""Many writers of one repository in an object store, while somebody drops and collects there."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import snapshot
from tests.repository.object_store import ObjectStore

pytest.importorskip("obstore")
pytest.importorskip("moto.server")

COUNT = 40
URL = "s3://experiments/run.zarr"

CONTENTS = """
    import os, sys, warnings
    from datetime import timedelta
    import numpy as np
    from snapshot import SnapshotWarning
    from snapshot.repository import Repository
    from snapshot.workspace import Workspace

    warnings.simplefilter("error", SnapshotWarning)

    def contents(who, number):
        "Some are everybody's, some change at each store, the large one has an array of its own."
        return {
            "all": np.full(10_000, number % 4), "own": np.full(2_000, hash((len(who), number))),
            "large": np.full(300_000, float(number // 10)), "small": number,
        }
"""

WRITE = """
    who = sys.argv[2]
    names = {}
    workspace = Workspace(names, sys.argv[1], notebook=who)
    for number in range(1, 41):
        names.update(contents(who, number))
        workspace.store(f"{who}-{number}", step=number)
        workspace.flush()
    workspace.close()
"""

DELETE = """
    names, dropped, repository = {}, 0, Repository.create_or_open(sys.argv[1])
    workspace = Workspace(names, sys.argv[1], notebook="passing")
    while not os.path.exists(sys.argv[2]):
        for number in (dropped, dropped + 1):
            # what it drops holds what the others store just now
            names.update(contents("passing", number))
            workspace.store()
        workspace.flush()
        workspace.drop("latest", "latest~1")
        workspace.flush()
        dropped += 2
        repository.collect(timedelta(0))
    print(dropped)
"""


@pytest.fixture
def server(tmp_path, monkeypatch):
    running = ObjectStore(tmp_path / "log")
    running.make_bucket("experiments")
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    yield running
    running.end()


def begun(body, *arguments):
    code = textwrap.dedent(CONTENTS) + textwrap.dedent(body)
    command = [sys.executable, "-c", code, URL, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_store_there_while_a_third_drops_and_collects(server, tmp_path):
    over = tmp_path / "both have stored everything"
    jobs = [begun(WRITE, "one"), begun(WRITE, "three"), begun(DELETE, over)]
    said = [job.communicate() for job in jobs[:2]]
    over.touch()
    said.append(jobs[2].communicate())
    assert [job.returncode for job in jobs] == [0, 0, 0], [error for _, error in said]
    assert int(said[2][0]) > 0

    namespace = {}
    exec(textwrap.dedent(CONTENTS), namespace)
    repository = snapshot.open(URL)
    there = {one.label: one for one in repository.timeline}
    assert there.keys() == {f"{who}-{number}" for who in ("one", "three") for number in range(1, COUNT + 1)}
    for label, one in there.items():
        who, number = label.split("-")
        for path, value in namespace["contents"](who, int(number)).items():
            assert_array_equal(one[path], value)
    verified = repository.verify()
    assert verified, str(verified)
    assert verified.snapshots == 2 * COUNT
    assert np.array_equal(repository.series("small")[...], np.arange(1, COUNT + 1))
