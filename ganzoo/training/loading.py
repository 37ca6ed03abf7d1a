"""Teacher, student and all else that a run of distillation needs."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ganzoo.features.networks import FeatureNetwork, load_features
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.models.factory import build, create
from ganzoo.system.paths import user_path
from ganzoo.training.cache import TeacherCache
from ganzoo.training.checkpoint import CHECKPOINTS, checkpoints
from ganzoo.training.distillation_settings import OF_TEACHER, DistillationSettings
from ganzoo.training.held_out import HeldOut
from ganzoo.training.hidden_features import HiddenFeatures, load_hidden_features
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.teacher import Teacher, refuse_mismatch
from ganzoo.training.warm_start import WarmStart, start_from


@dataclass(frozen=True)
class Loaded:
    """What a run of distillation works with.

    Attributes:
        settings: Settings, with the teacher's mapping network.
        start: What the student took over; None where it begins with random weights, or goes on.
    """

    settings: DistillationSettings
    teacher: Teacher
    cache: TeacherCache | None
    student: Generator
    discriminator: Discriminator | None
    network: FeatureNetwork | None
    hidden: HiddenFeatures | None
    held_out: HeldOut
    start: WarmStart | None


def load(settings: DistillationSettings, state: Any) -> Loaded:
    """Load and make all of it.

    Raises:
        ValueError, OSError: if the teacher or a feature network cannot be had, or the student does not fit.
    """
    original = create(settings.teacher, pretrained=True, device=state.device)
    own = with_mapping_of(original.config, settings) if settings.inherit_mapping else settings
    refuse_mismatch(own.student, original.config)
    network = judge = None
    if own.uses_features:
        network = load_features(own.features.name).to(state.device)
    if {"perceptual", "fd"} & set(own.held_out.metrics):
        judge = load_features(own.held_out.features).to(state.device)
    teacher = Teacher(original, own)
    images = partial(TeacherCache, teacher, folder=own.cache.folder, limit_gib=own.cache.limit_gib)
    cache = images(own.cache.images) if own.cache.images else None
    held = images(own.held_out.num, first=HELD_OUT)
    student, discriminator = networks(own, teacher, state.device)
    start = None
    if own.init is not None and not checkpoints(Path(own.out) / CHECKPOINTS):  # which holds the student
        start = warm_student(own, student, teacher)
    if discriminator is not None and (name := discriminator.features) is not None:
        shared = network if own.features.name == name else None
        discriminator.look_through(shared or load_features(name).to(state.device))
    hidden = None
    if own.loss.hidden_l1.weight and own.teacher_discriminator is not None:
        folder = user_path(own.teacher_discriminator)
        channels = own.student.img_channels
        hidden = load_hidden_features(folder, own.loss.hidden_l1.level, channels, state.device)
    held_out = HeldOut(own.held_out, teacher, held, judge, state)
    return Loaded(own, teacher, cache, student, discriminator, network, hidden, held_out, start)


def networks(
    settings: DistillationSettings, teacher: Teacher, device: torch.device
) -> tuple[Generator, Discriminator | None]:
    """The student and, for a GAN term, its adversary, with random weights."""
    student = build(settings.student, seed=settings.seed)
    if settings.inherit_mapping:
        own = teacher.original.mapping.state_dict()
        student.mapping.load_state_dict(own, strict=True)
    # The same for both, now and in whatever is made of the student.
    lent = student.synthesis.borrowed(teacher.original.synthesis.constant_noise())
    for ours, theirs in zip(student.synthesis.constant_noise(), lent, strict=True):
        ours.copy_(theirs.cpu())
    # A depthwise convolution of a CPU is ten times quicker with channels last.
    student = student.to(device).to(memory_format=torch.channels_last)
    if not settings.uses_gan:
        return student, None
    discriminator = build(settings.discriminator_config(), seed=settings.seed + 1)
    return student, discriminator.to(device).to(memory_format=torch.channels_last)


def warm_student(settings: DistillationSettings, student: Generator, teacher: Teacher) -> WarmStart:
    """Give a student what it shares with the model that `init` names, and return what that was.

    Of another model than the teacher it takes neither the mapping network, where it has the teacher's, nor
    the constant noise.

    Raises:
        ValueError, OSError: if the model cannot be had.
    """
    keep: set[str] = set()
    if settings.init == OF_TEACHER:
        source, name = teacher.original, f"the teacher {settings.teacher}"
    else:
        source, name = create(str(settings.init), pretrained=True), str(settings.init)
        noise = {id(tensor) for tensor in student.synthesis.constant_noise()}
        keep = {key for key, tensor in student.named_buffers() if id(tensor) in noise}
        if settings.inherit_mapping:
            keep |= {key for key in student.state_dict() if key.startswith("mapping.")}
    return start_from(student, source, name=name, kind=settings.init_channels, seed=settings.seed, keep=keep)


def with_mapping_of(teacher: GeneratorConfig, settings: DistillationSettings) -> DistillationSettings:
    """Settings whose student has the mapping network of its teacher."""
    try:
        return dataclasses.replace(settings, student=settings.student.with_mapping_of(teacher))
    except ValueError as error:
        raise ValueError(f"{error} Give inherit_mapping=false.") from error
