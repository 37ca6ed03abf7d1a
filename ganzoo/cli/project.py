"""`ganzoo project`: images to the w that a model draws them from, and a model tuned around them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganzoo.cli.common import refuse_device
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted
from ganzoo.system.paths import user_path

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.generators.generator import Generator
    from ganzoo.models.reference import Reference
    from ganzoo.projection.projecting import Projected

TUNED, W_FILE = "tuned", "projected.safetensors"


def project(
    name: Annotated[str, typer.Argument(help="A model of `ganzoo list`, its folder, or hf-hub:owner/name.")],
    images: Annotated[list[Path], typer.Argument(help="Image files; each is projected by itself.")],
    space: Annotated[
        str, typer.Option(help="w (keeps to what the model knows) or w+ (comes nearer, edits less well).")
    ] = "w",
    steps: Annotated[int, typer.Option(min=1, help="Steps in all.")] = 100,
    out: Annotated[Path, typer.Option(help="Folder, made if it does not exist.")] = Path("projected"),
    align: Annotated[
        bool | None,
        typer.Option(help="Bring faces to where FFHQ has them (default: for models that learnt from it)."),
    ] = None,
    start: Annotated[str, typer.Option(help="mean, a seed, a file of w, encoder, or its folder.")] = "mean",
    noise: Annotated[bool, typer.Option("--noise", help="Fit the noise of every layer as well.")] = False,
    features: Annotated[
        str, typer.Option(help="Network that measures how alike images are: any classifier of timm, or none.")
    ] = "efficientnet_lite0",
    coarse: Annotated[
        str | None,
        typer.Option(
            help="Smaller model of the same w for the first steps, or none (default: of its family)."
        ),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Then tune the model until it draws the images: OUT/tuned.")
    ] = False,
    tune_steps: Annotated[int, typer.Option(min=1, help="Steps of --tune at most.")] = 350,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps …")] = "cpu",
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Write the w whose images are nearest to some images, each image beside its projection, and a film."""
    from ganzoo.models.reference import reference
    from ganzoo.projection.projecting import check_space
    from ganzoo.projection.starts import start_of
    from ganzoo.system.progress import stage

    check_space(space, "--space")
    keep_freed_memory()
    refuse_device(device)
    refuse_unwritable(out, "--out")
    _refuse_own(images, out)
    model = reference(name, cache_dir)
    targets = _targets(model, images, align).to(device)
    with stage(f"Opening {name}") as shown:
        generator = model.load().to(device)
        begin = start_of(model, generator, targets, start)
        shown.update("Opening the smaller models")
        first = _coarse(model, coarse, device)
    settings = {"model": name, "space": space, "steps": steps, "start": start, "features": features}
    found = _projected(
        generator, targets, out, settings,
        space=space, steps=steps, start=begin, noise=noise, coarse=first, seed=seed, cache_dir=cache_dir,
        features=None if features == "none" else features,
    )  # fmt: skip
    _write(generator, found, targets, out, images, settings)
    if tune:
        _tune(generator, found, targets, out, model, tune_steps, settings, cache_dir)
    typer.echo(f"{W_FILE} in {out}: ganzoo generate {out / TUNED if tune else name} --w {out / W_FILE}")


def _targets(model: "Reference", images: Sequence[Path], align: bool | None) -> "Tensor":
    """The images as the model would have made them, aligned if asked for or if the model learnt from such."""
    from ganzoo.projection.photos import is_of_aligned_faces, read_targets

    config, align = model.config(), is_of_aligned_faces(model) if align is None else align
    return read_targets(
        images, config.resolution, config.img_channels, align=align, cache_dir=model.cache_dir
    )


def _refuse_own(images: Sequence[Path], out: Path) -> None:
    """Raise ValueError for an image in the folder of the results, which its own pair would overwrite."""
    folder = user_path(out).resolve()
    for path in images:
        if user_path(path).resolve().parent == folder and path.suffix.lower() in (".png", ".webp"):
            raise ValueError(
                f"{path} lies in --out {out}, where it would be overwritten: give another folder."
            )


def _write(
    generator: "Generator",
    found: "Projected",
    targets: "Tensor",
    out: Path,
    images: list[Path],
    settings: dict[str, Any],
) -> None:
    """Write what was found, and say how near it is."""
    from ganzoo.metrics.distances import psnr
    from ganzoo.projection.files import write_projected

    files = write_projected(out, generator, found, targets, [path.stem for path in images], settings)
    for file, nearness in zip(files, psnr(found.images, targets).tolist(), strict=True):
        typer.echo(f"{file.name}: {nearness:.1f} dB in {settings['space'].upper()}")


def _coarse(model: "Reference", coarse: str | None, device: str) -> "list[Generator]":
    """The generators that take the first steps."""
    from ganzoo.models.reference import reference
    from ganzoo.projection.family import smaller_members

    names = smaller_members(model) if coarse is None else [] if coarse == "none" else [coarse]
    return [reference(one, model.cache_dir).load().to(device) for one in names]


def _projected(
    generator: "Generator", targets: "Tensor", out: Path, settings: dict[str, Any], **how: Any
) -> "Projected":
    """What a projection finds, shown as it comes; Ctrl-C keeps what there is."""
    from ganzoo.projection.descent import Step
    from ganzoo.projection.files import Way, write_w
    from ganzoo.projection.projecting import project as project_images
    from ganzoo.system.progress import progress_bar

    way = Way(out, targets, how["steps"])
    try:
        with progress_bar("distance") as progress, way:
            task = progress.add_task("Projecting", total=how["steps"], distance="")

            def report(step: Step) -> None:
                way.report(step)
                progress.update(task, completed=step.number, distance=f"{step.distances.mean():.3f}")

            return project_images(generator, targets, report=report, **how)
    except KeyboardInterrupt:
        if (last := way.last) is None:
            raise Interrupted("Interrupted: there is nothing to keep yet.") from None
        write_w(out, generator, last.w, last.noise, {**settings, "done": last.number})
        raise Interrupted(
            f"Interrupted: {out / W_FILE} holds the w after {last.number} of {last.steps} steps; "
            f"--start {out / W_FILE} goes on from there."
        ) from None


def _tune(
    generator: "Generator",
    found: "Projected",
    targets: "Tensor",
    out: Path,
    model: "Reference",
    steps: int,
    settings: dict[str, Any],
    cache_dir: Path | None,
) -> None:
    """A model tuned around what was found, in OUT/tuned, and what it draws."""
    from ganzoo.cards.tuned import save_tuned
    from ganzoo.metrics.distances import psnr
    from ganzoo.projection.files import write_tuned
    from ganzoo.projection.tuning import TuningStep, tune
    from ganzoo.system.progress import progress_bar

    last: TuningStep | None = None

    def report(step: TuningStep) -> None:
        nonlocal last
        last = step
        progress.update(task, completed=step.number, distance=f"{step.distances.mean():.3f}")

    features = None if settings["features"] == "none" else settings["features"]
    try:
        with progress_bar("distance") as progress:
            task = progress.add_task("Tuning", total=steps, distance="")
            tuned = tune(
                generator, found.w, targets, noise=found.noise, steps=steps, features=features,
                cache_dir=cache_dir, report=report,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: the projection is in {out}; no tuned model was written.") from None
    taken = 0 if last is None else last.number
    save_tuned(tuned, out / TUNED, base=model, images=len(targets), steps=taken)
    drawn = write_tuned(out, tuned, found, targets, settings)
    typer.echo(f"{TUNED}: {psnr(drawn, targets).mean().item():.1f} dB after {taken} steps")
