"""What a run of distillation is told beside the loop's settings."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ganzoo.blocks import DISCRIMINATORS
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.system.images import check_channels
from ganzoo.system.validation import check_fields, unknown
from ganzoo.training.loss_settings import LossSettings
from ganzoo.training.presets import of_teacher, preset
from ganzoo.training.settings import OptimizerSettings, require
from ganzoo.training.task_settings import TaskSettings

_TERMS = LossSettings()
_COSINE, _CONSTANT = OptimizerSettings(), OptimizerSettings(schedule="constant", final=1.0)
OF_TEACHER = "teacher"  # an `init` that names no other model
FEATURE_FIGURES = ("perceptual", "fd")
FIGURES = ("l1", "psnr", *FEATURE_FIGURES)
IMPARTIAL = "efficientnet_lite1"  # features of which no discriminator makes use by default


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """The network of the perceptual terms.

    Args:
        name: Name that `ganzoo.features.networks.load_features` takes.
        size: Side of the images that it is shown; None takes the student's resolution, or the network's
            own size where that is smaller.
    """

    name: str = "efficientnet_lite0"
    size: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.size is None or 32 <= self.size <= 1024, "size is 32 to 1024", self.size)


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """The teacher's images on disk. Args: images: 0 for none; folder; limit_gib: of this run's part."""

    images: int = 0
    folder: str | None = None
    limit_gib: float = 20.0

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.images >= 0, "images is not negative", self.images)
        require(self.limit_gib > 0, "limit_gib is positive", self.limit_gib)


@dataclass(frozen=True, kw_only=True)
class HeldOutSettings:
    """Measuring on latents that training never sees.

    Args:
        num: Number of images.
        metrics: Figures among l1, psnr, perceptual, fd.
        features: Network of perceptual and fd.
        best: Figure that names the best checkpoint.
    """

    num: int = 500
    metrics: tuple[str, ...] = FIGURES
    features: str = "efficientnet_lite0"
    best: str = "perceptual"

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.num >= 2, "num is at least 2", self.num)
        for metric in (*self.metrics, self.best):
            if metric == "lpips":
                raise ValueError("The held-out figure lpips is called perceptual: give that.")
            if metric not in FIGURES:
                raise ValueError(unknown("metric", metric, FIGURES))
        if self.best not in self.metrics:
            raise ValueError(unknown("best figure, one of metrics", self.best, self.metrics))


@dataclass(frozen=True, kw_only=True)
class DistillationSettings(TaskSettings):
    """One run of distillation; `recipes/training/distillation.yaml` says what every key means.

    Raises:
        ValueError: for a value out of its range, an unknown key or block.
    """

    measured: ClassVar[tuple[str, ...]] = ("held_out", "standing")
    sources: ClassVar[tuple[str, ...]] = ("teacher",)
    recipe: ClassVar[str | None] = "mobilestylegan"

    teacher: str
    student: GeneratorConfig
    inherit_mapping: bool = True
    init: str | None = None
    init_channels: Literal["weights", "response", "saliency"] = "response"
    init_levels: int = 0
    init_head: int = 0
    freeze: tuple[str, ...] = ()
    lr_scale: Mapping[str, float] = dataclasses.field(default_factory=dict)
    truncation_psi: float = 1.0
    style_mixing: float = 0.0
    noise: Literal["const", "random", "none"] = "const"
    optimizer: OptimizerSettings = _COSINE
    discriminator_optimizer: OptimizerSettings = _CONSTANT
    loss: LossSettings = _TERMS
    features: FeatureSettings = FeatureSettings()
    teacher_discriminator: str | None = None
    discriminator: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "residual"})
    discriminator_channel_base: int = 32768
    discriminator_channel_max: int = 512
    augment: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "diffaugment"})
    cache: CacheSettings = CacheSettings()
    teacher_precision: Literal["fp32", "bf16"] = "fp32"
    standing: int = 16
    held_out: HeldOutSettings = HeldOutSettings()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.style_mixing <= 1, "style_mixing is a share from 0 to 1", self.style_mixing)
        check_channels(self.student.img_channels, "The student")
        require(self.standing >= 0, "standing is not negative", self.standing)
        require(
            self.init_levels == 0 or self.init_levels >= 10,
            "init_levels is 0, or 10 or more",
            self.init_levels,
        )
        if self.init_levels:
            self._refuse_level_fit()
        require(self.init_head >= 0, "init_head is not negative", self.init_head)
        if self.init_head and self.init is None:
            raise ValueError(
                "init_head fits a head to features that are taken over: give init=teacher, or init_head=0."
            )
        if self.init_head and not hasattr(self.student, "head"):
            raise ValueError(f"A {self.student.architecture} has no head to fit: give init_head=0.")
        for part, scale in self.lr_scale.items():
            require(scale > 0, f"lr_scale of {part} is positive; freeze keeps a part as it is", scale)
        if self.compile and self.loss.teacher_features.weight:
            raise ValueError(
                "loss.teacher_features looks into the student, which cannot be done when it is compiled: "
                "give compile=false."
            )
        if self.truncation_psi != 1 and not self.inherit_mapping:
            raise ValueError(
                "truncation_psi other than 1 needs the teacher's mapping network: give inherit_mapping=true."
            )
        if self.loss.hidden_l1.weight and self.teacher_discriminator is None:
            raise ValueError(
                "loss.hidden_l1 needs the teacher's discriminator: give teacher_discriminator=FOLDER, which "
                "`ganzoo convert --part discriminator` writes."
            )
        if self.loss.offset_relation.weight and not self.inherit_mapping:
            raise ValueError(
                "loss.offset_relation moves the teacher's w, which is not the student's without its mapping "
                "network: give inherit_mapping=true."
            )
        if self.uses_gan:
            self.discriminator_config()
            self._refuse_discriminator()
        elif self.loss.triplet.weight:
            raise ValueError("loss.triplet teaches the discriminator; there is none: give loss.gan.weight.")

    def _refuse_level_fit(self) -> None:
        """Raise ValueError for students whose levels cannot be fitted to the teacher's."""
        if self.init != OF_TEACHER:
            raise ValueError(
                "init_levels fits the student to the teacher that its levels come from: give init=teacher, "
                "or init_levels=0."
            )
        if not self.inherit_mapping:
            raise ValueError(
                "init_levels needs the teacher's w: give inherit_mapping=true, or init_levels=0."
            )
        demodulation = getattr(self.student, "demodulation", None)
        if demodulation is None:
            raise ValueError(
                "init_levels fits the convolutions of a StyleGAN2 or MobileStyleGAN; the student is a "
                f"{self.student.architecture}: give init_levels=0."
            )
        if demodulation["name"] != "none":
            raise ValueError(
                "init_levels fits convolutions without demodulation: give demodulation=none, or "
                "init_levels=0."
            )

    def _refuse_discriminator(self) -> None:
        """Raise ValueError for terms that the discriminator cannot give, or figures that flatter."""
        name, features = self.discriminator["name"], self.discriminator.get("features")
        block, gan = DISCRIMINATORS.get(name), self.loss.gan
        if not getattr(block, "penalized", True):
            if self.loss.r1.weight:
                raise ValueError(f"The discriminator {name!r} takes no R1 penalty: give loss.r1.weight=0.")
            if gan.kind == "wasserstein":
                raise ValueError(
                    f"The discriminator {name!r} takes no penalty on its slope, which the Wasserstein loss "
                    "needs: give loss.gan.kind=hinge."
                )
        if self.loss.triplet.weight:
            levels = len(self.discriminator_config().channels) - 1 if getattr(block, "layered", False) else 0
            if self.loss.triplet.level > levels:
                raise ValueError(
                    f"loss.triplet.level={self.loss.triplet.level}, but the discriminator {name!r} gives "
                    f"hidden features of {levels} levels."
                )
        measured = [figure for figure in FEATURE_FIGURES if figure in self.held_out.metrics]
        if measured and features == self.held_out.features:
            raise ValueError(
                f"The discriminator judges {features}, in which held-out {' and '.join(measured)} would "
                f"flatter the student: give other held_out.features, such as {IMPARTIAL}."
            )

    @property
    def uses_gan(self) -> bool:
        """Whether there is a discriminator."""
        return self.loss.gan.weight > 0

    @property
    def uses_features(self) -> bool:
        """Whether a term of the loss looks at features of images."""
        loss = self.loss
        return any(term.weight for term in (loss.feature_l1, loss.perceptual, loss.relation, loss.mmd))

    @classmethod
    def preset(cls, device: str, *, elsewhere: bool) -> tuple[str | None, str]:
        """That for a CPU or a GPU."""
        return preset(device, elsewhere=elsewhere)

    @classmethod
    def completed(cls, data: dict[str, Any], given: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
        """A student of its teacher's size, and as many images of it on the disk as fit."""
        return of_teacher(data, given, whole=whole)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "DistillationSettings":
        """The settings of a composed recipe, or of a record of a run."""
        loss = data.get("loss")
        if isinstance(loss, Mapping) and "lpips" in loss:
            raise ValueError("loss.lpips is called loss.perceptual: give that.")
        return super().from_dict(data)

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
