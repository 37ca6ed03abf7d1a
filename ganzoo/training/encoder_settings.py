"""What the training of an encoder is told beside the loop's settings."""

from dataclasses import dataclass
from typing import ClassVar

from ganzoo.projection.encoder import EncoderConfig
from ganzoo.system.validation import check_fields
from ganzoo.training.distillation_settings import IMPARTIAL, CacheSettings
from ganzoo.training.loss_settings import Term
from ganzoo.training.settings import OptimizerSettings, require
from ganzoo.training.task_settings import TaskSettings

_ON, _OFF = Term(weight=1.0), Term()
_IMAGES = CacheSettings(images=4096)
_HIDDEN = OptimizerSettings(name="adamw", lr=1e-3, betas=(0.9, 0.99), weight_decay=0.05, warmup_kimg=2.0)


@dataclass(frozen=True, kw_only=True)
class EncoderLoss:
    """The terms of the loss.

    Args:
        w: Squared distance of w in deviations, mean over groups of rows and numbers.
        pixel_l1: Absolute difference of the images that both w give; a generator's step dearer than w.
        perceptual: The same images in features of `held_out.features`.
    """

    w: Term = _ON
    pixel_l1: Term = _OFF
    perceptual: Term = _OFF

    def __post_init__(self) -> None:
        check_fields(self)
        if not (self.w.weight or self.draws):
            raise ValueError("Every term of the loss has weight 0: there is nothing to learn.")

    @property
    def draws(self) -> bool:
        """Whether a term looks at images of the generator."""
        return bool(self.pixel_l1.weight or self.perceptual.weight)


@dataclass(frozen=True, kw_only=True)
class EncoderHeldOut:
    """Measuring on latents that training never sees.

    Args:
        num: Number of images.
        truncation_psi: Truncation of their w.
        rounds: Rounds of refinement of the figures that are called refined.
        features: Network of the perceptual distance: another one than the encoder's.
    """

    num: int = 64
    truncation_psi: float = 0.7
    rounds: int = 1
    features: str = IMPARTIAL

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.num >= 2, "num is at least 2", self.num)
        require(self.rounds >= 0, "rounds is not negative", self.rounds)


@dataclass(frozen=True, kw_only=True)
class EncoderSettings(TaskSettings):
    """One run; `recipes/training/encoder.yaml` says what every key means.

    Raises:
        ValueError: for a value out of its range, or an unknown key.
    """

    measured: ClassVar[tuple[str, ...]] = ("held_out",)

    teacher: str
    features: str = "efficientnet_lite0"
    grids: tuple[int, ...] = (0, 0, 4, 4, 2)
    side: int = 64
    pixels: int = 16
    hidden: int = 256
    dropout: float = 0.5
    groups: tuple[int, ...] = (0,)
    num_ws: int | None = None
    ridge: tuple[float, ...] = (1e-4, 2e-4, 4e-4, 8e-4)
    truncation_psi: tuple[float, float] = (0.5, 1.0)
    style_mixing: float = 0.0
    loss: EncoderLoss = EncoderLoss()
    cache: CacheSettings = _IMAGES
    held_out: EncoderHeldOut = EncoderHeldOut()
    optimizer: OptimizerSettings = _HIDDEN

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.truncation_psi
        require(0 < low <= high <= 1, "truncation_psi is two numbers, 0 to 1, the lower first", [low, high])
        require(0 <= self.style_mixing <= 1, "style_mixing is a share from 0 to 1", self.style_mixing)
        require(0 <= self.dropout < 1, "dropout is a share from 0 to below 1", self.dropout)
        require(
            self.cache.images >= 16, "cache.images is at least 16: a linear map is fitted", self.cache.images
        )
        require(
            bool(self.ridge) and min(self.ridge) > 0, "ridge is positive numbers, one or more", self.ridge
        )
        if self.features == self.held_out.features:
            raise ValueError(
                f"The encoder looks through {self.features}, in which held-out figures would flatter it: "
                "give other held_out.features."
            )

    def config(self, widths: tuple[int, ...], w_dim: int, num_ws: int) -> EncoderConfig:
        """The encoder for a feature network's stages and a generator's w.

        Raises:
            ValueError: for settings that do not fit these.
        """
        return EncoderConfig(
            features=self.features,
            widths=widths,
            grids=self.grids,
            side=self.side,
            pixels=self.pixels,
            hidden=self.hidden,
            w_dim=w_dim,
            num_ws=self.num_ws or num_ws,
            groups=self.groups,
        )
