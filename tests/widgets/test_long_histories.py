"""A long history is drawn from what is kept for many snapshots together, not from each of them."""

from types import SimpleNamespace

import numpy as np
import pytest
from zarr.storage import LocalStore, WrapperStore

from snapshot import Workspace
from snapshot.repository import Repository, layout
from snapshot.widgets import Evolution, Overview

COUNT, FOLDED = 23, 20


@pytest.fixture(autouse=True)
def small_folds(monkeypatch):
    monkeypatch.setattr(layout, "FOLDS", (4, 8))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """23 snapshots of a weight with two names, a bias that changed twice and a number; all are described."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "FOLDS", (4, 8))
        home = tmp_path_factory.mktemp("long") / "run.zarr"
        names = {"w": np.zeros((40, 50)), "b": np.zeros(9), "loss": 1.0}
        model = names["model"] = SimpleNamespace(weight=names["w"])
        workspace = Workspace(names, home)
        for step in range(COUNT):
            model.weight += np.random.default_rng(step).normal(0, 1, (40, 50))
            names["b"][0], names["loss"] = step // 10, 1 / (step + 1)
            workspace.store(step=step)
            workspace.flush()
            workspace._parts.archive._outbox._spare.flush()
        workspace.close()
    return home


class Counting(WrapperStore):
    read = ()

    async def get(self, key, prototype, byte_range=None):
        self.read = (*self.read, key)
        return await super().get(key, prototype, byte_range)


def old_tables(store):
    return [key for key in store.read if key.endswith("/table") and int(key.split("/")[3]) <= FOLDED]


@pytest.mark.parametrize("paths", [None, "w", "b", "loss", ["loss", "b"]])
def test_drawing_and_moving_over_many_snapshots_reads_no_table_of_an_old_one(home, paths):
    store = Counting(LocalStore(home))
    evolution = Evolution(Repository(store), paths)
    assert evolution.view.children
    for index in (0, COUNT // 2, 3):
        evolution.select(index=index)
    assert len(evolution.data()["steps"]) == COUNT
    assert old_tables(store) == []


def test_an_overview_of_many_snapshots_reads_no_table_of_an_old_one(home):
    store = Counting(LocalStore(home))
    overview = Overview(Repository(store))
    overview.select("w")
    assert overview.view.children
    assert old_tables(store) == []


def test_a_plot_of_what_is_described_reads_only_the_values_it_shows(home):
    store = Counting(LocalStore(home))
    Evolution(Repository(store), "w").data()
    # the newest are not described yet
    assert {int(key.split("/")[3]) for key in store.read if "/packs/" in key} <= set(range(FOLDED, COUNT + 1))


def test_the_numbers_of_a_long_history_are_those_of_its_values(home):
    data = Evolution(Repository(home), "w").data()
    values = np.cumsum([np.random.default_rng(step).normal(0, 1, (40, 50)) for step in range(COUNT)], axis=0)
    np.testing.assert_allclose(data["percentiles"][:, 3], np.median(values, axis=(1, 2)), rtol=1e-9)
    np.testing.assert_allclose(data["norm"], np.linalg.norm(values.reshape(COUNT, -1), axis=1), rtol=1e-9)
