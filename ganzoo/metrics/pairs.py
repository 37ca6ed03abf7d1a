"""Figures of pairs: what a student makes of the latents, or the w, that its teacher is given."""

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Output
from ganzoo.metrics.distances import DEFINITIONS, distance
from ganzoo.metrics.extract import processes
from ganzoo.metrics.figures import Figure, mean_figure
from ganzoo.system.images import shrink
from ganzoo.system.validation import unknown

PAIR_METRICS = tuple(DEFINITIONS)
GIVEN = ("z", "w")
RESIZER, FEATURE_RESIZER = "torch-area", "torch-bicubic-antialias"  # for records


@torch.inference_mode()
def pair_figures(
    student: Generator,
    teacher: Generator,
    *,
    metrics: Iterable[str],
    seeds: range,
    network: FeatureNetwork | None,
    given: str = "z",
    truncation_psi: float = 1.0,
    noise: str = "const",
    resamples: int = 1000,
    report: Callable[[int], None] = lambda done: None,
) -> dict[str, Figure]:
    """Mean distances between the two images of every seed, with the standard deviation of the mean.

    Both networks get the same noise, the teacher's. Images are compared at the student's resolution; the
    teacher's are brought to it with antialiasing. In l1 and psnr, alpha is a fourth channel.

    Under `accelerate launch` or `torchrun`, every process takes its share of the seeds, and all of them get
    the whole.

    Args:
        student: Network to judge.
        teacher: Network to compare with, on the same device.
        metrics: Names in `PAIR_METRICS`, as `ganzoo.metrics.distances` defines them.
        seeds: Seeds of the latents, held out from training.
        network: Feature network for "perceptual".
        given: "z" for the same latent through each one's own mapping, "w" for the teacher's w in both.
        truncation_psi: Truncation of w.
        noise: Noise of the teacher: const, random (by the seed) or none.
        resamples: Bootstrap resamples of the mean.
        report: Function that is told the number of pairs that are done.

    Raises:
        ValueError: for networks that do not take the same latents, w or labels, or give other channels,
            or images that are not finite.
    """
    from accelerate.utils import gather_object

    metrics = list(metrics)
    _check(student, teacher, metrics, network, given)
    state = processes(teacher.device)
    own: list[tuple[int, list[float]]] = []
    for seed in seeds[state.process_index :: state.num_processes]:
        a, b = _pair(student, teacher, seed, given, truncation_psi, noise)
        if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
            raise ValueError(f"The images of seed {seed} are not finite.")
        own.append((seed, [distance(metric, a, b, network).item() for metric in metrics]))
        report(min(len(own) * state.num_processes, len(seeds)))
    values = dict(gather_object(own))
    numbers = np.array([values[seed] for seed in seeds])
    return {metric: mean_figure(numbers[:, k], resamples) for k, metric in enumerate(metrics)}


def _check(
    student: Generator, teacher: Generator, metrics: Sequence[str], network: FeatureNetwork | None, given: str
) -> None:
    """Raise ValueError for networks whose images of one seed have nothing to do with each other."""
    for metric in metrics:
        if metric not in PAIR_METRICS:
            raise ValueError(unknown("metric of pairs", metric, PAIR_METRICS))
    if "perceptual" in metrics and network is None:
        raise ValueError("The perceptual distance needs a feature network.")
    if given not in GIVEN:
        raise ValueError(f"given is one of {', '.join(GIVEN)}; got {given!r}.")
    for what in ("z_dim", "label_dim", "img_channels", *(["w_dim"] if given == "w" else [])):
        ours, theirs = getattr(student, what), getattr(teacher, what)
        if ours != theirs:
            raise ValueError(f"Student and teacher differ in {what}: {ours} and {theirs}.")
    if student.resolution > teacher.resolution:
        raise ValueError(f"The student's images are larger, {student.resolution}, than the teacher's.")
    ours, theirs = (g.synthesis.noise_sizes for g in (student, teacher))
    if theirs and not {*ours} <= {*theirs}:
        raise ValueError(
            f"The student has {len(ours)} layers and the teacher {len(theirs)}, too few to lend each of them "
            "noise."
        )
    if given == "w":
        student.config.rows_of(teacher.config)  # which refuses rows that do not correspond


def _pair(
    student: Generator, teacher: Generator, seed: int, given: str, psi: float, noise: str
) -> tuple[Tensor, Tensor]:
    """The student's and the teacher's image of a seed."""
    device = teacher.device
    z = teacher.sample_z([seed])
    label = None
    if teacher.label_dim:
        label = F.one_hot(torch.tensor([seed % teacher.label_dim]), teacher.label_dim).float().to(device)
    w = teacher.mapping(z, label, psi)
    source = torch.Generator().manual_seed(seed) if noise == "random" else None
    target = cast(Output, teacher.synthesis(w, noise, source))
    own = w[:, student.config.rows_of(teacher.config)] if given == "w" else student.mapping(z, label, psi)
    image = cast(Output, student.synthesis(own, student.synthesis.borrowed(target.noise))).image
    return image, shrink(target.image, image.shape[-1])
