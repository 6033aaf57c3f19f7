"""A run in which everything happens to variables that can: for tests of what is known from folds."""

import numpy as np

from snapshot import Workspace

COUNT = 23


def stored_run(home):
    """23 snapshots: arrays that change or do not, a view, numbers, one of two shapes, one gone, one dropped."""
    rng = np.random.default_rng(0)
    names = {"w": rng.standard_normal((300, 400)), "same": np.arange(20_000.0), "small": np.zeros(3), "loss": 1.0}
    names["again"], names["view"], names["z"] = names["small"], names["w"][5:7], 1j
    names["turned"], names["early"] = np.asfortranarray(rng.standard_normal((4, 5))), np.ones(2)
    workspace = Workspace(names, home)
    for step in range(1, COUNT + 1):
        names["w"] += rng.standard_normal((300, 400))
        names["small"][step % 3] = step
        names["turned"][0, 1] = step // 2
        names["loss"] = 1 / step if step != 9 else float("nan")
        names["z"] += 1
        names["shape"] = np.full(2 if step < 10 else 3, step)
        names["whole"] = step if step < 12 else float(step)
        if step == 7:
            del names["early"]
        if step == 15:
            del names["same"]
        workspace.store(step=step)
    workspace.flush()
    workspace.drop("@5")
    workspace.close()
