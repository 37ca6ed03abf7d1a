"""Whether a file gives PyTorch's images: run in its own engine, on latents that nothing was tuned on."""

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.export.graphs import Graph, Options
from ganzoo.export.targets import Array, Session
from ganzoo.generators.generator import Generator
from ganzoo.system.differences import decibels
from ganzoo.system.images import IMAGE_RANGE

LEAST_PSNR = {
    "fp32": 60.0,
    "bf16": 40.0,
    "fp16": 40.0,
    "int8": 35.0,
    "packed": 40.0,
}  # dB; less is another image
FIRST_SEED = 1_000_000
# Not the mean over images of `ganzoo.system.differences.psnr`: w has no images, and one number says enough.
PSNR_DEFINITION = "dB, of the mean squared error of all numbers; range 2 for images, low to high for w"


@dataclass(frozen=True)
class Errors:
    """How far a file's results are from PyTorch's, over all numbers of all results.

    Attributes:
        latents: Number of latents that were tried.
        maximum, rms: Largest and root mean square difference.
        psnr: PSNR in dB; see `PSNR_DEFINITION`.
        low, high: Least and greatest of PyTorch's results.
    """

    latents: int
    maximum: float
    rms: float
    psnr: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values; a PSNR without any difference is null."""
        psnr = self.psnr if math.isfinite(self.psnr) else None
        return {**asdict(self), "psnr": psnr, "psnr_definition": PSNR_DEFINITION}


@torch.no_grad()
def measure(
    generator: Generator,
    graph: Graph,
    options: Options,
    session: Session,
    *,
    latents: int = 4,
    w: Tensor | None = None,
) -> Errors:
    """The errors of a file against the generator as it was trained, neither folded nor in another form.

    Args:
        generator: Generator that the file was made of.
        graph: Graph in the file.
        options: What the file takes and gives.
        session: The file in its engine.
        latents: Number of latents to try.
        w: W `[N, num_ws, w_dim]` to try a synthesis graph on, again and again if they are few; None for w of
            seeds.
    """
    sizes = itertools.cycle([graph.batch] if graph.batch else [3, 1])  # 1 is a case of its own
    maximum = total = count = 0.0
    low, high = math.inf, -math.inf
    done = 0
    while done < latents:
        size = next(sizes)
        inputs, expected = case(generator, graph, options, size, FIRST_SEED + done, w)
        got = session([x.numpy() for x in inputs])
        if got.shape != tuple(expected.shape):
            raise ValueError(f"{graph.name} gives {list(got.shape)}, PyTorch {list(expected.shape)}.")
        error: Array = got.astype(np.float64) - expected.cpu().double().numpy()
        maximum = max(maximum, float(np.abs(error).max()))
        total += float(np.square(error).sum())
        count += error.size
        low, high = min(low, expected.min().item()), max(high, expected.max().item())
        done += size
    span = IMAGE_RANGE if graph.output == "image" else high - low
    mean_square = total / count
    return Errors(done, maximum, math.sqrt(mean_square), decibels(mean_square, span), low, high)


def refuse_errors(what: str, errors: Errors, precision: str) -> None:
    """Raise ValueError if a file gives other images than PyTorch."""
    least = LEAST_PSNR[precision]
    if not errors.psnr >= least:  # nan, too
        raise ValueError(
            f"{what} does not give PyTorch's results: PSNR {errors.psnr:.1f} dB, at least {least:.0f} for "
            f"{precision}; the greatest error is {errors.maximum:.2g}. It was not written."
        )


def case(
    generator: Generator, graph: Graph, options: Options, n: int, seed: int, given: Tensor | None = None
) -> tuple[list[Tensor], Tensor]:
    """Inputs of a graph, `n` samples, and what the generator makes of them."""
    random = torch.Generator().manual_seed(seed)
    z = generator.sample_z(n, seed)
    label = None
    if generator.label_dim:
        classes = torch.randint(generator.label_dim, [n], generator=random)
        label = torch.nn.functional.one_hot(classes, generator.label_dim).float()
    psi = 0.7 if graph.name != "synthesis" else 1.0
    w = generator.mapping(z, label, truncation_psi=psi)
    latent = [z, *([] if label is None else [label]), torch.tensor([psi])]
    if graph.name == "mapping":
        return latent, w if options.space == "w+" else w[:, 0]
    if graph.name == "synthesis":
        if given is not None:
            w = given[(torch.arange(n) + seed - FIRST_SEED) % len(given)]
        elif options.space == "w+":  # rows that differ tell whether each is read where it should be
            w = w + 0.3 * w.std() * torch.randn(w.shape, generator=random)
        latent = [w if options.space == "w+" else w[:, 0]]
    noise = []
    if options.noise == "given":
        noise = [torch.randn(n, 1, *size, generator=random) for size in generator.synthesis.noise_sizes]
    image = generator.synthesis(w, noise if options.noise == "given" else options.noise).image
    return [*latent, *noise], image
