"""`ganzoo generate`: images of a model as PNG files, and a contact sheet."""

from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import latent, options
from ganzoo.cli.common import parse_place, parse_seeds, refuse_device
from ganzoo.cli.opening import in_engine
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable

Seeds = Annotated[str | None, typer.Option(help="One image for each: 0-15, or 1,4,10-12 (default: 0-7).")]
Psi = Annotated[
    float | None,
    options.psi("Truncation: 1 for full variety, 0 for the mean image (default: 0.7; of saved w 1)."),
]
BatchSize = Annotated[
    int, typer.Option(min=1, help="Images at once, up to about 2 GB of them; on a CPU, 1 is quickest.")
]
Translate = Annotated[
    str | None,
    typer.Option(metavar="X,Y", help="Shift to the right and down, in widths of the image, of a StyleGAN3."),
]
Rotate = Annotated[float | None, typer.Option(help="Degrees to turn by, counterclockwise, of a StyleGAN3.")]
SaveW = Annotated[
    bool, typer.Option("--save-w", help="Write the w of the images, too: w.safetensors in the folder.")
]


def generate(
    name: latent.Model,
    seeds: Seeds = None,
    w: options.SavedW = None,
    psi: Psi = None,
    cutoff: options.Cutoff = None,
    centers: options.Centers = None,
    noise: latent.Noise = "const",
    label: options.Label = None,
    z_limit: options.ZLimit = None,
    translate: Translate = None,
    rotate: Rotate = None,
    out: latent.Out = Path("out"),
    device: latent.Device = "cpu",
    batch_size: BatchSize = 1,
    runtime: options.Runtime = "torch",
    precision: options.Precision = "fp32",
    save_w: SaveW = False,
    other_mapping: options.OtherMapping = False,
    cache_dir: latent.CacheDir = None,
) -> None:
    """Write a PNG for each seed or saved w, with its settings inside, and a contact sheet of them all."""
    if w is not None and (seeds is not None or z_limit is not None):
        raise ValueError("--w takes the place of --seeds, and of --z-limit: give one of the two.")
    numbers = parse_seeds(seeds or "0-7") if w is None else None
    place = parse_place(translate, rotate)

    from ganzoo.generators.sampling import check_limit
    from ganzoo.latent.centers import check_centers
    from ganzoo.latent.generating import generate_images
    from ganzoo.latent.saved import load_w

    check_limit(z_limit, "--z-limit")
    if centers is not None:
        check_centers(centers)
    keep_freed_memory()
    refuse_device(device)
    refuse_unwritable(out, "--out")
    generator, engine = in_engine(name, runtime, precision, device, cache_dir)
    saved = None if w is None else load_w(w, generator, other_mapping=other_mapping)
    total = len(saved.w) if saved is not None else len(numbers or ())
    with latent.counted("Generating", total, out) as report:
        made = generate_images(
            generator, numbers, out, w=saved, truncation_psi=psi, truncation_cutoff=cutoff, noise=noise,
            label=label, centers=centers, z_limit=z_limit, translate=place[0],
            rotate=place[1], save_w=save_w, batch_size=batch_size, name=name, report=report,
        )  # fmt: skip
    count = "1 image" if total == 1 else f"{total} images"
    files = " and ".join(file.name for file in (made.sheet, made.w) if file is not None)
    typer.echo(
        f"{count} and {files} in {out}: {made.seconds / total:.2f} s per image of "
        f"{made.resolution} x {made.resolution} ({engine})."
    )
