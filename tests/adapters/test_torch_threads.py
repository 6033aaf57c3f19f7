"""A store or a restore while threads train: what is stored is the state of one moment of each tensor."""

import threading

import torch

from snapshot.workspace import Workspace


def test_a_store_in_the_training_thread_while_the_main_thread_stores_too():
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 4)
    optimizer = torch.optim.Adam(net.parameters())
    workspace = Workspace({"net": net, "optimizer": optimizer})
    expected, errors = {}, []
    started = threading.Event()

    def train():
        try:
            for step in range(20):
                net(torch.ones(1, 4)).sum().backward()
                optimizer.step()
                workspace.store(f"step-{step}")
                expected[f"step-{step}"] = net.weight.detach().clone()
                started.set()
        except Exception as error:
            errors.append(error)
            started.set()

    thread = threading.Thread(target=train)
    thread.start()
    started.wait()
    while thread.is_alive():
        workspace.store("aside")
    thread.join()
    assert errors == []
    for label, weight in expected.items():
        workspace.restore(label)
        assert torch.equal(net.weight, weight)
        assert optimizer.state[net.weight]["step"] == int(label.split("-")[1]) + 1


def test_a_tensor_that_another_thread_fills_is_stored_whole_or_named():
    weight, stop = torch.zeros(2_000_000), threading.Event()

    def fill():
        value = 0.0
        while not stop.is_set():
            value += 1
            with torch.no_grad():
                weight[:1000].fill_(value)
                weight[-1000:].fill_(value)

    thread = threading.Thread(target=fill)
    thread.start()
    workspace = Workspace({"weight": weight, "still": torch.ones(2)})
    try:
        stored = [workspace.store(str(number)) for number in range(5)]
    finally:
        stop.set()
        thread.join()
    for one in stored:
        assert "still" in one.variables
        assert ("weight" in one.variables) != ("weight" in one.report)
        if "weight" in one.variables:
            found = one["weight"]
            # a block is of one moment: its first and last numbers were written together
            assert len(set(found[:1000].tolist())) <= 2


def test_replicas_of_a_net_see_the_restored_weights():
    net = torch.nn.Linear(2, 2)
    parallel = torch.nn.DataParallel(net)
    x = torch.ones(4, 2, device=net.weight.device)
    expected = parallel(x).tolist()
    workspace = Workspace({"parallel": parallel})
    workspace.store("before")
    torch.nn.init.zeros_(net.weight)
    workspace.restore("before")
    assert parallel(x).tolist() == expected
