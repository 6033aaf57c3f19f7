"""200 MB in ten arrays: what storing, storing again and restoring cost, beside what people use instead.

    python benchmarks/peers.py [--repeats 5] [--peers snapshot,dill] [--megabytes 200]

Every peer gets the same namespace in a fresh process, does the same five things and
checks what it restored; repeats are interleaved, so that a slow minute hits all.

    first       store everything
    unchanged   store again, nothing changed
    1 %         change 1 % of one array, store again
    restore     spoil every array, restore the first stored state

``deepcopy`` and ``in memory``, which is snapshot without a repository, return with the
values safe in memory; the others with a file written. ``snapshot`` does both: where
``flush`` takes a while after ``store``, a line of its own says how long until all was on disk.
Memory is resident memory after the call minus before. Files are in the page cache,
nothing is forced to the platter by anyone.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil

ARRAYS = 10
MB = 1e6


class Peer(Protocol):
    """One way to store and restore a namespace of arrays."""

    def store(self, number: int) -> None:
        """Keep the namespace's state as state ``number``."""

    def settle(self) -> None:
        """Return when everything stored so far is where it is meant to end up."""

    def restore(self, number: int) -> None:
        """Bring state ``number`` back into the namespace."""


class Snapshot:
    """This project: memory, and disk where there is a repository."""

    def __init__(self, namespace: dict[str, Any], repository: Path | None) -> None:
        import snapshot

        self.workspace = snapshot.Workspace(namespace, repository)

    def store(self, number: int) -> None:
        self.workspace.store(f"state-{number}")

    def settle(self) -> None:
        self.workspace.flush()

    def restore(self, number: int) -> None:
        self.workspace.restore(f"state-{number}")


class Deepcopy:
    """``copy.deepcopy`` of the values. Restoring copies again, so that a state can be used twice."""

    def __init__(self, namespace: dict[str, Any], folder: Path) -> None:
        self.namespace = namespace
        self.states: list[dict[str, Any]] = []

    def store(self, number: int) -> None:
        self.states.append(copy.deepcopy(self.namespace))

    def settle(self) -> None:
        pass

    def restore(self, number: int) -> None:
        self.namespace.update(copy.deepcopy(self.states[number]))


class Pickler:
    """One file a state, written by a module with ``dump`` and ``load``."""

    def __init__(self, module: str, namespace: dict[str, Any], folder: Path) -> None:
        self.module: Any = __import__(module)
        self.namespace = namespace
        self.folder = folder

    def store(self, number: int) -> None:
        with (self.folder / f"{number}.pickle").open("wb") as file:
            self.module.dump(self.namespace, file, protocol=5)

    def settle(self) -> None:
        pass

    def restore(self, number: int) -> None:
        with (self.folder / f"{number}.pickle").open("rb") as file:
            self.namespace.update(self.module.load(file))


class Savez:
    """``numpy.savez``, one file a state."""

    def __init__(self, namespace: dict[str, Any], folder: Path) -> None:
        self.namespace = namespace
        self.folder = folder

    def store(self, number: int) -> None:
        np.savez(self.folder / f"{number}.npz", **self.namespace)

    def settle(self) -> None:
        pass

    def restore(self, number: int) -> None:
        with np.load(self.folder / f"{number}.npz") as file:
            self.namespace.update(file)


PEERS: dict[str, Callable[[dict[str, Any], Path], Peer]] = {
    "snapshot": lambda namespace, folder: Snapshot(namespace, folder / "run.zarr"),
    "in memory": lambda namespace, folder: Snapshot(namespace, None),
    "deepcopy": Deepcopy,
    "cloudpickle": lambda namespace, folder: Pickler("cloudpickle", namespace, folder),
    "dill": lambda namespace, folder: Pickler("dill", namespace, folder),
    "numpy.savez": Savez,
}


def measure(name: str, megabytes: float) -> dict[str, float]:
    """One peer, once, in this process: seconds and megabytes by what was done."""
    rng = np.random.default_rng(0)
    size = int(megabytes * MB / 8 / ARRAYS)
    namespace = {f"array_{i}": rng.standard_normal(size) for i in range(ARRAYS)}
    view = namespace["array_3"][: size // 2]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        peer = PEERS[name](namespace, folder)
        found: dict[str, float] = {}
        begin = namespace["array_0"].sum()

        watch(found, "first", folder, lambda: peer.store(0), peer.settle)
        watch(found, "unchanged", folder, lambda: peer.store(1), peer.settle)
        namespace["array_3"][: size // 100] += 1
        watch(found, "1 %", folder, lambda: peer.store(2), peer.settle)

        for array in namespace.values():
            array *= 0.5
        watch(found, "restore", folder, lambda: peer.restore(0), peer.settle)
        if namespace["array_0"].sum() != begin:
            raise AssertionError(f"{name} restored something else")
        found["same objects"] = float(np.shares_memory(view, namespace["array_3"]))
    return found


def watch(
    found: dict[str, float], what: str, folder: Path, call: Callable[[], None], settle: Callable[[], None]
) -> None:
    """Do one thing and note its seconds, and the megabytes it added to memory and disk."""
    gc.collect()
    process = psutil.Process()
    memory, disk = process.memory_info().rss, on_disk(folder)
    start = time.perf_counter()
    call()
    found[f"{what}: seconds"] = time.perf_counter() - start
    settle()
    found[f"{what}: on disk"] = time.perf_counter() - start
    gc.collect()
    found[f"{what}: memory"] = (process.memory_info().rss - memory) / MB
    found[f"{what}: disk"] = (on_disk(folder) - disk) / MB


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def medians(repeats: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(repeat[key] for repeat in repeats) for key in repeats[0]}


def table(results: dict[str, dict[str, float]], megabytes: float, repeats: int) -> str:
    """Milliseconds, with the ratio to the first peer behind; then megabytes."""
    yardstick = next(iter(results))
    lines = [f"{megabytes:g} MB in {ARRAYS} arrays, medians of {repeats}; (x) = times {yardstick}'s", ""]
    phases = ("first", "unchanged", "1 %", "restore")
    lines.append(row("milliseconds", [*phases, "same objects"]))
    for name, result in results.items():
        cells = []
        for phase in phases:
            own, base = result[f"{phase}: seconds"], results[yardstick][f"{phase}: seconds"]
            cells.append(f"{own * 1e3:.0f}" + ("" if name == yardstick else f" ({own / base:.1f}x)"))
        lines.append(row(name, [*cells, "yes" if result["same objects"] else "no"]))
        if result["first: on disk"] > 1.05 * result["first: seconds"]:
            settled = [f"{result[f'{phase}: on disk'] * 1e3:.0f}" for phase in phases[:-1]]
            lines.append(row("  until on disk", settled))
    for what in ("memory", "disk"):
        lines += ["", row(f"MB added, {what}", list(phases))]
        for name, result in results.items():
            lines.append(row(name, [f"{result[f'{phase}: {what}']:.2f}" for phase in phases]))
    return "\n".join(lines)


def row(name: str, cells: list[str]) -> str:
    return f"{name:18}" + "".join(f"{cell:>16}" for cell in cells)


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--peers", default=",".join(PEERS), help="by commas; the first is the yardstick")
    parser.add_argument("--one", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.megabytes)))
        return
    names = options.peers.split(",")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.repeats):
        for name in names:
            command = [sys.executable, __file__, "--one", name, "--megabytes", str(options.megabytes)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[name].append(json.loads(done.stdout.splitlines()[-1]))
    middle = {name: medians(found) for name, found in results.items()}
    print(table(middle, options.megabytes, options.repeats))


if __name__ == "__main__":
    main()
