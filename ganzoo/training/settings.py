"""What a run of distillation is told: frozen records, strict in and complete out, as all configs here."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from ganzoo.blocks import KINDS
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.system.images import check_channels
from ganzoo.system.validation import check_fields as _check
from ganzoo.system.validation import from_mapping, plain, unknown
from ganzoo.training.devices import check_device

GIB = 2**30
FIGURES = ("l1", "psnr", "perceptual", "fd")
# What may change between the start of a run and its resumption: none of it decides on what was learnt so far.
FREE = (
    *("out", "name", "resume", "kimg", "device", "compile", "log_kimg", "sample_kimg", "checkpoint_kimg"),
    *("keep_checkpoints", "eval_every", "held_out", "accumulate"),
)


def _require(holds: bool, what: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{what}; got {value}.")


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """An optimiser of timm's by name, and the learning rate over time.

    Args:
        name: as `timm.optim` knows it.
        lr: learning rate after the warm-up.
        betas: of Adam and its kin, two or, for Adan, three.
        weight_decay: share by which weights shrink.
        warmup_kimg: thousands of images until the learning rate is reached.
        schedule: "cosine" falls to `final` times the learning rate at the run's end; "constant" stays.
        final: see `schedule`.
    """

    name: str = "adam"
    lr: float = 5e-4
    betas: tuple[float, ...] = (0.0, 0.99)
    weight_decay: float = 0.0
    warmup_kimg: float = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"
    final: float = 0.01

    def __post_init__(self) -> None:
        _check(self)
        _require(self.lr > 0, "lr is positive", self.lr)
        _require(len(self.betas) in (2, 3), "betas are two or three", self.betas)
        _require(all(0 <= b < 1 for b in self.betas), "betas are from 0 to below 1", self.betas)
        for name in ("weight_decay", "warmup_kimg", "final"):
            _require(getattr(self, name) >= 0, f"{name} is not negative", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class EMASettings:
    """The moving average of the student's weights (Karras et al. 2018, section 4).

    Args:
        half_life_kimg: thousands of images after which a weight counts half.
        ramp_up: the half life is at most this share of what was learnt so far; None for no such limit.
    """

    half_life_kimg: float = 5.0
    ramp_up: float | None = 0.05

    def __post_init__(self) -> None:
        _check(self)
        _require(self.half_life_kimg >= 0, "half_life_kimg is not negative", self.half_life_kimg)
        _require(self.ramp_up is None or self.ramp_up > 0, "ramp_up is positive, or null", self.ramp_up)


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term of the loss. Args: weight: 0 leaves it out."""

    weight: float = 0.0

    def __post_init__(self) -> None:
        _check(self)
        _require(self.weight >= 0, "weight is not negative", self.weight)


@dataclass(frozen=True, kw_only=True)
class GANTerm(Term):
    """The adversarial term. Args: start_kimg: when it sets in; warmup_kimg: until its weight is reached."""

    start_kimg: float = 0.0
    warmup_kimg: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("start_kimg", "warmup_kimg"):
            _require(getattr(self, name) >= 0, f"{name} is not negative", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class R1Term(Term):
    """The gradient penalty. Args: weight: gamma; interval: steps from one to the next."""

    interval: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.interval >= 1, "interval is at least 1", self.interval)


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The terms of the loss; see `ganzoo.losses` for each."""

    pixel_l1: Term = Term(weight=1.0)
    pixel_l2: Term = Term(weight=1.0)
    subband_l1: Term = Term(weight=1.0)
    subband_l2: Term = Term(weight=1.0)
    feature_l1: Term = Term(weight=0.1)
    lpips: Term = Term()
    relation: Term = Term()
    teacher_features: Term = Term()
    gan: GANTerm = GANTerm(weight=0.5)
    r1: R1Term = R1Term(weight=10.0)

    def __post_init__(self) -> None:
        _check(self)
        used = [f.name for f in fields(self) if f.name != "r1" and getattr(self, f.name).weight]
        if not used:
            raise ValueError("Every term of the loss has weight 0: there is nothing to learn.")
        if used == ["gan"] and self.gan.start_kimg:
            raise ValueError(
                f"loss.gan alone has a weight: until {self.gan.start_kimg:g} kimg there is nothing to learn; "
                "give loss.gan.start_kimg=0."
            )


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """The network of the perceptual terms.

    Args:
        name: see `ganzoo.features.networks.load_features`.
        size: side of the images that it is shown; None takes the student's resolution, or the network's
            own size where that is smaller.
    """

    name: str = "efficientnet_lite0"
    size: int | None = None

    def __post_init__(self) -> None:
        _check(self)
        _require(self.size is None or 32 <= self.size <= 1024, "size is 32 to 1024", self.size)


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """The teacher's images on disk. Args: images: 0 for none; folder; limit_gib: of this run's part."""

    images: int = 0
    folder: str | None = None
    limit_gib: float = 20.0

    def __post_init__(self) -> None:
        _check(self)
        _require(self.images >= 0, "images is not negative", self.images)
        _require(self.limit_gib > 0, "limit_gib is positive", self.limit_gib)


@dataclass(frozen=True, kw_only=True)
class HeldOutSettings:
    """Measuring on latents that training never sees.

    Args:
        num: images.
        metrics: of l1, psnr, perceptual, fd.
        features: the network of perceptual and fd.
        best: which of them names the best checkpoint.
    """

    num: int = 500
    metrics: tuple[str, ...] = FIGURES
    features: str = "efficientnet_lite0"
    best: str = "perceptual"

    def __post_init__(self) -> None:
        _check(self)
        _require(self.num >= 2, "num is at least 2", self.num)
        for metric in (*self.metrics, self.best):
            if metric == "lpips":
                raise ValueError("The held-out figure lpips is called perceptual: give that.")
            if metric not in FIGURES:
                raise ValueError(unknown("metric", metric, FIGURES))
        if self.best not in self.metrics:
            raise ValueError(unknown("best figure, one of metrics", self.best, self.metrics))


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """One run; `recipes/training/distillation.yaml` says what every key means.

    Raises:
        ValueError: for a value out of its range, an unknown key or block.
    """

    teacher: str
    student: GeneratorConfig
    out: str
    name: str = ""  # of the run, in tables
    resume: Literal["auto", "never"] = "auto"
    kimg: float = 1000.0
    batch_size: int = 16
    accumulate: int = 1
    seed: int = 0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: str = "auto"
    compile: bool = False
    inherit_mapping: bool = True
    truncation_psi: float = 1.0
    style_mixing: float = 0.0
    noise: Literal["const", "random", "none"] = "const"
    clip: float | None = 1.0
    log_kimg: float = 0.5
    sample_kimg: float = 20.0
    checkpoint_kimg: float = 20.0
    keep_checkpoints: int = 2
    eval_every: float = 50.0
    optimizer: OptimizerSettings = OptimizerSettings()
    discriminator_optimizer: OptimizerSettings = OptimizerSettings(schedule="constant", final=1.0)
    ema: EMASettings = EMASettings()
    loss: LossSettings = LossSettings()
    features: FeatureSettings = FeatureSettings()
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "residual"})
    discriminator_channel_base: int = 32768
    discriminator_channel_max: int = 512
    augment: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "diffaugment"})
    cache: CacheSettings = CacheSettings()
    teacher_precision: Literal["fp32", "bf16"] = "fp32"
    held_out: HeldOutSettings = HeldOutSettings()

    def __post_init__(self) -> None:
        _check(self, KINDS)
        check_device(self.device)
        for name in ("batch_size", "accumulate", "keep_checkpoints"):
            _require(getattr(self, name) >= 1, f"{name} is at least 1", getattr(self, name))
        _require(self.steps > 0, "kimg is positive: thousands of images to learn from", self.kimg)
        for name in ("log_kimg", "sample_kimg", "checkpoint_kimg"):
            _require(getattr(self, name) > 0, f"{name} is positive", getattr(self, name))
        _require(self.eval_every >= 0, "eval_every is not negative; 0 measures at the end", self.eval_every)
        _require(0 <= self.seed < 2**32, "seed is a whole number from 0 to 4294967295", self.seed)
        _require(0 <= self.style_mixing <= 1, "style_mixing is a share from 0 to 1", self.style_mixing)
        _require(self.clip is None or self.clip > 0, "clip is positive, or null for none", self.clip)
        check_channels(self.student.img_channels, "The student")
        if self.compile and self.loss.teacher_features.weight:
            raise ValueError(
                "loss.teacher_features looks into the student, which cannot be done when it is compiled: "
                "give compile=false."
            )
        if self.truncation_psi != 1 and not self.inherit_mapping:
            raise ValueError(
                "truncation_psi other than 1 needs the teacher's mapping network: give inherit_mapping=true."
            )
        if self.uses_gan:
            self.discriminator_config()

    @property
    def uses_gan(self) -> bool:
        """Whether there is a discriminator."""
        return self.loss.gan.weight > 0

    @property
    def steps(self) -> int:
        """Steps of the whole run: the last one reaches kimg."""
        return -(-round(self.kimg * 1000) // self.batch_size)

    def discriminator_config(self) -> DiscriminatorConfig:
        """The discriminator's architecture, for the student's resolution."""
        return DiscriminatorConfig.from_dict(
            {
                "resolution": self.student.resolution,
                "channel_base": self.discriminator_channel_base,
                "channel_max": self.discriminator_channel_max,
                "label_dim": self.student.label_dim,
                "img_channels": self.student.img_channels,
                "discriminator": self.discriminator,
            }
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], student: GeneratorConfig) -> "RunSettings":
        """The settings of a composed recipe without the student's keys, which `student` takes the place of.

        Raises:
            ValueError: for an unknown key or a value of the wrong kind.
        """
        loss = data.get("loss")
        if isinstance(loss, Mapping) and "perceptual" in loss:
            raise ValueError("loss.perceptual is called loss.feature_l1: give that.")
        return from_mapping(cls, {**data, "student": student}, "a run", blocks=KINDS)

    def to_dict(self) -> dict[str, Any]:
        """All settings, completed, as plain lists, numbers and strings."""
        return {**plain(self), "student": self.student.to_dict()}
