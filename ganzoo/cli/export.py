"""`ganzoo export`: a model's files for other engines."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import options
from ganzoo.system.files import refuse_unwritable

Name = Annotated[str, typer.Argument(help="A model of `ganzoo list`, or the folder of a saved one.")]
More = Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", hidden=True)]
To = Annotated[
    list[str] | None,
    typer.Option(metavar="TARGET...", help="onnx, openvino, torch, executorch, litert, coreml."),
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
    precision: Annotated[str, typer.Option(help="Of the weights in the files: fp32, fp16, int8.")] = "fp32",
    opset: Annotated[int | None, typer.Option(help="Opset of ONNX: 18 to 25 (default: 20).")] = None,
    latents: Annotated[int, typer.Option(min=1, max=1000, help="How many to verify on.")] = 4,
    w: options.SavedW = None,
    other_mapping: options.OtherMapping = False,
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Write a model for other engines, and a manifest.json: what the files take and how exact they are.

    Several targets: --to onnx openvino, or --to onnx --to openvino.
    """
    from ganzoo.export.exporting import checked_target
    from ganzoo.export.exporting import export as write
    from ganzoo.export.graphs import Options
    from ganzoo.latent.saved import load_w
    from ganzoo.models.reference import reference
    from ganzoo.system.progress import stage
    from ganzoo.system.provenance import command_line

    if batch != "free" and not (batch.isascii() and batch.isdecimal()):
        raise ValueError(f"--batch is a number such as 1, or free; got {batch!r}.")
    taken = Options(parts, space, noise, None if batch == "free" else int(batch))
    targets = listed([*(to or []), *(more or [])])
    if not targets:
        raise ValueError(
            f"--to says for what, such as: ganzoo export {shlex.quote(name)} --to onnx openvino."
        )
    for target in targets:  # all that is cheap to refuse, before anything is downloaded or computed
        checked_target(target, precision, taken, opset)
    refuse_unwritable(out, "--out")
    generator = reference(name, cache_dir).load()
    saved = None if w is None else load_w(w, generator, other_mapping=other_mapping).w
    with stage("Exporting") as shown:
        written = write(
            generator, targets, out, name=name, options=taken, precision=precision, opset=opset,
            verify=verify, latents=latents, w=saved, command=command_line(), report=shown.update,
        )  # fmt: skip
    for item in written:
        told = "not verified"
        if item.errors is not None:
            e = item.errors
            told = f"max error {e.maximum:.1e}, rms {e.rms:.1e}, PSNR {e.psnr:.1f} dB on {e.latents} latents"
        typer.echo(f"{item.target}: {', '.join(item.files)}, {item.bytes / 1e6:.1f} MB: {told}")
    typer.echo(f"manifest.json in {out} says what they take.")


def listed(items: list[str]) -> list[str]:
    """Names given one by one or with commas between them."""
    return [part for item in items for part in item.split(",") if part]
