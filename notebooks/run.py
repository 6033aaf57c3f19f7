"""Run the quickstart without a display, keep what it shows, and say how it went.

    python notebooks/run.py                               everything goes to out/
    python notebooks/run.py --picture docs/evolution.png  renew the picture in the README as well

The kernel works in the output folder, so the snapshots land there too. Running again
adds to them, as it does in a notebook. Every number printed comes from the kernel that
ran the notebook or from the repository it wrote.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbconvert.filters import strip_ansi

import snapshot

HERE = Path(__file__).resolve().parent
ASK = "import json; print(json.dumps({'before': before, 'spoiled': spoiled, 'restored': restored}))"


def execute(notebook: Any, folder: Path) -> dict[str, float]:
    """Run every cell in ``folder``, outputs filled in; the accuracies the kernel ended with."""
    folder.mkdir(parents=True, exist_ok=True)
    question = nbformat.v4.new_code_cell(ASK)
    notebook.cells.append(question)
    try:
        NotebookClient(
            notebook,
            resources={"metadata": {"path": folder}},
            timeout=600,
            # the kernel's own remarks on its transport are no news to a reader
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        ).execute()
    finally:
        notebook.cells.remove(question)
    return json.loads(question.outputs[0]["text"])


def pictures(notebook: Any) -> Iterator[tuple[str, bytes]]:
    """(id of the cell, PNG) for each cell that shows a picture."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                yield cell.id, base64.b64decode(png)
                break


def write(notebook: Any, folder: Path) -> dict[str, Path]:
    """The executed notebook, a web page and the pictures; what they are -> where."""
    files = {"notebook": folder / "quickstart.ipynb", "web page": folder / "quickstart.html"}
    nbformat.write(notebook, files["notebook"])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    files["web page"].write_text(page, encoding="utf-8")
    for name, png in pictures(notebook):
        files[name] = folder / f"{name}.png"
        files[name].write_bytes(png)
    return files


def size(nbytes: float) -> str:
    """Bytes as people read them: ``1.4 MB``."""
    for unit in ("B", "kB", "MB"):
        if nbytes < 1000:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:.3g} GB"


def describe_accuracies(accuracy: dict[str, float]) -> Iterator[str]:
    same = accuracy["restored"] == accuracy["before"]
    yield "Digits read correctly, of those the network has never seen"
    yield f"  before                     {accuracy['before']:8.2%}"
    yield f"  after the bad experiment   {accuracy['spoiled']:8.2%}"
    verdict = "the same to the last digit" if same else "NOT the same"
    yield f"  after %snapshot restore    {accuracy['restored']:8.2%}   {verdict} ({accuracy['restored']!r})"


def describe_snapshots(folder: Path) -> Iterator[str]:
    home = folder / "snapshots.zarr"
    everything = snapshot.open(home).timeline
    mine = [snap for snap in everything if snap.run == everything[-1].run]
    full = sum(snap.nbytes for snap in everything)
    kept = sum(file.stat().st_size for file in home.rglob("*") if file.is_file())
    yield f"Snapshots of this run: {len(mine)}, from global step {mine[0].step} to {mine[-1].step}"
    for snap in (mine[0], mine[-1]):
        name = f"#{snap.id}" + (f" {snap.label}" if snap.label else "")
        yield f"  {name:12} step {snap.step:<4} {len(snap.variables):3} arrays and numbers, {size(snap.nbytes)}"
    yield f"  {size(kept)} on disk for all {len(everything)} of them; full copies would be {size(full)}"


def describe_files(files: dict[str, Path], folder: Path) -> Iterator[str]:
    yield "Look at"
    for name, file in {**files, "snapshots": folder / "snapshots.zarr"}.items():
        yield f"  {name:12} {shown(file)}"
    jupyter = Path(sys.executable).with_name("jupyter")
    yield f"Try it yourself:  {shown(jupyter)} lab {shown(HERE / 'quickstart.ipynb')}"


def shown(file: Path) -> str:
    """``file`` as seen from here, where it lies below."""
    # not resolved: a virtual environment's programs are often links out of it
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the quickstart without a display.")
    parser.add_argument("--out", type=Path, default=HERE.parent / "out", help="folder for what it makes")
    parser.add_argument("--picture", type=Path, help="also write the evolution picture here")
    options = parser.parse_args(arguments)

    folder = options.out.resolve()
    notebook = nbformat.read(HERE / "quickstart.ipynb", as_version=4)
    try:
        accuracy = execute(notebook, folder)
    except CellExecutionError as error:
        print(strip_ansi(str(error)))
        print(f"The notebook as far as it came: {shown(write(notebook, folder)['notebook'])}")
        return 1
    files = write(notebook, folder)
    if options.picture:
        options.picture.write_bytes(files["evolution"].read_bytes())
    parts = describe_accuracies(accuracy), describe_snapshots(folder), describe_files(files, folder)
    print("\n\n".join("\n".join(part) for part in parts))
    return 0 if accuracy["restored"] == accuracy["before"] else 1


if __name__ == "__main__":
    sys.exit(main())
