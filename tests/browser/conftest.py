"""A real JupyterLab and Notebook 7, driven through headless Chromium: one server and browser for all tests here.

Nothing outside this machine is reached: the page's requests to other hosts are
stopped and fail the test, and so do errors in the browser's console.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "out" / "screenshots"
ADVICE = "no Chromium on PATH; on Debian or Ubuntu, as root: apt-get install -y chromium"
LAB = [
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--LabApp.expose_app_in_browser=True",
    "--JupyterNotebookApp.expose_app_in_browser=True",
    # neither news nor updates nor extensions from the net
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
]
# Run All before all of this opens a dialog that nobody answers; the toolbar says "idle" even without a kernel
CONTEXT = "window.jupyterapp?.shell?.currentWidget?.sessionContext"
PROMPT = ".jp-Notebook-cell:nth-of-type({}) .jp-InputPrompt"
#: JupyterLab's own remark, now and then, when it lays out a panel that it has just closed.
LABS_OWN = "reading 'processLuminoMessage'"
#: What ipywidgets says of a box that was taken off the page while its children were still being made:
#: its ``BoxView.add_child_model`` asks the panel for its ``widgets`` once the child is there, and a panel
#: that was disposed of has no layout to ask. No script of ours reads a ``widgets``.
TAKEN_OFF = ("Could not add child view to box", "(reading 'widgets')")
OPENED = f"() => {CONTEXT}"
STARTED = f"""async () => {{
    await window.jupyterapp.restored;
    await {CONTEXT}.ready;
    await {CONTEXT}.session.kernel.info;
}}"""
IDLE = f"""() => {{
    const kernel = {CONTEXT}.session?.kernel;
    return kernel?.status === 'idle' && kernel.connectionStatus === 'connected';
}}"""


def chromium() -> str:
    """Chromium's program; skips where there is none, unless the environment insists."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if program := shutil.which(name):
            return program
    if os.environ.get("SNAPSHOT_REQUIRE_BROWSER"):
        pytest.fail(ADVICE)
    pytest.skip(ADVICE)


@dataclass
class Lab:
    """A running JupyterLab: its address, and the folder it shows."""

    address: str
    token: str
    folder: Path


@dataclass
class Notebook:
    """One notebook, open in the browser, and everything the page complained about."""

    page: Any
    name: str
    complaints: list[str] = field(default_factory=list)
    place: str = "doc/tree"  #: JupyterLab; ``notebooks`` is Notebook 7

    def open(self, lab: Lab) -> None:
        self.page.goto(f"{lab.address}{self.place}/{self.name}?reset&token={lab.token}")
        self.page.wait_for_function(OPENED)
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        self.page.evaluate(STARTED)
        self.page.wait_for_function(IDLE)

    def restart(self) -> None:
        """A new kernel; the outputs stay."""
        self.page.evaluate(f"() => {CONTEXT}.restartKernel()")
        self.wait_for_kernel()

    def save(self) -> None:
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def run_all(self) -> None:
        """Run every cell; returns when the last one has finished."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_function(IDLE)

    def start_all(self) -> None:
        """Begin to run every cell and return at once."""
        self.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def prompt(self, cell: int) -> str:
        """``[3]:`` after a run, ``[*]:`` during one; cells count from 1.

        The kernel's status says less: answers to a widget make it idle while a cell runs.
        """
        return self.page.locator(PROMPT.format(cell)).inner_text()

    def wait_for_prompt(self, cell: int, prompt: str) -> None:
        shows = "([selector, prompt]) => document.querySelector(selector)?.innerText === prompt"
        self.page.wait_for_function(shows, arg=[PROMPT.format(cell), prompt])

    def wait_for_another_picture(self, selector: str, old: str) -> None:
        """Wait until the picture at ``selector`` has another address than ``old`` and is drawn."""
        other = "([selector, old]) => document.querySelector(selector).src !== old"
        self.page.wait_for_function(other, arg=[selector, old])
        self.picture(selector)

    def errors(self) -> list[str]:
        """The tracebacks the cells show."""
        return self.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').all_inner_texts()

    def picture(self, selector: str) -> str:
        """The address of the picture at ``selector``, once it has been drawn."""
        drawn = f"() => document.querySelector('{selector}')?.naturalWidth > 0"
        self.page.wait_for_function(drawn)
        return self.page.locator(selector).first.get_attribute("src")

    def end_kernel(self) -> None:
        self.page.evaluate(f"() => {CONTEXT}.shutdown()")

    def forgive(self, text: str) -> None:
        """Complaints with this in them are expected."""
        self.complaints[:] = [complaint for complaint in self.complaints if text not in complaint]

    def centre(self, selector: str) -> None:
        """Scroll so that the middle of the window shows it."""
        middle = "element => element.scrollIntoView({block: 'center'})"
        self.page.locator(selector).first.evaluate(middle)

    def screenshot(self, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
        return SCREENSHOTS / f"{name}.png"


@pytest.fixture
def made(tmp_path):
    """The function that writes a notebook of these cells."""

    def make(name: str, *sources: str) -> Path:
        cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
        made = nbformat.v4.new_notebook(cells=cells)
        made.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nbformat.write(made, tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Iterator[Lab]:
    """A JupyterLab server on loopback with a home of its own."""
    chromium()
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks")
    settings = home / ".jupyter" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    # else a question about news covers a corner of every screenshot
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *LAB, f"--ServerApp.root_dir={folder}"],
        env={**kept, "HOME": str(home), "IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        address, token = read_address(server.stderr)
        yield Lab(address, token, folder)
    finally:
        end(server)


def read_address(log: Any) -> tuple[str, str]:
    """Address and token from the server's log, which goes on being read in the background."""
    lines = []
    for line in log:
        lines.append(line)
        if found := re.search(r"(http://127\.0\.0\.1:\d+/)\S*\?token=(\w+)", line):
            # a full pipe would stop the server
            threading.Thread(target=log.read, daemon=True).start()
            return found[1], found[2]
    pytest.fail("JupyterLab did not start:\n" + "".join(lines))


def end(server: subprocess.Popen[str]) -> None:
    """End the server's own process group, politely first: it then ends its kernels."""
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    program = chromium()
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-component-update"]
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=program, args=flags)
        yield launched
        launched.close()


@pytest.fixture
def notebook(lab: Lab, browser: Any) -> Iterator[Any]:
    """``notebook(path)`` opens a copy of that file; complaints of its page fail the test at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 1100})
    opened = Notebook(context.new_page(), "")
    opened.page.set_default_timeout(60_000)

    def guard(route: Any) -> None:
        if urlsplit(route.request.url).hostname in ("127.0.0.1", None):
            return route.continue_()
        opened.complaints.append(f"asked for {route.request.url}")
        return route.abort()

    def listen(message: Any) -> None:
        if message.type == "error" and not any(own in message.text for own in (LABS_OWN, *TAKEN_OFF)):
            opened.complaints.append(f"console: {message.text}")

    def failed(error: Any) -> None:
        if not any(own in str(error) for own in TAKEN_OFF):
            opened.complaints.append(f"error: {error}")

    context.route("**/*", guard)
    opened.page.on("console", listen)
    opened.page.on("pageerror", failed)

    def open_copy(source: Path, place: str = opened.place) -> Notebook:
        shutil.copy(source, lab.folder)
        opened.name, opened.place = source.name, place
        opened.open(lab)
        return opened

    yield open_copy
    context.close()
    assert opened.complaints == []
