"""A repository in an object store, spoken to as anybody's: over HTTP, with credentials from the environment."""

import subprocess
import sys
from itertools import count

import numpy as np
import pytest

import snapshot
from snapshot.errors import NotARepository, NotWritable, RepositoryError
from snapshot.repository import Repository
from snapshot.workspace import Workspace
from tests.repository.object_store import ObjectStore

pytest.importorskip("obstore")
pytest.importorskip("moto.server")

NUMBERS = count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = ObjectStore(tmp_path_factory.mktemp("s3") / "log")
    running.make_bucket("experiments")
    yield running
    running.end()


@pytest.fixture
def s3(server, monkeypatch, tmp_path):
    """The server, with the environment of a user who has credentials for it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no such file"))
    server.requests()
    return server


@pytest.fixture
def url(s3):
    """An address in the bucket where nothing is yet."""
    return f"s3://experiments/{next(NUMBERS)}/run.zarr"


def some_names():
    """5 MB in two blocks, a small array, and what is kept in records."""
    large = np.random.default_rng(0).random((640, 1000))
    options = {"lr": 0.5, "w": [1, "a"]}
    return {"large": large, "row": large[3], "small": np.arange(3.0), "step": 7, "options": options}


def test_what_one_workspace_stored_another_restores_by_assignment(url):
    mine = some_names()
    workspace = Workspace(mine, url)
    workspace.store("before", step=3, note="far away")
    workspace.flush()
    live = {"large": np.zeros((640, 1000)), "options": {"lr": 9}}
    array, options = live["large"], live["options"]
    status = Workspace(live, url).restore("before")
    assert live["large"] is array
    assert live["options"] is options
    np.testing.assert_array_equal(array, mine["large"])
    assert (options, live["step"], live["small"].tolist()) == ({"lr": 0.5, "w": [1, "a"]}, 7, [0, 1, 2])
    assert np.shares_memory(live["row"], array)
    status.assert_consumed()


def test_open_lists_reads_and_slices_without_a_namespace(url):
    names = {"w": np.zeros((3, 4)), "loss": 1.0}
    workspace = Workspace(names, url)
    for step in range(4):
        names["w"][1, 2] = step
        workspace.store(f"run-{step}", step=10 * step)
    workspace.flush()
    repository = snapshot.open(url)
    assert repository.location == url
    assert [snap.label for snap in repository.timeline] == ["run-0", "run-1", "run-2", "run-3"]
    assert repository["run-0"].variables["w"].shape == (3, 4)
    assert repository["@30"]["w"][1, 2] == 3
    series = repository.series("w")
    assert (series.steps, series[:, 1, 2].tolist()) == ([0, 10, 20, 30], [0, 1, 2, 3])


def test_labels_move_and_snapshots_are_dropped_there(url):
    names = {"x": np.arange(4)}
    workspace = Workspace(names, url)
    for label in ("a", "b", "c"):
        names["x"] += 1
        workspace.store(label)
    workspace.label("a", "best")
    workspace.drop("b")
    workspace.flush()
    assert [snap.label for snap in snapshot.open(url).timeline] == ["best", "c"]
    assert snapshot.open(url)["c"].parent == 1


def test_a_workspace_moves_to_an_address_and_keeps_what_is_in_memory(url, tmp_path):
    names = {"x": np.arange(4)}
    workspace = Workspace(names, tmp_path / "local.zarr")
    workspace.store("before")
    workspace.open(url)
    workspace.store("after")
    workspace.flush()
    assert [snap.label for snap in workspace.in_memory] == ["before", "after"]
    assert [snap.label for snap in snapshot.open(url).timeline] == ["after"]


def test_options_reach_the_store_and_stand_above_the_environment(url, s3, monkeypatch):
    for name in s3.environment:
        monkeypatch.delenv(name)
    options = {"endpoint": s3.endpoint, "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
    workspace = Workspace({"x": 1}, url, storage_options=options)
    workspace.store("here")
    workspace.flush()
    assert snapshot.open(url, storage_options=options)["here"]["x"] == 1


def test_credentials_of_the_aws_configuration_are_used(url, s3, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = a\naws_secret_access_key = b\n")
    (tmp_path / "config").write_text("[profile lab]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    workspace = Workspace({"x": 1}, url)
    workspace.store("here")
    workspace.flush()
    assert [snap.label for snap in snapshot.open(url).timeline] == ["here"]


def test_other_objects_in_the_place_are_left_alone(url, s3):
    import obstore
    from obstore.store import from_url

    obstore.put(from_url(url, client_options={"allow_http": True}), "notes.txt", b"mine")
    with pytest.raises(NotARepository, match="something else is stored there"):
        Workspace({}, url)


@pytest.mark.filterwarnings("ignore:Object at table is not recognized")
def test_plain_zarr_reads_an_array_there(url):
    import zarr

    names = {"large": np.random.default_rng(1).random((640, 1000))}
    workspace = Workspace(names, url)
    workspace.store("before")
    workspace.flush()
    from obstore.store import from_url

    group = zarr.open_group(zarr.storage.ObjectStore(from_url(url, client_options={"allow_http": True})), mode="r")
    arrays = [one for _, one in group.members(max_depth=None) if isinstance(one, zarr.Array)]
    [array] = [one for one in arrays if one.attrs.get("path") == "large"]
    np.testing.assert_array_equal(array[0], names["large"])


# --- what it costs


def methods(requests):
    return [method for method, _ in requests]


def test_a_store_of_what_did_not_change_takes_four_requests(url, s3):
    names = some_names()
    workspace = Workspace(names, url)
    workspace.store()
    workspace.flush()
    s3.requests()
    workspace.store()
    workspace.flush()
    # is it the same repository; was something dropped that this one refers to
    assert sorted(methods(s3.requests())) == ["GET", "GET", "PUT", "PUT"]


def test_a_store_of_a_small_change_adds_one_pack(url, s3):
    names = some_names()
    workspace = Workspace(names, url)
    workspace.store()
    workspace.flush()
    s3.requests()
    names["small"] += 1
    names["step"] += 1
    workspace.store()
    workspace.flush()
    assert sorted(methods(s3.requests())) == ["GET", "GET", "PUT", "PUT", "PUT", "PUT"]


def test_opening_takes_one_request_and_the_timeline_of_many_runs_a_few_at_a_time(url, s3):
    for _ in range(3):
        workspace = Workspace({"x": 1}, url)
        workspace.store()
        workspace.flush()
    s3.requests()
    repository = snapshot.open(url)
    assert methods(s3.requests()) == ["GET"]
    assert len(repository.timeline) == 3
    # the runs, the notes, and for each run: its format, its folds, its snapshots, one header
    assert len(s3.requests()) == 2 + 3 * 4
    assert len(repository.timeline) == 3
    assert len(s3.requests()) == 2 + 3 * 2


def test_a_restore_reads_each_block_once(url, s3):
    names = some_names()
    workspace = Workspace(names, url)
    workspace.store("before")
    workspace.flush()
    for live in ({}, {"large": np.zeros((640, 1000))}):
        other = Workspace(live, url)
        s3.requests()
        other.restore("before")
        read = [path for _, path in s3.requests() if "/variables/" in path or "/packs/" in path]
        assert len(read) == len(set(read)) == 3
        np.testing.assert_array_equal(live["large"], names["large"])


def test_one_value_is_read_in_two_requests_once_the_timeline_is_known(url, s3):
    workspace = Workspace(some_names(), url)
    workspace.store("before")
    workspace.flush()
    repository = snapshot.open(url)
    snap = repository["before"]
    s3.requests()
    snap["small"]
    assert methods(s3.requests()) == ["GET", "GET"]  # the table, and a part of a pack


# --- what can go wrong


@pytest.mark.parametrize("use", [snapshot.open, lambda url: Workspace({}, url)], ids=["open", "Workspace"])
def test_a_bucket_that_is_not_there_is_said_to_be_missing(s3, use):
    with pytest.raises(RepositoryError, match=r"s3://nowhere/run\.zarr cannot be read: there is no such bucket\."):
        use("s3://nowhere/run.zarr")


def test_an_address_without_a_repository_says_so(url):
    with pytest.raises(NotARepository, match="There is no snapshot repository at s3://"):
        snapshot.open(url)


def test_a_server_that_cannot_be_reached_is_named(url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RepositoryError, match=rf"{url} cannot be read: it cannot be reached, tried 4 times"):
        snapshot.open(url)


def test_missing_credentials_are_missed_before_anything_is_asked(url, s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(RepositoryError, match=r"there are no credentials for Amazon S3\..*aws configure"):
        snapshot.open(url)
    assert s3.requests() == []


@pytest.mark.parametrize(
    ("address", "options", "words"),
    [
        ("s3://experiments/x", {"endpiont": "http://a"}, "'endpiont' is not valid for store 'S3'"),
        ("s3:///x", {}, "Unable to recognise URL"),
        ("ftp://host/x", {}, "ftp:// is none of s3://, gs://, az://, file://, memory://"),
        ("http://127.0.0.1:9/run.zarr", {}, "a web server does not list what it holds"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_with_the_reason(s3, address, options, words):
    with pytest.raises(RepositoryError, match=words):
        snapshot.open(address, storage_options=options)


def test_a_password_in_an_address_is_not_repeated(s3):
    with pytest.raises(RepositoryError) as refused:
        snapshot.open("ftp://me:secret@host/x?sig=hidden")
    assert "secret" not in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_without_obstore_the_message_says_what_to_install(s3, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RepositoryError, match=r"pip install 'jupyter-snapshot\[cloud\]'"):
        snapshot.open("s3://experiments/x")


def stored_and_flushed(workspace, label):
    workspace.store(label)
    workspace.flush()


def test_a_store_that_fails_on_the_way_keeps_the_snapshot_in_memory(tmp_path, monkeypatch):
    own = ObjectStore(tmp_path / "log")
    own.make_bucket("experiments")
    for name, value in own.environment.items():
        monkeypatch.setenv(name, value)
    names = {"x": np.arange(4)}
    workspace = Workspace(names, "s3://experiments/run.zarr")
    workspace.store("before")
    workspace.flush()
    own.end()
    names["x"] += 1
    with pytest.warns(snapshot.SnapshotWarning, match="it cannot be reached"):
        stored_and_flushed(workspace, "kept")
    names["x"][:] = 0
    with pytest.warns(snapshot.SnapshotWarning, match="only what this kernel stored is known now"):
        workspace.restore("kept")
    assert names["x"].tolist() == [1, 2, 3, 4]


def test_a_refused_write_is_a_refusal(url):
    from snapshot.repository import addresses

    text = "Server returned non-2xx status code: 403 Forbidden: <Error><Code>AccessDenied</Code></Error>"
    error = addresses.unreached(url, Exception(text), writing=True)
    assert isinstance(error, NotWritable)
    assert "it is refused (AccessDenied)" in str(error)


@pytest.mark.parametrize("again", ["repository", "Repository({url!r})", "snapshot.open({url!r})"])
def test_a_forked_process_is_told_instead_of_waiting_for_ever(url, s3, again):
    code = f"""
import os, warnings
import snapshot
from snapshot.repository import Repository
repository = Repository.create_or_open({url!r})
warnings.simplefilter("ignore")
if os.fork() == 0:
    try:
        {again.format(url=url)}.timeline
    except OSError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "multiprocessing's 'spawn'" in done.stdout


# --- addresses that need no network


def test_a_file_address_is_the_folder(tmp_path):
    workspace = Workspace({"x": 1}, (tmp_path / "a run.zarr").as_uri())
    workspace.store("here")
    workspace.flush()
    assert (tmp_path / "a run.zarr" / "zarr.json").is_file()


def test_a_memory_address_is_one_place_in_this_process():
    workspace = Workspace({"x": np.arange(3)}, "memory://one")
    workspace.store("here")
    workspace.flush()
    assert Repository("memory://one")["here"]["x"].tolist() == [0, 1, 2]
    with pytest.raises(NotARepository):
        Repository("memory://two")
