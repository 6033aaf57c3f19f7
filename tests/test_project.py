"""The repository keeps its own rules: packages, directions of import, a light door, a whole wheel."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]

NOUNS = {"model", "errors", "cutting", "wording"}
PURE = {"statistics", "row_statistics", "history", "compare", "retention", "timeline", "described"}
PURE |= {"pausing", "forking"}  # what a whole process shares
BORDERS = {"adapters", "repository", "importers", "exporters"}
JOINTS = {"workspace", "parts", "storing", "restoring", "keeping_order", "archive", "reading", "current"}
VIEWS = {"widgets", "magics"}
HEAVY = {"torch", "tensorflow", "keras", "jax", "flax", "matplotlib", "ipywidgets", "zarr", "IPython"}
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "flax", "sklearn", "pandas"}


class Import(NamedTuple):
    """One import statement: ``target`` is the full dotted name."""

    module: str
    target: str
    inside_function: bool


def folder_of(package: str) -> Path:
    """The folder that pyproject.toml maps ``package`` to."""
    mapping = SETUPTOOLS["package-dir"]
    parts = package.split(".")
    for end in range(len(parts), 0, -1):
        if home := mapping.get(".".join(parts[:end])):
            return ROOT.joinpath(home, *parts[end:])
    raise LookupError(package)


def modules() -> Iterator[tuple[str, Path]]:
    """(dotted name, file) of every module that is shipped, the package's door left out."""
    for package in SETUPTOOLS["packages"]:
        for file in sorted(folder_of(package).glob("*.py")):
            name = package if file.stem == "__init__" else f"{package}.{file.stem}"
            if name != "snapshot":
                yield name, file


def imports(name: str, file: Path) -> Iterator[Import]:
    """Every import of a module that runs, so not those for type checkers."""
    waiting = [(ast.parse(file.read_text()), False)]
    while waiting:
        node, inside = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(name, f"{node.module}.{alias.name}", inside) for alias in node.names)
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waiting.extend((child, inside) for child in ast.iter_child_nodes(node))


ALL_IMPORTS = [statement for name, file in modules() for statement in imports(name, file)]


def part(dotted: str) -> str:
    """``snapshot.adapters.numpy.view`` -> ``adapters``."""
    return [*dotted.split("."), ""][1]


def allowed(importer: str) -> set[str]:
    """The parts of the package that a module of this part may import."""
    if importer in NOUNS:
        return NOUNS
    if importer in PURE:
        return NOUNS | PURE
    if importer in BORDERS:
        return NOUNS | PURE | {importer}
    known = {part(name) for name, _ in modules()}
    core = known - BORDERS - JOINTS - VIEWS
    if importer in JOINTS:
        return core | BORDERS | JOINTS
    if importer in VIEWS:
        return core | BORDERS | JOINTS | {"widgets", importer}
    return core | {"adapters"}


def within_package() -> list[Import]:
    return [statement for statement in ALL_IMPORTS if statement.target.split(".")[0] == "snapshot"]


def run_elsewhere(code: str, folder: Path, *paths: Path) -> str:
    """What ``code`` prints when a fresh Python runs it in ``folder``, which is no checkout."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_packages_in_pyproject_are_the_folders_with_an_init():
    found = set()
    for package in ("snapshot", "snapshot.magics", "snapshot.widgets"):
        top = folder_of(package)
        for file in top.rglob("__init__.py"):
            found.add(".".join([package, *file.parent.relative_to(top).parts]))
    assert set(SETUPTOOLS["packages"]) == found


def test_no_test_folder_is_a_package():
    assert [str(file) for file in (ROOT / "tests").rglob("__init__.py")] == []


@pytest.mark.parametrize("name", [name for name, _ in modules()])
def test_a_module_imports_only_what_lies_below_it(name):
    wrong = [
        statement.target
        for statement in within_package()
        if statement.module == name
        and part(statement.target) not in allowed(part(name))
        # the plain data that passes between the core and the disk belongs to both
        and not statement.target.startswith("snapshot.repository.entry")
    ]
    assert wrong == []


def test_the_magics_import_widgets_only_inside_the_commands_that_plot():
    at_the_top = [
        statement
        for statement in within_package()
        if part(statement.module) == "magics"
        and part(statement.target) == "widgets"
        and not statement.inside_function
    ]
    assert at_the_top == []


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("zarr", {"repository"}),
        ("IPython", {"magics", "widgets"}),
        ("matplotlib", {"widgets"}),
        # the magics show how far a long command is, without loading what draws
        ("ipywidgets", {"widgets", "adapters", "magics"}),
        *((framework, {"adapters", "importers", "exporters"}) for framework in sorted(FRAMEWORKS)),
    ],
)
def test_a_library_is_imported_only_where_it_belongs(library, homes):
    users = {
        statement.module
        for statement in ALL_IMPORTS
        if statement.target.split(".")[0] == library and part(statement.module) not in homes
    }
    assert users == set()


def test_every_import_is_absolute():
    relative = [
        name
        for name, file in modules()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_importing_the_package_imports_nothing_heavy(tmp_path):
    printed = run_elsewhere("import sys, snapshot; print(*sys.modules)", tmp_path, ROOT)
    loaded = {name.split(".")[0] for name in printed.split()}
    assert "snapshot" in loaded
    assert loaded & (HEAVY | FRAMEWORKS) == set()


def test_loading_the_extension_imports_no_framework_and_nothing_to_draw_with(tmp_path):
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell;"
        "shell = InteractiveShell.instance(); shell.run_line_magic('load_ext', 'snapshot');"
        "print('MODULES', *sys.modules)"
    )
    printed = run_elsewhere(code, tmp_path, ROOT)
    loaded = {name.split(".")[0] for name in printed.split("MODULES")[1].split()}
    assert loaded & (FRAMEWORKS | {"matplotlib", "zarr", "ipywidgets"}) == set()


def test_a_folder_is_stored_to_and_opened_without_zarr(tmp_path):
    code = (
        "import sys, snapshot; workspace = snapshot.Workspace({'w': [1.5]}, 'run.zarr'); workspace.store('kept');"
        "workspace.close(); assert snapshot.open('run.zarr')['kept']['w'] == [1.5]; print(*sys.modules)"
    )
    loaded = {name.split(".")[0] for name in run_elsewhere(code, tmp_path, ROOT).split()}
    assert loaded & (FRAMEWORKS | {"matplotlib", "zarr", "ipywidgets"}) == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built from a copy so that no build folder is left in it."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("snapshot", "magics", "widgets"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    build = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", "dist"], cwd=copy, check=True)
    return next((copy / "dist").glob("jupyter_snapshot-*.whl"))


def test_the_wheel_holds_every_module_and_the_type_marker(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {file.relative_to(folder_of(package)).as_posix(): package for package, file in python_files()}
    missing = {
        f"{package.replace('.', '/')}/{name}"
        for name, package in wanted.items()
        if f"{package.replace('.', '/')}/{name}" not in held
    }
    assert missing == set()
    assert "snapshot/py.typed" in held


def python_files() -> Iterator[tuple[str, Path]]:
    for package in SETUPTOOLS["packages"]:
        yield from ((package, file) for file in folder_of(package).glob("*.py"))


def test_the_wheel_imports_from_another_folder(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    names = ["snapshot", *(name for name, _ in modules() if part(name) in VIEWS or name.count(".") == 1)]
    code = f"import importlib\nfor name in {names}: print(importlib.import_module(name).__file__)"
    for file in run_elsewhere(code, tmp_path, site).split():
        assert Path(file).is_relative_to(site), file
