"""Real kernels, spoken to as JupyterLab speaks to them: one process each, in a folder of its own.

Nothing here sleeps. An answer is complete when the kernel has said that it is idle
again *and* has replied, both with the number of the request they answer.
"""

import ast
import os
import queue
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

PATIENCE = 60  # seconds until a kernel counts as hanging; nothing is measured by it


class CellFailed(AssertionError):
    """A cell raised; the message is its traceback without colours."""


@dataclass
class Answer:
    """What one cell sent back."""

    out: str = ""
    err: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    comms: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""  #: the exception's name, empty where none was raised
    traceback: str = ""
    paged: str = ""  #: what goes to the pager, as help does

    @property
    def text(self) -> str:
        """Everything a reader of the notebook sees below the cell, as text."""
        return self.out + self.err + "\n".join(data.get("text/plain", "") for data in self.shown) + self.traceback

    def take(self, message: dict[str, Any]) -> None:
        """Add one message of the kernel's."""
        kind, content = message["msg_type"], message["content"]
        if kind == "stream" and content["name"] == "stdout":
            self.out += content["text"]
        elif kind == "stream":
            self.err += content["text"]
        elif kind in ("display_data", "execute_result"):
            self.shown.append(content["data"])
        elif kind.startswith("comm_"):
            self.comms.append({"msg_type": kind, **content})
        elif kind == "error":
            self.traceback = "\n".join(content["traceback"])


class Kernel:
    """A running kernel in ``folder``."""

    def __init__(self, folder: Path, home: Path, prefix: tuple[str, ...] = (), **environment: str) -> None:
        self.folder = folder
        self._manager = KernelManager(connection_file=str(home / "connection.json"))
        options = ["--HistoryManager.enabled=False", "--InteractiveShell.colors=nocolor"]
        command = [*prefix, sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *options]
        self._manager.kernel_spec.argv = command
        self._manager.start_kernel(cwd=str(folder), env={**_surroundings(home), **environment})
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE)
        self._early: list[dict[str, Any]] = []
        self._ended = False

    def run(self, code: str) -> Answer:
        """Run a cell; raises :class:`CellFailed` with the traceback when it does."""
        answer = self.attempt(code)
        if answer.error:
            raise CellFailed(f"{code}\n{answer.err}{answer.traceback}")
        return answer

    def attempt(self, code: str) -> Answer:
        """Run a cell that may raise."""
        return self.answer(self.begin(code))

    def __getitem__(self, expression: str) -> Any:
        """The value of an expression, for whatever Python can write as a literal."""
        request = self._client.execute("", store_history=False, user_expressions={"it": expression})
        self._until_idle(request, Answer())
        result = self._reply(request)["user_expressions"]["it"]
        if result["status"] == "error":
            raise CellFailed(f"{expression}\n{result['evalue']}")
        return ast.literal_eval(result["data"]["text/plain"])

    def begin(self, code: str) -> str:
        """Send a cell without waiting; :meth:`answer` takes what this returns."""
        return str(self._client.execute(code))

    def until_printed(self, request: str, words: str) -> None:
        """Return when the cell has printed ``words``; it goes on running."""
        seen = Answer()
        while words not in seen.out:
            message = self._client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request:
                seen.take(message)
                self._early.append(message)

    def answer(self, request: str) -> Answer:
        """All that came back for a cell, once it has ended."""
        answer = Answer()
        for message in self._early:
            if message["parent_header"].get("msg_id") == request:
                answer.take(message)
        self._early.clear()
        self._until_idle(request, answer)
        reply = self._reply(request)
        # a mistake on a magic's line is no error message, just a line on the error stream
        answer.error = reply.get("ename", "")
        pages = [page["data"]["text/plain"] for page in reply.get("payload", ()) if "data" in page]
        answer.paged = "\n".join(pages)
        return answer

    def interrupt(self) -> None:
        """What the stop button does."""
        self._manager.interrupt_kernel()

    def leave(self) -> None:
        """Ask the kernel to end, as JupyterLab does, and return when it has."""
        self._ended = True
        self._client.stop_channels()
        self._manager.shutdown_wait_time = PATIENCE
        self._manager.shutdown_kernel()

    def end(self) -> None:
        """End the kernel, and whatever it started, at once."""
        if not self._ended:
            self._ended = True
            self._client.stop_channels()
            group = self._manager.provisioner.pgid
            # the group first: its number is not given away while its leader is not collected
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
            self._manager.shutdown_kernel(now=True)

    def _until_idle(self, request: str, answer: Answer) -> None:
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            answer.take(message)

    def _reply(self, request: str) -> dict[str, Any]:
        while True:
            try:
                message = self._client.get_shell_msg(timeout=PATIENCE)
            except queue.Empty:
                raise CellFailed("the kernel does not answer") from None
            if message["parent_header"].get("msg_id") == request:
                return dict(message["content"])


def _surroundings(home: Path) -> dict[str, str]:
    """An environment in which nothing is read from or written to the tester's own home."""
    ours = {"HOME": "", "IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data"}
    ours |= {"JUPYTER_RUNTIME_DIR": "runtime", "MPLCONFIGDIR": "matplotlib", "XDG_CACHE_HOME": "cache"}
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("JPY_", "MPLBACKEND", "PYTEST_"))
    }
    return {**kept, **{name: str(home / folder) for name, folder in ours.items()}, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Kernel]]:
    """Start a kernel in a folder (a new one unless given); all of them end with the module."""
    started: list[Kernel] = []

    def one(folder: Path | None = None, **options: Any) -> Kernel:
        home = tmp_path_factory.mktemp("home")
        started.append(Kernel(folder or tmp_path_factory.mktemp("notebook"), home, **options))
        return started[-1]

    yield one
    for kernel in started:
        kernel.end()


@pytest.fixture(scope="module")
def shared_kernel(start: Callable[..., Kernel]) -> Kernel:
    """The module's kernel with the extension loaded."""
    kernel = start()
    kernel.run("%load_ext snapshot")
    return kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    """The module's kernel without the names of other tests; a label stored again moves."""
    shared_kernel.run("%reset -sf")
    return shared_kernel
