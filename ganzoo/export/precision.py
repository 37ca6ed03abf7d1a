"""The precision that computes fastest on this machine and still gives the same images, measured once.

Fewer bits are not always faster. An image of `mobilestylegan_ffhq` in OpenVINO takes 112 ms in fp32 and
135 in bf16 on a Xeon with AVX-512 but no AMX; with AMX, 114 and 50 (2 threads, 2026-11). On an AMD EPYC
with AVX2 alone, OpenVINO computes in fp32 whatever it is asked, and PyTorch takes 367 ms in bf16 where fp32
takes 19 (`mobilestylegan_ffhq_64_lite`, one thread of a busy machine).
"""

import json
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from ganzoo.export.check import FIRST_SEED, LEAST_PSNR
from ganzoo.generators.generator import Generator
from ganzoo.system.differences import decibels
from ganzoo.system.files import replacing
from ganzoo.system.timing import in_turns

LEAST_AUTO_PSNR = LEAST_PSNR["bf16"]  # dB, from the images in fp32
_WARM_UP, _ROUNDS, _LATENTS = 2, 7, 4
_GAIN = 0.95  # of the time in fp32: what saves less is noise


@dataclass(frozen=True)
class Timed:
    """How fast and how exact a precision is.

    Attributes:
        precision: Name of the precision.
        seconds: Median time of a call of the synthesis network.
        psnr: PSNR from fp32 in dB, of the mean squared error of all images; None where no number differs, nan
            where one is not finite.
    """

    precision: str
    seconds: float
    psnr: float | None


@dataclass(frozen=True)
class Choice:
    """What was measured, where, and what follows from it.

    Attributes:
        timed: Precisions with their measurements, fp32 first; that alone, without a measurement, where an
            engine computes in nothing else.
        where: Processor and threads.
        least_psnr: Least PSNR of a precision other than fp32.
    """

    timed: tuple[Timed, ...]
    where: str
    least_psnr: float = LEAST_AUTO_PSNR

    @property
    def precision(self) -> str:
        """The fastest that is exact enough; fp32 unless another one saves more than a twentieth.

        What gives the very numbers of fp32 is fp32: engines compute in it where the processor has no other.
        """
        first, *others = self.timed
        exact = [t for t in others if t.psnr is not None and t.psnr >= self.least_psnr]
        best = min(exact, key=lambda t: t.seconds, default=first)
        return best.precision if best.seconds < _GAIN * first.seconds else first.precision

    @property
    def told(self) -> str:
        """The choice and its reasons, a line for people."""
        if len(self.timed) == 1:
            return f"Precision auto: {self.precision}, the only one that is computed in."
        figures = [f"{t.precision} {t.seconds * 1000:.0f} ms{_exactness(t)}" for t in self.timed]
        least = f"at least {self.least_psnr:g} dB"
        return f"Precision auto: {self.precision}. {', '.join(figures)} ({least}; {self.where})."


def _exactness(timed: Timed) -> str:
    if timed.precision == "fp32":
        return ""
    return ", computed in fp32 here" if timed.psnr is None else f" at {timed.psnr:.1f} dB"


def choose(
    open_one: Callable[[str], Generator],
    candidates: Sequence[str],
    path: Path,
    where: str,
    *,
    batch: int = 1,
    least_psnr: float = LEAST_AUTO_PSNR,
) -> Choice:
    """The choice among precisions, from a file if it was measured before.

    Args:
        open_one: Function from a precision to the generator that computes in it.
        candidates: Names of precisions, fp32 first.
        path: Path of the file; its name stands for all that the measurement depends on.
        where: Processor and threads, for people.
        batch: Images in a call.
        least_psnr: Least PSNR of a precision other than fp32, in dB.
    """
    if len(candidates) == 1:
        return Choice((Timed(candidates[0], 0.0, None),), where, least_psnr)
    timed = _kept(path, candidates)
    if timed is None:
        timed = _measured({name: open_one(name) for name in candidates}, batch)
        with suppress(OSError):  # a cache that cannot be written: measured again the next time
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_text(json.dumps([asdict(t) for t in timed]) + "\n")
    return Choice(timed, where, least_psnr)


def _kept(path: Path, candidates: Sequence[str]) -> tuple[Timed, ...] | None:
    """What a file says, or None if there is none or it says something else."""
    try:
        timed = tuple(Timed(**entry) for entry in json.loads(path.read_text(encoding="utf-8")))
        sound = all(t.seconds > 0 and (t.psnr is None or isinstance(t.psnr, float)) for t in timed)
    except (OSError, ValueError, TypeError):
        return None
    return timed if sound and [t.precision for t in timed] == list(candidates) else None


@torch.inference_mode()
def _measured(generators: dict[str, Generator], batch: int) -> tuple[Timed, ...]:
    """Every precision, timed in turns with the others, on latents that nothing was tuned on."""
    first = next(iter(generators.values()))
    label = torch.eye(first.label_dim)[:1].to(first.device) if first.label_dim else None
    w = first.mapping(first.sample_z(_LATENTS, FIRST_SEED), _rows(label, _LATENTS))
    timing = w[:1].repeat(batch, 1, 1)
    calls = [partial(g.synthesis, timing) for g in generators.values()]
    rounds = list(in_turns(calls, _ROUNDS, device=timing.device, warm_up=_WARM_UP))
    seconds = dict(zip(generators, zip(*rounds, strict=True), strict=True))
    squares: dict[str, list[float]] = {name: [] for name in generators}
    for row in w.split(1):
        images = {name: g.synthesis(row).image.cpu().double() for name, g in generators.items()}
        expected = next(iter(images.values()))
        for name, image in images.items():
            squares[name].append((image - expected).square().mean().item())
    return tuple(
        Timed(name, statistics.median(times), _psnr(statistics.fmean(squares[name])))
        for name, times in seconds.items()
    )


def _rows(label: torch.Tensor | None, n: int) -> torch.Tensor | None:
    return None if label is None else label.expand(n, -1)


def _psnr(mean_square: float) -> float | None:
    return None if mean_square == 0 else decibels(mean_square)
