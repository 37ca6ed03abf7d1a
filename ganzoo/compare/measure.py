"""`measure`: what several models make of the same seeds, how far apart that is, and how long it takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ganzoo.compare.images import MAX_SIDE, Encoded, encode
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.generators.sampling import Label, as_labels, check_label, check_noise, check_psi, check_seeds
from ganzoo.latent.look import Look
from ganzoo.latent.points import Points
from ganzoo.latent.saved import SavedW
from ganzoo.metrics import distances
from ganzoo.models.cost import Cost, costs
from ganzoo.models.weights import weights_digest
from ganzoo.system.images import IMAGE_RANGE, check_channels, shrink, to_images, to_rgb
from ganzoo.system.provenance import hardware, load, now, versions
from ganzoo.system.timing import in_turns

MAX_MODELS, MAX_SEEDS = 8, 64  # columns that a page has room for, and rows that it stays handy with


@dataclass(frozen=True)
class Subject:
    """A model of the comparison, in its deploy form.

    Attributes:
        name: Name as the user gave it.
        generator: Deployed generator.
        sha256: Hash of the weights before deployment.
        saved: Saved w, read for this generator; None for seeds.
    """

    name: str
    generator: Generator
    sha256: str
    saved: SavedW | None = None


@dataclass(frozen=True)
class Settings:
    """How the images are made; see `Generator`. Random noise is drawn from the image's seed.

    Attributes:
        seeds: Seeds; of saved w, their numbers.
        truncation_psi: Truncation.
        noise: "const", "random" or "none".
        label: Class, for conditional models; saved w have theirs.
        w: File of saved w to draw instead of seeds, or None.
        other_mapping: Take w that were made with another mapping network.

    Raises:
        ValueError: for a seed that there is not, an unknown noise mode, or a psi that is not finite.
    """

    seeds: tuple[int, ...]
    truncation_psi: float = 1.0
    noise: str = "const"
    label: Label | None = None
    w: str | None = None
    other_mapping: bool = False

    def __post_init__(self) -> None:
        for seed in self.seeds:
            check_seeds(seed)
        check_psi(self.truncation_psi)
        check_noise(self.noise)
        if self.w is not None and self.label is not None:
            raise ValueError("--label: saved w have their class already.")

    @property
    def kind(self) -> str:
        """What a row of images is of: a seed or a w."""
        return "seed" if self.w is None else "w"

    def check_label(self, config: GeneratorConfig, name: str) -> None:
        """Raise ValueError if a conditional model is not given a label that it has."""
        if self.w is not None or not config.label_dim:
            return
        check_label(self.label, config.label_dim, f"--label of {name}")


@dataclass(frozen=True)
class Difference:
    """An image against the first model's of the same seed.

    Attributes:
        l1, psnr, perceptual: Distances as `ganzoo.metrics.distances` defines them; the last may be None.
        map: Absolute difference of the pixels of files, averaged over the channels, as part of the range:
            `[H, W]` in 0..1.
        resolution: Side at which they were compared, the smaller of the two.
    """

    l1: float
    psnr: float
    perceptual: float | None
    map: NDArray[np.float16]
    resolution: int


@dataclass(frozen=True)
class Row:
    """A seed: every model's image, and its difference from the first one's, or None."""

    seed: int
    images: tuple[Encoded, ...]
    differences: tuple[Difference | None, ...]


@dataclass(frozen=True)
class Model:
    """What the page says of a model.

    Attributes:
        name, sha256: Name and hash of the subject.
        config: Config of the subject.
        cost: Cost by part; see `ganzoo.models.cost.costs`.
        seconds: Seconds of one image, deployed, run by run; empty if they were not measured.
        incomparable: Reason why its images are not compared with the first model's, or None.
    """

    name: str
    sha256: str
    config: GeneratorConfig
    cost: dict[str, Cost]
    seconds: tuple[float, ...]
    incomparable: str | None


@dataclass(frozen=True)
class Comparison:
    """Everything that was measured, here and now.

    Attributes:
        models: Models in the order given; the others are compared with the first.
        settings: Settings of the images.
        rows: Rows, one a seed.
        features: Network of the perceptual distance, or None.
        date, device, hardware, versions: Facts of the measurement.
        load: Processes that wanted a core in the minute before, or None where nobody counts.
    """

    models: tuple[Model, ...]
    settings: Settings
    rows: tuple[Row, ...]
    features: FeatureInfo | None
    date: str
    device: str
    hardware: str
    versions: dict[str, str]
    load: float | None


def subject(name: str, generator: Generator) -> Subject:
    """A generator as `create` gives it, made ready for `measure`.

    Raises:
        ValueError: for a number of channels that no image file has.
    """
    check_channels(generator.img_channels, name)
    return Subject(name, deploy(generator), weights_digest(generator))


def check_counts(models: int, seeds: int) -> None:
    """Raise ValueError for a number of models or seeds that no page has room for."""
    if not 2 <= models <= MAX_MODELS:
        raise ValueError(f"Give 2 to {MAX_MODELS} models: ganzoo compare A B. Got {models}.")
    if not 1 <= seeds <= MAX_SEEDS:
        raise ValueError(f"A page has room for 1 to {MAX_SEEDS} seeds; got {seeds}.")


@torch.inference_mode()
def measure(
    subjects: Sequence[Subject],
    settings: Settings,
    *,
    network: FeatureNetwork | None = None,
    runs: int = 10,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Comparison:
    """Images, differences, costs and latencies of models, all on one device.

    Args:
        subjects: Subjects; the others are compared with the first.
        settings: Settings of the images, with their seeds; unconditional models ignore the label.
        network: Feature network of the perceptual distance, on the same device.
        runs: Images of each model to time; 0 for no latency.
        report: Function that is told what is being done, how much is done, and how much there is.

    Raises:
        ValueError: for a number of models or seeds that no page has room for, or a label that a model lacks.
    """
    check_counts(len(subjects), len(settings.seeds))
    for s in subjects:
        settings.check_label(s.generator.config, s.name)
    reasons = [None if s.saved else _incomparable(subjects[0], s) for s in subjects]
    load_before = load()
    rows = []
    for done, seed in enumerate(settings.seeds):
        report("Images", done, len(settings.seeds))
        rows.append(_row(subjects, reasons, settings, seed, network))
    calls = [_call(s, settings, settings.seeds[0]) for s in subjects]
    seconds: list[list[float]] = [[] for _ in subjects]
    device = subjects[0].generator.device
    for done, times in enumerate(in_turns(calls, runs, device=device)):
        report("Latency", done, runs)
        for own, elapsed in zip(seconds, times, strict=True):
            own.append(elapsed)
    return Comparison(
        models=tuple(
            Model(s.name, s.sha256, s.generator.config, costs(s.generator.config), tuple(own), reason)
            for s, own, reason in zip(subjects, seconds, reasons, strict=True)
        ),
        settings=settings,
        rows=tuple(rows),
        features=None if network is None else network.info,
        date=now(),
        device=str(device),
        hardware=hardware(),
        versions=versions(),
        load=load_before,
    )


def difference(image: Tensor, first: Tensor, network: FeatureNetwork | None = None) -> Difference:
    """An image against the first model's.

    The larger image is brought to the size of the smaller one with antialiasing. Where both have alpha, it
    is a fourth channel; otherwise each is what `to_rgb` makes of it.

    Args:
        image: `[1, 1, 3 or 4, H, W]` in -1..1, unclamped.
        first: Image of the first model, perhaps of another size.
        network: Feature network of the perceptual distance.
    """
    side = min(image.shape[-1], first.shape[-1])
    a, b = (shrink(x.float(), side) for x in (image, first))
    if a.shape != b.shape:
        a, b = to_rgb(a), to_rgb(b)
    error = (a.clamp(-1, 1) - b.clamp(-1, 1)).abs()
    return Difference(
        l1=distances.l1(a, b).item(),
        psnr=distances.psnr(a, b).item(),
        perceptual=None if network is None else distances.perceptual(network, a, b).item(),
        map=_shrunk(error.mean(dim=1, keepdim=True) / IMAGE_RANGE)[0, 0].cpu().numpy().astype(np.float16),
        resolution=side,
    )


def _row(
    subjects: Sequence[Subject],
    reasons: Sequence[str | None],
    settings: Settings,
    seed: int,
    network: FeatureNetwork | None,
) -> Row:
    """Images and differences of a seed; they leave memory with it."""
    images = [_call(s, settings, seed)() for s in subjects]
    return Row(
        seed,
        tuple(encode(to_images(to_rgb(image.clamp(-1, 1)))[0]) for image in images),
        (
            None,
            *(
                None if reason else difference(image, images[0], network)
                for image, reason in zip(images[1:], reasons[1:], strict=True)
            ),
        ),
    )


def _call(subject: Subject, settings: Settings, seed: int) -> Callable[[], Tensor]:
    """What makes the image `[1, C, R, R]` of a seed or w; its latent and label are on the device already."""
    generator, device = subject.generator, subject.generator.device
    if subject.saved is not None:
        look = Look(settings.truncation_psi, noise=settings.noise)
        points = Points(look, settings.seeds, subject.saved)
        return lambda: points.images(generator, slice(seed, seed + 1))
    z = generator.sample_z([seed])
    label = None
    if generator.label_dim:
        label = as_labels(0 if settings.label is None else settings.label, 1, generator.label_dim).to(device)

    def call() -> Tensor:
        random = torch.Generator().manual_seed(seed) if settings.noise == "random" else None
        image: Tensor = generator(z, label, settings.truncation_psi, noise=settings.noise, generator=random)
        return image

    return call


def _incomparable(first: Subject, other: Subject) -> str | None:
    """Why the images of one seed have nothing to do with each other, or None."""
    ours, theirs = other.generator.z_dim, first.generator.z_dim
    if ours == theirs:
        return None
    return f"its latents have {ours} numbers, those of the first model {theirs}: one seed is two latents"


def _shrunk(x: Tensor) -> Tensor:
    """At most `MAX_SIDE` pixels a side, by averages."""
    return F.adaptive_avg_pool2d(x, MAX_SIDE) if x.shape[-1] > MAX_SIDE else x
