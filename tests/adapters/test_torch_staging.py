"""The way between device and host, walked on the CPU: what goes into which buffer, and what comes out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from snapshot.adapters.torch_staging import Staging, bufferfuls
from snapshot.workspace import Workspace
from tests.adapters.contract import leaf_of

SIZES = [[], [0], [5], [8], [9], [3, 3, 3], [8, 8], [20, 1], [0, 7, 0, 30, 2], [1] * 20]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_byte_goes_into_exactly_one_place_of_one_buffer(sizes):
    batches = list(bufferfuls(sizes, 8))
    sent = [(piece.item, byte) for batch in batches for piece in batch for byte in range(piece.start, piece.stop)]
    assert sent == [(item, byte) for item, size in enumerate(sizes) for byte in range(size)]
    for batch in batches:
        filled = [place for piece in batch for place in range(piece.room.start, piece.room.stop)]
        assert filled == list(range(len(filled)))
        assert 0 < len(filled) <= 8


def test_only_the_last_buffer_is_not_full():
    batches = list(bufferfuls([5, 5, 5, 5], 8))
    assert [sum(piece.stop - piece.start for piece in batch) for batch in batches] == [8, 8, 4]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_what_is_fetched_is_a_private_copy_of_each_item(sizes):
    sources = [torch.randint(0, 255, (size,), dtype=torch.uint8) for size in sizes]
    fetched = Staging(torch.device("cpu"), 8).fetch(sources)
    expected = [source.tolist() for source in sources]
    for source in sources:
        source.zero_()
    assert [found.tolist() for found in fetched] == expected


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 17, 40])
def test_what_is_sent_arrives(size):
    contents = np.random.default_rng(0).integers(0, 255, size, dtype=np.uint8)
    target = torch.zeros(size, dtype=torch.uint8)
    Staging(torch.device("cpu"), 8).send(contents, target)
    assert target.tolist() == contents.tolist()


def test_the_same_two_buffers_serve_again_and_again():
    staging = Staging(torch.device("cpu"), 8)
    for size in (30, 3, 50):
        staging.fetch([torch.zeros(size, dtype=torch.uint8)])
    assert len(staging._buffers) == 2


def test_a_buffer_first_made_in_inference_mode_serves_outside_it():
    staging = Staging(torch.device("cpu"), 8)
    with torch.inference_mode():
        staging.fetch([torch.zeros(3, dtype=torch.uint8)])
    staging.send(np.ones(3, np.uint8), target := torch.zeros(3, dtype=torch.uint8))
    assert target.tolist() == [1, 1, 1]


def test_what_is_sent_counts_as_a_change():
    weight = torch.ones(2, requires_grad=True)
    loss = (weight**2).sum()
    Staging(torch.device("cpu"), 8).send(np.zeros(8, np.uint8), weight.detach().view(-1).view(torch.uint8))
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


@pytest.mark.parametrize("make", [lambda: torch.arange(3.0), lambda: torch.eye(3).to_sparse()])
def test_what_another_machine_stored_on_its_gpu_goes_into_what_is_here(make):
    tensor = make()
    adapter = leaf_of(tensor)
    form, contents = adapter.form(tensor), adapter.view(tensor).copy()
    elsewhere = replace(form, meta=tuple((k, "cuda:93" if k == "device" else value) for k, value in form.meta))
    assert adapter.misfit(tensor, elsewhere) is None
    with pytest.warns(UserWarning, match="there is no cuda:93 here"):
        made = adapter.build(elsewhere, contents)
    assert made.device.type == "cpu"
    assert made.to_dense().tolist() == tensor.to_dense().tolist()


def test_the_users_default_device_changes_nothing():
    names = {"x": torch.ones(2), "sparse": torch.eye(2).to_sparse()}
    workspace = Workspace(names)
    with torch.device("meta"):
        workspace.store("before")
        names["x"].zero_()
        names.pop("sparse")
        workspace.restore("before")
    assert names["x"].tolist() == [1, 1]
    assert names["sparse"].device.type == "cpu"
