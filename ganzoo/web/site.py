"""`write_site`: a model as a static site, for `ganzoo export MODEL --to web`.

index.html, page.js, …    the page: ganzoo/web/site
ganzoo.js, …              the module that it uses, for pages of your own: ganzoo/web/package
engine/                   onnxruntime-web
model/                    manifest.json, the two networks, page.json, directions.safetensors
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from einops import reduce
from safetensors.torch import save_file

from ganzoo.cards.information import info
from ganzoo.export.check import LEAST_PSNR
from ganzoo.export.exporting import Exported, checked_target, export
from ganzoo.export.graphs import Options
from ganzoo.export.targets import target
from ganzoo.generators.generator import Generator
from ganzoo.latent.direction import Directions
from ganzoo.latent.directions import find_directions
from ganzoo.models.reference import Folder, Name, Reference, reference
from ganzoo.system.differences import psnr
from ganzoo.system.files import move_together, new_folder, refuse_unwritable, sha256, size
from ganzoo.system.paths import user_path
from ganzoo.web.engine import ENGINES, engine_files, which_engine, write_engine

PAGE, PACKAGE = Path(__file__).parent / "site", Path(__file__).parent / "package"
MODEL, ENGINE, PAGE_FILE, DIRECTIONS_FILE = "model", "engine", "page.json", "directions.safetensors"
PSI = 0.7  # of the page, as of `ganzoo generate`
CHECK_SEED, CHECK_GRID = 0, 4
_FILLED = (
    "index.html",
    "manifest.webmanifest",
    "service-worker.js",
)  # files with {{NAME}}, {{RESOLUTION}} and {{VERSION}}


@dataclass(frozen=True)
class Site:
    """What was written.

    Attributes:
        folder: Folder of the site.
        exported: The two networks.
        psnr: Least PSNR from PyTorch's images of the first seeds, in dB; None if it was not verified.
        model_bytes, engine_bytes: What a visitor downloads: the model, and the engine without WebGPU.
        directions: Names of the sliders.
    """

    folder: Path
    exported: tuple[Exported, ...]
    psnr: float | None
    model_bytes: int
    engine_bytes: int
    directions: tuple[str, ...]


def write_site(
    name: Name,
    out: str | os.PathLike[str],
    *,
    precision: str | None = None,
    engine: str | os.PathLike[str] = "onnxruntime",
    verify: bool = True,
    latents: int = 4,
    cache_dir: str | os.PathLike[str] | None = None,
    command: str = "",
    report: Callable[[str], None] = lambda what: None,
) -> Site:
    """Write a model as a static site; all of it appears, or nothing.

    Args:
        name: Name as `ganzoo.create` takes it, of a model with weights.
        out: Folder of the site; made if it does not exist. A site in it is replaced.
        precision: "packed" (default), "fp16" or "fp32": how weights lie in the files.
        engine: Name in `ganzoo.web.engine.ENGINES`, or the folder of an engine's files.
        verify: Whether to run the networks here and to compare them with PyTorch.
        latents: Number of latents to compare on.
        cache_dir: Folder for weights and the engine.
        command: Command line for the manifest.
        report: Function that is told what is being done.

    Raises:
        ValueError: for an unknown name or precision, random weights, files that do not give PyTorch's images,
            or a folder that holds other files of the same names.
        ImportError: if the packages that write the networks are not installed.
        OSError: if the folder cannot be written, or weights or engine cannot be had.
    """
    chosen = which_engine(engine)
    checked_target(chosen.target, precision, Options())
    model, out = reference(name, cache_dir), user_path(out)
    refuse_unwritable(out, "The folder")
    _refuse_others(out)
    generator = model.load()
    report("Looking for the engine")
    files = engine_files(chosen, None if engine in ENGINES else engine, cache_dir)
    with new_folder(out) as new:
        facts = write_engine(chosen, files, new / ENGINE)
        exported = export(
            generator, [chosen.target], new / MODEL, name=_title(model), precision=precision,
            verify=verify, latents=latents, command=command, report=report,
        )  # fmt: skip
        report("Comparing images with PyTorch")
        psnr = worst_psnr(generator, chosen.target, new / MODEL, latents) if verify else None
        directions = find_directions(model, generator)
        page = _facts(model, generator, directions, new / MODEL)
        facts_file = {"target": chosen.target, "engine": facts, **page}
        (new / MODEL / PAGE_FILE).write_text(json.dumps(facts_file, indent=1) + "\n")
        _write_page(new, _title(model), generator.config.resolution)
        move_together(sorted(path.name for path in new.iterdir()), new, out)
    bytes_ = sum(size(path) for path in (out / MODEL).iterdir())
    names = tuple(d.name for d in directions or ())
    return Site(out, tuple(exported), psnr, bytes_, facts["builds"]["threads"]["binary"]["bytes"], names)


@torch.inference_mode()
def worst_psnr(generator: Generator, name: str, folder: Path, count: int) -> float:
    """Least PSNR of the images that the two networks make of seeds together.

    Each network alone may be right, and yet the second one carry on what the first one rounds.

    Raises:
        ValueError: if an image is another one.
    """
    mapping, synthesis = (
        target(name).open_file(next(folder.glob(f"{graph}*"))) for graph in ("mapping", "synthesis")
    )
    label = torch.eye(generator.label_dim)[:1] if generator.label_dim else None
    found = []
    for seed in range(count):
        z = generator.sample_z([seed])
        inputs = [z, *([] if label is None else [label]), torch.tensor([PSI])]
        image = torch.from_numpy(synthesis([mapping([x.numpy() for x in inputs])]))
        found.append(psnr(image, generator(z, label, truncation_psi=PSI)).item())
    least = LEAST_PSNR["packed"]
    if min(found) < least:
        raise ValueError(
            f"The image of seed {found.index(min(found))} is at {min(found):.1f} dB from PyTorch's, at least "
            f"{least:.0f} are asked for: take --precision fp16."
        )
    return min(found)


def _refuse_others(out: Path) -> None:
    """Raise ValueError if files would be replaced that are no site of ours."""
    if (out / MODEL / PAGE_FILE).is_file():
        return
    names = [*_page_files(), MODEL, ENGINE]
    if there := [name for name in names if (out / name).exists()]:
        raise ValueError(f"{out} holds {there[0]}, which is no site of ganzoo: choose another folder.")


def _page_files() -> dict[str, Path]:
    """The files of the page and of the module, by name."""
    return {
        path.name: path for folder in (PACKAGE, PAGE) for path in sorted(folder.iterdir()) if path.is_file()
    }


def _title(model: Reference) -> str:
    """A model's name for strangers: no path of this machine."""
    return model.path.absolute().name if isinstance(model, Folder) else model.name


def _facts(
    model: Reference, generator: Generator, directions: Directions | None, folder: Path
) -> dict[str, Any]:
    """What the page has to know of a model besides the manifest; the directions' vectors go into `folder`."""
    config, about = generator.config, info(model)
    licenses = about.entry.license if about.entry is not None else about.card
    facts: dict[str, Any] = {
        "psi": PSI,
        "sizes": {
            "resolution": config.resolution, "img_channels": config.img_channels, "z_dim": config.z_dim,
            "w_dim": config.w_dim, "label_dim": config.label_dim, "num_ws": config.num_ws,
        },
        "licenses": [f"{part}: {text}" for part, text in licenses.items()],
        "check": _check(generator),
        "directions": [],
        "directions_file": None,
    }  # fmt: skip
    if directions is not None:
        path = folder / DIRECTIONS_FILE
        save_file({d.name: d.vector.clone() for d in directions}, path)
        path.chmod(0o644)  # its writer lets nobody else read it, and a server is somebody else
        facts["directions_file"] = {"path": path.name, "sha256": sha256(path), "bytes": size(path)}
        facts["directions"] = [
            {
                "name": d.name, "about": d.facts.get("changes", ""), "deviation": d.deviation,
                "rows": None if d.rows is None else list(d.rows),
            }
            for d in directions
        ]  # fmt: skip
    return facts


@torch.inference_mode()
def _check(generator: Generator) -> dict[str, Any]:
    """Means of the parts of an image, by which the page sees whether a graphics processor computes right."""
    label = torch.eye(generator.label_dim)[:1] if generator.label_dim else None
    image = generator(generator.sample_z([CHECK_SEED]), label, truncation_psi=PSI)
    side = generator.resolution // CHECK_GRID
    means = reduce(image, "1 c (h y) (w x) -> (c h w)", "mean", y=side, x=side)
    return {
        "seed": CHECK_SEED, "psi": PSI, "grid": CHECK_GRID,
        "means": [round(mean, 4) for mean in means.tolist()],
    }  # fmt: skip


def _write_page(new: Path, title: str, resolution: int) -> None:
    """Copy the page's files and fill in what they say of the model; the version is a hash of everything."""
    for name, path in _page_files().items():
        shutil.copyfile(path, new / name)
    digest = hashlib.sha256()
    for path in sorted(path for path in new.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(new).as_posix()} {sha256(path)}\n".encode())
    values = {"NAME": title, "RESOLUTION": str(resolution), "VERSION": digest.hexdigest()[:12]}
    for name in _FILLED:
        text = (new / name).read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(f"{{{{{key}}}}}", _escaped(value))
        (new / name).write_text(text, encoding="utf-8")


def _escaped(text: str) -> str:
    """Text that means no more than itself in HTML and in a string of JavaScript."""
    return "".join(c if c.isalnum() or c in " ._-/:" else f"&#{ord(c)};" for c in text)
