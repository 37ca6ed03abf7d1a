"""`ganzoo generate`: images of a model as PNG files, and a contact sheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganzoo.cli.common import parse_seeds, refuse_device
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted

if TYPE_CHECKING:
    from rich.progress import Progress

    from ganzoo.generators.generator import Generator


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

    from ganzoo.models.generating import Look, generate_images

    Look(psi, cutoff, noise, label)  # a mistake is told before anything is opened
    keep_freed_memory()
    refuse_device(device)
    refuse_unwritable(out, "--out")
    generator, engine = _in_engine(name, runtime, precision, device, cache_dir)
    written = 0

    def report(done: int) -> None:
        nonlocal written
        written = done
        progress.update(task, completed=done)

    try:
        with _progress() as progress:
            task = progress.add_task("", total=len(numbers))
            made = generate_images(
                generator, numbers, out, truncation_psi=psi, truncation_cutoff=cutoff, noise=noise,
                label=label, batch_size=batch_size, name=name, report=report,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {written} of {len(numbers)} images are in {out}.") from None
    count = "1 image" if len(numbers) == 1 else f"{len(numbers)} images"
    typer.echo(
        f"{count} and {made.sheet.name} in {out}: {made.seconds / len(numbers):.2f} s per image of "
        f"{made.resolution} x {made.resolution} ({engine})."
    )


def _progress() -> "Progress":
    """A progress bar for whoever looks."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ganzoo.system.progress import progress_console

    columns = (TextColumn("Generating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=progress_console(), transient=True)


def _in_engine(
    name: str, runtime: str, precision: str, device: str, cache_dir: Path | None
) -> "tuple[Generator, str]":
    """The generator in a runtime, and what computes."""
    from dataclasses import replace

    import torch

    from ganzoo.models.reference import reference
    from ganzoo.runtimes import Setup, choose_precision, opened
    from ganzoo.system.progress import stage

    setup = Setup(runtime, precision, device, threads=torch.get_num_threads()).here()
    model = reference(name, cache_dir)
    if precision == "auto":
        with stage(f"Opening {name}") as shown:
            choice = choose_precision(model, setup, report=shown.update)
        setup = replace(setup, precision=choice.precision)
        typer.echo(choice.told)
    with stage(f"Opening {name}") as shown:
        generator = opened(model, setup, shown.update)
    where = f"{device}, {torch.get_num_threads()} threads" if device == "cpu" else device
    return generator, f"{where}, {setup}"
