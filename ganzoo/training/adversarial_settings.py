"""What a run of adversarial training is told beside the loop's settings."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ganzoo.blocks import DISCRIMINATORS
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.system.images import check_channels
from ganzoo.system.validation import check_fields, unknown
from ganzoo.training.ada import AdaSettings
from ganzoo.training.blur import BlurSettings
from ganzoo.training.settings import EMASettings, OptimizerSettings, require
from ganzoo.training.task_settings import TaskSettings

FIGURES = ("fd", "kid")
_HALF_LIFE, _ADA, _BLUR = EMASettings(half_life_kimg=10.0, ramp_up=None), AdaSettings(), BlurSettings()
_ADAM = OptimizerSettings(lr=0.002, warmup_kimg=0.0, schedule="constant", final=1.0)


@dataclass(frozen=True, kw_only=True)
class GameSettings:
    """What generator and discriminator play for.

    Args:
        kind: Key of `ganzoo.losses.ADVERSARIAL`.
        top_k: Least share of its images that the generator learns from, the most convincing ones; 1 for all.
            The share falls by a hundredth with every pass over the images (Sinha et al. 2020, section 3.1).
    """

    kind: Literal["logistic", "hinge", "relativistic"] = "logistic"
    top_k: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)
        require(0 < self.top_k <= 1, "top_k is a share above 0, at most 1", self.top_k)
        if self.kind == "relativistic" and self.top_k < 1:
            raise ValueError("game.kind=relativistic plays with pairs, and has no top_k: leave it at 1.")


@dataclass(frozen=True, kw_only=True)
class PenaltySettings:
    """Gradient penalties of the discriminator.

    Args:
        r1: Gamma on real images; 0 for none.
        r2: Gamma on the generator's; 0 for none.
        interval: Steps from one to the next.
    """

    r1: float = 10.0
    r2: float = 0.0
    interval: int = 16

    def __post_init__(self) -> None:
        check_fields(self)
        require(min(self.r1, self.r2) >= 0, "r1 and r2 are not negative", [self.r1, self.r2])
        require(self.interval >= 1, "interval is at least 1", self.interval)

    @property
    def used(self) -> bool:
        """Whether there is any."""
        return self.r1 > 0 or self.r2 > 0


@dataclass(frozen=True, kw_only=True)
class PathLengthSettings:
    """Path length regularisation of the generator (Karras et al. 2020b, section 3.2).

    Args:
        weight: 0 for none.
        interval: Steps from one to the next.
        decay: Share by which the running mean follows.
        shrink: The penalty takes a part of the batch: one image of so many.
    """

    weight: float = 2.0
    interval: int = 4
    decay: float = 0.01
    shrink: int = 2

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.weight >= 0, "weight is not negative", self.weight)
        require(min(self.interval, self.shrink) >= 1, "interval and shrink are at least 1", self.interval)
        require(0 < self.decay <= 1, "decay is above 0, at most 1", self.decay)


@dataclass(frozen=True, kw_only=True)
class ConsistencySettings:
    """Distance consistency with the generator that a run began with (Ojha et al. 2021, section 3.1).

    Args:
        weight: 0 for none; the paper's is 1000.
        samples: Latents that are compared.
    """

    weight: float = 0.0
    samples: int = 4

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.weight >= 0, "weight is not negative", self.weight)
        require(self.samples >= 3, "samples is at least 3", self.samples)


@dataclass(frozen=True, kw_only=True)
class DecodedSettings:
    """Decoded images on disk. Args: folder: None for the cache folder."""

    folder: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class QualitySettings:
    """Measuring against the images that are learnt from.

    Args:
        num: Images of either side; of the set at most all.
        metrics: Figures among fd and kid.
        features: Network of the features.
        best: Figure that names the best checkpoint.
    """

    num: int = 2000
    metrics: tuple[str, ...] = FIGURES
    features: str = "efficientnet_lite1"
    best: str = "fd"

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.num >= 2, "num is at least 2", self.num)
        for metric in (*self.metrics, self.best):
            if metric not in FIGURES:
                raise ValueError(unknown("metric", metric, FIGURES))
        if self.metrics and self.best not in self.metrics:
            raise ValueError(unknown("best figure, one of metrics", self.best, self.metrics))


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings(TaskSettings):
    """One run of adversarial training; `recipes/training/adversarial.yaml` says what every key means.

    Raises:
        ValueError: for a value out of its range, an unknown key or block.
    """

    measured: ClassVar[tuple[str, ...]] = ("quality", "cache", "standing")
    sources: ClassVar[tuple[str, ...]] = ("data",)
    recipe: ClassVar[str | None] = "stylegan2"

    data: str
    generator: GeneratorConfig
    kimg: float = 25000.0
    batch_size: int = 32
    log_kimg: float = 1.0
    sample_kimg: float = 50.0
    checkpoint_kimg: float = 50.0
    eval_every: float = 200.0
    labels: Literal["keep", "folders", "none"] = "keep"
    crop: Literal["center", "none"] = "center"
    upscale: bool = False
    skip: bool = False
    mirror: bool = False
    cache: DecodedSettings = DecodedSettings()
    automatic: bool = False
    style_mixing: float = 0.9
    noise: Literal["random", "const", "none"] = "random"
    w_avg_decay: float = 0.995
    game: GameSettings = GameSettings()
    penalty: PenaltySettings = PenaltySettings()
    path_length: PathLengthSettings = PathLengthSettings()
    blur: BlurSettings = _BLUR
    consistency: ConsistencySettings = ConsistencySettings()
    clip: float | None = None
    ema: EMASettings = _HALF_LIFE
    standing: int = 16
    discriminator_steps: int = 1
    orthogonal: float = 0.0
    optimizer: OptimizerSettings = _ADAM
    discriminator_optimizer: OptimizerSettings = _ADAM
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "residual"})
    discriminator_channel_base: int = 32768
    discriminator_channel_max: int = 512
    augment: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "ada"})
    ada: AdaSettings = _ADA
    init: str | None = None
    init_discriminator: str | None = None
    freeze: tuple[str, ...] = ()
    freeze_discriminator: int = 0
    lr_scale: Mapping[str, float] = dataclasses.field(default_factory=dict)
    quality: QualitySettings = QualitySettings()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.style_mixing <= 1, "style_mixing is a share from 0 to 1", self.style_mixing)
        require(self.standing >= 0, "standing is not negative", self.standing)
        require(self.orthogonal >= 0, "orthogonal is not negative", self.orthogonal)
        require(self.discriminator_steps >= 1, "discriminator_steps is at least 1", self.discriminator_steps)
        require(0 <= self.w_avg_decay < 1, "w_avg_decay is from 0 to below 1", self.w_avg_decay)
        require(
            self.freeze_discriminator >= 0, "freeze_discriminator is not negative", self.freeze_discriminator
        )
        check_channels(self.generator.img_channels, "The generator")
        for part, scale in self.lr_scale.items():
            require(scale > 0, f"lr_scale of {part} is positive; freeze keeps a part as it is", scale)
        if self.init_discriminator is not None and self.init is None:
            raise ValueError("init_discriminator goes with the generator that it judged: give init as well.")
        if self.consistency.weight and self.init is None:
            raise ValueError(
                "consistency compares with the generator that a run began with: give init=MODEL."
            )
        if self.consistency.weight and self.generator.label_dim:
            raise ValueError("consistency is for generators without classes: give consistency.weight=0.")
        self.discriminator_config()
        self._refuse_discriminator()

    def _refuse_discriminator(self) -> None:
        """Raise ValueError for what the discriminator cannot give, or figures that flatter."""
        name, features = self.discriminator["name"], self.discriminator.get("features")
        if self.penalty.used and not getattr(DISCRIMINATORS.get(name), "penalized", True):
            raise ValueError(
                f"The discriminator {name!r} takes no penalty on its slope: give penalty.r1=0 and "
                "penalty.r2=0, or training=projected, which does."
            )
        if self.quality.metrics and features == self.quality.features:
            raise ValueError(
                f"The discriminator judges {features}, in which {' and '.join(self.quality.metrics)} would "
                "flatter the generator: give other quality.features, such as efficientnet_lite1."
            )

    @classmethod
    def preset(cls, device: str, *, elsewhere: bool) -> tuple[str | None, str]:
        """Settings by the images, whatever the device."""
        return "auto", (
            "Preset auto: settings by the size of the images. The best penalty.r1 depends on them, too: try "
            "others."
        )

    @classmethod
    def completed(cls, data: dict[str, Any], given: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
        """What the images and the preset auto decide on."""
        from ganzoo.training.automatic import by_images  # with the readers of images

        return by_images(data, given, whole=whole)

    def discriminator_config(self) -> DiscriminatorConfig:
        """The discriminator's architecture, for the generator's resolution."""
        return DiscriminatorConfig.from_dict(
            {
                "resolution": self.generator.resolution,
                "channel_base": self.discriminator_channel_base,
                "channel_max": self.discriminator_channel_max,
                "label_dim": self.generator.label_dim,
                "img_channels": self.generator.img_channels,
                "discriminator": self.discriminator,
            }
        )
