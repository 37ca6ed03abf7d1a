"""`ganzoo export`: a model's files for other engines."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli import options
from ganzoo.system.files import refuse_unwritable

if TYPE_CHECKING:
    from ganzoo.export.exporting import Exported
    from ganzoo.export.graphs import Options

Name = Annotated[str, typer.Argument(help="A model of `ganzoo list`, or the folder of a saved one.")]
More = Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", hidden=True)]
To = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TARGET...",
        help="onnx, openvino, torch, executorch, litert, coreml; web: a page for browsers.",
    ),
]


def export(
    name: Name,
    more: More = None,
    to: To = None,
    out: Annotated[Path, typer.Option(help="Folder for the files; made if need be.")] = Path("exported"),
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Run every file in its engine, against PyTorch.")
    ] = True,
    parts: Annotated[
        str, typer.Option(help="apart: mapping and synthesis; together: one file from z to the image.")
    ] = "apart",
    space: Annotated[str, typer.Option(help="w+ (a w for each layer) or w (one for all layers).")] = "w+",
    noise: Annotated[
        str, typer.Option(help="const (inside the file), given (an input a layer) or none.")
    ] = "const",
    batch: Annotated[str, typer.Option(help="Images at once: a number, or free.")] = "1",
    precision: Annotated[
        str | None,
        typer.Option(help="Of the weights: fp32 (default), fp16, int8; for web packed, fp16, fp32."),
    ] = None,
    opset: Annotated[int | None, typer.Option(help="Opset of ONNX: 18 to 25 (default: 20).")] = None,
    latents: Annotated[int, typer.Option(min=1, max=1000, help="How many to verify on.")] = 4,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR", help="For web: onnxruntime (default), litert, or its files' folder."
        ),
    ] = None,
    w: options.SavedW = None,
    other_mapping: options.OtherMapping = False,
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Write a model for other engines, and a manifest.json: what the files take and how exact they are.

    Several targets: --to onnx openvino, or --to onnx --to openvino.
    """
    from ganzoo.export.graphs import Options

    if batch != "free" and not (batch.isascii() and batch.isdecimal()):
        raise ValueError(f"--batch is a number such as 1, or free; got {batch!r}.")
    taken = Options(parts, space, noise, None if batch == "free" else int(batch))
    targets = listed([*(to or []), *(more or [])])
    if "web" not in targets and engine is not None:
        raise ValueError("--engine is for --to web.")
    _check(name, targets, precision, taken, opset, engine or "onnxruntime")
    if "web" in targets and (taken != Options() or w is not None):
        raise ValueError("A page takes no --parts, --space, --noise, --batch or --w: leave them out for web.")
    refuse_unwritable(out, "--out")
    if "web" in targets:
        _write_site(name, out, precision, engine or "onnxruntime", verify, latents, cache_dir)
    if targets := [target for target in targets if target != "web"]:
        saved = None if w is None else (w, other_mapping)
        _write_files(name, targets, out, taken, precision, opset, verify, latents, saved, cache_dir)


def _check(
    name: str, targets: list[str], precision: str | None, taken: "Options", opset: int | None, engine: str
) -> None:
    """Refuse all that is cheap to refuse, before anything is downloaded or computed."""
    from ganzoo.export.exporting import checked_target
    from ganzoo.web.engine import which_engine

    if not targets:
        raise ValueError(
            f"--to says for what, such as: ganzoo export {shlex.quote(name)} --to onnx openvino."
        )
    for target in targets:
        checked_target(which_engine(engine).target if target == "web" else target, precision, taken, opset)


def _write_files(
    name: str,
    targets: list[str],
    out: Path,
    taken: "Options",
    precision: str | None,
    opset: int | None,
    verify: bool,
    latents: int,
    w: tuple[Path, bool] | None,
    cache_dir: Path | None,
) -> None:
    """Files for engines, and what is told of them."""
    from ganzoo.export.exporting import export as write
    from ganzoo.latent.saved import load_w
    from ganzoo.models.reference import reference
    from ganzoo.system.progress import stage
    from ganzoo.system.provenance import command_line

    generator = reference(name, cache_dir).load()
    saved = None if w is None else load_w(w[0], generator, other_mapping=w[1]).w
    with stage("Exporting") as shown:
        written = write(
            generator, targets, out, name=name, options=taken, precision=precision, opset=opset,
            verify=verify, latents=latents, w=saved, command=command_line(), report=shown.update,
        )  # fmt: skip
    for item in written:
        _tell(item)
    typer.echo(f"manifest.json in {out} says what they take.")


def _write_site(
    name: str,
    out: Path,
    precision: str | None,
    engine: str,
    verify: bool,
    latents: int,
    cache_dir: Path | None,
) -> None:
    """A page for browsers, and what is told of it."""
    from ganzoo.system.progress import stage
    from ganzoo.system.provenance import command_line
    from ganzoo.web import write_site

    with stage("Exporting") as shown:
        site = write_site(
            name, out, precision=precision, engine=engine, verify=verify, latents=latents,
            cache_dir=cache_dir, command=command_line(), report=shown.update,
        )  # fmt: skip
    for item in site.exported:
        _tell(item)
    if site.psnr is not None:
        typer.echo(f"Images of {latents} seeds: {site.psnr:.1f} dB from PyTorch's or more.")
    sliders = f", {len(site.directions)} sliders" if site.directions else ""
    typer.echo(
        f"{out}: {site.model_bytes / 1e6:.1f} MB for the model{sliders}, {site.engine_bytes / 1e6:.1f} MB "
        f"for the engine.\nTo look at it: python -m http.server --directory {shlex.quote(str(out))}"
    )


def _tell(item: "Exported") -> None:
    """A line on a graph's files."""
    told = "not verified"
    if item.errors is not None:
        e = item.errors
        told = f"max error {e.maximum:.1e}, rms {e.rms:.1e}, PSNR {e.psnr:.1f} dB on {e.latents} latents"
    typer.echo(f"{item.target}: {', '.join(item.files)}, {item.bytes / 1e6:.1f} MB: {told}")


def listed(items: list[str]) -> list[str]:
    """Names given one by one or with commas between them."""
    return [part for item in items for part in item.split(",") if part]
