"""Store, change everything, restore: what a notebook's user finds afterwards, in a real kernel.

Identity is asked of the kernel itself (``id``, ``is``, ``np.shares_memory``), never of
the product's own report.
"""

import pytest

STORE = "%snapshot store before"
RESTORE = "%snapshot restore before"

OBJECTS = """
import collections, numpy as np
class Experiment:
    pass
class Slotted:
    __slots__ = ("rate", "weights")
W = np.arange(6.0).reshape(2, 3)
rows, options, seen, raw = [1, 2], {"lr": 0.5}, {1, 2}, bytearray(b"abc")
recent = collections.deque([1, 2], maxlen=5)
tally = collections.Counter("aab")
grouped = collections.defaultdict(list, a=[1])
experiment = Experiment(); experiment.weights = W; experiment.name = "first"
slotted = Slotted(); slotted.rate = 0.5; slotted.weights = W
deep = []
for _n in range(20_000):
    deep = [deep]
held = [W, rows, options, seen, raw, recent, tally, grouped, experiment, slotted, deep]
"""
NAMES = ["W", "rows", "options", "seen", "raw", "recent", "tally", "grouped", "experiment", "slotted", "deep", "held"]
CHANGES = """
W[:] = -1
rows.append(3); options["lr"] = 9; options["new"] = W; seen.clear(); raw[0] = 0
recent.append(3); tally["z"] = 4; grouped["b"].append(2)
experiment.name = "second"; experiment.extra = 1; del experiment.weights
slotted.rate = 2; del slotted.weights
deep[0] = None
"""
CONTENTS = (
    "(W.tolist(), rows, list(options), options['lr'], sorted(seen), bytes(raw), list(recent), dict(tally), "
    "dict(grouped), experiment.name, getattr(experiment, 'weights', None) is W, hasattr(experiment, 'extra'), "
    "slotted.rate, getattr(slotted, 'weights', None) is W, type(deep[0]).__name__)"
)


def ids(names):
    return f"[{', '.join(f'id({name})' for name in names)}]"


# --- identity


def test_every_object_is_the_same_object_with_its_stored_contents(kernel):
    kernel.run(OBJECTS)
    before, contents = kernel[ids(NAMES)], kernel[CONTENTS]
    kernel.run(STORE)
    kernel.run(CHANGES)
    kernel.run(RESTORE)
    assert kernel[ids(NAMES)] == before
    assert kernel[CONTENTS] == contents


def test_names_that_were_bound_to_something_else_go_back_to_their_objects(kernel):
    kernel.run(OBJECTS)
    before, contents = kernel[ids(NAMES)], kernel[CONTENTS]
    kernel.run(STORE)
    kernel.run(
        "W = W * 2; rows = None; options = dict(options); experiment = Experiment(); deep = 7; held_too = held"
    )
    kernel.run(RESTORE)
    assert kernel[ids(NAMES)] == before
    assert kernel[CONTENTS] == contents


def test_names_deleted_since_come_back_to_the_same_objects(kernel):
    kernel.run(OBJECTS)
    before = kernel[ids(NAMES)]
    kernel.run(STORE)
    kernel.run(f"keep = held; del {', '.join(NAMES)}")
    kernel.run(RESTORE)
    assert kernel[ids(NAMES)] == before


def test_an_array_that_nobody_holds_any_more_comes_back_and_the_report_says_rebuilt(kernel):
    kernel.run("import numpy as np\nW = np.arange(6.0); lr = 0.5")
    kernel.run(STORE)
    kernel.run("del W, lr")
    answer = kernel.run(RESTORE)
    assert kernel["(W.tolist(), lr)"] == ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0.5)
    assert "rebuilt W" in answer.out


def test_a_view_still_shares_memory_with_its_array(kernel):
    kernel.run("import numpy as np\nW = np.arange(6.0).reshape(2, 3); row = W[1]; column = W.T[0]")
    kernel.run(STORE)
    kernel.run("W[:] = -1; row = row.copy()")
    kernel.run(RESTORE)
    assert kernel["(row.tolist(), column.tolist())"] == ([3.0, 4.0, 5.0], [0.0, 3.0])
    assert kernel["(np.shares_memory(row, W), np.shares_memory(column, W))"] == (True, True)
    kernel.run("row[0] = 99")
    assert kernel["float(W[1, 0])"] == 99.0


def test_a_view_whose_array_has_no_name_follows(kernel):
    kernel.run("import numpy as np\n_base = np.zeros(8); left, right = _base[:5], _base[3:]; left[4] = 7")
    kernel.run(STORE)
    kernel.run("_base[:] = -1")
    kernel.run(RESTORE)
    assert kernel["(left.tolist(), right.tolist())"] == ([0.0, 0.0, 0.0, 0.0, 7.0], [0.0, 7.0, 0.0, 0.0, 0.0])
    assert kernel["np.shares_memory(left, right)"] is True


def test_shared_references_are_still_shared(kernel):
    kernel.run("a = [1]; b = {'x': a}; c = (a, [a]); cycle = []; cycle.append(cycle)")
    before = kernel["(id(a), id(c[1]))"]
    kernel.run(STORE)
    kernel.run("b['x'] = [1]; a.append(2); c[1][0] = None; cycle.clear()")
    kernel.run(RESTORE)
    assert kernel["(id(a), id(c[1]))"] == before
    assert kernel["(b['x'] is a, c[0] is a, c[1][0] is a, cycle[0] is cycle, a)"] == (True, True, True, True, [1])


# --- holders outside the notebook's names


def write_holder(kernel):
    source = """
        class Keeper:
            def __init__(self):
                self.weights = None

        keeper = Keeper()
        registry = {}
    """
    lines = [line.removeprefix("        ") for line in source.splitlines()]
    (kernel.folder / "holder.py").write_text("\n".join(lines))


def test_an_array_that_another_modules_object_holds_is_rolled_back(kernel):
    write_holder(kernel)
    kernel.run("import holder, numpy as np\nW = np.arange(3.0); holder.keeper.weights = W; holder.registry['w'] = W")
    kernel.run(STORE)
    kernel.run("holder.keeper.weights += 10")
    kernel.run(RESTORE)
    assert kernel["holder.keeper.weights.tolist()"] == [0.0, 1.0, 2.0]
    assert kernel["holder.keeper.weights is W and holder.registry['w'] is W"] is True


def test_an_array_known_only_through_another_modules_object_is_rolled_back(kernel):
    write_holder(kernel)
    kernel.run("import holder, numpy as np\nfrom holder import keeper\nkeeper.weights = np.arange(3.0)")
    before = kernel["(id(keeper), id(keeper.weights))"]
    kernel.run(STORE)
    kernel.run("old = keeper.weights; old[:] = -1; keeper.weights = None; keeper.more = 1")
    kernel.run(RESTORE)
    assert kernel["(id(keeper), id(holder.keeper.weights))"] == before
    assert kernel["(keeper.weights.tolist(), hasattr(keeper, 'more'))"] == ([0.0, 1.0, 2.0], False)


def test_a_closure_sees_the_restored_array(kernel):
    kernel.run(
        "import numpy as np\n"
        "def over(array):\n"
        "    calls = 0\n"
        "    def total():\n"
        "        nonlocal calls\n"
        "        calls += 1\n"
        "        return calls, float(array.sum())\n"
        "    return total\n"
        "W = np.ones(4); total = over(W); hidden = over(np.ones(3)); total()"
    )
    before = kernel["(id(total), id(hidden))"]
    kernel.run(STORE)
    kernel.run("W *= 5; hidden.__closure__[0].cell_contents[:] = 7; total(); total(); hidden()")
    kernel.run(RESTORE)
    assert kernel["(id(total), id(hidden))"] == before
    assert kernel["(total(), hidden())"] == ((2, 4.0), (1, 3.0))


# --- PyTorch

TORCH = """
import torch
torch.manual_seed(0)
from torch.nn import BatchNorm1d, Dropout, Linear
model = torch.nn.Sequential(Linear(4, 8), Dropout(0.5), BatchNorm1d(8), Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
x, y = torch.randn(16, 4), torch.randn(16, 1)
def train(steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
"""
OF_TORCH = (
    "[id(model), id(optimizer), id(optimizer.param_groups), id(optimizer.param_groups[0]), "
    "*map(id, model.parameters()), *map(id, model.buffers()), "
    "*[id(slot) for state in optimizer.state.values() for slot in state.values()]]"
)
VALUES = (
    "[t.tolist() for t in (*model.parameters(), *model.buffers(), *[p.grad for p in model.parameters()], "
    "*[slot for state in optimizer.state.values() for slot in state.values()])]"
)


def test_a_torch_model_its_adam_slots_and_param_groups_are_the_same_objects_with_stored_values(kernel):
    kernel.run(TORCH + "train(3)")
    kernel.run(f"values = {VALUES}; objects = {OF_TORCH}")
    kernel.run(STORE)
    kernel.run("optimizer.param_groups[0]['lr'] = 1.0; _ = train(4); model.eval().requires_grad_(False)")
    assert kernel[f"values == {VALUES}"] is False
    kernel.run(RESTORE)
    assert kernel[f"objects == {OF_TORCH}"] is True
    assert kernel[f"values == {VALUES}"] is True
    settings = "(optimizer.param_groups[0]['lr'], model.training, model[0].weight.requires_grad)"
    assert kernel[settings] == (0.01, True, True)


def test_training_on_from_a_restored_state_gives_identical_losses(kernel):
    kernel.run(TORCH + "_ = train(3)")
    kernel.run(STORE)
    first = kernel["train(6)"]
    kernel.run(RESTORE)
    assert kernel["train(6)"] == first
    assert len(set(first)) == 6


def test_restoring_the_state_before_the_first_step_takes_adams_slots_away_again(kernel):
    kernel.run(TORCH)
    kernel.run(STORE)
    first = kernel["train(4)"]
    kernel.run(RESTORE)
    assert kernel["(len(optimizer.state), model[0].weight.grad)"] == (0, None)
    assert kernel["train(4)"] == first


def test_weights_replaced_since_are_the_optimizers_own_again(kernel):
    kernel.run(TORCH + "_ = train(2)")
    kernel.run(STORE)
    kernel.run("model[0].weight = torch.nn.Parameter(torch.zeros(8, 4)); model[3] = torch.nn.Identity()")
    kernel.run(RESTORE)
    assert kernel["all(a is b for a, b in zip(model.parameters(), optimizer.param_groups[0]['params']))"] is True
    assert kernel["type(model[3]).__name__"] == "Linear"


# --- random states

DRAW = (
    "(random.random(), np.random.rand(2).tolist(), np.random.randn(1).tolist(), torch.rand(2).tolist(), "
    "rng.random(2).tolist(), own.random())"
)


def test_random_numpy_and_torch_continue_with_the_same_numbers(kernel):
    kernel.run("import random, numpy as np, torch\nrng = np.random.default_rng(3); own = random.Random(4)")
    kernel.run("random.gauss(0, 1); np.random.randn(1)")  # each keeps a second number for later
    kernel.run(STORE)
    first = kernel[DRAW]
    assert kernel[DRAW] != first
    kernel.run("random.seed(1); np.random.seed(1); torch.manual_seed(1); rng = None")
    kernel.run(RESTORE)
    assert kernel[DRAW] == first


# --- what cannot be stored


def test_a_generator_an_open_file_and_a_lock_are_named_while_everything_else_is_restored(kernel):
    kernel.run(
        "import threading, numpy as np\n"
        "W = np.arange(3.0); options = {'lr': 0.5}\n"
        "batches = (n for n in range(9)); next(batches)\n"
        "log = open('log.txt', 'w'); lock = threading.Lock(); mixed = [W, batches, lock]"
    )
    before = kernel["(id(W), id(batches), id(log), id(lock), id(mixed))"]
    stored = kernel.run(STORE).out
    report = kernel.run("%snapshot show before --report").text
    kernel.run("W[:] = -1; options['lr'] = 9; next(batches); log.write('x'); lock.acquire(); mixed.clear()")
    kernel.run("kept = batches, log, lock; batches = log = lock = None")
    restored = kernel.run(RESTORE).out
    assert kernel["(id(W), id(batches), id(log), id(lock), id(mixed))"] == before
    assert kernel["(W.tolist(), options, next(batches), lock.locked(), log.closed)"] == (
        [0.0, 1.0, 2.0],
        {"lr": 0.5},
        2,
        True,
        False,
    )
    assert kernel["mixed[0] is W and mixed[1] is batches and mixed[2] is lock"] is True
    assert "by reference" in stored
    for name in ("batches", "log", "lock"):
        assert name in report
        assert name in restored


def test_the_report_gives_a_reason_for_each_object(kernel):
    kernel.run(
        "import threading\nbatches = (n for n in range(9)); log = open('log.txt', 'w'); lock = threading.Lock()"
    )
    kernel.run(STORE)
    rows = dict(
        line.strip().split(maxsplit=1)
        for line in kernel.run("%snapshot show before --report").text.splitlines()
        if line.startswith("  ")
    )
    assert rows.keys() == {"path", "batches", "log", "lock"}
    assert "generator" in rows["batches"]
    assert "file" in rows["log"]
    assert "lock" in rows["lock"]


@pytest.mark.parametrize(
    "method",
    ["__reduce__", "__reduce_ex__", "__getattr__", "__eq__", "__hash__", "__setattr__", "__len__", "__bool__"],
)
def test_an_object_that_refuses_everything_costs_nobody_else(kernel, method):
    kernel.run(
        "import numpy as np\n"
        f"class Hostile:\n    def {method}(self, *args):\n        raise RuntimeError('refused')\n"
        "W = np.arange(3.0); hostile = Hostile(); hostile.__dict__['x'] = [1]; options = {'a': hostile}"
    )
    before = kernel["(id(W), id(hostile), id(options))"]
    kernel.run(STORE)
    kernel.run("W[:] = 0; options['a'] = None; hostile.__dict__['x'].append(2); hostile.__dict__['y'] = 3")
    kernel.run(RESTORE)
    assert kernel["(id(W), id(options['a']), id(options))"] == before
    assert kernel["(W.tolist(), hostile.__dict__)"] == ([0.0, 1.0, 2.0], {"x": [1]})


# --- names and code made since


def test_names_made_since_are_kept_and_said_so(kernel):
    kernel.run("W = [1]")
    kernel.run(STORE)
    kernel.run("later = [2]; W.append(3)")
    answer = kernel.run(RESTORE)
    assert kernel["(W, later)"] == ([1], [2])
    assert "later" in answer.out


def test_names_made_since_are_removed_when_asked_and_modules_stay(kernel):
    kernel.run("W = [1]")
    kernel.run(STORE)
    kernel.run("later = [2]; import fractions; W.append(3)")
    answer = kernel.run(f"{RESTORE} --created remove")
    assert kernel["(W, 'later' in globals(), 'fractions' in globals())"] == ([1], False, True)
    assert "removed later" in answer.out


def test_a_function_redefined_since_is_kept_and_said_so(kernel):
    kernel.run("W = [1]\ndef rate(n):\n    return n + 1\nold = rate")
    kernel.run(STORE)
    kernel.run("def rate(n):\n    return n + 100\nW.append(2)")
    answer = kernel.run(RESTORE)
    assert kernel["(rate(1), old(1), W)"] == (101, 2, [1])
    assert "redefined since" in answer.out
    assert "rate" in answer.out


def test_a_function_redefined_since_goes_back_when_asked(kernel):
    kernel.run("def rate(n):\n    return n + 1\nold = rate")
    kernel.run(STORE)
    kernel.run("def rate(n):\n    return n + 100")
    kernel.run(f"{RESTORE} --code restore")
    assert kernel["(rate(1), rate is old)"] == (2, True)


def test_a_class_redefined_since_is_kept_and_its_instances_are_restored(kernel):
    kernel.run("class Net:\n    size = 1\n    def double(self):\n        return self.n * 2\nnet = Net(); net.n = 1")
    before = kernel["id(net)"]
    kernel.run(STORE)
    kernel.run("class Net:\n    size = 2\n    def double(self):\n        return self.n * 20\nnet.n = 5")
    answer = kernel.run(RESTORE)
    assert kernel["(id(net), net.n, net.double(), Net.size)"] == (before, 1, 2, 2)
    assert "Net" in answer.out


def test_dry_run_says_what_would_happen_and_writes_nothing(kernel):
    kernel.run(OBJECTS)
    kernel.run(STORE)
    kernel.run(CHANGES)
    changed = kernel[CONTENTS]
    answer = kernel.run(f"{RESTORE} --dry-run")
    assert "would restore before" in answer.out
    assert kernel[CONTENTS] == changed


def test_undo_brings_the_experiment_back_and_redo_the_restore(kernel):
    kernel.run(OBJECTS)
    before, contents = kernel[ids(NAMES)], kernel[CONTENTS]
    kernel.run(STORE)
    kernel.run(CHANGES + "W[1] = 4")
    changed = kernel[CONTENTS]
    kernel.run(RESTORE)
    kernel.run("%snapshot undo")
    assert kernel[CONTENTS] == changed
    kernel.run("%snapshot redo")
    assert (kernel[ids(NAMES)], kernel[CONTENTS]) == (before, contents)
