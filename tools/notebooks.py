"""Runs the notebooks of docs/notebooks, keeps what they show, and writes the site's page of each.

    pip install ".[dev]"
    python tools/notebooks.py [first_faces ...] [--pages]

`--pages` runs nothing and writes the pages alone. Large PNG outputs are kept as JPEG. A page is Markdown,
because the site's builder reads nothing else; its images lie beside it.
"""

import argparse
import base64
import io
import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
LARGEST_PNG, QUALITY = 30_000, 88
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/svg+xml": ".svg"}
OPEN = "[Open the notebook]({0}.ipynb), or run it in a clone: `jupyter lab docs/notebooks/{0}.ipynb`\n"


def run(path: Path) -> None:
    """Execute a notebook in an empty folder, and keep its outputs in it."""
    notebook = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as place:
        client = NotebookClient(
            notebook, resources={"metadata": {"path": place}}, record_timing=False, coalesce_streams=True
        )
        client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            _shrink(output.get("data", {}))
    nbformat.write(notebook, path)


def page(notebook: NotebookNode, name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and the images that it shows, by their names beside the page."""
    parts, images = [], {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(re.sub(r"\((\w+)\.ipynb\)", r"(\1.md)", cell.source) + "\n")
            continue
        language = "sh" if cell.source.startswith("!") else "python"
        parts.append(f"```{language}\n{cell.source.removeprefix('!')}\n```\n")
        for output in cell.outputs:
            data = output.get("data", {"text/plain": output.get("text", "")})
            if kind := next((kind for kind in SUFFIXES if kind in data), None):
                file = f"{name}_{len(images) + 1}{SUFFIXES[kind]}"
                images[file] = _bytes(kind, data[kind])
                alt, width = cell.metadata.get("alt", ""), output.metadata.get(kind, {}).get("width")
                image = f'<img src="{file}" alt="{alt}" width="{width}">' if width else f"![{alt}]({file})"
                parts.append(f"{image}\n")
            elif "text/markdown" in data:
                parts.append(f"{data['text/markdown'].strip()}\n")
            else:
                parts.append(f"```text\n{data['text/plain'].strip()}\n```\n")
    parts.insert(1, OPEN.format(name))
    return "\n".join(parts), images


def write(path: Path) -> None:
    """Write the page of a notebook beside it; images that it no longer shows are gone."""
    text, images = page(nbformat.read(path, 4), path.stem)
    for old in FOLDER.glob(f"{path.stem}_[0-9]*"):
        old.unlink()
    for name, data in images.items():
        (FOLDER / name).write_bytes(data)
    path.with_suffix(".md").write_text(text)


def _bytes(kind: str, data: str) -> bytes:
    """The bytes of an output; drawings are text."""
    return data.encode() if kind == "image/svg+xml" else base64.b64decode(data)


def _shrink(data: dict[str, str]) -> None:
    """Keep a large PNG as JPEG."""
    if len(data.get("image/png", "")) < LARGEST_PNG:
        return
    buffer = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(data.pop("image/png")))).convert("RGB").save(
        buffer, "JPEG", quality=QUALITY
    )
    data["image/jpeg"] = base64.b64encode(buffer.getvalue()).decode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="Notebooks without their suffix (default: all).")
    parser.add_argument("--pages", action="store_true", help="Write the pages alone.")
    arguments = parser.parse_args()
    for notebook in [FOLDER / f"{n}.ipynb" for n in arguments.names] or sorted(FOLDER.glob("*.ipynb")):
        if not arguments.pages:
            run(notebook)
        write(notebook)
        print(f"{notebook.name}: {notebook.stat().st_size / 1e3:.0f} kB")
