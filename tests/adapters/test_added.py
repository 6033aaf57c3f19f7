"""Other libraries' adapters: the documented example as it stands, and adapters that do everything wrong."""

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

import snapshot
from snapshot.adapters import added
from snapshot.adapters.simple_leaf import SimpleLeaf
from snapshot.errors import SnapshotWarning
from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
LIBRARY, ADAPTER = re.findall(r'```python\n("""mylib/.*?)```', PAGE, re.DOTALL)
(DECLARATION,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def install(folder, name, declared, **modules):
    """A package with its entry points, as pip leaves them in a folder of ``sys.path``."""
    package = folder / name
    package.mkdir()
    for module, source in modules.items():
        (package / f"{module}.py").write_text(source, encoding="utf-8")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{left} = {right}" for left, right in declared.items()]
    (info / "entry_points.txt").write_text("\n".join(["[snapshot.adapters]", *lines, ""]))


def install_example(folder):
    declared = tomllib.loads(DECLARATION)["project"]["entry-points"]["snapshot.adapters"]
    install(folder, "mylib", declared, __init__=LIBRARY, snapshot_adapter=ADAPTER)


def python(folder, code):
    """What ``code`` prints, as JSON, in a fresh Python that finds the packages in ``folder``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT)))}
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder for packages; what is installed there is found by this process too."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(added, "_registered", {})
    added._declared.cache_clear()
    added._load.cache_clear()
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] in ("mylib", "faulty")]:
        del sys.modules[name]
    added._declared.cache_clear()
    added._load.cache_clear()


def test_the_example_is_thirty_lines():
    assert len(ADAPTER.splitlines()) <= 30


YESTERDAY = """
import json
from mylib import Grid
from snapshot import Workspace
grid = Grid(2, 3, "heights"); grid.fill(1.5)
names = {"grid": grid, "held": [grid], "lost": Grid(1, 2)}
workspace = Workspace(names, "run.zarr")
report = dict(workspace.store("before").report)
grid.fill(9); grid.name = "changed"; names["grid"] = None; del names["lost"]
status = workspace.restore("before")
workspace.close()
print(json.dumps([report, names["grid"] is grid is names["held"][0], list(grid.memory), grid.name,
                  list(names["lost"].memory), list(status.rebuilt),
                  [path for path in workspace["before"].variables if path[0] != "("]]))
"""
TODAY = """
import json
from mylib import Grid
from snapshot import Workspace
grid = Grid(2, 3)
found = {"grid": grid}
Workspace(found, "run.zarr").restore("before")
made = found["lost"]
print(json.dumps([found["grid"] is grid is found["held"][0], list(grid.memory), grid.name, type(made).__name__,
                  made.shape, made.name]))
"""


def test_the_example_installed_restores_in_place_and_in_a_new_kernel(tmp_path):
    install_example(tmp_path)
    report, same, memory, name, lost, rebuilt, variables = python(tmp_path, YESTERDAY)
    assert report == {}
    assert (same, memory, name) == (True, [1.5] * 6, "heights")
    assert (lost, rebuilt, sorted(variables)) == ([0.0] * 2, ["lost"], ["grid", "lost"])
    assert python(tmp_path, TODAY) == [True, [1.5] * 6, "heights", "Grid", [1, 2], "grid"]


def test_without_its_adapter_the_example_is_by_reference_and_named(tmp_path):
    install(tmp_path, "mylib", {}, __init__=LIBRARY)
    code = "import json, mylib, snapshot; g = mylib.Grid(1, 1); w = snapshot.Workspace({'g': g})\n"
    assert python(tmp_path, f"{code}print(json.dumps(dict(w.store().report)))").keys() == {"g.memory"}


def test_entry_points_are_read_once_at_the_first_store_and_an_unused_library_is_not_imported(tmp_path):
    install_example(tmp_path)
    code = """
import importlib.metadata, json, sys
asked, real = [], importlib.metadata.entry_points
def entry_points(**wanted):
    asked.append(wanted.get("group"))
    return real(**wanted)
importlib.metadata.entry_points = entry_points
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "snapshot")
loaded = asked.count("snapshot.adapters")
for _ in range(3):
    snapshot = __import__("snapshot"); snapshot.store()
snapshot.Workspace({}).store()
print(json.dumps([loaded, asked.count("snapshot.adapters"), [n for n in sys.modules if n.startswith("mylib")]]))
"""
    assert python(tmp_path, code) == [0, 1, []]


# --- the contract, on the example


def grid(fill, *shape, name="grid"):
    made = sys.modules["mylib"].Grid(*shape, name)
    made.fill(fill)
    return made


class TestTheExample(AdapterContract):
    @pytest.fixture(autouse=True)
    def _installed(self, site):
        install_example(site)
        importlib.import_module("mylib")

    cases: ClassVar = {
        "small": Case(
            lambda: grid(1.5, 2, 3),
            lambda g: g.fill(-1),
            lambda g: (g.shape, list(g.memory), g.name),
            lambda: [(grid(0, 3, 2), ("(3, 2)", "(2, 3)"))],
        ),
        "over several blocks": Case(
            lambda: grid(0.5, 500, 300, name="large"),
            lambda g: g.memory.__setitem__(-1, g.memory[0] - 1),
            lambda g: (g.shape, bytes(g.memory), g.name),
        ),
    }


# --- registered by hand


class Sealed:
    """Keeps its number where no attribute shows it."""

    __slots__ = ("__weakref__", "_read", "_write")

    def __init__(self, number):
        memory = (np.ctypeslib.as_ctypes_type(np.int64) * 1)(number)
        self._read, self._write = memory.__getitem__, memory.__setitem__

    number = property(lambda self: self._read(0), lambda self, value: self._write(0, value))


class SealedLeaf(SimpleLeaf):
    kind = "tests.Sealed"

    def view(self, obj):
        return np.array(obj.number)

    def assign(self, obj, contents):
        obj.number = int(contents)

    def build(self, form, contents):
        return Sealed(int(contents))


def adapter_of(cls, leaf):
    return SimpleNamespace(LEAF_ADAPTERS=(leaf,), handler_for=lambda obj: leaf if type(obj) is cls else None)


def test_an_adapter_registered_by_hand_holds_for_workspaces_made_before(site):
    thing = Sealed(1)
    workspace = Workspace({"thing": thing})
    workspace.store()
    snapshot.register_adapter(adapter_of(Sealed, SealedLeaf()))
    workspace.store("before")
    thing.number = 2
    workspace.restore("before")
    assert thing.number == 1
    assert workspace["before"]["thing"] == 1


def test_one_registered_again_takes_the_place_of_the_older(site):
    class Broken(SealedLeaf):
        def view(self, obj):
            raise RuntimeError("an old mistake")

    workspace = Workspace({"thing": Sealed(1)})
    snapshot.register_adapter(adapter_of(Sealed, Broken()))
    assert "an old mistake" in workspace.store().report["thing"]
    snapshot.register_adapter(adapter_of(Sealed, SealedLeaf()))
    assert workspace.store()["thing"] == 1


def test_an_adapter_waits_until_its_library_is_imported(site):
    install(site, "mylib", {}, __init__=LIBRARY)
    asked = []
    snapshot.register_adapter(SimpleNamespace(handler_for=asked.append), for_="mylib")
    workspace = Workspace({"thing": Sealed(1)})
    workspace.store()
    assert asked == []
    importlib.import_module("mylib")
    workspace.store()
    assert asked != []


def test_a_librarys_own_subclass_of_an_array_is_its_adapters(site):
    class Unit(np.ndarray):
        pass

    class UnitLeaf(SealedLeaf):
        kind = "tests.Unit"

        def view(self, obj):
            return np.asarray(obj) * 2  # so that who did it shows

    snapshot.register_adapter(adapter_of(Unit, UnitLeaf()))
    made = Workspace({"u": np.ones(2).view(Unit), "plain": np.ones(2)}).store()
    assert (made["u"].tolist(), made["plain"].tolist()) == ([2, 2], [1, 1])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SimpleNamespace(), ("SimpleNamespace", "handler_for")),
        (json, ("the module json", "handler_for")),
        (SimpleNamespace(handler_for=3), ("handler_for", "int")),
        (SimpleNamespace(LEAF_ADAPTERS=("text",)), ("str",)),
        (SimpleNamespace(LEAF_ADAPTERS=(SimpleNamespace(assign_span=0),)), ("lacks", "view")),
        (SimpleNamespace(KINDS=(SimpleNamespace(take=0),)), ("lacks", "edges")),
        (SimpleNamespace(CODE_TYPES=("text",)), ("CODE_TYPES",)),
    ],
)
def test_what_is_no_adapter_is_refused_with_what_was_expected(site, source, words):
    with pytest.raises(TypeError) as caught:
        snapshot.register_adapter(source)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert added.ready(lambda library: True) == ()


# --- adapters that fail

HEAD = """
import numpy as np
from faulty import Thing
from snapshot.adapters.containers import ListKind
from snapshot.adapters.protocol import Form, Group, Part
from snapshot.adapters.simple_leaf import SimpleLeaf
class Leaf(SimpleLeaf):
    kind = "faulty.Thing"
    def view(self, obj):
        return np.zeros(2)
def handler_for(obj):
    return LEAF if type(obj) is Thing else None
LEAF = Leaf()
"""
LEFT_OUT = {
    "a library that is not there": ("import no_such_library_at_all", "no_such_library_at_all"),
    "an error on import": ("1 / 0", "ZeroDivisionError"),
    "a mistake in its syntax": ("def (", "SyntaxError"),
    "nothing in it": ("", "no adapter"),
    "handler_for raises": ("def handler_for(obj): raise OSError('gone')", "gone"),
    "handler_for gives text": ("def handler_for(obj): return 'leaf'", "str"),
    "handler_for is no function": ("handler_for = 3", "int"),
    "a leaf without methods": ("class Half: assign_span = 0\nLEAF_ADAPTERS = [Half()]", "lacks"),
    "a leaf without a kind": (HEAD + "Leaf.kind = None\nLEAF_ADAPTERS = [Leaf()]", "kind"),
    "LEAF_ADAPTERS is no sequence": ("LEAF_ADAPTERS = 3", "int"),
    "naming raises": ("def naming(obj): raise OSError('gone')", "gone"),
    "naming gives text": ("def naming(obj): return {'a': 'b'}", "Step"),
    "implicit raises": ("def implicit(): raise OSError('gone')", "gone"),
    "implicit gives a number": ("def implicit(): return 3", "int"),
    "edges raise": (
        HEAD + "class K(ListKind):\n    def take(self, obj): return (obj.array,)\n"
        "    def edges(self, state): raise OSError('gone')\nLEAF = K()",
        "gone",
    ),
}  # fmt: skip
REPORTED = {
    "view raises": (HEAD + "def view(self, obj): raise OSError('gone')\nLeaf.view = view", "gone"),
    "attributes raise": (HEAD + "def broken(self, obj): raise OSError('gone')\nLeaf.attributes = broken", "gone"),
    "view gives a list": (HEAD + "Leaf.form = lambda s, o: Form((1,), 'f')\nLeaf.view = lambda s, o: [1]", "list"),
    "view holds objects": (HEAD + "Leaf.view = lambda self, obj: np.array([obj])", "objects"),
    "form gives nothing": (HEAD + "Leaf.form = lambda self, obj: None", "NoneType"),
    "form holds an array": (HEAD + "Leaf.form = lambda s, o: Form((2,), 'f', (('a', np.ones(1)),))", "'a'"),
    "take gives a list": (HEAD + "class K(ListKind):\n    def take(self, obj): return []\nLEAF = K()", "list"),
    "a group that raises": (
        HEAD + "class G:\n    kind = 'faulty'\n"
        "    successor = misfits = assign = part_path = resolve = lambda self, *a: None\n"
        "    def capture(self, owner): raise OSError('gone')\nLEAF = G()",
        "gone",
    ),
}  # fmt: skip


def with_fault(site, source):
    """The names of a notebook in which one adapter is wrong."""
    library = "import numpy as np\nclass Thing:\n    def __init__(self): self.array = np.arange(2.0)\n"
    install(site, "faulty", {"faulty": "faulty.adapter"}, __init__=library, adapter=source)
    names = {"W": np.arange(3.0), "options": {"lr": 0.5}, "thing": importlib.import_module("faulty").Thing()}
    return names, Workspace(names, site / "run.zarr")


def store_and_look(names, workspace):
    for one, label in ((workspace, "before"), (workspace, "again"), (Workspace({"thing": names["thing"]}), "other")):
        assert len(one.store(label).variables) > 0
    workspace.flush()


def change_and_restore(names, workspace):
    held = dict(names)
    names["W"][:], names["options"]["lr"] = -1, 9
    workspace.restore("before")
    workspace.flush()
    assert [name for name in held if names[name] is not held[name]] == []
    assert (names["W"].tolist(), names["options"]) == ([0, 1, 2], {"lr": 0.5})


@pytest.mark.parametrize("fault", LEFT_OUT)
def test_a_broken_adapter_is_left_out_with_one_warning_and_the_store_goes_on(site, fault):
    source, words = LEFT_OUT[fault]
    names, workspace = with_fault(site, source)
    with pytest.warns(SnapshotWarning) as warned:
        store_and_look(names, workspace)
    (said,) = [str(warning.message) for warning in warned]
    assert "faulty.adapter" in said
    assert words in said
    change_and_restore(names, workspace)


@pytest.mark.parametrize("fault", REPORTED)
def test_an_object_that_its_adapter_cannot_read_is_reported_and_the_store_goes_on(site, fault):
    source, words = REPORTED[fault]
    names, workspace = with_fault(site, source)
    report = workspace.store("before").report
    assert [path for path, reason in report.items() if words in reason and "hing" in path] != [], report
    change_and_restore(names, workspace)


def test_an_adapter_left_out_leaves_its_objects_to_the_walk(site):
    names, workspace = with_fault(site, "def handler_for(obj): raise OSError('gone')")
    with pytest.warns(SnapshotWarning, match="gone"):
        workspace.store("before")
    names["thing"].array[:] = 9
    workspace.restore("before")
    assert names["thing"].array.tolist() == [0, 1]
