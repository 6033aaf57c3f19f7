"""Modules of flax tell nobody when they get a variable: their values wait until they are asked for."""

import pytest

jnp = pytest.importorskip("jax.numpy")
nnx = pytest.importorskip("flax.nnx")

from tests.adapters.deferral import restored  # noqa: E402


class Net(nnx.Module):
    def __init__(self, grown):
        self.first = nnx.Linear(2, 2, rngs=nnx.Rngs(0))
        if grown:
            self.late = nnx.Param(jnp.float32(3))


def test_an_attribute_set_later_takes_its_value_on_request(tmp_path):
    live = {"net": Net(grown=False)}
    _, status = restored(tmp_path, {"net": Net(grown=True)}, live)
    live["net"].late = nnx.Param(jnp.float32(0))
    assert float(live["net"].late[...]) == 0
    status.apply_deferred()
    assert float(live["net"].late[...]) == 3
