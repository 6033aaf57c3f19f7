"""How long a move of the plot's slider takes: in the kernel, and from the key press to the picture in a browser.

    python benchmarks/frames.py [--frames 60] [--without-browser]

Six panels at 1080 x 590 of a 64 x 40 weight over 50 snapshots. In the browser (a real JupyterLab in headless
Chromium, started by this script) each arrow key is pressed when the picture of the one before is there. Beside it,
on the same machine in the same run: the same six panels drawn with pyplot into an Output widget, and with ipympl,
if that is installed (``pip install ipympl``); each is driven by a slider of ipywidgets and drawn anew at every move.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STEPS = 50

MAKE = f"""
%load_ext snapshot
import numpy as np
rng = np.random.default_rng(0)
w, trail = rng.normal(0, 0.1, (64, 40)).astype("f4"), []
for step in range({STEPS}):
    w += rng.normal(0, 0.01, w.shape).astype("f4")
    trail.append(w.copy())
    %snapshot store --step {{step}}
"""
PANELS = """
import ipywidgets, matplotlib.pyplot as plt
trail = np.array(trail)
levels = np.percentile(trail, (0, 5, 25, 50, 75, 95, 100), axis=(1, 2))
sizes = [np.log10(np.linalg.norm(b - a) / np.linalg.norm(a)) for a, b in zip(trail, trail[1:])]
heat = np.array([np.histogram(one, 48, (-0.5, 0.5))[0] for one in trail]).T

def draw(figure, step):
    figure.clear()
    axes = figure.subplots(2, 3).ravel()
    for band in range(3):
        axes[0].fill_between(range(len(trail)), levels[band], levels[-1 - band], alpha=0.3)
    axes[0].axvline(step)
    axes[1].imshow(trail[step], cmap="RdBu_r", aspect="auto", vmin=-0.5, vmax=0.5)
    axes[2].imshow(trail[step] - trail[0], cmap="RdBu_r", aspect="auto", vmin=-0.3, vmax=0.3)
    axes[3].plot(range(1, len(trail)), sizes, marker="o")
    axes[3].axvline(step)
    axes[4].imshow(heat, aspect="auto", origin="lower")
    axes[4].axvline(step)
    axes[5].hist(trail[0].ravel(), 48, (-0.5, 0.5))
    axes[5].hist(trail[step].ravel(), 48, (-0.5, 0.5), histtype="step")

slider = ipywidgets.IntSlider(len(trail) - 1, 0, len(trail) - 1)
"""
OUTPUT = """
%matplotlib inline
out = ipywidgets.Output()
def show(change=None):
    with out:
        figure = plt.figure(figsize=(10.8, 5.9), dpi=100)
        draw(figure, slider.value)
        from IPython.display import clear_output
        clear_output(wait=True)
        plt.show()
slider.observe(show, "value")
show()
box = ipywidgets.VBox([slider, out]); box.add_class("measured"); box
"""
IPYMPL = """
%matplotlib widget
plt.ioff()
figure = plt.figure(figsize=(10.8, 5.9), dpi=100)
def show(change=None):
    draw(figure, slider.value)
    figure.canvas.draw_idle()
slider.observe(show, "value")
show()
box = ipywidgets.VBox([slider, figure.canvas]); box.add_class("measured"); box
"""
NOTEBOOKS = {
    "ours": [MAKE, "%snapshot plot w"],
    "Output + pyplot": [MAKE, PANELS, OUTPUT],
    "ipympl": [MAKE, PANELS, IPYMPL],
}
#: What changes when a new picture is there: an address, or pixels of a canvas.
SEEN = """() => {
    const box = document.querySelector('.snapshot-evolution') ?? document.querySelector('.measured');
    const canvas = box?.querySelector('canvas');
    if (canvas) return canvas.toDataURL();
    const image = box?.querySelector('img');
    return image?.complete && image.naturalWidth > 0 ? image.src : null;
}"""
PRESS = f"""async key => {{
    const seen = {SEEN};
    const handle = document.querySelector('.snapshot-evolution .noUi-handle, .measured .noUi-handle');
    const before = seen();
    handle.focus();
    const start = performance.now();
    handle.dispatchEvent(new KeyboardEvent('keydown', {{key, bubbles: true, cancelable: true}}));
    for (;;) {{
        await new Promise(done => requestAnimationFrame(done));
        const now = seen();
        if (now && now !== before) break;
        if (performance.now() - start > 10000) return null;
    }}
    return performance.now() - start;
}}"""


def in_the_kernel(frames: int) -> list[float]:
    """Milliseconds from a chosen step to PNG bytes, after the first picture."""
    import snapshot
    from snapshot.widgets import Evolution

    rng = np.random.default_rng(0)
    names: dict[str, Any] = {"w": rng.normal(0, 0.1, (64, 40)).astype("f4")}
    workspace = snapshot.Workspace(names)
    for step in range(STEPS):
        names["w"] += rng.normal(0, 0.01, (64, 40)).astype("f4")
        workspace.store(step=step)
    evolution = Evolution(workspace)
    slider = evolution.view.children[1].children[-1]
    found = []
    for frame in range(frames):
        start = time.perf_counter()
        slider.value = (frame * 7) % STEPS
        found.append(1000 * (time.perf_counter() - start))
    return found[1:]


def in_a_browser(frames: int) -> dict[str, list[float]]:
    """Milliseconds from the key press to the picture, by what draws it."""
    from playwright.sync_api import sync_playwright

    wanted = {name: cells for name, cells in NOTEBOOKS.items() if name != "ipympl" or has("ipympl")}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, cells in enumerate(wanted.values()):
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
            notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
            nbformat.write(notebook, Path(folder) / f"frames-{number}.ipynb")
        server, address, token = serve(Path(folder))
        try:
            with sync_playwright() as driver:
                program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
                browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
                for number, name in enumerate(wanted):
                    page = browser.new_page(viewport={"width": 1280, "height": 1100})
                    page.goto(f"{address}doc/tree/frames-{number}.ipynb?reset&token={token}")
                    found[name] = pressed(page, frames)
                    page.close()
                browser.close()
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
    return found


def pressed(page: Any, frames: int) -> list[float]:
    page.set_default_timeout(120_000)
    context = "window.jupyterapp?.shell?.currentWidget?.sessionContext"
    page.wait_for_function(f"() => {context}")
    page.evaluate(f"async () => {{await {context}.ready; await {context}.session.kernel.info}}")
    page.wait_for_function(f"() => {context}.session?.kernel?.status === 'idle'")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"() => ({SEEN})()")
    page.wait_for_timeout(3000)
    keys = (["ArrowLeft"] * 10 + ["ArrowRight"] * 10) * (frames // 20 + 1)
    times = [page.evaluate(PRESS, key) for key in keys[: frames + 3]][3:]
    assert None not in times, "a key press was not followed by a picture"
    return times


def serve(folder: Path) -> tuple[subprocess.Popen[str], str, str]:
    """A JupyterLab on loopback; its address and token."""
    quiet = ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options, *quiet, f"--ServerApp.root_dir={folder}"],
        env={**os.environ, "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"(http://127\.0\.0\.1:\d+/)\S*\?token=(\w+)", line):
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return server, found[1], found[2]
    raise RuntimeError("JupyterLab did not start")


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def summary(times: list[float]) -> str:
    ordered = sorted(times)
    return f"median {statistics.median(ordered):6.1f} ms   95 % {ordered[int(0.95 * (len(ordered) - 1))]:6.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time from a move of the slider to the picture.")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--without-browser", action="store_true")
    options = parser.parse_args()
    print(f"{'in the kernel':32} {summary(in_the_kernel(options.frames))}")
    if not options.without_browser:
        for name, times in in_a_browser(options.frames).items():
            print(f"{'key press to picture, ' + name:32} {summary(times)}")
    print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
