"""The deploy form of a generator: the same pictures from fewer and quicker steps.

What changes: the scales of equalised learning rate, constant demodulation and the activation's gain move into
the weights; auxiliary heads go; the channels in front of every inverse wavelet transform are sorted by
sub-band (LL | LH | HL | HH), so that the transform is slices and sums; its factor 1/2 moves into the
modulation, and so does the style of the convolution behind it; the transform of a picture moves into the
convolution that predicts it; the bias moves into the convolution; the layout is channels last. Blocks of
other packages are kept as they are.
"""

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.blocks import (
    AuxHead,
    ConvTransposeUpsampler,
    DepthwiseConv,
    FullConv,
    IDWTUpsampler,
    ModulatedConv,
    NoDemodulation,
    NoShortcut,
    SingleHead,
    SkipHead,
    StaticDemodulation,
    StyledLayer,
)
from ganzoo.blocks.head import Head, ToImage
from ganzoo.generators.generator import Generator
from ganzoo.generators.synthesis import Synthesis
from ganzoo.ops.activation import ACTIVATIONS, bias_act
from ganzoo.ops.equalized import EqualizedLinear
from ganzoo.ops.wavelet import IDWT, blocks_to_space, haar_pixels

_HOMOGENEOUS = ("linear", "relu", "lrelu")  # f(g x) = g f(x) for g > 0: the gain can move in front


class DeployedGenerator(Generator):
    """A generator in its deploy form: the calls of a `Generator`, but `Output.levels` is empty.

    Its weights need no gradient; gradients with respect to z and w flow. It is not saved: save what it was
    made from.
    """

    def __init__(self, generator: Generator) -> None:
        nn.Module.__init__(self)
        for name in ("config", "z_dim", "w_dim", "num_ws", "resolution", "img_channels", "label_dim"):
            setattr(self, name, getattr(generator, name))
        self.mapping = copy.deepcopy(generator.mapping)
        for module in list(self.mapping.modules()):
            for name, child in list(module.named_children()):
                if type(child) is EqualizedLinear:
                    setattr(module, name, fold_linear(child))
        self.synthesis = _deploy_synthesis(generator.synthesis)
        self.requires_grad_(False).eval()


def deploy(generator: Generator) -> Generator:
    """The deploy form of a generator, on its device: the same pictures within float error.

    The original is untouched.

    Raises:
        TypeError: if it is deployed already.
    """
    if type(generator) is not Generator:
        raise TypeError(f"deploy takes a Generator as create() gives it, not {type(generator).__name__}.")
    with torch.inference_mode(False), torch.no_grad():
        return DeployedGenerator(generator)


def _deploy_synthesis(synthesis: Synthesis) -> Synthesis:
    """A copy of the synthesis network with every block that is known here folded."""
    layers = cast("list[StyledLayer]", list(synthesis.layers))
    foldable_head = type(synthesis.head) in (SkipHead, AuxHead, SingleHead)
    plain = all(type(shortcut) is NoShortcut for shortcut in synthesis.shortcuts)  # others mix the channels
    # Order of the channels of every level's features: by sub-band where an inverse transform follows.
    orders: list[Tensor | None] = []
    for i in range(0, len(layers), 2):
        sortable = foldable_head and plain and all(_known(layer) for layer in layers[i : i + 2])
        sortable = sortable and i + 1 < len(layers) and type(layers[i + 1].conv) is IDWTUpsampler
        orders.append(subband_order(layers[i].bias.numel()).to(layers[i].bias.device) if sortable else None)
    deployed = copy.deepcopy(synthesis)
    deployed.layers = nn.ModuleList(
        DeployedLayer(
            layer,
            order_in=orders[(i - 1) // 2] if i % 2 else None,
            order_out=None if i % 2 else orders[i // 2],
        )
        if _known(layer)
        else layer
        for i, layer in enumerate(cast("list[StyledLayer]", list(deployed.layers)))
    )
    if foldable_head:
        deployed.head = cast(Head, DeployedHead(deployed.head, orders))
    return deployed.to(memory_format=torch.channels_last)


def _known(layer: StyledLayer) -> bool:
    """Whether a layer is made of blocks that can be folded."""
    conv: object = layer.conv
    if type(conv) in (IDWTUpsampler, ConvTransposeUpsampler):
        conv = layer.conv.conv
    return type(layer) is StyledLayer and type(conv) in (FullConv, DepthwiseConv)


def subband_order(channels: int) -> Tensor:
    """Indices that sort the channels in front of an inverse transform by sub-band: LL, LH, HL, HH."""
    details = torch.arange(channels // 4, channels).view(-1, 3)
    return torch.cat([torch.arange(channels // 4), details.t().reshape(-1)])


def fold_linear(linear: EqualizedLinear, *, scale: float = 1.0, order: Tensor | None = None) -> nn.Linear:
    """A plain linear layer of the effective weights, times `scale`, its outputs in another order."""
    weight = linear.weight * (linear.scale * scale)
    bias = linear.bias * (linear.lr_multiplier * scale)
    if order is not None:
        weight, bias = weight[order], bias[order]
    folded = nn.Linear(1, 1, device="meta")
    folded.weight, folded.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    folded.in_features, folded.out_features = weight.shape[1], weight.shape[0]
    return folded


class DeployedConv(nn.Module):
    """A full or depthwise modulated convolution with everything constant in its weights.

    Args:
        conv: what it is made from.
        gain: on the output.
        bias: of the output, after the gain; only without transposition and without a demodulation by style.
        order_in, order_out: order of the channels that come in and go out.
    """

    folds_style = True  # at batch 1; some engines want weights to be constants: see `ganzoo.export.forms`

    def __init__(
        self,
        conv: ModulatedConv,
        *,
        gain: float = 1.0,
        bias: Tensor | None = None,
        order_in: Tensor | None = None,
        order_out: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.padding = conv.kernel_size // 2
        self.style = fold_linear(conv.modulation, scale=conv.scale, order=order_in)
        out = conv.weight_pw if isinstance(conv, DepthwiseConv) else cast(FullConv, conv).weight
        energy = conv.energy()
        self.demodulation: nn.Module | None = conv.demodulation
        if isinstance(conv.demodulation, StaticDemodulation):
            factors = conv.demodulation(energy * conv.scale**2, energy[:1])[0]
            out, self.demodulation = out * factors[:, None, None, None], None
        elif isinstance(conv.demodulation, NoDemodulation):
            self.demodulation = None
        order_in = torch.arange(conv.in_channels, device=out.device) if order_in is None else order_in
        order_out = torch.arange(conv.out_channels, device=out.device) if order_out is None else order_out
        self.weight_dw = None
        if isinstance(conv, DepthwiseConv):
            self.weight_dw = nn.Parameter(conv.weight_dw[order_in])
        self.weight = nn.Parameter(out[order_out][:, order_in] * gain)
        self.bias = None if bias is None else nn.Parameter(bias[order_out].clone())
        if self.demodulation is not None:
            self.demodulation = copy.deepcopy(self.demodulation)
            self.style_scale = 1 / conv.scale
            self.register_buffer("energy", energy[order_out][:, order_in] * conv.scale**2)

    def folds(self, x: Tensor) -> bool:
        """Whether the style goes into the weights: one sample's, where they are smaller than the features."""
        first = self.weight if self.weight_dw is None else self.weight_dw
        return self.folds_style and x.shape[0] == 1 and first.numel() < x.numel()

    def forward(self, x: Tensor, w: Tensor, *, transposed: bool = False, modulated: bool = False) -> Tensor:
        """The convolution of `x`, or of features that the style was multiplied into: `modulated`."""
        style = self.style(w)
        first = self.weight if self.weight_dw is None else self.weight_dw
        if modulated:
            pass
        elif self.folds(x):
            first = first * (
                style[:, :, None, None] if self.weight_dw is None else style[0, :, None, None, None]
            )
        else:
            x = x * style[:, :, None, None]
        if self.weight_dw is not None:
            if transposed:
                x = F.conv_transpose2d(x, first, stride=2, groups=x.shape[1])
            else:
                x = F.conv2d(x, first, padding=self.padding, groups=x.shape[1])
            x = F.conv2d(x, self.weight, self.bias)
        elif transposed:
            x = F.conv_transpose2d(x, first.transpose(0, 1), self.bias, stride=2)
        else:
            x = F.conv2d(x, first, self.bias, padding=self.padding)
        if self.demodulation is None:
            return x
        factors: Tensor | None = self.demodulation(self.energy, style * self.style_scale)
        return x if factors is None else x * factors[:, :, None, None]


class ModulatedIDWT(nn.Module):
    """The inverse transform of features `x [N, 4C, H, W]` times `factors [N, 4C]`: `[N, C, 2H, 2W]`."""

    def __init__(self, channels: int, *, sorted: bool) -> None:
        super().__init__()
        self.channels, self.sorted = channels, sorted  # 4C
        self.idwt = IDWT(sorted=sorted)

    def forward(self, x: Tensor, factors: Tensor) -> Tensor:
        return cast(Tensor, self.idwt(x * factors[:, :, None, None]))


class BlocksToSpace(nn.Module):
    """`blocks_to_space` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        return blocks_to_space(x)


class DeployedLayer(nn.Module):
    """A styled layer of known blocks, folded; called like a `StyledLayer`."""

    def __init__(self, layer: StyledLayer, *, order_in: Tensor | None, order_out: Tensor | None) -> None:
        super().__init__()
        gain = ACTIVATIONS[layer.activation][1] if layer.gain is None else layer.gain
        self.activation, self.clamp = layer.activation, layer.clamp
        folded_gain, self.gain = (gain, 1.0) if layer.activation in _HOMOGENEOUS else (1.0, gain)
        block = layer.conv
        self.modulation: nn.Linear | None = None
        self.idwt: ModulatedIDWT | None = None
        self.blur: nn.Module | None = None
        conv: nn.Module = block
        if isinstance(block, IDWTUpsampler):
            is_sorted = order_in is not None
            self.modulation = fold_linear(block.modulation, scale=0.5 if is_sorted else 1.0, order=order_in)
            self.idwt = ModulatedIDWT(self.modulation.out_features, sorted=is_sorted)
            conv = block.conv
        elif isinstance(block, ConvTransposeUpsampler):
            self.blur = copy.deepcopy(block.blur)
            conv = block.conv
        constant = isinstance(conv.demodulation, StaticDemodulation | NoDemodulation) and self.blur is None
        bias = layer.bias * folded_gain
        self.conv = DeployedConv(
            cast(ModulatedConv, conv),
            gain=folded_gain,
            bias=bias if constant else None,
            order_out=order_out,
        )
        self.bias = None
        if not constant:
            self.bias = nn.Parameter(bias.clone() if order_out is None else bias[order_out])
        self.noise = copy.deepcopy(layer.noise)
        self.noise.strength.mul_(folded_gain)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        modulated = False
        if self.modulation is not None and self.idwt is not None:
            factors = self.modulation(w)
            # A channel's style is a factor of its four sub-bands: one pass over the features in place of two.
            if modulated := self.idwt.sorted and not self.conv.folds(x):
                factors = factors * self.conv.style(w).repeat(1, 4)
            x = self.idwt(x, factors)
        x = self.conv(x, w, transposed=self.blur is not None, modulated=modulated)
        if self.blur is not None:
            x = self.blur(x)
        if noise is not None:
            x = x.add_(self.noise.strength * noise)
        if self.bias is not None:
            x = x.add_(self.bias[:, None, None])
        if self.activation == "lrelu" and self.clamp is None:
            return F.leaky_relu_(x, 0.2)
        return bias_act(x, activation=self.activation, gain=self.gain, clamp=self.clamp)


class DeployedHead(nn.Module):
    """A head of this package that keeps only what the picture needs; called like a `Head`."""

    def __init__(self, head: Head, orders: list[Tensor | None]) -> None:
        super().__init__()
        self.upsample = copy.deepcopy(head.upsample) if isinstance(head, SkipHead) else None
        levels = range(head.last_level + 1) if isinstance(head, SkipHead) else [head.last_level]
        self.clamp = cast(ToImage, head.to_image[str(head.last_level)]).clamp
        # A clamp limits the sub-bands themselves: then all of the transform stays behind it.
        self.idwt = None if head.idwt is None or self.clamp is None else IDWT()
        self.to_space = None if head.idwt is None or self.clamp is not None else BlocksToSpace()
        self.to_image = nn.ModuleDict()
        for level in levels:
            to_image = cast(ToImage, head.to_image[str(level)])
            folded = DeployedConv(to_image.conv, bias=to_image.bias, order_in=orders[level])
            if self.to_space is not None:
                order = subband_order(to_image.bias.numel()).to(to_image.bias.device)
                folded.weight = nn.Parameter(haar_pixels(0.5 * folded.weight[order]))
                folded.bias = nn.Parameter(haar_pixels(0.5 * to_image.bias[order]))
            self.to_image[str(level)] = folded

    def forward(self, level: int, x: Tensor, w: Tensor, image: Tensor | None) -> tuple[Tensor | None, None]:
        if str(level) not in self.to_image:
            return image, None
        prediction = self.to_image[str(level)](x, w)
        if self.clamp is not None:
            prediction = prediction.clamp(-self.clamp, self.clamp)
        if self.idwt is not None:
            prediction = self.idwt(prediction)
        if self.to_space is not None:
            prediction = self.to_space(prediction)
        if image is None or self.upsample is None:
            return prediction, None
        return self.upsample(image) + prediction, None
