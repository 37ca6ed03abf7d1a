"""What a discriminator is, and that of StyleGAN2 in its three forms (Karras et al. 2020, figure 7)."""

import math
from functools import partial
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from ganzoo.blocks.mapping import check_width, mapping_layers, normalize
from ganzoo.ops.activation import ACTIVATIONS, HOMOGENEOUS, bias_act
from ganzoo.ops.conv import conv2d
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.initialize import normal_
from ganzoo.ops.resample import Blur, Downsample
from ganzoo.registry import Registry
from ganzoo.system.validation import in_range, unknown

# Forward and backward took 10.6 s of one thread instead of 13.4. With AVX2 alone the other layout is quicker:
# 1.5 s instead of 2.0 for 2 images of 64 x 64.
CHANNELS_LAST = torch.backends.cpu.get_cpu_capability() == "AVX512"
Taps = tuple[float, ...]
Architecture = Literal["resnet", "skip", "orig"]

DISCRIMINATORS: Registry[nn.Module] = Registry(
    "discriminator", context=["resolution", "channels", "img_channels", "label_dim"]
)


def layers_of(network: nn.Module) -> list[nn.Module]:
    """The modules with parameters of their own, in the order in which they were registered."""
    return [m for m in network.modules() if next(m.parameters(recurse=False), None) is not None]


class DiscriminatorBlock(nn.Module):
    """Base of discriminators with wishes of their own; one without any may be a plain module.

    Attributes:
        penalized: Whether a penalty on its slope can be asked for, as R1 is.
        layered: Whether `hidden` gives features of its levels.
        features: Name of the frozen network whose features it judges; None for the images themselves.
        family: Name by which people look for such a network.
    """

    penalized: ClassVar[bool] = True
    layered: ClassVar[bool] = False
    features: str | None = None
    family: ClassVar[str] = "stylegan2"

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[nn.Module] = []  # in a list: it is no part of what is trained or saved

    @property
    def seen(self) -> nn.Module | None:
        """Network that `look_through` was given."""
        return self._seen[0] if self._seen else None

    def look_through(self, network: nn.Module) -> None:
        """Take the network that `features` names, before the first image."""
        self._seen = [network]

    def hidden(self, images: Tensor, levels: int) -> Tensor:
        """Features `[N, C, h, w]` after so many levels, at least one.

        Raises:
            ValueError: if it has none, or not so many.
        """
        raise ValueError(f"{type(self).__name__} gives no hidden features.")

    def layers(self) -> list[nn.Module]:
        """The modules with parameters of their own, in the order in which images pass them."""
        return layers_of(self)

    def after_step(self) -> None:
        """Move what follows the weights; called after every step of training."""


@DISCRIMINATORS.register("residual")
class ResidualDiscriminator(DiscriminatorBlock):
    """Images `[N, img_channels, R, R]` and labels `[N, label_dim]` to logits `[N, 1]`.

    Every level is two convolutions, the second at stride 2, down to 4 x 4; there the deviation over the
    minibatch joins the features, and a convolution and two linear layers judge them. A conditional network
    projects its features on the mapped label (Miyato and Koyama 2018; Karras et al. 2020a, appendix D).

    Args:
        resolution: Side of the images.
        channels: Width of every level, from 4 x 4 up.
        img_channels: Channels of the images.
        label_dim: Width of the label, 0 for none.
        architecture: "resnet" adds a path around each level, "skip" feeds the image to all levels, "orig"
            does neither.
        activation: Name in `ganzoo.ops.activation.ACTIVATIONS`.
        clamp: Limit of the convolutions' outputs; None does not clip.
        taps: Taps of the separable filter before each downsampling.
        mbstd_group_size: Samples that share one deviation; null for the whole batch.
        mbstd_num_channels: Channels of deviation to add; 0 for none.
        projection_dim: Width of the mapped label; null takes `channels[0]`.
        mapping_depth, mapping_lr_multiplier, mapping_activation, mapping_features, embed_features: Options of
            the label's mapping network; see `MLPMapping`.

    Raises:
        ValueError: for an unknown activation, or an option out of range.
    """

    layered = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: tuple[int, ...],
        img_channels: int,
        label_dim: int,
        architecture: Architecture = "resnet",
        activation: str = "lrelu",
        clamp: float | None = None,
        taps: Taps = (1.0, 3.0, 3.0, 1.0),
        mbstd_group_size: int | None = 4,
        mbstd_num_channels: int = 1,
        projection_dim: int | None = None,
        mapping_depth: int = 8,
        mapping_lr_multiplier: float = 0.01,
        mapping_activation: str = "lrelu",
        mapping_features: int | None = None,
        embed_features: int | None = None,
    ) -> None:
        super().__init__()
        _check(activation, clamp, mbstd_num_channels, channels[0])
        self.last_level = len(channels) - 1
        self.activation = activation
        layer = partial(ConvLayer, activation=activation)
        level = partial(
            DiscriminatorLevel,
            residual=architecture == "resnet",
            activation=activation,
            clamp=clamp,
            taps=taps,
        )
        seeing = range(self.last_level + 1) if architecture == "skip" else [self.last_level]
        self.from_image = nn.ModuleDict(
            # The originals do not clip what joins at 4 x 4.
            {str(i): layer(img_channels, channels[i], 1, clamp=clamp if i else None) for i in seeing}
        )
        self.levels = nn.ModuleDict(
            {str(i): level(channels[i], channels[i - 1]) for i in range(self.last_level, 0, -1)}
        )
        self.downsample = Downsample(taps) if architecture == "skip" else None
        self.deviation = MinibatchDeviation(mbstd_group_size, mbstd_num_channels)
        width = channels[0]
        self.conv = layer(width + mbstd_num_channels, width, 3, clamp=clamp)
        self.linear = EqualizedLinear(width * 16, width)
        mapped = check_width("projection_dim", projection_dim, width)
        self.mapping: LabelMapping | None = None
        if label_dim:
            self.mapping = LabelMapping(
                label_dim,
                mapped,
                depth=mapping_depth,
                lr_multiplier=mapping_lr_multiplier,
                activation=mapping_activation,
                layer_features=mapping_features,
                embed_features=embed_features,
            )
        self.out = EqualizedLinear(width, mapped if label_dim else 1)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        x: Tensor = self.conv(self.deviation(self._descended(images, self.last_level)))
        x = bias_act(self.linear(x.flatten(1)), activation=self.activation)
        x = self.out(x)
        if self.mapping is None:
            return x
        projected = x * cast(Tensor, self.mapping(label))
        return projected.sum(dim=1, keepdim=True) / math.sqrt(x.shape[1])

    def layers(self) -> list[nn.Module]:
        parts = [*self.from_image.items(), *self.levels.items()]
        level = {id(layer): int(i) for i, part in parts for layer in part.modules()}
        return sorted(super().layers(), key=lambda layer: -level.get(id(layer), -1))

    def hidden(self, images: Tensor, levels: int) -> Tensor:
        in_range("levels", levels, 1, self.last_level)
        return self._descended(images, levels)

    def _descended(self, images: Tensor, levels: int) -> Tensor:
        """Features after so many levels from the image down; at 4 x 4 with all that joins there."""
        if images.device.type == "cpu" and CHANNELS_LAST:  # all that follows keeps the layout
            images = images.contiguous(memory_format=torch.channels_last)
        x: Tensor = self.from_image[str(self.last_level)](images)
        for level in range(self.last_level, self.last_level - levels, -1):
            x = cast(Tensor, self.levels[str(level)](x))
            if self.downsample is not None:
                images = self.downsample(images)
                x = x + self.from_image[str(level - 1)](images)
        return x


def _check(activation: str, clamp: float | None, mbstd_num_channels: int, width: int) -> None:
    """Raise ValueError for an option out of range; `width` is that of the 4 x 4 features."""
    if activation not in ACTIVATIONS:
        raise ValueError(unknown("activation", activation, ACTIVATIONS))
    if clamp is not None and clamp <= 0:
        raise ValueError(f"discriminator.clamp is positive, or null for none; got {clamp}.")
    if mbstd_num_channels < 0 or (mbstd_num_channels and width % mbstd_num_channels):
        raise ValueError(
            f"discriminator.mbstd_num_channels divides the width at 4 x 4, {width}; got {mbstd_num_channels}."
        )


class DiscriminatorLevel(nn.Module):
    """`[N, in, H, W]` to `[N, out, H / 2, W / 2]`: two convolutions and perhaps a path around them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        residual: bool,
        activation: str,
        clamp: float | None,
        taps: Taps,
    ) -> None:
        super().__init__()
        self.conv0 = ConvLayer(in_channels, in_channels, 3, activation=activation, clamp=clamp)
        self.conv1 = ConvLayer(in_channels, out_channels, 3, activation=activation, clamp=clamp, taps=taps)
        self.shortcut: ConvLayer | None = None
        if residual:
            self.shortcut = ConvLayer(
                in_channels, out_channels, 1, activation="linear", clamp=None, taps=taps, bias=False
            )

    def forward(self, x: Tensor) -> Tensor:
        if self.shortcut is None:
            return cast(Tensor, self.conv1(self.conv0(x)))
        around = self.shortcut(x, gain=math.sqrt(0.5))
        return cast(Tensor, around + self.conv1(self.conv0(x), gain=math.sqrt(0.5)))


class ConvLayer(nn.Module):
    """A convolution at equalised learning rate, bias and activation; with taps, at stride 2 after the filter.

    Args:
        in_channels, out_channels: Channels of the features.
        kernel_size: 1 or 3.
        activation: Name in `ganzoo.ops.activation.ACTIVATIONS`.
        clamp: Limit of the output; None does not clip.
        taps: Taps of the separable filter; None keeps the size.
        bias: Whether a bias is added.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        activation: str,
        clamp: float | None,
        taps: Taps | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.padding = kernel_size // 2
        self.activation = activation
        self.clamp = clamp
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.stride = 1
        self.filter: nn.Module = nn.Identity()
        if taps is not None and kernel_size == 1:
            self.filter = Downsample(taps)  # one sample in four is enough for a 1 x 1 convolution
        elif taps is not None:
            self.stride, spare = 2, len(taps) - 2
            self.filter = Blur(taps, (self.padding + (spare + 1) // 2, self.padding + spare // 2))
            self.padding = 0
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew at unit variance; bias 0."""
        normal_(self.weight, generator=generator)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, *, gain: float = 1.0) -> Tensor:
        """The layer's output, times a positive gain."""
        limit = None if self.clamp is None else self.clamp * gain
        gain *= ACTIVATIONS[self.activation][1]
        # Gain and bias cost nothing in the convolution, and a pass over the features each behind it.
        inner, outer = (gain, 1.0) if self.activation in HOMOGENEOUS else (1.0, gain)
        weight = self.weight * (self.scale * inner)
        bias = None if self.bias is None else self.bias * inner
        x = conv2d(self.filter(x), weight, bias, stride=self.stride, padding=self.padding)
        return bias_act(x, activation=self.activation, gain=outer, clamp=limit)


class MinibatchDeviation(nn.Module):
    """Adds the deviation over groups of samples to `[N, C, H, W]` (Karras et al. 2018, section 3).

    Sample i shares its group with every sample at a distance of `N / group_size`.

    Args:
        group_size: Samples of a group; None, or more than the batch has, for the whole batch.
        num_channels: Channels to add; the features are cut into as many parts, which must come out even.

    Raises:
        ValueError: for a size below 1, or a batch that groups of that size do not fill.
    """

    def __init__(self, group_size: int | None, num_channels: int) -> None:
        super().__init__()
        if group_size is not None and group_size < 1:
            raise ValueError(f"mbstd_group_size is at least 1, or null for the batch; got {group_size}.")
        self.group_size = group_size
        self.num_channels = num_channels

    def forward(self, x: Tensor) -> Tensor:
        if self.num_channels == 0:
            return x
        n, c, h, w = x.shape
        group = max(1, n if self.group_size is None else min(self.group_size, n))
        if n % group:
            raise ValueError(
                f"The discriminator compares samples in groups of {group}: a batch of {n} cannot be divided."
            )
        # [group, groups, parts, channels, H, W]: neighbours in the batch fall into different groups
        y = x.reshape(group, n // group, self.num_channels, c // self.num_channels, h, w)
        y = (y - y.mean(dim=0)).square().mean(dim=0)
        y = (y + 1e-8).sqrt().mean(dim=(2, 3, 4))  # [groups, parts]
        y = y[:, :, None, None].repeat(group, 1, h, w)
        return torch.cat([x, y], dim=1)


class LabelMapping(nn.Module):
    """Labels `[N, label_dim]` to `[N, out_features]`: the mapping network of the label alone."""

    def __init__(
        self,
        label_dim: int,
        out_features: int,
        *,
        depth: int,
        lr_multiplier: float,
        activation: str,
        layer_features: int | None,
        embed_features: int | None,
    ) -> None:
        super().__init__()
        embedded = check_width("embed_features", embed_features, out_features)
        if depth == 0 and embedded != out_features:
            raise ValueError(
                f"Without layers, the mapped label is the embedded one: embed_features is {out_features}, as "
                f"the projection is; got {embedded}."
            )
        self.embed = EqualizedLinear(label_dim, embedded)
        self.activation = activation
        self.layers = mapping_layers(
            embedded,
            out_features,
            depth=depth,
            lr_multiplier=lr_multiplier,
            activation=activation,
            layer_features=layer_features,
        )

    def forward(self, label: Tensor) -> Tensor:
        x = normalize(self.embed(label))
        for layer in self.layers:
            x = bias_act(layer(x), activation=self.activation)
        return x
