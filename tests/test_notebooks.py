"""The notebooks of docs/notebooks run as they stand, offline, and their pages on the site show what they do.

One kernel runs them all, each with names and a folder of its own: importing PyTorch takes longer than most.
"""

import os
import re
import runpy
import sys
from pathlib import Path

import pytest
from docs_helpers import BOOKS, ROOT

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
OFFLINE = {"PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1", "https_proxy": "http://127.0.0.1:9"}
MOST_BYTES = 400_000
# torch.onnx reads the source of five hundred operators for every file; see tests/conftest.py.
READ_ONCE = """
from functools import cache
from torch.onnx._internal.exporter._registration import ONNXRegistry
ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))
"""

pytest.importorskip("ipykernel"), pytest.importorskip("onnxscript")
nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A kernel that reaches no other machine, with nothing in its caches."""
    home = tmp_path_factory.mktemp("home")
    places = {name: str(home) for name in ("XDG_CACHE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=120, coalesce_streams=True)
    client.nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    with client.setup_kernel(env={**os.environ, **OFFLINE, **places, "PATH": path}):
        executed(client, [nbformat.v4.new_code_cell(READ_ONCE)], home)
        yield client


def executed(client, cells, folder):
    """Copies of code cells, with the outputs that they have when they run in a folder, one after another."""
    setup = f"get_ipython().reset(new_session=False)\n%cd -q {folder}"
    cells = [nbformat.v4.new_code_cell(source) for source in (setup, *(cell.source for cell in cells))]
    client.nb = nbformat.v4.new_notebook(cells=cells)
    for number, cell in enumerate(cells):
        client.execute_cell(cell, number)
    return cells[1:]


def code(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def kinds(cell):
    """What a cell shows: text that is printed, or the best form of a value; pixels may be JPEG or PNG."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {output.get("name", output.output_type): ""})
        found.append(sorted({re.sub("/(png|jpeg)", "/pixels", kind) for kind in data}))
    return found


@pytest.mark.docs
@each_notebook
def test_a_notebook_runs_offline_and_shows_what_it_showed(path, kernel, tmp_path):
    shown = code(path)
    for was, now in zip(shown, executed(kernel, shown, tmp_path), strict=True):
        assert kinds(now) == kinds(was), was.source


@pytest.mark.docs
def test_a_broken_cell_is_an_error(kernel, tmp_path):
    broken = [nbformat.v4.new_code_cell("import ganzoo"), nbformat.v4.new_code_cell("ganzoo.create('x')")]
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="Unknown model or recipe"):
        executed(kernel, broken, tmp_path)


@each_notebook
def test_the_page_is_the_notebooks(path):
    page = runpy.run_path(str(ROOT / "tools" / "notebooks.py"))["page"]
    text, images = page(nbformat.read(path, 4), path.stem)
    assert path.with_suffix(".md").read_text() == text
    assert {file.name: file.read_bytes() for file in FOLDER.glob(f"{path.stem}_[0-9]*")} == images


@each_notebook
def test_a_notebook_is_small_and_was_run_from_top_to_bottom(path):
    cells = code(path)
    assert path.stat().st_size <= MOST_BYTES
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [
        o for cell in cells for o in cell.outputs if o.get("name") == "stderr" or o.output_type == "error"
    ]


@each_notebook
def test_every_image_says_what_it_shows(path):
    images = [cell for cell in code(path) if "image/" in str(kinds(cell))]
    assert images and all(len(cell.metadata.get("alt", "")) > 10 for cell in images)


def test_every_notebook_has_a_page():
    assert [page.stem for page in BOOKS] == [path.stem for path in NOTEBOOKS]
