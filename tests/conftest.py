"""Every test has a key of its own to sign with: nothing is read from or written to the tester's home."""

import signal
import sys

import pytest


def pytest_configure():
    """What a shell starts in the background ignores the stop button, and these tests press it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _the_testers_key_is_left_alone(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNAPSHOT_SECRET_FILE", str(tmp_path_factory.mktemp("secrets") / "mine"))
        yield


@pytest.fixture(autouse=True, scope="module")
def _tensorflows_seed_is_nobodys_else():
    """A report says that a seed was set; it must not be that of a file that ran before in this process."""
    yield
    random = getattr(sys.modules.get("tensorflow"), "random", None)
    if random is not None:
        random.set_seed(None)


@pytest.fixture
def as_somebody_else(monkeypatch, tmp_path_factory):
    """From when it is called, this process is another user's: what was signed before is a stranger's."""

    def become():
        monkeypatch.setenv("SNAPSHOT_SECRET_FILE", str(tmp_path_factory.mktemp("somebody else") / "key"))

    return become
