"""How long it takes to see how values evolved: the first picture of a repository with a long history.

    python benchmarks/evolution.py [--snapshots 10000] [--variables 1000] [--repeats 3] [--keep FOLDER]

Every store changes 20 of the variables (1 to 16 KB each) and one weight of 64 x 64, ``w``. Then new
processes, which have imported everything, open the repository and draw, and say how long it took
and what it added to their resident memory at its highest:

    evolution, w       %snapshot plot w: changes at every step
    evolution, other   %snapshot plot of a variable that changed at a few
    evolution          %snapshot plot: the variable is chosen by us
    another step       a move of the slider
    overview           %snapshot overview

With ``--keep`` the repository is made in that folder, or found there, and stays.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PICTURES = {"evolution, w": "w", "evolution, other": "v7", "evolution": None, "overview": None}
CHANGED = 20


def make(place: Path, snapshots: int, variables: int) -> str:
    """Store so many snapshots; says what it took."""
    import snapshot

    rng = np.random.default_rng(0)
    sizes = rng.integers(256, 4096, variables - 1)
    names: dict[str, Any] = {f"v{i}": rng.standard_normal(size, dtype=np.float32) for i, size in enumerate(sizes)}
    names["w"] = rng.standard_normal((64, 64), dtype=np.float32)
    workspace = snapshot.Workspace(names, place)
    start = time.perf_counter()
    for step in range(snapshots):
        for i in rng.integers(0, variables - 1, CHANGED):
            names[f"v{i}"] += 0.01 * rng.standard_normal(sizes[i], dtype=np.float32)
        names["w"] += 0.01 * rng.standard_normal((64, 64), dtype=np.float32)
        workspace.store(step=step)
        if step % 256 == 255:
            idle(workspace)
    idle(workspace)
    workspace.close()
    return f"storing took {time.perf_counter() - start:.0f} s"


def idle(workspace: Any) -> None:
    """A pause: everything is written, and the numbers of what was are computed."""
    workspace.flush()
    workspace._parts.archive._outbox._spare.flush()


def measure(place: Path, what: str) -> dict[str, float]:
    """One picture in this process: seconds and bytes."""
    import psutil

    import snapshot

    with tempfile.TemporaryDirectory() as temporary:
        small = Path(temporary) / "small.zarr"
        snapshot.Workspace({"w": np.ones((9, 9))}, small).store()
        for kind in ("Evolution", "Overview"):
            draw(small, kind, "w")  # what is imported for it is not to count
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the highest from now on
    before = psutil.Process().memory_info().rss
    start = time.perf_counter()
    view = draw(place, "Overview" if what == "overview" else "Evolution", PICTURES[what])
    drawn = time.perf_counter()
    found = {"": drawn - start}
    if what != "overview":
        view.select(index=0)
        found["another step"] = time.perf_counter() - drawn
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    found["MB"] = (int(status["VmHWM"].split()[0]) * 1024 - before) / 1e6
    return found


def draw(place: Path, kind: str, path: str | None) -> Any:
    """A repository opened, and a picture of it."""
    import snapshot
    import snapshot.widgets

    repository = snapshot.open(place)
    view = getattr(snapshot.widgets, kind)(repository, path)
    assert view.view.children
    return view


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", type=int, default=10_000)
    parser.add_argument("--variables", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pictures", default=";".join(PICTURES))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(Path(options.one[0]), options.one[1])))
        return
    with tempfile.TemporaryDirectory() as temporary:
        place = (options.keep or Path(temporary)) / f"{options.snapshots}x{options.variables}.zarr"
        print(f"{options.snapshots:,} snapshots of {options.variables:,} variables, medians of {options.repeats}")
        if not place.exists():
            print(make(place, options.snapshots, options.variables))
        for what in options.pictures.split(";"):
            print(line(what, [run(place, what) for _ in range(options.repeats)]), flush=True)


def run(place: Path, what: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", str(place), what]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def line(what: str, repeats: list[dict[str, float]]) -> str:
    middle = {key: statistics.median(repeat[key] for repeat in repeats) for key in repeats[0]}
    seconds = f"{what:18}{middle['']:8.2f} s, {middle['MB']:6.0f} MB"
    return seconds + (f"; another step {middle['another step'] * 1e3:.0f} ms" if "another step" in middle else "")


if __name__ == "__main__":
    main()
