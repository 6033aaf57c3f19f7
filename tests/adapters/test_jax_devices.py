"""Arrays on several devices, in a process of its own: JAX counts its devices once."""

import os
import subprocess
import sys

import pytest

jax = pytest.importorskip("jax")

DEVICES = """
import sys
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from snapshot.workspace import Workspace

mesh = jax.make_mesh((2,), ("rows",))
halves, whole = NamedSharding(mesh, PartitionSpec("rows")), NamedSharding(mesh, PartitionSpec())
second = jax.devices()[1]

def made(start):
    return {
        "halves": jax.device_put(jnp.arange(8.0) + start, halves),
        "whole": jax.device_put(jnp.arange(4.0) + start, whole),
        "second": jax.device_put(jnp.ones(3) * start, second),
        "key": jax.device_put(jax.random.key(start), second),
        "keys": jax.device_put(jax.random.split(jax.random.key(start), 2), halves),
    }

def texts(names):
    return {n: str(jax.random.key_data(v) if "key" in n else v) for n, v in names.items()}

def shardings(names):
    return {name: value.sharding for name, value in names.items()}
"""
DONATED = """
same = jax.jit(lambda x: x)
names = made(1)
for value in names.values():
    same(value)
count, before, placed = same._cache_size(), texts(names), shardings(names)
place = jax.new_ref(jax.device_put(jnp.arange(8.0), halves))
found = {**names, "place": place}
workspace = Workspace(found)
assert not workspace.store("before").report
for value in names.values():
    value.delete()
place[...] = place[...] * 0
workspace.restore("before")
del found["place"]
assert texts(found) == before
assert shardings(found) == placed
assert all(value.committed for value in found.values())
for value in found.values():
    same(value)
assert same._cache_size() == count, (same._cache_size(), count)
assert (place[...].tolist(), place[...].sharding) == (list(range(8)), halves)
"""
ANOTHER_KERNEL = """
names = made(int(sys.argv[2]))
workspace = Workspace(names, sys.argv[1])
if names["second"][0] == 1:
    workspace.store("before")
else:
    placed = shardings(names)
    workspace.restore("before")
    assert texts(names) == texts(made(1)), names
    assert shardings(names) == placed
"""


def run(code, *arguments):
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", DEVICES + code, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_donated_arrays_are_made_again_where_they_lay_and_nothing_is_compiled_again():
    run(DONATED)


def test_a_new_kernel_puts_them_where_its_own_lie(tmp_path):
    run(ANOTHER_KERNEL, str(tmp_path / "run.zarr"), "1")
    run(ANOTHER_KERNEL, str(tmp_path / "run.zarr"), "2")
