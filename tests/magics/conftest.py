"""A real IPython shell for each test, in an empty folder."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from snapshot.magics import load_ipython_extension, unload_ipython_extension


class Remembering(DisplayFormatter):
    """IPython's formatter, which also keeps what it was given: every object that is displayed."""

    displayed: list[Any]

    def format(self, obj: Any, *arguments: Any, **options: Any) -> Any:
        self.displayed.append(obj)
        return super().format(obj, *arguments, **options)


@pytest.fixture
def bare_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell that has not loaded anything, working in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    # a shell takes the place of the main module
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    # the one instance, since display() shows things in that one
    shell = InteractiveShell.instance(config=config, ipython_dir=str(tmp_path / ".ipython"))
    shell.display_formatter = Remembering(parent=shell)
    shell.display_formatter.displayed = []
    yield shell
    unload_ipython_extension(shell)
    InteractiveShell.clear_instance()


@pytest.fixture
def shell(bare_shell: InteractiveShell) -> InteractiveShell:
    """A shell with ``%snapshot`` and a few variables: W (2 by 3), lr, and a generator."""
    load_ipython_extension(bare_shell)
    bare_shell.run_cell("import numpy as np\nW = np.arange(6.0).reshape(2, 3)\nlr = 0.5\nrows = (r for r in W)")
    return bare_shell


@pytest.fixture
def run(shell: InteractiveShell) -> Callable[..., Any]:
    """Run cells one after the other; returns the value of the last one, raises what one raised."""

    def cells(*sources: str) -> Any:
        for source in sources:
            result = shell.run_cell(source)
            result.raise_error()
        return result.result

    return cells


@pytest.fixture
def shown(shell: InteractiveShell, run: Callable[..., Any]) -> Callable[..., Any]:
    """Run cells; returns the one object that the last of them displays, be it value or not."""

    def cells(*sources: str) -> Any:
        if sources[:-1]:
            run(*sources[:-1])
        shell.display_formatter.displayed.clear()
        assert run(sources[-1]) is None
        (only,) = shell.display_formatter.displayed
        return only

    return cells
