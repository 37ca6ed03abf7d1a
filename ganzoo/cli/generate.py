"""`ganzoo generate`: images of a model as PNG files, and a contact sheet."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganzoo.cli.common import parse_seeds, refuse_device
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from PIL.Image import Image

    from ganzoo.generators.generator import Generator

SHEET_FILE = "sheet.png"


def generate(
    name: Annotated[str, typer.Argument(help="A model of `ganzoo list`, its folder, or hf-hub:owner/name.")],
    seeds: Annotated[str, typer.Option(help="One image for each: 0-15, or 1,4,10-12.")] = "0-7",
    psi: Annotated[float, typer.Option(help="Truncation: 1 for full variety, 0 for the mean image.")] = 0.7,
    cutoff: Annotated[int | None, typer.Option(help="Truncate this many rows of w only.")] = None,
    noise: Annotated[
        str, typer.Option(help="const (saved with the weights), random (by the image's seed), or none.")
    ] = "const",
    label: Annotated[int | None, typer.Option(help="Class, for a conditional model.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the images; made if need be.")] = Path("out"),
    device: Annotated[str, typer.Option(help="cpu, cuda, mps …")] = "cpu",
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images at once, up to about 2 GB of them; on a CPU, 1 is quickest.")
    ] = 1,
    runtime: Annotated[
        str,
        typer.Option(
            help="torch, compiled (PyTorch, after a minute), openvino, onnxruntime, or auto: the fastest."
        ),
    ] = "torch",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16, fp16, int8, as the runtime has them; auto: the fastest here.")
    ] = "fp32",
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Write a PNG for each seed, with its settings inside, and a contact sheet of them all."""
    numbers = parse_seeds(seeds)
    if noise not in ("const", "random", "none"):
        raise ValueError(f"--noise is const, random or none; got {noise!r}.")
    if not math.isfinite(psi):
        raise ValueError(f"--psi is a number such as 0.7; got {psi}.")

    import torch
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ganzoo.system.images import check_channels, contact_sheet, save_png, tile_side, to_images
    from ganzoo.system.progress import progress_console

    keep_freed_memory()
    refuse_device(device)
    refuse_unwritable(out, "--out")
    generator, engine = _in_engine(name, runtime, precision, device, cache_dir)
    check_channels(generator.img_channels, name)
    one_hot = _label(generator, label)
    if cutoff is not None and not 0 <= cutoff <= generator.num_ws:
        raise ValueError(f"--cutoff is 0 to {generator.num_ws} for this model; got {cutoff}.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"--out {str(out)!r} cannot be made: {error.strerror}.") from error
    side = tile_side(len(numbers), generator.resolution)
    tiles: list[Image] = []
    seconds = 0.0
    columns = (TextColumn("Generating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with (
            Progress(*columns, console=progress_console(), transient=True) as progress,
            torch.inference_mode(),
        ):
            for start in progress.track(range(0, len(numbers), batch_size)):
                batch = numbers[start : start + batch_size]
                began = time.perf_counter()
                images = to_images(
                    generator(
                        generator.sample_z(batch),
                        None if one_hot is None else one_hot.expand(len(batch), -1),
                        psi,
                        cutoff,
                        noise,
                        [torch.Generator().manual_seed(seed) for seed in batch]
                        if noise == "random"
                        else None,
                    )
                )
                seconds += time.perf_counter() - began
                for seed, image in zip(batch, images, strict=True):
                    settings: dict[str, Any] = {
                        "model": name, "seed": seed, "truncation_psi": psi, "truncation_cutoff": cutoff,
                        "noise": noise, "label": label,
                    }  # fmt: skip
                    save_png(image, out / f"seed{seed:04d}.png", settings)
                    tiles.append(image.resize((side, side)))
        sheet = {**settings, "seeds": seeds}
        del sheet["seed"]
        save_png(contact_sheet(tiles), out / SHEET_FILE, sheet)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {len(tiles)} of {len(numbers)} images are in {out}.") from None
    where = f"{device}, {torch.get_num_threads()} threads" if device == "cpu" else device
    count = "1 image" if len(tiles) == 1 else f"{len(tiles)} images"
    typer.echo(
        f"{count} and {SHEET_FILE} in {out}: {seconds / len(tiles):.2f} s per image of "
        f"{generator.resolution} x {generator.resolution} ({where}, {engine})."
    )


def _in_engine(
    name: str, runtime: str, precision: str, device: str, cache_dir: Path | None
) -> "tuple[Generator, str]":
    """The generator in a runtime, and what that is."""
    import torch

    from ganzoo.runtimes import choose_precision, described, fastest, load
    from ganzoo.system.progress import stage

    runtime = fastest(device) if runtime == "auto" else runtime
    place: dict[str, Any] = {"device": device, "threads": torch.get_num_threads(), "cache_dir": cache_dir}
    if precision == "auto":
        with stage(f"Opening {name}") as shown:
            choice = choose_precision(name, runtime, **place, report=shown.update)
        precision = choice.precision
        typer.echo(choice.told)
    with stage(f"Opening {name}") as shown:
        generator = load(name, runtime, precision, **place, report=shown.update)
    return generator, described(runtime, precision)


def _label(generator: "Generator", label: int | None) -> Any:
    """One-hot label `[1, label_dim]`, or None for an unconditional model."""
    import torch

    if generator.label_dim == 0:
        if label is not None:
            raise ValueError("--label: this model is not conditional.")
        return None
    if label is None or not 0 <= label < generator.label_dim:
        got = "" if label is None else f"; got {label}"
        raise ValueError(f"--label: this model needs a class from 0 to {generator.label_dim - 1}{got}.")
    return (
        torch.nn.functional.one_hot(torch.tensor([label]), generator.label_dim)
        .float()
        .to(generator.mapping.w_avg.device)
    )
