"""What a person sees who opens the quickstart in JupyterLab and runs it."""

from pathlib import Path

import pytest

QUICKSTART = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"
PICTURE = ".jupyter-widgets .widget-image"
HANDLE = ".jupyter-widgets .noUi-handle"

pytestmark = pytest.mark.browser


def test_the_quickstart_shows_a_picture_that_follows_the_slider(notebook):
    opened = notebook(QUICKSTART)
    opened.run_all()
    assert opened.errors() == []
    at_first = opened.picture(PICTURE)
    opened.page.locator(HANDLE).first.scroll_into_view_if_needed()
    opened.screenshot("quickstart-latest-step")

    opened.page.locator(HANDLE).first.press("ArrowLeft")

    opened.page.wait_for_function(
        "([selector, old]) => document.querySelector(selector).src !== old", arg=[PICTURE, at_first]
    )
    assert opened.picture(PICTURE) != at_first
    opened.screenshot("quickstart-step-before")


def test_the_quickstart_runs_again_in_a_new_kernel_beside_its_own_snapshots(notebook):
    opened = notebook(QUICKSTART)
    for _ in range(2):
        opened.run_all()
        assert opened.errors() == []
        assert opened.picture(PICTURE)
        opened.restart()
