"""The augment block: options, and strengths from random numbers."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Size, Tensor

from ganzoo.blocks.ada.draws import Draws, neutral
from ganzoo.blocks.ada.pipeline import augmented
from ganzoo.blocks.augment import AUGMENTS, Augment, check_shape

Groups = Literal["blit", "geom", "color", "filter", "noise", "cutout", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"]
MEMBERS = {
    "blit": ("xflip", "rotate90", "xint"),
    "geom": ("scale", "rotate", "aniso", "xfrac"),
    "color": ("brightness", "contrast", "lumaflip", "hue", "saturation"),
    "filter": ("imgfilter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
}
# Columns of a row of random numbers: for each, how many values; one more says whether it is applied.
COLUMNS = {
    "xflip": 1, "rotate90": 1, "xint": 2, "scale": 1, "rotate": 1, "aniso": 1, "rotate_after": 1, "xfrac": 2,
    "brightness": 1, "contrast": 1, "lumaflip": 1, "hue": 1, "saturation": 1,
    "band0": 1, "band1": 1, "band2": 1, "band3": 1, "noise": 1, "cutout": 2, "field": 1,
}  # fmt: skip
LEAST = 2.0**-25  # instead of 0, whose normal quantile is infinite: half of the smallest step of a float32
SEEDS = 2**24  # whole numbers that a float32 of 0..1 tells apart


def _coin(u: Tensor, strength: float) -> Tensor:
    return (2 * u).floor()


def _quarters(u: Tensor, strength: float) -> Tensor:
    return (4 * u).floor()


def _uniform(u: Tensor, strength: float) -> Tensor:
    return (2 * u - 1) * strength


def _angle(u: Tensor, strength: float) -> Tensor:
    return _uniform(u, strength * math.pi)


def _normal(u: Tensor, strength: float) -> Tensor:
    quantile: Tensor = torch.special.ndtri(u.clamp(min=LEAST))
    return quantile * strength


def _factor(u: Tensor, strength: float) -> Tensor:
    return _normal(u, strength).exp2()


def _half_normal(u: Tensor, strength: float) -> Tensor:
    return _normal(u, strength).abs()


def _constant(u: Tensor, strength: float) -> Tensor:
    return torch.full_like(u[:, :1], strength)


# How a uniform number becomes the strength of a transform, and the option that scales it.
DRAWN: dict[str, tuple[Callable[[Tensor, float], Tensor], str]] = {
    "xflip": (_coin, ""), "rotate90": (_quarters, ""), "xint": (_uniform, "xint_max"),
    "scale": (_factor, "scale_std"), "rotate": (_angle, "rotate_max"), "aniso": (_factor, "aniso_std"),
    "xfrac": (_normal, "xfrac_std"), "brightness": (_normal, "brightness_std"),
    "contrast": (_factor, "contrast_std"), "lumaflip": (_coin, ""), "hue": (_angle, "hue_max"),
    "saturation": (_factor, "saturation_std"), "imgfilter": (_factor, "imgfilter_std"),
    "noise": (_half_normal, "noise_std"), "cutout": (_constant, "cutout_size"),
}  # fmt: skip


@AUGMENTS.register("ada")
class AdaptiveAugment(Augment):
    """The 18 transforms of adaptive augmentation (Karras et al. 2020a, section 3 and appendix B).

    A transform is applied to a sample with the chance `multiplier * p`. `p` is a 0-dim tensor that a run
    moves (`ganzoo.training.ada`) and saves. A transform of multiplier 0 leaves its numbers unread, so the
    others' draws stay as they were. The first three channels are colors, one or two are gray and alpha; what
    comes after the colors is not recolored, but undergoes the rest. Noise is drawn sample by sample, which
    breaks a compiled graph.

    Args:
        groups: Which transforms have multiplier 1, the others 0: one group, or the initials of several; `bgc`
            is blit, geom and color.
        p: Strength to start with. It may exceed 1.
        xflip: Multiplier for mirroring in half of the draws; None takes the groups', here as below.
        rotate90: Multiplier for turns by quarters.
        xint: Multiplier for shifts by whole pixels.
        scale: Multiplier for another size.
        rotate: Multiplier for turns by any angle, before the stretch and after.
        aniso: Multiplier for stretches.
        xfrac: Multiplier for shifts by fractions of pixels.
        brightness: Multiplier for brightness.
        contrast: Multiplier for contrast.
        lumaflip: Multiplier for lightness turned over in half of the draws.
        hue: Multiplier for hue.
        saturation: Multiplier for saturation.
        imgfilter: Multiplier for octave bands, each by itself.
        noise: Multiplier for noise.
        cutout: Multiplier for cutout.
        xint_max: Furthest shift either way, as a fraction of width and height.
        scale_std: Standard deviation of the size's log2.
        rotate_max: Furthest turn either way, as a fraction of half a turn.
        aniso_std: Standard deviation of the stretch's log2.
        xfrac_std: Standard deviation of the shift, as a fraction of width and height.
        brightness_std: Standard deviation of what is added.
        contrast_std: Standard deviation of the factor's log2.
        hue_max: Furthest turn of hue either way, as a fraction of half a turn.
        saturation_std: Standard deviation of the factor's log2.
        imgfilter_bands: Factors of the multiplier for each band, low to high.
        imgfilter_std: Standard deviation of the gains' log2.
        noise_std: Scale of the half-normal standard deviation of the noise.
        cutout_size: Side of what is cut out, as a fraction of width and height.

    Raises:
        ValueError: for an unknown group, or a number that is negative or not finite.
    """

    p: Tensor

    numbers = sum(COLUMNS.values()) + len(COLUMNS)

    def __init__(
        self,
        *,
        groups: Groups = "bgc",
        p: float = 0.0,
        xflip: float | None = None,
        rotate90: float | None = None,
        xint: float | None = None,
        scale: float | None = None,
        rotate: float | None = None,
        aniso: float | None = None,
        xfrac: float | None = None,
        brightness: float | None = None,
        contrast: float | None = None,
        lumaflip: float | None = None,
        hue: float | None = None,
        saturation: float | None = None,
        imgfilter: float | None = None,
        noise: float | None = None,
        cutout: float | None = None,
        xint_max: float = 0.125,
        scale_std: float = 0.2,
        rotate_max: float = 1.0,
        aniso_std: float = 0.2,
        xfrac_std: float = 0.125,
        brightness_std: float = 0.2,
        contrast_std: float = 0.5,
        hue_max: float = 1.0,
        saturation_std: float = 1.0,
        imgfilter_bands: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
        imgfilter_std: float = 1.0,
        noise_std: float = 0.1,
        cutout_size: float = 0.5,
    ) -> None:
        super().__init__()
        self.strengths = {
            "xint_max": xint_max, "scale_std": scale_std, "rotate_max": rotate_max, "aniso_std": aniso_std,
            "xfrac_std": xfrac_std, "brightness_std": brightness_std, "contrast_std": contrast_std,
            "hue_max": hue_max, "saturation_std": saturation_std, "imgfilter_std": imgfilter_std,
            "noise_std": noise_std, "cutout_size": cutout_size,
        }  # fmt: skip
        given = {
            "xflip": xflip, "rotate90": rotate90, "xint": xint, "scale": scale, "rotate": rotate,
            "aniso": aniso, "xfrac": xfrac, "brightness": brightness, "contrast": contrast,
            "lumaflip": lumaflip, "hue": hue, "saturation": saturation, "imgfilter": imgfilter,
            "noise": noise, "cutout": cutout,
        }  # fmt: skip
        members = _members(groups)
        self.multipliers = {n: float(n in members) if m is None else m for n, m in given.items()}
        self.bands = imgfilter_bands
        bands = {f"imgfilter_bands[{i}]": share for i, share in enumerate(self.bands)}
        for name, value in ({"p": p} | self.strengths | self.multipliers | bands).items():
            if not 0 <= value < math.inf:
                raise ValueError(f"augment.{name} is not negative, and finite; got {value!r}.")
        self.register_buffer("p", torch.tensor(float(p), device="cpu"), persistent=False)

    def forward(self, images: Tensor, random: Tensor) -> Tensor:
        check_shape(images, random, self.numbers)
        return augmented(images, self.draws(random, images.shape))

    def draws(self, random: Tensor, shape: Size) -> Draws:
        """What is done to images of that shape.

        Args:
            random: `[N, numbers]`, uniform in [0, 1). In the order of `COLUMNS`: the values of a transform,
                then the number that must be below its chance; both of `field` are the seed of the noise.
            shape: `[N, C, H, W]`.
        """
        columns = torch.split(random, [values + 1 for values in COLUMNS.values()], dim=1)
        row = dict(zip(COLUMNS, columns, strict=True))
        drawn = {name: self._drawn(name, row[name]) for name in DRAWN if name in row}
        drawn["rotate_after"] = self._drawn("rotate", row["rotate_after"])
        bands = (self._drawn("imgfilter", row[f"band{i}"], share) for i, share in enumerate(self.bands))
        if gains := [band for band in bands if band is not None]:
            drawn["imgfilter"] = torch.stack(gains, dim=1)
        if drawn["noise"] is not None:
            drawn["field"] = _field((row["field"] * SEEDS).long(), drawn["noise"], shape)
        if drawn["cutout"] is not None:
            drawn["center"] = row["cutout"][:, :2]
        return Draws(**drawn)

    def _drawn(self, name: str, columns: Tensor, share: float = 1.0) -> Tensor | None:
        """The draws of a transform from its columns, `[N]` or `[N, 2]`; None if its multiplier is 0.

        Args:
            name: Transform.
            columns: Its values, and the number that says whether it is applied.
            share: Factor of its chance.
        """
        if not self.multipliers[name]:
            return None
        chance = self.multipliers[name] * share * self.p
        if name == "rotate":  # either of two turns has the chance (appendix B.1)
            chance = 1 - (1 - chance.clamp(0, 1)).sqrt()
        draw, option = DRAWN[name]
        values = draw(columns[:, :-1], self.strengths.get(option, 1.0))
        values = torch.where(columns[:, -1:] < chance, values, neutral(name))
        return values if values.shape[1] > 1 else values[:, 0]


def _members(groups: str) -> tuple[str, ...]:
    """The transforms of one group, or of as many as there are letters."""
    several = tuple(MEMBERS) if groups not in MEMBERS else ()
    names = several[: len(groups)] or (groups,)
    return tuple(member for name in names for member in MEMBERS[name])


def _field(seeds: Tensor, deviation: Tensor, shape: Size) -> Tensor:
    """Standard normal noise of that shape, from each sample's own seed; 0 where there is no deviation.

    It is drawn on the CPU: the same on every device.
    """
    field = torch.zeros(shape)
    for i, (high, low) in enumerate(seeds.tolist()):
        if deviation[i] != 0:
            source = torch.Generator("cpu").manual_seed(high * SEEDS + low)
            field[i] = torch.randn(shape[1:], generator=source)
    return field.to(seeds.device)
