"""Pickles that this user stored load by themselves; those of others, and what was tampered with, only on request."""

import gzip
import json
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import xxhash

import snapshot
from snapshot import signing
from snapshot.errors import NotTrusted
from snapshot.workspace import Workspace


class Thing:
    """Only a pickle makes one in a namespace where there is none."""

    def __init__(self, name):
        self.name = name


@pytest.fixture
def home(tmp_path):
    """A repository with one thing, stored by this user."""
    names = {"thing": Thing("mine"), "other": Thing("other"), "w": np.arange(3.0)}
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("before")
    workspace.flush()
    return tmp_path / "run.zarr"


def back(home, **options):
    """What a new kernel gets, and why not."""
    names = {}
    reasons = Workspace(names, home, **options).restore("before").unused_reasons
    return names, reasons


def rewrite_table(home, change):
    """Change the table of the only snapshot as somebody with the folder in hand can, hashes included."""
    [table] = home.glob("runs/*/snapshots/1/table")
    document = json.loads(gzip.decompress(table.read_bytes()))
    change(document)
    write_table(table, document)


def write_table(table, document):
    data = gzip.compress(json.dumps(document).encode())
    table.write_bytes(data)
    header = table.with_name("zarr.json")
    about = json.loads(header.read_text())
    about["attributes"]["snapshot"]["table"] = xxhash.xxh3_128_digest(data).hex()
    header.write_text(json.dumps(about))


def test_what_this_user_stored_comes_back_without_being_asked_for(home):
    names, reasons = back(home)
    assert (names["thing"].name, names["other"].name, reasons) == ("mine", "other", {})


def test_what_somebody_else_stored_is_left_out_and_the_message_says_how_to_trust(home, as_somebody_else):
    as_somebody_else()
    names, reasons = back(home)
    assert names.keys() == {"w"}
    assert "you have no key yet" in reasons["thing"]
    assert f"%snapshot open {home} --trust" in reasons["thing"]


def test_on_request_it_is_loaded_whoever_stored_it(home, as_somebody_else):
    as_somebody_else()
    names, reasons = back(home, trust=True)
    assert (names["thing"].name, reasons) == ("mine", {})


def test_another_key_is_said_to_be_another_key(home, as_somebody_else):
    as_somebody_else()
    signing.signer()
    names, reasons = back(home)
    assert "thing" not in names
    assert "signed with another key than yours" in reasons["thing"]


def test_a_key_that_was_replaced_is_another_key(home):
    signing.secret_file().rename(home.parent / "the old key")
    signing.signer()
    try:
        assert "signed with another key than yours" in back(home)[1]["thing"]
    finally:
        (home.parent / "the old key").replace(signing.secret_file())


def test_a_pickle_under_another_name_is_refused(home):
    def swap(document):
        for part in ("pickles", "signatures"):
            document[part]["thing"], document[part]["other"] = document[part]["other"], document[part]["thing"]

    rewrite_table(home, swap)
    names, reasons = back(home)
    assert not {"thing", "other"} & names.keys()
    assert "changed, or moved from another name or snapshot" in reasons["thing"]


def test_a_pickle_that_was_changed_is_refused(home):
    def change(document):
        _, source, offset, length = document["pickles"]["thing"]
        pack = home / document["sources"][source] / "c.0"
        data = bytearray(pack.read_bytes())
        data[offset : offset + length] = data[offset : offset + length].replace(b"mine", b"evil")
        pack.write_bytes(data)
        document["pickles"]["thing"][0] = xxhash.xxh3_128_digest(data[offset : offset + length]).hex()

    rewrite_table(home, change)
    names, reasons = back(home)
    assert "thing" not in names
    assert "it is not what you signed" in reasons["thing"]


def test_a_pickle_of_another_snapshot_is_refused(home):
    names = {"thing": Thing("newer"), "other": Thing("other"), "w": np.arange(3.0)}
    workspace = Workspace(names, home)
    workspace.store("after")
    workspace.flush()
    tables = sorted(home.glob("runs/*/snapshots/1/table"), key=lambda file: file.stat().st_mtime_ns)
    before, after = [json.loads(gzip.decompress(table.read_bytes())) for table in tables]

    def move(document):
        document["sources"].append(after["sources"][after["pickles"]["thing"][1]])
        digest, _, *place = after["pickles"]["thing"]
        document["pickles"]["thing"] = [digest, len(document["sources"]) - 1, *place]
        document["signatures"]["thing"] = after["signatures"]["thing"]

    move(before)
    write_table(tables[0], before)
    assert "moved from another name or snapshot" in back(home)[1]["thing"]


def test_a_pickle_without_a_signature_is_refused(home):
    rewrite_table(home, lambda document: document.pop("signatures"))
    names, reasons = back(home)
    assert "thing" not in names
    assert "it is not signed" in reasons["thing"]


def test_arrays_and_plain_values_need_no_signature(home, as_somebody_else):
    as_somebody_else()
    assert back(home)[0]["w"].tolist() == [0, 1, 2]


# --- a stranger's repository

STRANGER = """
    import os, sys
    import numpy as np
    from snapshot.workspace import Workspace

    class Trap:
        def __init__(self, w):
            self.w = w
        def __reduce__(self):
            return (exec, ("open(%r, 'w').close()" % sys.argv[2],))

    w = np.arange(6.0).reshape(2, 3)
    names = {"trap": Trap(w), "w": w, "list": [1, Trap(w)], "options": {"lr": 0.5}}
    workspace = Workspace(names, sys.argv[1])
    for step in range(3):
        w += 1
        workspace.store(f"at-{step}", step=step)
    workspace.flush()
"""


@pytest.fixture
def stranger(tmp_path):
    """A repository made by somebody else, with a pickle that writes a file when it is loaded; and that file."""
    script, trap = tmp_path / "make.py", tmp_path / "sprung"
    script.write_text(textwrap.dedent(STRANGER))
    environment = {**os.environ, "SNAPSHOT_SECRET_FILE": str(tmp_path / "their key")}
    subprocess.run([sys.executable, script, tmp_path / "run.zarr", trap], check=True, env=environment)
    assert (tmp_path / "their key").is_file()
    return tmp_path / "run.zarr", trap


def look(home):
    repository = snapshot.open(home)
    assert "3 snapshots" in repr(repository)
    assert "at-2" in repository._repr_html_()
    for snap in repository.timeline:
        assert {"w", "trap", "list"} <= snap.names.keys()
        assert snap.variables["w"].shape == (2, 3)
        assert snap.content.outline()["options['lr']"] == "0.5"


def read(home):
    repository = snapshot.open(home)
    assert repository["at-2"]["w"][1, 2] == 8
    assert repository.series("w")[:, 0, 0].tolist() == [1, 2, 3]
    assert repository["at-0"]["options"] == {"lr": 0.5}
    repository.series("w").to_xarray().sel(step=1).values.sum()


def plot(home):
    from snapshot.widgets import Evolution

    workspace = Workspace({}, home)
    Evolution(workspace, ["w"])._repr_mimebundle_()


def restore(home):
    names = {"w": np.zeros((2, 3))}
    workspace = Workspace(names, home)
    workspace.compare("at-0", "at-2")
    status = workspace.restore("at-1")
    assert names["w"][0, 0] == 2
    assert {"trap", "list"} <= set(status.unused)


def read_the_trap(home):
    for path in ("trap", "list"):
        with pytest.raises(LookupError):
            snapshot.open(home)["at-1"][path]


@pytest.mark.parametrize("use", [look, read, plot, restore, read_the_trap], ids=lambda use: use.__name__)
def test_nothing_of_a_strangers_repository_runs(use, stranger):
    home, trap = stranger
    use(home)
    assert not trap.exists()


def test_the_trap_is_one(stranger):
    home, trap = stranger
    Workspace({}, home, trust=True).restore("at-1")
    assert trap.exists()


# --- the key


@pytest.fixture
def key(tmp_path, monkeypatch):
    """Where the key of a new user will be."""
    monkeypatch.setenv("SNAPSHOT_SECRET_FILE", str(tmp_path / "data" / "key"))
    monkeypatch.setattr(signing, "_warned", set())
    return tmp_path / "data" / "key"


def test_the_key_lies_beside_jupyters_own(monkeypatch, tmp_path):
    monkeypatch.delenv("SNAPSHOT_SECRET_FILE")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert signing.secret_file() == tmp_path / "snapshot_secret"


def test_the_key_is_made_when_the_first_pickle_is_stored_and_not_before(key, tmp_path):
    names = {"w": np.arange(3), "options": {"a": [1]}}
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store()
    assert not key.exists()
    names["thing"] = Thing("mine")
    workspace.store()
    assert len(key.read_text()) == 128


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such mode")
def test_only_its_owner_may_read_the_key(key):
    signing.signer()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [file.name for file in key.parent.iterdir()] == ["key"]


def test_processes_that_begin_together_share_one_key(key):
    code = "from snapshot import signing; print(signing.signer()('run', 1, 'name', b'pickle'))"
    begun = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(8)]
    assert len({one.communicate()[0] for one in begun}) == 1


def test_the_key_is_not_in_the_repository(key, tmp_path):
    workspace = Workspace({"thing": Thing("mine")}, tmp_path / "run.zarr")
    workspace.store()
    workspace.flush()
    secret = key.read_bytes()
    for file in (tmp_path / "run.zarr").rglob("*"):
        data = file.read_bytes() if file.is_file() else b""
        assert secret not in data
        assert secret not in (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b"")


OBSTACLES = {
    "a folder": (lambda key: key.mkdir(parents=True), "cannot be read"),
    "a file in the way": (lambda key: key.parent.write_text(""), "cannot be (made|read)"),
    "no key": (lambda key: (key.parent.mkdir(), key.write_text("short")), "is no key; delete it"),
    "open to all": (lambda key: (signing.signer(), key.chmod(0o604)), "is open to everybody"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_without_a_key_everything_is_stored_unsigned_and_one_notice_says_why(obstacle, key, tmp_path):
    hinder, words = OBSTACLES[obstacle]
    hinder(key)
    workspace = Workspace({"thing": Thing("mine"), "w": np.arange(3)}, tmp_path / "run.zarr")
    with pytest.warns(snapshot.SnapshotWarning, match=words) as noticed:
        workspace.store("before")
    workspace.store("again")
    workspace.flush()
    assert len(noticed) == 1
    names, reasons = back(tmp_path / "run.zarr")
    assert (names["w"].tolist(), "it is not signed" in reasons["thing"]) == ([0, 1, 2], True)


def test_a_repository_of_format_1_has_no_signatures_and_reads_as_before(tmp_path):
    import tarfile

    with tarfile.open(Path(__file__).parent / "repository" / "data" / "format1.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    [home] = [file.parent for file in tmp_path.glob("*/zarr.json")]
    repository = snapshot.open(home)
    for snap in repository.timeline:
        entry = repository.entry(snap)
        for group in entry.pickled:
            with pytest.raises(NotTrusted, match="it is not signed"):
                entry.pickle(group, trust=False, doubt=signing.doubt)
