"""What keeping values on disk costs, beside the formats people write checkpoints in.

    python benchmarks/checkpoints.py [--repeats 3] [--peers snapshot,safetensors] [--shapes big,middle,small]
                                     [--full-memory]
    python benchmarks/checkpoints.py --history [--snapshots 1000]
    python benchmarks/checkpoints.py --many [--snapshots 10000]

The first compares 1 GB in 10 arrays (``big``), 1 GB in 1,000 (``middle``) and 2 MB in 2,000
(``small``). Every peer gets the same arrays in a fresh process; repeats are interleaved.

    first       write everything
    unchanged   write again, nothing changed
    1 %         change 1 % of one array, write again
    all         change every array, write again
    restore     the first state into arrays of a namespace that holds other values
    one value   one array of the first state

``snapshot`` returns from ``store`` when the values are safe in memory; "until on disk" is
the time until ``flush`` has returned as well, and is what its ratios are made of. The
others return with the file written, and their ``restore`` makes new arrays; snapshot's
writes into the live ones, checks every hash and can be undone. Nothing is forced to the
platter by anyone; files are in the page cache. Each peer has written and read one small
array before, so that no import is measured.

With ``--full-memory`` free memory is filled with pages of a file before the first write and
before the restore, as it is on a machine that has been in use for a while. Some virtual
machines hand memory that is free back to their host, and the first touch of a page then
costs ten times a copy, for one peer or another as it happens.

``--history`` reads one element of one array out of many stored states; ``--many`` opens a
repository with many snapshots, and stores into it and into one that has ten.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHAPES = {"big": (10, 25_000_000), "middle": (1_000, 250_000), "small": (2_000, 256)}
PHASES = ("first", "unchanged", "1 %", "all", "restore", "one value")
Arrays = dict[str, np.ndarray[Any, Any]]


class Snapshot:
    """This project. ``store`` returns before the disk is reached; ``settle`` waits for it."""

    def __init__(self, folder: Path) -> None:
        import snapshot

        self.snapshot = snapshot
        self.place = folder / "run.zarr"
        self.workspace: Any = None

    def store(self, arrays: Arrays, number: int) -> None:
        if self.workspace is None:
            self.workspace = self.snapshot.Workspace(arrays, self.place)
        self.workspace.store(f"s{number}")

    def settle(self) -> None:
        self.workspace.flush()

    def leave(self) -> None:
        """What is in memory must not help to restore."""
        self.workspace.close()
        self.workspace = None

    def restore(self, arrays: Arrays, number: int) -> Arrays:
        self.snapshot.Workspace(arrays, self.place).restore(f"s{number}")
        return arrays

    def one(self, number: int, name: str) -> Any:
        return self.snapshot.open(self.place)[f"s{number}"][name]


class Files:
    """One file a state: a function that writes it, one that reads it, one that reads one value."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def store(self, arrays: Arrays, number: int) -> None:
        self.write(arrays, self.folder / f"{number}")

    def settle(self) -> None:
        pass

    def leave(self) -> None:
        pass

    def restore(self, arrays: Arrays, number: int) -> Arrays:
        return self.read(self.folder / f"{number}")

    def one(self, number: int, name: str) -> Any:
        return self.read(self.folder / f"{number}")[name]

    def write(self, arrays: Arrays, place: Path) -> None:
        raise NotImplementedError

    def read(self, place: Path) -> Arrays:
        raise NotImplementedError


class Safetensors(Files):
    def write(self, arrays: Arrays, place: Path) -> None:
        from safetensors.numpy import save_file

        save_file(arrays, place)

    def read(self, place: Path) -> Arrays:
        from safetensors.numpy import load_file

        return load_file(place)  # type: ignore[no-any-return]

    def one(self, number: int, name: str) -> Any:
        from safetensors import safe_open

        with safe_open(self.folder / f"{number}", "np") as file:
            return file.get_tensor(name)


class Torch(Files):
    def write(self, arrays: Arrays, place: Path) -> None:
        import torch

        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, place)

    def read(self, place: Path) -> Arrays:
        import torch

        return {name: tensor.numpy() for name, tensor in torch.load(place).items()}


class Savez(Files):
    def write(self, arrays: Arrays, place: Path) -> None:
        with place.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def read(self, place: Path) -> Arrays:
        with np.load(place) as file:
            return dict(file)

    def one(self, number: int, name: str) -> Any:
        with np.load(self.folder / f"{number}") as file:
            return file[name]


class Cloudpickle(Files):
    def write(self, arrays: Arrays, place: Path) -> None:
        import cloudpickle

        with place.open("wb") as file:
            cloudpickle.dump(arrays, file, protocol=5)

    def read(self, place: Path) -> Arrays:
        import cloudpickle

        with place.open("rb") as file:
            return cloudpickle.load(file)  # type: ignore[no-any-return]


class Orbax(Files):
    def write(self, arrays: Arrays, place: Path) -> None:
        self.checkpointer().save(place.absolute(), arrays)

    def read(self, place: Path) -> Arrays:
        return self.checkpointer().restore(place.absolute())  # type: ignore[no-any-return]

    def checkpointer(self) -> Any:
        import orbax.checkpoint

        return orbax.checkpoint.PyTreeCheckpointer()


class Zarr(Files):
    """One array a value, in chunks of 4 MiB, not compressed: the nearest to what snapshot writes."""

    def write(self, arrays: Arrays, place: Path) -> None:
        import zarr

        group = zarr.open_group(place, mode="w")
        for name, array in arrays.items():
            chunk = min(len(array), 4 * 1024 * 1024 // array.itemsize)
            made = group.create_array(name, shape=array.shape, dtype=array.dtype, chunks=(chunk,), compressors=None)
            made[:] = array

    def read(self, place: Path) -> Arrays:
        import zarr

        return {name: array[:] for name, array in zarr.open_group(place, mode="r").arrays()}

    def one(self, number: int, name: str) -> Any:
        import zarr

        return zarr.open_group(self.folder / f"{number}", mode="r")[name][:]


PEERS: dict[str, Callable[[Path], Any]] = {
    "snapshot": Snapshot,
    "safetensors": Safetensors,
    "torch.save": Torch,
    "numpy.savez": Savez,
    "cloudpickle": Cloudpickle,
    "orbax": Orbax,
    "plain zarr": Zarr,
}


def measure(name: str, shape: str, pages: str) -> dict[str, float]:
    """One peer, one shape, once, in this process: seconds by phase. ``pages`` names a file to fill memory with."""
    count, size = SHAPES[shape]
    rng = np.random.default_rng(0)
    arrays = {f"array_{i}": rng.standard_normal(size, dtype=np.float32) for i in range(count)}
    begin = arrays["array_7"].copy()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        warm_up(PEERS[name](Path(temporary, "warm")))
        peer = PEERS[name](Path(temporary, "measured"))

        def write(phase: str, number: int) -> None:
            gc.collect()
            start = time.perf_counter()
            peer.store(arrays, number)
            found[f"{phase}: returned"] = time.perf_counter() - start
            peer.settle()
            found[phase] = time.perf_counter() - start

        fill_memory(pages)
        write("first", 0)
        write("unchanged", 1)
        arrays["array_3"][: max(1, count * size // 100 // 100)] += 1
        write("1 %", 2)
        for array in arrays.values():
            array *= 0.5
        write("all", 3)
        peer.leave()
        gc.collect()
        fill_memory(pages)
        if pages:
            read_files(Path(temporary))
        start = time.perf_counter()
        restored = peer.restore(arrays, 0)
        found["restore"] = time.perf_counter() - start
        check(name, restored["array_7"], begin)
        start = time.perf_counter()
        value = peer.one(0, "array_7")
        found["one value"] = time.perf_counter() - start
        check(name, value, begin)
    return found


def warm_up(peer: Any) -> None:
    """Let a peer import and set up what it needs, with one small array."""
    peer.store({"array": np.zeros(10, np.float32)}, 0)
    peer.settle()
    peer.leave()
    peer.restore({"array": np.ones(10, np.float32)}, 0)
    peer.one(0, "array")


def fill_memory(place: str) -> None:
    """Leave no memory free: read a file that is as large as it is. It has no blocks on disk."""
    if not place:
        return
    with open(place, "ab+", buffering=0) as file:
        file.truncate(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        file.seek(0)
        buffer = bytearray(4 * 1024 * 1024)
        while file.readinto(buffer):
            pass


def read_files(folder: Path) -> None:
    """Have the files of a folder in the page cache again."""
    buffer = bytearray(4 * 1024 * 1024)
    for place in folder.rglob("*"):
        if place.is_file():
            with place.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass


def check(name: str, found: Any, expected: Any) -> None:
    if not np.array_equal(found, expected):
        raise AssertionError(f"{name} restored something else")


def table(results: dict[str, dict[str, float]], shape: str, repeats: int) -> str:
    """Milliseconds, with the ratio to safetensors (or the first peer) behind."""
    count, size = SHAPES[shape]
    yardstick = "safetensors" if "safetensors" in results else next(iter(results))
    title = f"{shape}: {count:,} x {size * 4 / 1e6:g} MB, medians of {repeats}, milliseconds"
    lines = [f"{title}; (x) = times {yardstick}'s", "", row("", list(PHASES))]
    for name, result in results.items():
        cells = [f"{result[p] * 1e3:.1f} ({result[p] / results[yardstick][p]:.2f}x)" for p in PHASES]
        lines.append(row(name, cells))
        if result["first: returned"] < 0.95 * result["first"]:
            returned = [f"{result[f'{p}: returned'] * 1e3:.1f}" for p in PHASES[:4]]
            lines.append(row("  store returns", returned))
    return "\n".join(lines)


def row(name: str, cells: list[str]) -> str:
    return f"{name:16}" + "".join(f"{cell:>18}" for cell in cells)


def history(count: int) -> str:
    """One element of a 256 KB array over many states, by those that can read a part."""
    import zarr
    from safetensors import safe_open
    from safetensors.numpy import save_file

    import snapshot

    rng = np.random.default_rng(0)
    lines = [f"one element of 256 x 256 over {count:,} states, milliseconds, medians of 5"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        arrays = {"w": rng.standard_normal((256, 256), dtype=np.float32)}
        workspace = snapshot.Workspace(arrays, folder / "run.zarr")
        stacked = zarr.create_array(
            folder / "plain.zarr", shape=(count, 256, 256), dtype="f4", chunks=(1, 256, 256), compressors=None
        )
        expected = []
        for number in range(count):
            arrays["w"] += 1
            expected.append(arrays["w"][3, 5])
            workspace.store()
            save_file(arrays, folder / f"{number}.safetensors")
            stacked[number] = arrays["w"]
        workspace.close()

        def files() -> list[Any]:
            found = []
            for number in range(count):
                with safe_open(folder / f"{number}.safetensors", "np") as file:
                    found.append(file.get_slice("w")[3:4, 5:6][0, 0])
            return found

        ways: dict[str, Callable[[], Any]] = {
            "snapshot, opened anew": lambda: snapshot.open(folder / "run.zarr").series("w")[:, 3, 5],
            "safetensors, a file each": files,
            "plain zarr, one array": lambda: zarr.open_array(folder / "plain.zarr", mode="r")[:, 3, 5],
        }
        for name, way in ways.items():
            seconds = []
            for _ in range(5):
                start = time.perf_counter()
                found = way()
                seconds.append(time.perf_counter() - start)
            check(name, np.asarray(found), np.asarray(expected))
            lines.append(f"{name:28}{statistics.median(seconds) * 1e3:10.1f}")
    return "\n".join(lines)


def many(count: int) -> str:
    """Opening many snapshots, and a store into a repository that has few and one that has many."""
    import snapshot

    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "run.zarr"
        names: dict[str, Any] = {f"w{i}": np.zeros(1000) for i in range(10)}
        workspace = snapshot.Workspace(names, place)
        costs: dict[int, float] = {}
        for number in range(count + 20):
            names["w3"][number % 1000] += 1
            start = time.perf_counter()
            workspace.store(step=number)
            workspace.flush()
            seconds = time.perf_counter() - start
            for size in (10, count):
                if size <= number < size + 20:
                    costs[size] = min(costs.get(size, seconds), seconds)
        workspace.close()
        lines += [f"store and flush with {size:,} snapshots: {cost * 1e3:.2f} ms" for size, cost in costs.items()]
        command = (
            "import time; start = time.perf_counter(); import snapshot; imported = time.perf_counter(); "
            f"found = len(snapshot.open({str(place)!r}).timeline); "
            "print(found, time.perf_counter() - imported, imported - start)"
        )
        opened = []
        for _ in range(5):
            done = subprocess.run([sys.executable, "-c", command], check=True, stdout=subprocess.PIPE, text=True)
            found, seconds, _ = done.stdout.split()
            opened.append(float(seconds))
        lines.append(
            f"opening {int(found):,} snapshots in a new process, imports included: "
            f"{statistics.median(opened) * 1e3:.0f} ms"
        )
    return "\n".join(lines)


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--full-memory", action="store_true")
    parser.add_argument("--history", action="store_true")
    parser.add_argument("--many", action="store_true")
    parser.add_argument("--snapshots", type=int, default=0)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one)))
    elif options.history:
        print(history(options.snapshots or 1_000))
    elif options.many:
        print(many(options.snapshots or 10_000))
    else:
        compare(options.peers.split(","), options.shapes.split(","), options.repeats, options.full_memory)


def compare(peers: list[str], shapes: list[str], repeats: int, full_memory: bool) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for shape in shapes:
            results: dict[str, list[dict[str, float]]] = {name: [] for name in peers}
            for _ in range(repeats):
                for name in peers:
                    pages = f"{temporary}/pages" if full_memory else ""
                    command = [sys.executable, __file__, "--one", name, shape, pages]
                    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    results[name].append(json.loads(done.stdout.splitlines()[-1]))
            middle = {name: medians(found) for name, found in results.items()}
            print(table(middle, shape, repeats), end="\n\n", flush=True)


def medians(repeats: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(repeat[key] for repeat in repeats) for key in repeats[0]}


if __name__ == "__main__":
    main()
