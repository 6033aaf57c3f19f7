"""What names shared when they were stored they share in a new kernel: one object stays one object."""

import json
import subprocess
import sys
import textwrap

import pytest

NODE = """
class Node:
    pass
"""

TRAIN = """
import torch
def train(steps):
    losses = []
    for _ in range(steps):
        x = torch.randn(16, 4)
        opt.zero_grad()
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        opt.step()
        sched.step()
        losses.append(loss.item())
    return losses
"""

#: name -> (what the first kernel runs, what the second one runs before it restores, what is the same in both);
#: with "then" it is to be True in the second one
CASES = {
    "a training run of torch": (
        TRAIN
        + """
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
sched = torch.optim.lr_scheduler.StepLR(opt, 2)
average = torch.optim.swa_utils.AveragedModel(model)
head = model[2]
_ = train(3)
""",
        TRAIN,
        [
            "sched.optimizer is opt",
            "all(a is b for a, b in zip(opt.param_groups[0]['params'], model.parameters(), strict=True))",
            "set(opt.state) == set(model.parameters())",
            "head is model[2]",
            "average.module is not model",
            "(train(5), sched.last_epoch, [p.tolist() for p in model.parameters()])",
        ],
    ),
    "a user's objects": (
        NODE
        + """
a = Node(); a.n = 1
b = [a]
c = {'x': a}
d = Node(); d.inner = c
""",
        "",
        ["b[0] is a", "c['x'] is a", "d.inner is c", "type(d) is type(a)"],
    ),
    "a closure and a partial": (
        NODE
        + """
import functools
a = Node(); a.n = 1
items = [1, 2]
def make(held, more):
    return lambda: (held, more)
f = make(a, items)
p = functools.partial(f.__class__, a)
q = functools.partial(divmod, a)
Node.speak = lambda self: self.n
m = a.speak
""",
        "",
        ["f()[0] is a", "f()[1] is items", "p.args[0] is a", "q.args[0] is a", "m.__self__ is a", "m() == 1"],
    ),
    "plain values inside objects": (
        NODE
        + """
shared = [1, {'deep': 2}]
holder = Node(); holder.items = shared
other = Node(); other.deep = shared[1]
pair = (shared, 3)
third = Node(); third.pair = pair
one, two = {'common': shared}, {'common': shared}
""",
        "",
        [
            "holder.items is shared", "other.deep is shared[1]", "pair[0] is shared", "third.pair is pair",
            "one['common'] is two['common'] is shared",
        ],
    ),
    "arrays and their views": (
        NODE
        + """
import numpy as np
base = np.arange(12.0).reshape(3, 4)
row = base[1]
holder = Node(); holder.base = base; holder.column = base[:, 1]; holder.own = np.zeros(3)
own = holder.own
hidden = np.arange(6.0)
left, right = hidden[:4], hidden[2:]
del hidden
late = Node(); late.view = holder.own[:2]
""",
        "import numpy as np",
        [
            "np.shares_memory(row, base)", "holder.base is base",
            "np.shares_memory(holder.column, base)", "holder.own is own", "np.shares_memory(late.view, own)",
        ],
    ),
    "cycles across names": (
        NODE
        + """
a, b = Node(), Node()
a.other, b.other = b, a
ring = [a]; ring.append(ring); a.ring = ring
""",
        "",
        ["a.other is b", "b.other is a", "ring[0] is a", "ring[1] is ring", "a.ring is ring"],
    ),
    "estimators of scikit-learn": (
        NODE
        + """
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.neighbors import KNeighborsClassifier
X, y = np.random.RandomState(0).rand(20, 3), np.arange(20) % 2
scaler = StandardScaler()
tree = DecisionTreeClassifier(random_state=0)
pipe = make_pipeline(scaler, tree).fit(X, y)
near = KNeighborsClassifier(algorithm='kd_tree').fit(X, y)
run = Node(); run.pipe = pipe; run.tree = tree.tree_; run.X = X; run.near = near
""",
        "",
        [
            "pipe[0] is scaler", "pipe[1] is tree", "run.pipe is pipe", "run.tree is tree.tree_", "run.X is X",
            "run.near is near", "pipe.predict(X).tolist() == y.tolist()",
        ],
    ),
    "frames and series of pandas": (
        NODE
        + """
import pandas as pd, numpy as np
values = np.arange(4.0)
series = pd.Series(values, copy=False)
df = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})
holder = Node(); holder.df = df; holder.series = series
frames = {'it': df}
""",
        "import pandas",
        ["holder.df is df", "frames['it'] is df", "holder.series is series", "df.b.tolist() == ['x', 'y']"],
    ),
    "modules of flax and equinox": (
        NODE
        + """
import jax, equinox as eqx
from flax import nnx
linear = eqx.nn.Linear(2, 3, key=jax.random.key(0))
keep = Node(); keep.linear = linear; keep.weight = linear.weight
weight = linear.weight
net = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
kernel = net.kernel
wrap = Node(); wrap.net = net
""",
        "import jax, equinox, flax.nnx",
        [
            "keep.linear is linear", "keep.weight is weight is linear.weight", "net.kernel is kernel",
            "wrap.net is net",
        ],
    ),
    "one name that cannot be pickled": (
        NODE
        + """
class Stubborn:
    def __reduce_ex__(self, protocol):
        raise TypeError('never')
a = Node(); b = [a]
bad = Stubborn(); bad.a = a
a.n = 5
c = Node(); c.a = a
""",
        "",
        [
            "b[0] is a", "c.a is a", "a.n == 5", "then: 'bad' not in globals()",
            "then: status.unused_reasons.keys() - {'Node', 'Stubborn'} == {'bad'}",
        ],
    ),
    "some of them alive": (
        NODE
        + """
import numpy as np
a = Node(); a.n = 1; a.w = np.arange(3.0)
items = [1]
inner = Node(); inner.n = 7
a.inner = inner
b = [a]
c = Node(); c.a = a; c.items = items; c.w = a.w; c.both = (a, inner); c.keys = {a: 1}
""",
        NODE
        + """
import numpy as np
a = live = Node(); a.n = 2; a.w = weights = np.zeros(3); a.inner = Node(); a.inner.n = 0
items = live_items = [5, 6]
""",
        [
            "a.n == 1", "b[0] is a", "c.a is a", "items == [1]", "c.items is items", "c.w is a.w",
            "c.both[0] is a", "c.both[1] is a.inner", "c.keys[a] == 1", "inner is a.inner", "inner.n == 7",
            "type(c) is Node", "then: a is live", "then: items is live_items", "then: a.w is weights",
            "then: weights.tolist() == [0, 1, 2]",
        ],
    ),
}  # fmt: skip

STORE = """
    import json, sys, types
    import snapshot
    cases = json.load(open(sys.argv[2]))
    expected = {}
    for number, (name, (first, _, checks)) in enumerate(cases.items()):
        # as in a kernel, where the names are those of __main__
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        names = vars(main)
        exec(first, names)
        workspace = snapshot.Workspace(names, f"{sys.argv[1]}/{number}.zarr")
        workspace.store("before")
        workspace.close()
        expected[name] = ["True" if check.startswith("then: ") else repr(eval(check, names)) for check in checks]
    print(json.dumps(expected))
"""

RESTORE = """
    import json, sys, types
    import snapshot
    cases = json.load(open(sys.argv[2]))
    found = {}
    for number, (name, (_, second, checks)) in enumerate(cases.items()):
        # as in a kernel, where the names are those of __main__
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        names = vars(main)
        exec(second, names)
        workspace = snapshot.Workspace(names, f"{sys.argv[1]}/{number}.zarr")
        names["status"] = workspace.restore("before")
        found[name] = []
        for check in checks:
            try:
                found[name].append(repr(eval(check.removeprefix("then: "), names)))
            except Exception as error:
                found[name].append(f"{type(error).__name__}: {error} {dict(names['status'].unused_reasons)}")
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """case -> what its checks gave in the kernel that stored, and in the one that restored."""
    folder = tmp_path_factory.mktemp("sharing")
    (folder / "cases.json").write_text(json.dumps(CASES))

    def run(script):
        command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), folder, folder / "cases.json"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout.splitlines()[-1])

    return run(STORE), run(RESTORE)


@pytest.mark.parametrize("case", CASES)
def test_what_names_shared_they_share_in_a_new_kernel(kernels, case):
    expected, found = kernels
    checks = CASES[case][2]
    assert dict(zip(checks, found[case], strict=True)) == dict(zip(checks, expected[case], strict=True))
