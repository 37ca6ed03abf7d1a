"""How much memory a run will take, before it does."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.losses import feature_maps
from ganzoo.training.adversarial_settings import AdversarialSettings
from ganzoo.training.distillation import shown_size
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.settings import GIB

ADAM_STATES = 2
HALF = 0.75  # of what is kept in float32, measured with bf16: what is cast is kept besides


def estimate_bytes(
    settings: DistillationSettings,
    num_processes: int = 1,
    network: FeatureNetwork | None = None,
    judged: nn.Module | None = None,
) -> int:
    """Bytes that one process of a run takes beside the teacher and the libraries, within about a third.

    Weights, gradients, the optimiser's moments and the moving average; and what the forward pass of the
    student, the discriminator and the feature network keep for the backward one, counted on tensors without
    memory.

    Args:
        settings: Settings of the run.
        num_processes: Processes that share a step.
        network: Network of the perceptual terms.
        judged: Network whose features the discriminator judges.
    """
    share = settings.batch_size // (num_processes * settings.accumulate)
    student = empty(settings.student)
    weights = 4 * _size(student) * (3 + ADAM_STATES)
    kept = _kept(student, share)
    images = torch.empty(
        share, settings.student.img_channels, *[settings.student.resolution] * 2, device="meta"
    ).requires_grad_(True)
    if network is not None:
        shown, size = copy.deepcopy(network).to("meta"), shown_size(settings, network)
        kept += _saved(lambda: feature_maps(shown, images, size))
    if settings.uses_gan:
        judge = empty(settings.discriminator_config())
        if judged is not None:
            judge.look_through(copy.deepcopy(judged).to("meta"))
        weights += 4 * _size(judge) * (2 + ADAM_STATES)
        label = (
            torch.empty(share, settings.student.label_dim, device="meta")
            if settings.student.label_dim
            else None
        )
        # The student's phase keeps both networks; the discriminator's two batches, but nothing of what never
        # learns; R1's second derivative keeps no more than two, either.
        twice = 2 * _saved(lambda: judge(images.detach(), label))
        kept = max(kept + _saved(lambda: judge(images, label)), twice)
    if settings.precision != "fp32":
        kept = int(HALF * kept)
    return weights + kept


def adversarial_bytes(
    settings: AdversarialSettings, num_processes: int = 1, judged: nn.Module | None = None
) -> int:
    """The same of adversarial training, whose largest phases are the generator's and the discriminator's.

    Args:
        settings: Settings of the run.
        num_processes: Processes that share a step.
        judged: Network whose features the discriminator judges.
    """
    share = settings.batch_size // (num_processes * settings.accumulate)
    generator, judge = empty(settings.generator), empty(settings.discriminator_config())
    if judged is not None:
        judge.look_through(copy.deepcopy(judged).to("meta"))
    weights = 4 * ((3 + ADAM_STATES) * _size(generator) + (2 + ADAM_STATES) * _size(judge))
    own = settings.generator
    images = torch.empty(share, own.img_channels, *[own.resolution] * 2, device="meta")
    label = torch.empty(share, own.label_dim, device="meta") if own.label_dim else None
    made, seen = _kept(generator, share), _saved(lambda: judge(images.requires_grad_(True), label))
    phases = [made + seen, 2 * seen]
    if settings.path_length.weight:  # what the first derivative keeps is kept for the second
        phases.append(2 * made // settings.path_length.shrink)
    kept = max(phases)
    return weights + (int(HALF * kept) if settings.precision != "fp32" else kept)


def memory_line(needed: int, device: torch.device, beside: str = "") -> str:
    """How much memory training takes, for people, and what to do if it is too much.

    Args:
        needed: Estimated bytes.
        device: Where it is.
        beside: What the estimate leaves out.
    """
    free = available_bytes(device)
    line = f"Memory: training takes about {needed / GIB:.1f} GiB{beside}"
    if free is not None:
        line += f", of {free / GIB:.1f} GiB free"
        if needed > 0.9 * free:
            line += ": if it fails, give a smaller batch_size or accumulate=2 or more"
    return f"{line}."


def available_bytes(device: torch.device) -> int | None:
    """Free memory of a device, None where it cannot be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:  # noqa: PTH123
            [line] = [line for line in file if line.startswith("MemAvailable")]
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None


def _kept(student: Generator, share: int) -> int:
    """What a student's forward pass keeps."""
    w = torch.empty(share, student.num_ws, student.w_dim, device="meta")
    return _saved(lambda: student.synthesis(w))


def _saved(run: Any) -> int:
    """Bytes of the tensors that a forward pass keeps for the backward one."""
    seen: dict[int, int] = {}
    alive = []  # so that no two tensors share an identity

    def keep(x: Tensor) -> Tensor:
        alive.append(x)
        base = x._base if x._base is not None else x
        seen[id(base)] = base.numel() * base.element_size()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        run()
    return sum(seen.values())


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
