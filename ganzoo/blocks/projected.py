"""The projected discriminator (Sauer et al. 2021): it judges features of a frozen network, at all scales."""

import math
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks.discriminator import DISCRIMINATORS, DiscriminatorBlock
from ganzoo.ops.initialize import normal_, uniform_
from ganzoo.system.images import check_channels, to_rgb
from ganzoo.system.validation import in_range

LEAST_SIZE = 224  # of the paper's images, at which its networks were trained
MAX_SIZE, MAX_WIDTH = 2048, 1024
LAST_SIDE = 8  # of the features that a level's last convolution sees
STRIDE = 32  # of the coarsest features
FIRST_STRIDE = 4  # of the finest
LABEL_WIDTH, JUDGED_WIDTH = 128, 64  # of an embedded label, and of what meets it
SLOPE = 0.2
WARM_UP = 15  # power iterations of new weights


class FeatureMaps(Protocol):
    """A frozen network with maps of several scales, such as `ganzoo.features.networks.FeatureNetwork`."""

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Maps from fine to coarse of images `[N, 3, H, W]` in 0..255."""


@DISCRIMINATORS.register("projected")
class ProjectedDiscriminator(DiscriminatorBlock):
    """Images `[N, img_channels, R, R]` and labels `[N, label_dim]` to logits `[N, K]`, one for each place.

    The maps of a frozen network are mixed over channels and over scales by random convolutions that never
    learn; a small discriminator with spectral and batch normalisation judges each scale (Sauer et al. 2021,
    section 3). Batches are normalised by their own statistics, in training and out of it.

    Args:
        resolution: Side of the images.
        channels: Unused: the widths are those of the projection.
        img_channels: Channels of the images, 1, 3 or 4.
        label_dim: Width of the label, 0 for none.
        features: Network that `ganzoo.features.networks.load_features` takes; `look_through` is given it.
        maps: Widths of its last maps, from fine to coarse; the finest has a stride of 4, each next one twice
            that of the one before.
        size: Side to which images are brought, a multiple of 32; null for the images' own, at least 224.
        width: Channels of the finest projected map; each next one has twice as many.
        separable: Whether the discriminators' convolutions are depthwise separable, as beside StyleGAN2.

    Raises:
        ValueError: for an option out of range.
    """

    penalized = False  # the samples of a batch are normalised together: a slope is not of one image

    def __init__(
        self,
        *,
        resolution: int,
        channels: tuple[int, ...],
        img_channels: int,
        label_dim: int,
        features: str = "efficientnet_lite0",
        maps: tuple[int, ...] = (24, 40, 112, 320),
        size: int | None = None,
        width: int = 64,
        separable: bool = True,
    ) -> None:
        super().__init__()
        check_channels(img_channels, "A projected discriminator")
        in_range("discriminator.width", width, 1, MAX_WIDTH)
        self.size = max(LEAST_SIZE, resolution) if size is None else size
        if size is not None and (size % STRIDE or not STRIDE <= size <= MAX_SIZE):
            raise ValueError(
                f"discriminator.size is a multiple of {STRIDE} up to {MAX_SIZE}, or null; got {size}."
            )
        if not maps or min(maps) < 1:
            raise ValueError(f"discriminator.maps holds the width of at least one map; got {list(maps)}.")
        self.features = features
        self.maps = tuple(maps)
        mixed = [width * 2**i for i in range(len(maps))]
        fused = [mixed[max(0, i - 1)] for i in range(len(maps))]
        self.across_channels = nn.ModuleList(FixedConv(a, b) for a, b in zip(maps, mixed, strict=True))
        self.across_scales = nn.ModuleList(FixedConv(a, b) for a, b in zip(mixed, fused, strict=True))
        sides = [2 * math.ceil(self.size / (FIRST_STRIDE * 2**i)) for i in range(len(maps))]
        self.levels = nn.ModuleList(
            ScaleDiscriminator(channels_in, side, width=width, separable=separable, label_dim=label_dim)
            for channels_in, side in zip(fused, sides, strict=True)
        )

    def after_step(self) -> None:
        """Follow the largest singular values of the weights by an iteration (Miyato et al. 2018)."""
        for module in self.modules():
            if isinstance(module, SpectralConv):
                module.iterate(1)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        judged = zip(self.levels, self.projected(images), strict=True)
        return torch.cat([level(x, label).flatten(1) for level, x in judged], dim=1)

    def projected(self, images: Tensor) -> list[Tensor]:
        """Random mixtures of the network's maps, from fine to coarse, each of twice its map's side."""
        maps = self._maps(images)
        found: list[Tensor] = []
        x: Tensor | None = None
        for i in reversed(range(len(maps))):
            mixed = self.across_channels[i](maps[i])
            mixed = mixed if x is None else mixed + x
            side = maps[i - 1].shape[-2:] if i else [2 * length for length in maps[0].shape[-2:]]
            # Before the resize: both are linear, and this way the convolution has a quarter of the places.
            x = F.interpolate(self.across_scales[i](mixed), size=side, mode="bilinear", align_corners=True)
            found.append(x)
        return found[::-1]

    def _maps(self, images: Tensor) -> list[Tensor]:
        if self.seen is None:
            raise ValueError(
                f"A projected discriminator needs its feature network: call look_through with what "
                f"load_features({self.features!r}) gives."
            )
        images = to_rgb(images)
        if images.shape[-1] != self.size:
            sides = (self.size, self.size)
            smaller = images.shape[-1] > self.size
            images = F.interpolate(images, size=sides, mode="bilinear", antialias=smaller)
        maps = cast(FeatureMaps, self.seen).maps(images * 127.5 + 127.5)[-len(self.maps) :]
        widths = tuple(x.shape[1] for x in maps)
        if widths != self.maps:
            raise ValueError(
                f"The maps of {self.features!r} have the widths {list(widths)}: give these as "
                f"discriminator.maps; got {list(self.maps)}."
            )
        return maps


class ScaleDiscriminator(nn.Module):
    """`[N, C, side, side]` to logits `[N, 1, h, w]`: convolutions down to 8 x 8 and one without padding.

    Args:
        channels: Channels of the features.
        side: Side of the features.
        width: Channels from 64 x 64 up; each half of that side has twice as many.
        separable: Whether the convolutions are depthwise separable.
        label_dim: Width of the label, 0 for none.
    """

    def __init__(self, channels: int, side: int, *, width: int, separable: bool, label_dim: int) -> None:
        super().__init__()
        downs = 0
        while side > LAST_SIDE:
            side, downs = math.ceil(side / 2), downs + 1
        self.downs = nn.ModuleList()
        for left in reversed(range(downs)):
            out = width * max(1, LAST_SIDE >> left)
            self.downs.append(Down(channels, out, separable=separable))
            channels = out
        self.out = SpectralConv(channels, JUDGED_WIDTH if label_dim else 1, min(4, side))
        self.embed = LabelEmbedding(label_dim, JUDGED_WIDTH) if label_dim else None

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        for down in self.downs:
            x = down(x)
        x = self.out(x)
        if self.embed is None:
            return x
        embedded: Tensor = self.embed(label)[:, :, None, None]
        return (x * embedded).sum(dim=1, keepdim=True) / math.sqrt(JUDGED_WIDTH)


class Down(nn.Module):
    """`[N, in, H, W]` to `[N, out, H / 2, W / 2]`: convolution, batch normalisation, leaky ReLU.

    Args:
        in_channels, out_channels: Channels of the features.
        separable: Whether it is a 3 x 3 and a 1 x 1 convolution and a mean over 2 x 2 instead of a 4 x 4
            convolution at stride 2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, separable: bool) -> None:
        super().__init__()
        self.separable = separable
        if separable:
            each = SpectralConv(in_channels, in_channels, 3, padding=1, groups=in_channels)
            self.conv = nn.Sequential(each, SpectralConv(in_channels, out_channels, 1))
        else:
            self.conv = nn.Sequential(SpectralConv(in_channels, out_channels, 4, stride=2, padding=1))
        self.weight = nn.Parameter(torch.empty(out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Factor 1 and bias 0 after the normalisation."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.batch_norm(self.conv(x), None, None, self.weight, self.bias, training=True)
        x = F.leaky_relu(x, SLOPE)
        return F.avg_pool2d(x, 2, ceil_mode=True) if self.separable else x


class SpectralConv(nn.Module):
    """A convolution without bias whose weight is divided by its largest singular value (Miyato et al. 2018).

    The value is that of the power method's vectors, which move in `iterate` alone: a forward pass changes
    nothing, so that it can be repeated, and measured.

    Args:
        in_channels, out_channels: Channels of the features.
        kernel_size, stride, padding, groups: As of `torch.nn.Conv2d`.
    """

    left: Tensor
    right: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.groups = stride, padding, groups
        self.fan_in = in_channels // groups * kernel_size**2
        shape = (out_channels, in_channels // groups, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(shape))
        self.register_buffer("left", torch.empty(out_channels))
        self.register_buffer("right", torch.empty(self.fan_in))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights as `torch.nn.Conv2d` does, and the vectors of the power method."""
        uniform_(self.weight, bound=1 / math.sqrt(self.fan_in), generator=generator)
        normal_(self.left, generator=generator)
        normal_(self.right, generator=generator)
        self.iterate(WARM_UP)

    @torch.no_grad()
    def iterate(self, times: int) -> None:
        """Bring the vectors nearer to those of the largest singular value."""
        if self.weight.is_meta:
            return
        matrix = self.weight.flatten(1)
        for _ in range(times):
            self.left.copy_(F.normalize(matrix @ self.right, dim=0, eps=1e-12))
            self.right.copy_(F.normalize(matrix.t() @ self.left, dim=0, eps=1e-12))

    def forward(self, x: Tensor) -> Tensor:
        # A sum of products, not a product of matrices, which autocast would make in half precision.
        sigma = (self.weight.flatten(1) * self.left[:, None] * self.right).sum()
        return F.conv2d(x, self.weight / sigma, None, self.stride, self.padding, 1, self.groups)


class FixedConv(nn.Module):
    """A random 1 x 1 convolution that never learns; it is saved with the network."""

    weight: Tensor
    bias: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(out_channels, in_channels, 1, 1))
        self.register_buffer("bias", torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw both as `torch.nn.Conv2d` does."""
        for tensor in (self.weight, self.bias):
            uniform_(tensor, bound=1 / math.sqrt(self.weight.shape[1]), generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias)


class LabelEmbedding(nn.Module):
    """Labels `[N, label_dim]`, one-hot, to `[N, out_features]`: a vector for each class, projected."""

    def __init__(self, label_dim: int, out_features: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(label_dim, LABEL_WIDTH))
        self.weight = nn.Parameter(torch.empty(out_features, LABEL_WIDTH))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the table at unit variance, the projection as `torch.nn.Linear` does."""
        normal_(self.table, generator=generator)
        for tensor in (self.weight, self.bias):
            uniform_(tensor, bound=1 / math.sqrt(LABEL_WIDTH), generator=generator)

    def forward(self, label: Tensor | None) -> Tensor:
        if label is None:
            raise ValueError("A conditional discriminator needs a label.")
        return F.leaky_relu(F.linear(label @ self.table, self.weight, self.bias), SLOPE)
