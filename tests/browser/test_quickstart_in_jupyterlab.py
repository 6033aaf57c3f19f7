"""What a person sees who opens the quickstart in JupyterLab and runs it."""

from pathlib import Path

import nbformat
import pytest

QUICKSTART = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"
PICTURE = ".snapshot-evolution .widget-image"
HANDLE = ".snapshot-evolution .noUi-handle"
STILL = ".jp-OutputArea-output.jp-RenderedImage img"

pytestmark = pytest.mark.browser


def test_the_quickstart_shows_a_picture_that_follows_the_slider(notebook):
    opened = notebook(QUICKSTART)
    opened.run_all()
    assert opened.errors() == []
    at_first = opened.picture(PICTURE)
    opened.centre(".snapshot-evolution")
    opened.screenshot("quickstart-latest-step")

    opened.page.locator(HANDLE).first.press("ArrowLeft")

    opened.wait_for_another_picture(PICTURE, at_first)
    opened.screenshot("quickstart-step-before")


def test_the_quickstart_runs_again_in_a_new_kernel_beside_its_own_snapshots(notebook):
    opened = notebook(QUICKSTART)
    for _ in range(2):
        opened.run_all()
        assert opened.errors() == []
        assert opened.picture(PICTURE)
        opened.restart()


def test_the_saved_notebook_shows_its_author_the_picture_without_the_kernel_that_made_it(notebook, lab):
    opened = notebook(QUICKSTART)
    opened.run_all()
    live = opened.page.locator(STILL)
    assert not live.is_visible()  # the widget shows it, once is enough
    opened.save()
    opened.end_kernel()

    opened.open(lab)

    opened.picture(STILL)
    opened.centre(STILL)
    opened.screenshot("quickstart-reopened")
    assert opened.page.locator(STILL).is_visible()
    opened.forgive("model not found")  # JupyterLab's remark on the widget itself


def test_the_saved_notebook_shows_the_picture_to_others_who_do_not_trust_it(notebook, lab):
    opened = notebook(QUICKSTART)
    opened.run_all()
    opened.save()
    opened.end_kernel()
    theirs = nbformat.read(lab.folder / opened.name, as_version=4)
    theirs.cells.append(nbformat.v4.new_markdown_cell("changed, so that its signature does not fit"))
    opened.name = "theirs.ipynb"
    nbformat.write(theirs, lab.folder / opened.name)

    opened.open(lab)

    opened.picture(STILL)
    opened.centre(STILL)
    opened.screenshot("quickstart-of-others")
    assert opened.page.locator(STILL).is_visible()
    assert opened.page.locator(PICTURE).count() == 0
