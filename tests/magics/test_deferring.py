"""``%snapshot restore --defer`` in a shell: what waits is shown, and a cell never assigns by itself."""

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture
def stored(run):
    run("import torch\nfrom torch import nn\nold = nn.Sequential(nn.LazyLinear(2))\nold(torch.ones(1, 3))")
    run("kept = old[0].weight.detach().clone()")
    # as an earlier run of the notebook left it
    run("import snapshot\nsnapshot.Workspace({'net': old}, 'earlier.zarr').store('before')\ndel old")
    run("%snapshot open earlier.zarr")


def test_what_waits_is_shown_until_the_model_is_built(run, stored, capsys):
    run("net = nn.Sequential(nn.LazyLinear(2))")
    capsys.readouterr()
    run("%snapshot restore before --defer")
    assert "deferred net.0.weight, net.0.bias" in capsys.readouterr().out
    run("%snapshot")
    assert "net.0.weight, net.0.bias, for variables that do not exist yet" in capsys.readouterr().out
    assert run("net(torch.ones(1, 3))\ntorch.equal(net[0].weight, kept)")
    capsys.readouterr()
    run("%snapshot")
    assert "for variables that do not exist yet" not in capsys.readouterr().out


def test_a_cell_that_makes_and_trains_a_model_keeps_what_it_trained(run, stored):
    run("%snapshot restore before --defer")
    run("net = nn.Sequential(nn.LazyLinear(2))\nnet(torch.ones(1, 3))\nwith torch.no_grad(): net[0].weight.fill_(7)")
    assert run("net[0].weight.tolist()") == [[7, 7, 7], [7, 7, 7]]
