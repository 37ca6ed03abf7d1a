"""`ganzoo generate`: images of a model as PNG files, and a contact sheet."""

from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import options
from ganzoo.cli.common import parse_seeds, refuse_device
from ganzoo.cli.opening import in_engine
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted

Name = Annotated[str, typer.Argument(help="A model of `ganzoo list`, its folder, or hf-hub:owner/name.")]
Seeds = Annotated[str | None, typer.Option(help="One image for each: 0-15, or 1,4,10-12 (default: 0-7).")]
Psi = Annotated[
    float | None,
    options.psi("Truncation: 1 for full variety, 0 for the mean image (default: 0.7; of saved w 1)."),
]
Cutoff = Annotated[int | None, typer.Option(help="Truncate this many rows of w only.")]
Noise = Annotated[
    str, options.noise("const (saved with the weights), random (by the image's seed), or none.")
]
Label = Annotated[int | None, typer.Option(help="Class, for a conditional model.")]
Out = Annotated[Path, typer.Option(help="Folder for the images; made if need be.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps …")]
BatchSize = Annotated[
    int, typer.Option(min=1, help="Images at once, up to about 2 GB of them; on a CPU, 1 is quickest.")
]
SaveW = Annotated[
    bool, typer.Option("--save-w", help="Write the w of the images, too: w.safetensors in the folder.")
]
CacheDir = Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")]


def generate(
    name: Name,
    seeds: Seeds = None,
    w: options.SavedW = None,
    psi: Psi = None,
    cutoff: Cutoff = None,
    centers: options.Centers = None,
    noise: Noise = "const",
    label: Label = None,
    out: Out = Path("out"),
    device: Device = "cpu",
    batch_size: BatchSize = 1,
    runtime: options.Runtime = "torch",
    precision: options.Precision = "fp32",
    save_w: SaveW = False,
    other_mapping: options.OtherMapping = False,
    cache_dir: CacheDir = None,
) -> None:
    """Write a PNG for each seed or saved w, with its settings inside, and a contact sheet of them all."""
    if seeds is not None and w is not None:
        raise ValueError("--w takes the place of --seeds: give one of the two.")
    numbers = parse_seeds(seeds or "0-7") if w is None else None

    from ganzoo.latent.centers import check_centers
    from ganzoo.latent.generating import generate_images
    from ganzoo.latent.saved import load_w
    from ganzoo.system.progress import progress_bar

    if centers is not None:
        check_centers(centers)
    keep_freed_memory()
    refuse_device(device)
    refuse_unwritable(out, "--out")
    generator, engine = in_engine(name, runtime, precision, device, cache_dir)
    saved = None if w is None else load_w(w, generator, other_mapping=other_mapping)
    total = len(saved.w) if saved is not None else len(numbers or ())
    written = 0

    def report(done: int) -> None:
        nonlocal written
        written = done
        progress.update(task, completed=done)

    try:
        with progress_bar() as progress:
            task = progress.add_task("Generating", total=total)
            made = generate_images(
                generator, numbers, out, w=saved, truncation_psi=psi, truncation_cutoff=cutoff, noise=noise,
                label=label, centers=centers, save_w=save_w, batch_size=batch_size, name=name, report=report,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {written} of {total} images are in {out}.") from None
    count = "1 image" if total == 1 else f"{total} images"
    files = [made.sheet.name, *([] if made.w is None else [made.w.name])]
    typer.echo(
        f"{count} and {' and '.join(files)} in {out}: {made.seconds / total:.2f} s per image of "
        f"{made.resolution} x {made.resolution} ({engine})."
    )
