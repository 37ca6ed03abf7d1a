"""An encoder: images to w in one pass, and closer by a look at what the generator makes of them.

    encoder = load_encoder("mobilestylegan_ffhq_encoder")
    w = encoder(images)                                   # in one pass
    w = encoder.refined(images, generator)      # a little closer, for one image of the generator

What is learnt is small: a linear map from pooled feature maps, and pixels, to the difference from the mean w,
and a hidden layer beside it. Refinement is in the manner of ReStyle (Alaluf et al. 2021), which learns to
correct w by the present image; here the encoder is asked for the w of that image as well, and the
difference between both answers is the correction, so that nothing more is learnt.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.features.networks import FeatureNetwork
from ganzoo.generators.generator import Generator
from ganzoo.latent.saved import FINGERPRINT_VALUES, same_mapping
from ganzoo.system.images import shrink
from ganzoo.system.validation import check_fields, in_range

ROUNDS = 1  # of refinement: of the published encoder, 0.5 dB; a second takes some of it back


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """What an encoder looks at, and which w it gives.

    Args:
        features: Feature network that `ganzoo.features.networks.load_features` takes.
        widths: Channels of that network's stages, from fine to coarse.
        grids: Side to which the maps of each stage are pooled; 0 leaves a stage out.
        side: Side of the images that the network is shown.
        pixels: Side of the image whose pixels are looked at as well; 0 for none.
        hidden: Width of the hidden layer; 0 for none.
        w_dim: Width of w.
        num_ws: Rows of w.
        groups: First row of every group of rows that are the same; `(0,)` gives one w for all rows.

    Raises:
        ValueError: for a value out of its range.
    """

    features: str = "efficientnet_lite0"
    widths: tuple[int, ...] = (16, 24, 40, 112, 320)
    grids: tuple[int, ...] = (0, 0, 4, 4, 2)
    side: int = 64
    pixels: int = 16
    hidden: int = 256
    w_dim: int = 512
    num_ws: int = 18
    groups: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.grids) != len(self.widths):
            raise ValueError(f"grids has a number for each of {len(self.widths)} stages; got {self.grids}.")
        for grid in self.grids:
            in_range("grids", grid, 0, 64)
        in_range("side", self.side, 8, 1024)
        in_range("pixels", self.pixels, 0, self.side)
        in_range("hidden", self.hidden, 0, 8192)
        in_range("w_dim", self.w_dim, 1, 8192)
        in_range("num_ws", self.num_ws, 1, 64)
        if self.dim == 0:
            raise ValueError("An encoder looks at something: give grids or pixels above 0.")
        if self.groups[:1] != (0,) or list(self.groups) != sorted({*self.groups}):
            raise ValueError(f"groups are first rows, from 0 up; got {self.groups}.")
        in_range("groups", self.groups[-1], 0, self.num_ws - 1)

    @property
    def parts(self) -> tuple[int, ...]:
        """Numbers of each stage that is looked at, and of the pixels."""
        stages = [width * grid**2 for width, grid in zip(self.widths, self.grids, strict=True) if grid]
        return (*stages, *([3 * self.pixels**2] if self.pixels else []))

    @property
    def dim(self) -> int:
        """Numbers of an image that the encoder learns from."""
        return sum(self.parts)


class Encoder(nn.Module):
    """Images `[N, 3, H, W]` in -1..1, of any size, to w `[N, num_ws, w_dim]`.

    Args:
        config: Config.
        network: Its feature network; neither learns nor is saved, and moves with the encoder.

    Attributes:
        w_avg: Mean w, from which the answer is a difference, `[w_dim]`.
        deviation: Root of the mean squared difference of w from it: the unit of that difference.
        mapping: Fingerprint of the mapping network whose w it gives; see `ganzoo.latent.saved`.
        mean, scale: What features are brought to mean 0 and a length of about 1 by, `[dim]`.

    Raises:
        ValueError: if the network gives other feature maps.
    """

    w_avg: Tensor
    deviation: Tensor
    mapping: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, config: EncoderConfig, network: FeatureNetwork) -> None:
        super().__init__()
        self.config = config
        self._network = [network]  # in a list: no part of the module
        out = len(config.groups) * config.w_dim
        self.linear = nn.Linear(config.dim, out, bias=False)
        nn.init.zeros_(self.linear.weight)
        self.inner: nn.Linear | None = None
        if config.hidden:
            self.inner, self.outer = nn.Linear(config.dim, config.hidden), nn.Linear(config.hidden, out)
            nn.init.normal_(self.inner.weight)  # of what has length 1
            nn.init.zeros_(self.inner.bias)
            nn.init.zeros_(self.outer.weight)
            nn.init.zeros_(self.outer.bias)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        self.register_buffer("deviation", torch.ones(()))
        self.register_buffer("mapping", torch.zeros(min(config.w_dim, FINGERPRINT_VALUES)))
        self.register_buffer("mean", torch.zeros(config.dim))
        self.register_buffer("scale", torch.ones(config.dim))

    def _apply(self, *arguments: Any, **options: Any) -> "Encoder":
        """Take the feature network along, to another device or kind of numbers."""
        self.network._apply(*arguments, **options)  # type: ignore[no-untyped-call]
        super()._apply(*arguments, **options)  # type: ignore[no-untyped-call]
        return self

    @property
    def network(self) -> FeatureNetwork:
        """Its feature network."""
        return self._network[0]

    def forward(self, images: Tensor) -> Tensor:
        """W of images in one pass, `[N, num_ws, w_dim]`; a generator of fewer rows takes the first ones.

        Raises:
            ValueError: for images that are not `[N, 3, H, H]`.
        """
        return self.rows(self.answer(self.looked_at(images)))

    def looked_at(self, images: Tensor) -> Tensor:
        """What the encoder learns from: pooled feature maps and pixels, not yet normalised, `[N, dim]`.

        Raises:
            ValueError: for images that are not `[N, 3, H, H]`.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
            raise ValueError(
                f"An encoder takes square color images [N, 3, H, H] in -1..1; got {list(images.shape)}."
            )
        own = self.config
        small = shrink(images.to(self.mean.dtype).clamp(-1, 1), own.side)
        found = []
        if any(own.grids):
            maps = self.network.maps(small * 127.5 + 127.5)
            widths = tuple(m.shape[1] for m in maps)
            if widths != own.widths:
                raise ValueError(f"{own.features} gives stages of {widths} channels, not {own.widths}.")
            pairs = [(m, grid) for m, grid in zip(maps, own.grids, strict=True) if grid]
            found = [F.adaptive_avg_pool2d(m, grid).flatten(1) for m, grid in pairs]
        if own.pixels:
            found.append(F.adaptive_avg_pool2d(small, own.pixels).flatten(1))
        return torch.cat(found, dim=1)

    def answer(self, looked_at: Tensor, kept: Tensor | None = None) -> Tensor:
        """Differences from the mean w in deviations, a row for every group: `[N, groups, w_dim]`.

        Args:
            looked_at: What `looked_at` gives.
            kept: Factors of the hidden layer, `[N, hidden]`, by which training leaves parts of it out.
        """
        x = (looked_at - self.mean) * self.scale
        y: Tensor = self.linear(x)
        if self.inner is not None:
            hidden = F.gelu(self.inner(x))
            y = y + self.outer(hidden if kept is None else hidden * kept)
        return y.view(len(y), -1, self.config.w_dim)

    def rows(self, answer: Tensor) -> Tensor:
        """An answer as w, `[N, num_ws, w_dim]`."""
        ends = [*self.config.groups[1:], self.config.num_ws]
        counts = torch.tensor([b - a for a, b in zip(self.config.groups, ends, strict=True)])
        spread = answer.repeat_interleave(counts.to(answer.device), dim=1)
        return self.w_avg + self.deviation * spread

    def refined(self, images: Tensor, generator: Generator, rounds: int = ROUNDS) -> Tensor:
        """W of images, `[N, generator.num_ws, w_dim]`, corrected by what the generator makes of it.

        Every round adds the difference between the answers to the target and to the present image.

        Args:
            images: Targets, `[N, 3, H, H]` in -1..1.
            generator: Generator with the encoder's mapping network.
            rounds: Number of corrections; 0 for the one pass.

        Raises:
            ValueError: for a generator with another mapping network or more rows.
        """
        self.check(generator)
        if rounds < 0:
            raise ValueError(f"rounds is 0 or more; got {rounds}.")
        target = self.answer(self.looked_at(images))
        answer = target
        for _ in range(rounds):
            present = generator.synthesis(self.rows(answer)[:, : generator.num_ws]).image
            answer = answer + target - self.answer(self.looked_at(present))
        return self.rows(answer)[:, : generator.num_ws]

    def check(self, generator: Generator) -> None:
        """Raise ValueError for a generator that the encoder's w are not points of."""
        own = self.config
        if generator.w_dim != own.w_dim or not same_mapping(self.mapping.tolist(), generator):
            raise ValueError(
                "This encoder gives w of another mapping network than this generator's: train one on it, "
                "ganzoo train task=encoder teacher=…"
            )
        if generator.num_ws > own.num_ws:
            raise ValueError(
                f"This encoder gives {own.num_ws} rows of w, and the generator takes {generator.num_ws}."
            )
