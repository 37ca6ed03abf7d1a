"""The terms of a distillation's loss and their settings; a weight of 0 leaves a term out."""

from dataclasses import dataclass, fields
from typing import Literal

from ganzoo.system.validation import check_fields
from ganzoo.training.settings import require


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term of the loss. Args: weight: 0 leaves it out."""

    weight: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.weight >= 0, "weight is not negative", self.weight)


@dataclass(frozen=True, kw_only=True)
class GANTerm(Term):
    """The adversarial term.

    Args:
        kind: Loss of both, a key of `ganzoo.losses.ADVERSARIAL`.
        slope_penalty: Factor of the Wasserstein loss's own penalty (Gulrajani et al. 2017).
        start_kimg: Thousands of images until it sets in.
        warmup_kimg: Thousands of images from then on until its weight is reached.
    """

    kind: Literal["logistic", "hinge", "wasserstein"] = "logistic"
    slope_penalty: float = 10.0
    start_kimg: float = 0.0
    warmup_kimg: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("start_kimg", "warmup_kimg", "slope_penalty"):
            require(getattr(self, name) >= 0, f"{name} is not negative", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class R1Term(Term):
    """The gradient penalty. Args: weight: gamma; interval: steps from one to the next."""

    interval: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.interval >= 1, "interval is at least 1", self.interval)


@dataclass(frozen=True, kw_only=True)
class OffsetTerm(Term):
    """StyleKD's offset form. Args: length: by which w moves; first_level, last_level: features compared."""

    length: float = 5.0
    first_level: int = 1
    last_level: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.length > 0, "length is positive", self.length)
        require(0 <= self.first_level <= self.last_level, "first_level is 0 to last_level", self.first_level)


@dataclass(frozen=True, kw_only=True)
class HiddenTerm(Term):
    """Hidden features of the teacher's discriminator. Args: level: levels that they have passed."""

    level: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.level >= 1, "level is at least 1", self.level)


@dataclass(frozen=True, kw_only=True)
class TripletTerm(HiddenTerm):
    """The triplet of the student's discriminator. Args: margin: by how much the student is further away."""

    margin: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.margin >= 0, "margin is not negative", self.margin)


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The terms of the loss; see `ganzoo.losses` for each."""

    pixel_l1: Term = Term(weight=1.0)
    pixel_l2: Term = Term(weight=1.0)
    subband_l1: Term = Term(weight=1.0)
    subband_l2: Term = Term(weight=1.0)
    feature_l1: Term = Term(weight=0.1)
    perceptual: Term = Term()
    relation: Term = Term()
    offset_relation: OffsetTerm = OffsetTerm()
    mmd: Term = Term()
    teacher_features: Term = Term()
    hidden_l1: HiddenTerm = HiddenTerm()
    gan: GANTerm = GANTerm(weight=0.5)
    triplet: TripletTerm = TripletTerm()
    r1: R1Term = R1Term(weight=10.0)

    def __post_init__(self) -> None:
        check_fields(self)
        own = [f.name for f in fields(self) if f.name not in ("r1", "triplet")]  # the student's
        used = [name for name in own if getattr(self, name).weight]
        if not used:
            raise ValueError("Every term of the loss has weight 0: there is nothing to learn.")
        if self.gan.kind == "wasserstein" and self.gan.weight and self.r1.weight:
            raise ValueError("The Wasserstein loss has a penalty of its own: give loss.r1.weight=0.")
        if used == ["gan"] and self.gan.start_kimg:
            raise ValueError(
                f"loss.gan alone has a weight: until {self.gan.start_kimg:g} kimg there is nothing to learn; "
                "give loss.gan.start_kimg=0."
            )
