"""Values that wait: names that do not exist yet, and what a status says of them."""

import numpy as np
import pytest

from snapshot.errors import NotMatched
from snapshot.workspace import Workspace
from tests.adapters.deferral import restored

torch = pytest.importorskip("torch")
nn = torch.nn

BATCH = torch.ones(2, 3)


def lazy():
    return nn.Sequential(nn.LazyLinear(2))


def built():
    net = lazy()
    net(BATCH)
    return net


def test_a_name_that_does_not_exist_waits_until_it_is_asked_for(tmp_path):
    stored, live = {"net": nn.Linear(2, 2), "k": 1}, {}
    workspace, status = restored(tmp_path, stored, live)
    assert live == {"k": 1}
    assert status.deferred == ("net",)
    assert workspace.waiting == ()
    live["net"] = nn.Linear(2, 2)
    assert not torch.equal(live["net"].weight, stored["net"].weight)
    status.apply_deferred().assert_consumed()
    assert torch.equal(live["net"].weight, stored["net"].weight)


def test_asking_before_the_name_exists_changes_nothing(tmp_path):
    workspace, status = restored(tmp_path, {"net": nn.Linear(2, 2)}, {})
    depth = workspace.undo_depth
    status.apply_deferred()
    assert status.deferred == ("net",)
    assert workspace.undo_depth == depth


def test_a_name_made_later_and_not_built_yet_waits_on_for_its_first_batch(tmp_path):
    stored, live = {"net": built()}, {}
    _, status = restored(tmp_path, stored, live)
    live["net"] = lazy()
    status.apply_deferred()
    assert status.deferred == ("net.0.weight", "net.0.bias")
    live["net"](BATCH)
    assert torch.equal(live["net"][0].weight, stored["net"][0].weight)
    assert status.deferred == ()


def test_a_model_made_again_under_its_name_takes_what_still_waits_when_asked(tmp_path):
    stored, live = {"net": built()}, {"net": lazy()}
    _, status = restored(tmp_path, stored, live)
    live["net"] = built()
    assert status.deferred == ("net.0.weight", "net.0.bias")
    status.apply_deferred().assert_consumed()
    assert torch.equal(live["net"][0].weight, stored["net"][0].weight)


def test_a_model_inside_plain_containers_waits_too(tmp_path):
    stored = {"parts": {"gen": built(), "rates": [0.1, 0.2]}, "pair": [built()]}
    live = {"parts": {"rates": [1, 2]}, "pair": [lazy()]}
    _, status = restored(tmp_path, stored, live)
    assert live["parts"] == {"rates": [0.1, 0.2]}
    live["parts"]["gen"] = built()
    live["pair"][0](BATCH)
    assert status.deferred == ("parts['gen'].0.weight", "parts['gen'].0.bias")
    status.apply_deferred().assert_consumed()
    assert torch.equal(live["parts"]["gen"][0].weight, stored["parts"]["gen"][0].weight)
    assert torch.equal(live["pair"][0][0].weight, stored["pair"][0][0].weight)


def test_a_dry_run_says_what_would_wait_and_installs_nothing(tmp_path):
    live = {"net": lazy()}
    workspace, status = restored(tmp_path, {"net": built()}, live, dry_run=True)
    assert status.deferred == ("net.0.weight", "net.0.bias")
    assert "deferred net.0.weight, net.0.bias" in str(status)
    assert workspace.waiting == ()
    assert len(live["net"][0]._forward_pre_hooks) == 1  # torch's own


def test_what_waits_is_not_consumed(tmp_path):
    _, status = restored(tmp_path, {"net": built()}, {"net": lazy()})
    with pytest.raises(NotMatched, match=r"net\.0\.weight"):
        status.assert_consumed()


def test_without_defer_nothing_waits(tmp_path, as_somebody_else):
    Workspace({"net": built()}, tmp_path / "run.zarr").store("before")
    as_somebody_else()
    live = {"net": lazy()}
    workspace = Workspace(live, tmp_path / "run.zarr")
    status = workspace.restore("before")
    assert (status.deferred, workspace.waiting) == ((), ())
    assert "net" in status.unused


def test_blocks_of_waiting_values_stay_in_memory_only_while_they_wait():
    namespace = {"net": built(), "other": lazy(), "data": np.arange(10.0)}
    workspace = Workspace(namespace)
    workspace.store("before")
    workspace.restore("before", into={"net": "other"}, defer=True)
    workspace.drop("before")
    with torch.no_grad():
        namespace["net"][0].weight.zero_()
    workspace._parts.changes.stack.clear()
    held = workspace.nbytes_in_memory
    assert held >= 2 * 3 * 4
    namespace["other"](BATCH)
    assert workspace.nbytes_in_memory < held
