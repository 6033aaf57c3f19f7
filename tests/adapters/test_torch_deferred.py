"""Values that wait for parameters of PyTorch: lazy modules, registrations, optimizers."""

import copy
import gc
import pickle
import threading
import weakref

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.modules import module as torch_module  # noqa: E402

from snapshot.adapters.torch import TENSOR  # noqa: E402
from snapshot.workspace import Workspace  # noqa: E402
from tests.adapters.deferral import restored  # noqa: E402

BATCH = torch.linspace(-1, 1, 12).reshape(4, 3)


def global_hooks():
    kinds = ("parameter", "buffer", "module")
    return sum(len(getattr(torch_module, f"_global_{kind}_registration_hooks")) for kind in kinds)


@pytest.fixture(autouse=True)
def _no_hook_is_left():
    gc.collect()
    before = global_hooks()
    yield
    gc.collect()
    assert global_hooks() == before


def lazy(*more):
    return nn.Sequential(nn.Linear(3, 4), nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2), *more)


def built(*more):
    net = lazy(*more)
    net(BATCH)
    return net


def same(one, other):
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_the_first_batch_through_lazy_modules_gives_what_the_stored_model_gives(tmp_path):
    stored = {"net": built(nn.LazyBatchNorm1d()), "epoch": 3}
    live = {"net": lazy(nn.LazyBatchNorm1d()), "epoch": 0}
    workspace, status = restored(tmp_path, stored, live)
    assert live["epoch"] == 3
    assert torch.equal(live["net"][0].weight, stored["net"][0].weight)
    assert status.deferred[:2] == ("net.1.weight", "net.1.bias")
    assert workspace.waiting == status.deferred
    expected = stored["net"](BATCH)
    assert torch.equal(live["net"](BATCH), expected)
    assert same(live["net"], stored["net"])
    assert (status.deferred, workspace.waiting) == ((), ())
    assert "net.1.weight" in status.assigned
    status.assert_consumed()


def test_a_value_is_assigned_once_and_never_after_training(tmp_path):
    live = {"net": lazy()}
    _, status = restored(tmp_path, {"net": built()}, live)
    live["net"](BATCH)
    with torch.no_grad():
        live["net"][1].weight.fill_(7)
    live["net"](BATCH)
    status.apply_deferred()
    assert torch.equal(live["net"][1].weight, torch.full((5, 4), 7.0))


def test_no_hook_is_left_where_nothing_waits_any_more(tmp_path):
    live = {"net": lazy()}
    restored(tmp_path, {"net": built()}, live)
    live["net"](BATCH)
    assert all(not module._forward_pre_hooks for module in live["net"].modules())
    assert global_hooks() == 0


def test_what_is_frozen_stays_frozen(tmp_path):
    net = built()
    net[1].bias.requires_grad_(False)
    live = {"net": lazy()}
    restored(tmp_path, {"net": net}, live)
    live["net"](BATCH)
    assert [p.requires_grad for p in live["net"][1].parameters()] == [True, False]


def test_another_shape_is_named_and_the_build_goes_on(tmp_path):
    live = {"net": lazy()}
    _, status = restored(tmp_path, {"net": built()}, live)
    with torch.no_grad():
        live["net"][0] = nn.Linear(3, 6)
    live["net"](BATCH)
    assert status.deferred == ("net.1.weight",)
    assert status.deferred_reasons == {"net.1.weight": "has shape (5, 6), stored was (5, 4)"}
    assert "net.1.weight (has shape (5, 6), stored was (5, 4))" in str(status)


def test_another_class_of_lazy_module_is_named(tmp_path):
    live = {"net": nn.Sequential(nn.LazyConv1d(5, 1))}
    stored = {"net": nn.Sequential(nn.LazyLinear(5))}
    stored["net"](BATCH)
    _, status = restored(tmp_path, stored, live)
    live["net"](BATCH[None].mT)
    assert status.deferred_reasons["net.0.weight"] == "is a Conv1d, stored was a Linear"


class Grown(nn.Module):
    """A module that gets its parts after it was made."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.more = nn.ModuleList()
        self.late = None


def grow(model, fill):
    model.register_parameter("scale", nn.Parameter(torch.full((3,), fill)))
    model.register_buffer("count", torch.full((2,), fill))
    model.late = nn.Parameter(torch.full((1,), fill))
    model.add_module("head", nn.Linear(2, 1))
    model.more.append(nn.Linear(2, 2))
    model.more.append(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    return model


def test_parts_registered_later_take_their_values_as_they_come(tmp_path):
    stored, live = {"model": grow(Grown(), 2.0)}, {"model": Grown()}
    _, status = restored(tmp_path, stored, live)
    assert torch.equal(live["model"].first.weight, stored["model"].first.weight)
    assert "model.more.1.1.weight" in status.deferred
    grow(live["model"], 0.0)
    assert same(live["model"], stored["model"])
    status.assert_consumed()
    assert global_hooks() == 0


def test_a_lazy_module_appended_later_waits_for_its_first_batch(tmp_path):
    stored, live = {"net": nn.Sequential()}, {"net": nn.Sequential()}
    stored["net"].append(nn.LazyLinear(2))
    stored["net"](BATCH)
    _, status = restored(tmp_path, stored, live)
    live["net"].append(nn.LazyLinear(2))
    assert status.deferred == ("net.0.weight", "net.0.bias")
    assert torch.equal(live["net"](BATCH), stored["net"](BATCH))


def test_the_hook_of_another_may_come_after_ours(tmp_path):
    live = {"model": Grown()}
    restored(tmp_path, {"model": grow(Grown(), 2.0)}, live)
    seen = []
    handle = torch_module.register_module_module_registration_hook(lambda *given: seen.append(given[1]) or None)
    try:
        grow(live["model"], 0.0)
    finally:
        handle.remove()
    assert seen[:2] == ["head", "0"]
    # ours may only leave a dict while torch does not look through it: the next wait finds and then removes it
    live["model"] = Grown()
    restored(tmp_path / "again", {"model": grow(Grown(), 2.0)}, live)
    assert grow(live["model"], 0.0).scale.tolist() == [2, 2, 2]
    assert global_hooks() == 0


def trained(make):
    net = make()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    step(net, optimizer)
    return {"net": net, "optimizer": optimizer}


def step(net, optimizer):
    optimizer.zero_grad()
    net(BATCH).square().sum().backward()
    optimizer.step()


def test_what_an_optimizer_keeps_for_lazy_parameters_is_there_at_its_first_step(tmp_path):
    stored = trained(lazy)
    net = lazy()
    live = {"net": net, "optimizer": torch.optim.Adam(net.parameters())}
    _, status = restored(tmp_path, stored, live)
    assert live["optimizer"].param_groups[0]["lr"] == 0.1
    net.train(stored["net"].training)
    step(net, live["optimizer"])
    step(**stored)
    assert same(net, stored["net"])
    status.assert_consumed()
    assert not live["optimizer"]._optimizer_step_pre_hooks


def test_undo_gives_first_values_back_and_ends_the_wait(tmp_path):
    live = {"model": Grown()}
    workspace, status = restored(tmp_path, {"model": grow(Grown(), 2.0)}, live)
    depth = workspace.undo_depth
    kept = nn.Parameter(torch.zeros(3))
    live["model"].register_parameter("scale", kept)
    assert kept.tolist() == [2, 2, 2]
    assert workspace.undo_depth == depth
    workspace.undo()
    assert kept.tolist() == [0, 0, 0]
    assert workspace.waiting == ()
    assert status.unused_reasons["model.head.weight"] == "its restore was undone"
    head = nn.Linear(2, 1)
    before = head.weight.detach().clone()
    live["model"].head = head
    assert torch.equal(head.weight, before)


def test_redo_brings_the_assigned_values_again(tmp_path):
    live = {"model": Grown()}
    workspace, _ = restored(tmp_path, {"model": grow(Grown(), 2.0)}, live)
    live["model"].register_parameter("scale", nn.Parameter(torch.zeros(3)))
    workspace.undo()
    workspace.redo()
    assert live["model"].scale.tolist() == [2, 2, 2]


def test_rollback_ends_what_began_to_wait_inside(tmp_path):
    Workspace({"net": built()}, tmp_path / "run.zarr").store("before")
    live = {"net": lazy()}
    workspace = Workspace(live, tmp_path / "run.zarr")
    with workspace.rollback():
        status = workspace.restore("before", defer=True)
        assert workspace.waiting
    assert workspace.waiting == ()
    assert set(status.unused_reasons.values()) == {"its restore was rolled back"}


def test_a_later_restore_of_the_same_names_takes_over(tmp_path):
    other = {"net": built(), "side": built()}
    live = {"net": lazy(), "side": lazy()}
    workspace, status = restored(tmp_path, other, live)
    workspace.restore("before", only="net", defer=True)
    assert status.unused_reasons["net.1.weight"] == "a later restore took its place"
    assert all(path.startswith("side") for path in status.deferred)
    live["net"](BATCH)
    live["side"](BATCH)
    assert same(live["net"], other["net"])
    assert same(live["side"], other["side"])


def test_closing_the_workspace_takes_every_hook_off(tmp_path):
    live = {"net": lazy()}
    workspace, status = restored(tmp_path, {"net": built()}, live)
    assert global_hooks() == 3
    workspace.close()
    assert global_hooks() == 0
    assert len(live["net"][1]._forward_pre_hooks) == 1  # torch's own
    assert set(status.unused_reasons.values()) == {"the workspace was closed"}


def test_nothing_that_waits_keeps_a_model_alive(tmp_path):
    live = {"net": lazy()}
    workspace, status = restored(tmp_path, {"net": built()}, live)
    net = weakref.ref(live.pop("net"))
    workspace._parts.changes.stack.clear()  # it gives objects back, so it holds them
    gc.collect()
    assert net() is None
    assert global_hooks() == 0
    assert status.deferred


def test_a_workspace_that_is_let_go_takes_its_hooks_along(tmp_path):
    live = {"net": lazy()}
    restored(tmp_path, {"net": built()}, live)
    gc.collect()
    assert global_hooks() == 0
    live["net"](BATCH)


def test_a_failing_assignment_never_breaks_the_build(tmp_path, monkeypatch):
    live = {"net": lazy()}
    _, status = restored(tmp_path, {"net": built()}, live)

    def fail(*_):
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(type(TENSOR), "assign", fail)
        live["net"](BATCH)
    assert status.deferred_reasons["net.1.weight"] == "RuntimeError: no"
    status.apply_deferred().assert_consumed()


class AskedFor:
    """A lock that says when somebody wants it."""

    def __init__(self, lock):
        self.lock = lock
        self.asked = threading.Event()

    def __enter__(self):
        self.asked.set()
        return self.lock.__enter__()

    def __exit__(self, *error):
        return self.lock.__exit__(*error)


def test_a_model_built_on_another_thread_waits_for_the_lock(tmp_path):
    stored, live = {"net": built()}, {"net": lazy()}
    workspace, status = restored(tmp_path, stored, live)
    (deferral,) = workspace._parts.deferrals.active
    deferral._lock = AskedFor(workspace._parts.lock)
    thread = threading.Thread(target=live["net"], args=(BATCH,))
    with workspace._parts.lock:
        thread.start()
        assert deferral._lock.asked.wait(60)
        assert "net.1.weight" in status.deferred
    thread.join()
    assert same(live["net"], stored["net"])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_of_a_waiting_model_takes_nothing(tmp_path, copied):
    live = {"net": lazy()}
    _, status = restored(tmp_path, {"net": built()}, live)
    copied(live["net"])(BATCH)
    assert "net.1.weight" in status.deferred


def test_a_store_while_values_wait_keeps_no_hook_of_ours(tmp_path):
    live = {"net": lazy()}
    workspace, _ = restored(tmp_path, {"net": built()}, live)
    workspace.store("waiting")
    live["net"](BATCH)
    values = {name: value.clone() for name, value in live["net"].state_dict().items()}
    workspace.restore("waiting")
    workspace.undo()
    live["net"].eval()(BATCH)
    assert all(torch.equal(value, values[name]) for name, value in live["net"].state_dict().items())


def test_only_a_part_waits_when_only_that_was_asked_for(tmp_path):
    stored, live = {"net": built(), "side": built()}, {"net": lazy(), "side": lazy()}
    _, status = restored(tmp_path, stored, live, only=["net.1.weight"])
    assert status.deferred == ("net.1.weight",)
    live["net"](BATCH)
    assert torch.equal(live["net"][1].weight, stored["net"][1].weight)
    assert not torch.equal(live["net"][3].weight, stored["net"][3].weight)


def test_values_of_this_process_wait_too_when_they_go_into_another_name():
    namespace = {"net": built(), "other": lazy()}
    workspace = Workspace(namespace)
    workspace.store("before")
    status = workspace.restore("before", into={"net": "other"}, defer=True)
    assert torch.equal(namespace["other"][0].weight, namespace["net"][0].weight)
    workspace.drop("before")
    namespace["other"](BATCH)
    assert torch.equal(namespace["other"][1].weight, namespace["net"][1].weight)
    assert status.deferred == ()
