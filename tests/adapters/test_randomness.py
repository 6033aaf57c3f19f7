"""Random generators of Python and NumPy: after a restore they go on with the same numbers."""

import random
from typing import ClassVar

import numpy as np
import pytest

from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case

BITS = (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)


class Loaded(random.Random):
    """A die with a favourite."""

    favourite = 6


def drawn(generator):
    """What it would draw next, without drawing it."""
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.RandomState):
        return repr(generator.get_state(legacy=False))
    bits = getattr(generator, "bit_generator", generator)
    return repr(bits.state), repr(bits.seed_seq)


def halfway_gauss():
    """One of the pair that gauss() makes is still to come."""
    made = random.Random(3)
    made.gauss(0, 1)
    return made


def another(made, *words):
    return lambda: [(made, words)]


class TestGenerators(AdapterContract):
    cases: ClassVar = {
        "Random": Case(
            lambda: random.Random(1), lambda g: g.random(), drawn, another(Loaded(1), "Loaded", "random:Random")
        ),
        "Random with a number in hand": Case(halfway_gauss, lambda g: g.gauss(0, 1), drawn),
        "RandomState": Case(lambda: np.random.RandomState(1), lambda g: g.normal(), drawn),
        "RandomState of other bits": Case(
            lambda: np.random.RandomState(np.random.Philox(4)), lambda g: g.normal(), drawn
        ),
        "a subclass": Case(lambda: Loaded(2), lambda g: g.random(), drawn),
        "SeedSequence with children": Case(
            lambda: np.random.SeedSequence([1, 2], spawn_key=(3,), n_children_spawned=4),
            lambda g: g.spawn(2),
            repr,
            in_new_kernel=False,
        ),
        "SeedSequence of much entropy": Case(
            lambda: np.random.SeedSequence(2**200), lambda g: g.spawn(2), repr, in_new_kernel=False
        ),
        **{bits.__name__: Case(lambda bits=bits: bits(5), lambda g: g.random_raw(3), drawn) for bits in BITS},
    }


@pytest.mark.parametrize("bits", BITS)
def test_a_numpy_generator_goes_on_with_the_same_numbers(bits):
    names = {"rng": np.random.Generator(bits(7))}
    workspace = Workspace(names)
    names["rng"].normal(size=3)
    workspace.store("before")
    rng, expected = names["rng"], names["rng"].normal(size=5)
    workspace.restore("before")
    assert names["rng"] is rng
    assert (rng.normal(size=5) == expected).all()


@pytest.mark.parametrize("bits", BITS)
def test_children_spawned_after_a_restore_are_the_ones_spawned_before_it(bits):
    names = {"rng": np.random.Generator(bits(7))}
    workspace = Workspace(names)
    names["rng"].spawn(2)
    workspace.store("before")
    expected = [child.random() for child in names["rng"].spawn(2)]
    workspace.restore("before")
    assert [child.random() for child in names["rng"].spawn(2)] == expected


def test_a_seed_sequence_counts_its_children_anew():
    names = {"seed": np.random.SeedSequence(11)}
    workspace = Workspace(names)
    workspace.store("before")
    expected = names["seed"].spawn(1)[0].generate_state(4)
    workspace.restore("before")
    assert (names["seed"].spawn(1)[0].generate_state(4) == expected).all()


def test_a_generator_stays_on_the_seed_sequence_that_others_share():
    seed = np.random.SeedSequence(11)
    names = {"seed": seed, "rng": np.random.default_rng(seed)}
    workspace = Workspace(names)
    workspace.store("before")
    expected = names["rng"].spawn(1)[0].random()
    workspace.restore("before")
    assert names["rng"].bit_generator.seed_seq is seed
    assert np.random.default_rng(seed.spawn(1)[0]).random() == expected


def test_a_subclass_keeps_its_own_attributes():
    names = {"die": Loaded(1)}
    names["die"].favourite = [5]
    workspace = Workspace(names)
    workspace.store("before")
    names["die"].favourite.append(3)
    del names["die"].favourite
    workspace.restore("before")
    assert names["die"].favourite == [5]


def test_a_subclass_that_nothing_holds_any_more_is_made_again_without_its_init():
    class Counted(random.Random):
        made = 0

        def __init__(self, sides):
            Counted.made += 1
            super().__init__(sides)

    names = {"dice": [Counted(6)]}
    workspace = Workspace(names)
    workspace.store("before")
    expected = names["dice"].pop().random()
    workspace.restore("before", code="restore")
    assert (type(names["dice"][0]), names["dice"][0].random(), Counted.made) == (Counted, expected, 1)


def test_a_generator_and_its_bit_generator_stay_one():
    bits = np.random.PCG64(1)
    names = {"bits": bits, "rng": np.random.Generator(bits)}
    workspace = Workspace(names)
    workspace.store("before")
    expected = names["rng"].random()
    bits.random_raw(10)
    workspace.restore("before")
    assert names["rng"].bit_generator is names["bits"]
    assert names["rng"].random() == expected


def test_the_global_generators_come_back_though_no_name_leads_to_them():
    workspace = Workspace({})
    workspace.store("before")
    expected = random.random(), random.gauss(0, 1), np.random.normal(size=3).tolist()
    workspace.restore("before")
    assert (random.random(), random.gauss(0, 1), np.random.normal(size=3).tolist()) == expected


def test_a_subset_leaves_the_global_generators_alone():
    names = {"a": 1}
    workspace = Workspace(names)
    workspace.store("before")
    random.seed(9)
    expected = random.Random(9).random()
    workspace.restore("before", only="a")
    assert random.random() == expected


def test_a_stored_generator_is_a_generator_in_a_new_kernel(tmp_path):
    names = {"rng": np.random.default_rng(3)}
    Workspace(names, tmp_path / "run.zarr").store("before")
    fresh = {}
    Workspace(fresh, tmp_path / "run.zarr").restore("before")
    assert fresh["rng"].random() == names["rng"].random()


def test_roles_say_which_leaves_are_random_states():
    workspace = Workspace({"rng": np.random.default_rng(1), "weights": np.ones(2)})
    stored = workspace.store("before", only="role:rng")
    assert "weights" not in stored.variables
    assert {str(variable.role) for variable in stored.variables.values()} == {"rng"}


def test_what_draws_from_the_system_has_nothing_to_restore():
    names = {"entropy": random.SystemRandom(), "a": [1]}
    workspace = Workspace(names)
    workspace.store("before")
    names["a"].append(2)
    workspace.restore("before")
    assert names["a"] == [1]


def test_a_new_kernel_makes_a_seed_sequence(tmp_path):
    names = {"seed": np.random.SeedSequence(3, n_children_spawned=2)}
    Workspace(names, tmp_path / "run.zarr").store("before")
    fresh = {}
    Workspace(fresh, tmp_path / "run.zarr").restore("before")
    assert repr(fresh["seed"]) == repr(names["seed"])
