"""A crowded namespace: 10,000 names, 15,000 containers, 2,500 small arrays, beside ``copy.deepcopy``.

    python benchmarks/namespace.py [--repeats 7]

Here the walk over the objects is the cost, not the bytes. "Restore" spoils one array
in ten and one list in ten first; deepcopy's restore is a copy of what was kept.
The last line is what a store of an unchanged namespace adds to resident memory, over many.
"""

from __future__ import annotations

import argparse
import copy
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

import snapshot

ARRAYS = 2_500
OTHERS = 7_500
UNCHANGED = 50


def crowd() -> dict[str, Any]:
    """2,500 arrays of 100 numbers and 7,500 dicts that each hold a list."""
    rng = np.random.default_rng(0)
    arrays = {f"array_{i}": rng.standard_normal(100) for i in range(ARRAYS)}
    dicts = {f"record_{i}": {"name": f"record {i}", "items": [i, i + 1, str(i)]} for i in range(OTHERS)}
    return {**arrays, **dicts}


def spoil(namespace: dict[str, Any]) -> None:
    for i in range(0, ARRAYS, 10):
        namespace[f"array_{i}"] += 1
    for i in range(0, OTHERS, 10):
        namespace[f"record_{i}"]["items"].append(None)


def seconds(call: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def with_snapshot() -> dict[str, float]:
    namespace = crowd()
    workspace = snapshot.Workspace(namespace)
    found = {"first": seconds(lambda: workspace.store("first"))}
    found["unchanged"] = seconds(lambda: workspace.store("again"))
    spoil(namespace)
    found["changed"] = seconds(lambda: workspace.store("spoiled"))
    found["restore"] = seconds(lambda: workspace.restore("first"))
    if len(namespace["record_10"]["items"]) != 3:
        raise AssertionError("snapshot restored something else")
    return found


def with_deepcopy() -> dict[str, float]:
    namespace = crowd()
    kept: list[dict[str, Any]] = []
    found = {"first": seconds(lambda: kept.append(copy.deepcopy(namespace)))}
    found["unchanged"] = seconds(lambda: kept.append(copy.deepcopy(namespace)))
    spoil(namespace)
    found["changed"] = seconds(lambda: kept.append(copy.deepcopy(namespace)))
    found["restore"] = seconds(lambda: namespace.update(copy.deepcopy(kept[0])))
    return found


def memory_of_unchanged_stores() -> float:
    """Bytes that one store of an unchanged namespace adds to resident memory."""
    workspace = snapshot.Workspace(crowd())
    for number in range(3):
        workspace.store(f"warm-{number}")
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    for number in range(UNCHANGED):
        workspace.store(f"same-{number}")
    gc.collect()
    return (process.memory_info().rss - before) / UNCHANGED


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    runs = [(with_snapshot(), with_deepcopy()) for _ in range(repeats)]
    print(f"{ARRAYS + OTHERS:,} names, medians of {repeats}, milliseconds\n")
    print(f"{'':12}{'snapshot':>10}{'deepcopy':>10}{'ratio':>8}")
    for phase in runs[0][0]:
        ours, theirs = (statistics.median(run[side][phase] for run in runs) * 1e3 for side in (0, 1))
        print(f"{phase:12}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.2f}")
    print(f"\nan unchanged store adds {memory_of_unchanged_stores() / 1e3:.1f} kB of memory")


if __name__ == "__main__":
    main()
