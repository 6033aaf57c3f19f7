"""Files are written whole, however little a system takes at a time."""

import errno
import os
from threading import Event

import pytest

from snapshot.repository import files
from snapshot.repository.files import Files

#: More parts than one call may have, some of them empty.
PARTS = [bytes([number % 251]) * (number % 5) for number in range(2_500)]


def takes_all(monkeypatch):
    pass


def takes_little(monkeypatch):
    real_write = os.write
    monkeypatch.setattr(os, "writev", lambda file, parts: real_write(file, b"".join(parts)[:7]))
    monkeypatch.setattr(os, "write", lambda file, data: real_write(file, bytes(data[:3])))


def has_no_such_call(monkeypatch):
    monkeypatch.delattr(os, "writev")


def refuses_so_much_at_once(monkeypatch):
    monkeypatch.setattr(files, "_MOST", 100)

    real_writev = os.writev

    def writev(file, parts):
        if sum(map(len, parts)) > 100:
            raise OSError(errno.EINVAL, "more than this system writes at once")
        return real_writev(file, parts)

    monkeypatch.setattr(os, "writev", writev)


@pytest.mark.skipif(not hasattr(os, "writev"), reason="the system has no such call to begin with")
@pytest.mark.parametrize("system", [takes_all, takes_little, has_no_such_call, refuses_so_much_at_once])
def test_a_file_holds_all_its_parts_on_a_system_that(system, monkeypatch, tmp_path):
    system(monkeypatch)
    Files(tmp_path).put([("a/b", lambda: PARTS), ("c", lambda: memoryview(b"one"))], Event())
    monkeypatch.undo()
    assert (tmp_path / "a" / "b").read_bytes() == b"".join(PARTS)
    assert (tmp_path / "c").read_bytes() == b"one"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "c"]
