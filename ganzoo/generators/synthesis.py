"""The synthesis network: one loop over resolutions for all blocks (Karras et al. 2020, figure 7)."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ganzoo.blocks import CONVS, DEMODULATIONS, HEADS, SHORTCUTS, UPSAMPLERS, ModulatedConv, StyledLayer
from ganzoo.config import GeneratorConfig
from ganzoo.ops.initialize import normal_
from ganzoo.registry import Spec

Noise = str | Sequence[Tensor]
RandomSource = torch.Generator | Sequence[torch.Generator] | None
NOISE_MODES = ("const", "random", "none")


class Output(NamedTuple):
    """What a synthesis network gives.

    Attributes:
        image: `[N, img_channels, R, R]`, nominally in -1..1, unclamped.
        levels: the head's prediction of every level that has one, from low to high, before any sum over
            levels: pixels `[N, img_channels, r, r]` or sub-bands `[N, 4 * img_channels, r, r]`.
        noise: the noise that was used, one `[1 or N, 1, r, r]` per layer from low to high.
    """

    image: Tensor
    levels: list[Tensor]
    noise: list[Tensor]


class Synthesis(nn.Module):
    """Styles `w [N, num_ws, w_dim]` to pictures.

    Level 0 is a learnt constant and one convolution, always a full one, as in both papers; every further
    level is an upsampler, which holds the level's first convolution, a second one, and perhaps a shortcut
    around both. The head looks at every level.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.num_ws = config.num_ws
        self.w_dim = config.w_dim
        self.const = nn.Parameter(torch.empty(1, config.channels[0], 4, 4))

        def make_conv(in_channels: int, out_channels: int, spec: str | Spec) -> ModulatedConv:
            demodulation = DEMODULATIONS.build(config.demodulation, in_channels=in_channels)
            return CONVS.build(
                spec,
                in_channels=in_channels,
                out_channels=out_channels,
                w_dim=config.w_dim,
                demodulation=demodulation,
            )

        styled = partial(
            StyledLayer, activation=config.activation, gain=config.activation_gain, clamp=config.clamp
        )
        width = config.channels[0]
        first = {"name": "full", "kernel_size": config.conv.get("kernel_size", 3)}
        layers = [styled(make_conv(width, width, first), width, 4)]
        shortcuts = []
        self.sizes = [4]  # of every layer's features and noise
        for level, out in enumerate(config.channels[1:], start=1):
            resolution = 2 ** (level + 2)
            upsampler = UPSAMPLERS.build(
                config.upsampler,
                in_channels=width,
                out_channels=out,
                w_dim=config.w_dim,
                make_conv=partial(make_conv, spec=config.conv),
            )
            layers += [
                styled(upsampler, out, resolution),
                styled(make_conv(out, out, config.conv), out, resolution),
            ]
            shortcuts.append(SHORTCUTS.build(config.shortcut, in_channels=width, out_channels=out))
            self.sizes += [resolution, resolution]
            width = out
        self.layers = nn.ModuleList(layers)
        self.shortcuts = nn.ModuleList(shortcuts)  # of level 1 and up
        self.head = HEADS.build(
            config.head,
            channels=config.channels,
            w_dim=config.w_dim,
            img_channels=config.img_channels,
            output=config.output,
            clamp=config.clamp,
        )
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the learnt constant anew."""
        normal_(self.const, generator=generator)

    def forward(self, w: Tensor, noise: Noise = "const", generator: RandomSource = None) -> Output:
        """Pictures, predictions of every level, and the noise used; all samples at once.

        64 images of 1024 x 1024 take 15 GB (see `Generator`, whose own call makes a few at a time).

        Args:
            w: `[N, num_ws, w_dim]`. Layer i reads row i, the head of a level the row after the level's last
                layer.
            noise: "const" (saved with the weights), "random", "none", or tensors `[1 or N, 1, r, r]`, one a
                layer from low to high resolution, as in `Output.noise`; a longer list, of a network with more
                levels, is read from its low end.
            generator: required for random noise: one generator, or one a sample, so that a sample's noise
                does not depend on the batch it is in.

        Raises:
            ValueError: for a wrong shape, an unknown noise mode, or random noise without a generator.
        """
        used = self.layer_noise(w, noise, generator)
        x = below = self.const.expand(w.shape[0], -1, -1, -1)
        image: Tensor | None = None
        levels: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            x = layer(x, w[:, i], used[i])
            if i % 2 == 0:  # the last layer of level i / 2
                x = below = self.shortcuts[i // 2 - 1](below, x) if i else x
                image, prediction = self.head(i // 2, x, w[:, i + 1], image)
                if prediction is not None:
                    levels.append(prediction)
        if image is None:
            raise RuntimeError(f"{type(self.head).__name__} gave no picture at the last level.")
        zeros = [w.new_zeros(1, 1, r, r) if n is None else n for n, r in zip(used, self.sizes, strict=True)]
        return Output(image, levels, zeros)

    def layer_noise(self, w: Tensor, noise: Noise, generator: RandomSource = None) -> list[Tensor | None]:
        """Noise for every layer, `[1 or N, 1, r, r]` or None; it and w are checked."""
        if w.ndim != 3 or w.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"w has shape [N, {self.num_ws}, {self.w_dim}]; got {list(w.shape)}.")
        if isinstance(noise, str):
            if noise == "const":
                return [cast(StyledLayer, layer).noise.const for layer in self.layers]
            if noise == "none":
                return [None] * len(self.layers)
            if noise != "random":
                raise ValueError(
                    f"noise is one of {', '.join(NOISE_MODES)}, or a list of tensors; got {noise!r}."
                )
            if generator is None:
                raise ValueError("Random noise needs generator=, a torch.Generator or one for every sample.")
            return [_draw(w, size, generator) for size in self.sizes]
        if noise is None:
            raise TypeError(f"noise is {', '.join(NOISE_MODES)} or a list of tensors; got {noise!r}.")
        if len(noise) < len(self.layers):
            raise ValueError(f"noise is a list of {len(self.layers)} tensors, one a layer; got {len(noise)}.")
        result: list[Tensor | None] = []
        for i, (tensor, r) in enumerate(zip(noise, self.sizes, strict=False)):
            if tensor.shape[1:] != (1, r, r) or tensor.shape[0] not in (1, w.shape[0]):
                raise ValueError(f"noise[{i}] has shape [1 or N, 1, {r}, {r}]; got {list(tensor.shape)}.")
            result.append(tensor.to(w))
        return result


def _draw(w: Tensor, r: int, generator: torch.Generator | Sequence[torch.Generator]) -> Tensor:
    """Normal noise `[N, 1, r, r]`, drawn on the generator's device and moved to w's."""
    if isinstance(generator, torch.Generator):
        noise = torch.randn(
            w.shape[0], 1, r, r, generator=generator, device=generator.device, dtype=torch.float32
        )
        return noise.to(w)
    if len(generator) != w.shape[0]:
        raise ValueError(f"One generator a sample: {w.shape[0]} of them, not {len(generator)}.")
    rows = [torch.randn(1, 1, r, r, generator=g, device=g.device, dtype=torch.float32) for g in generator]
    return torch.cat(rows).to(w) if rows else w.new_empty(0, 1, r, r)
