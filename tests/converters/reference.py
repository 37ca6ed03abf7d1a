"""StyleGAN2 computed naively in float64 from NVIDIA's tensors, as the papers write it: one sample, one step.

Weights are modulated and demodulated for every sample, upsampling inserts zeros, filters are full 2-D
kernels. Nothing of the package is used, so that a mistake there cannot hide here.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from helpers import assert_golden

ACTIVATIONS = {  # of the public formula, with the gain that goes with each
    "linear": (lambda x: x, 1.0),
    "relu": (lambda x: x.clamp(min=0), math.sqrt(2)),
    "lrelu": (lambda x: torch.where(x > 0, x, 0.2 * x), math.sqrt(2)),
    "tanh": (lambda x: 1 - 2 / ((2 * x).exp() + 1), 1.0),
    "sigmoid": (lambda x: 1 / (1 + (-x).exp()), 1.0),
    "elu": (lambda x: torch.where(x > 0, x, x.clamp(max=0).expm1()), 1.0),
    "selu": (lambda x: 1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * x.expm1()), 1.0),
    "softplus": (lambda x: (1 + x.exp()).log(), 1.0),
    "swish": (lambda x: x / (1 + (-x).exp()), math.sqrt(2)),
}


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """What a mapping network is made of; widths of None take the network's own."""

    num_layers: int = 2
    layer_features: int | None = None
    embed_features: int | None = None
    activation: str = "lrelu"
    lr_multiplier: float = 0.01


@dataclass(frozen=True, kw_only=True)
class G:
    """What a generator is made of; `channels` from 4 x 4 up."""

    channels: tuple[int, ...] = (8, 6, 4)
    z_dim: int = 8
    w_dim: int = 8
    c_dim: int = 0
    img_channels: int = 3
    architecture: str = "skip"
    resample_filter: tuple[float, ...] | None = (1, 3, 3, 1)
    activation: str = "lrelu"
    act_gain: float | None = None
    conv_clamp: float | None = None
    use_noise: bool = True
    kernel_size: int = 3
    mapping: Mapping = Mapping()
    w_avg: bool = True


@dataclass(frozen=True, kw_only=True)
class D:
    """What a discriminator is made of; `channels` from 4 x 4 up."""

    channels: tuple[int, ...] = (8, 6, 4)
    c_dim: int = 0
    img_channels: int = 3
    architecture: str = "resnet"
    resample_filter: tuple[float, ...] | None = (1, 3, 3, 1)
    activation: str = "lrelu"
    conv_clamp: float | None = None
    group_size: int | None = 4
    num_channels: int = 1
    cmap_dim: int | None = None
    mapping: Mapping = Mapping()
    frozen: int = 0


ORIGINALS = {  # what the golden files of NVIDIA were made with
    "ada_uncond_skip_32": (
        G(channels=(12, 12, 12, 8), conv_clamp=256),
        D(channels=(12, 12, 12, 8), conv_clamp=256),
    ),
    "ada_cond_skip_32": (
        G(channels=(8,) * 4, c_dim=5, mapping=Mapping(num_layers=4)),
        D(channels=(8,) * 4, c_dim=5, mapping=Mapping(num_layers=8)),
    ),
    "ada_resnet_32": (
        G(channels=(12, 12, 12, 8), architecture="resnet", conv_clamp=256, mapping=Mapping(num_layers=8)),
        D(channels=(12, 12, 12, 8), architecture="skip", conv_clamp=256, group_size=2),
    ),
    "sg3repo_stylegan2_32": (
        G(channels=(8,) * 4, conv_clamp=256, mapping=Mapping(num_layers=8)),
        D(channels=(8,) * 4, conv_clamp=256),
    ),
}


def double(tensors):
    """The same tensors in float64."""
    return {name: tensor.double() for name, tensor in tensors.items()}


def styles(tensors, spec, z, c=None, *, psi=1.0, cutoff=None):
    """`ws [N, num_ws, w_dim]` of a generator."""
    t, rows = double(tensors), 2 * len(spec.channels)
    w = map_inputs(t, spec.mapping, z, c if spec.c_dim else None)
    ws = torch.stack([w] * rows, dim=1)
    for row in range(rows if cutoff is None else cutoff):
        if psi != 1:
            ws[:, row] = t["mapping.w_avg"] + psi * (ws[:, row] - t["mapping.w_avg"])
    return ws


def make_images(tensors, spec, ws, *, noise="const"):
    """`[N, img_channels, R, R]` of a generator."""
    t, taps = double(tensors), spec.resample_filter or (1,)
    ws = ws.double()

    def layer(x, name, w, up):
        style = linear(t, f"{name}.affine", w)
        x = modulated_conv(x, t[f"{name}.weight"], style, demodulate=True, taps=taps if up else None)
        if spec.use_noise and noise == "const":
            x = x + t[f"{name}.noise_const"] * t[f"{name}.noise_strength"]
        x = x + t[f"{name}.bias"].view(1, -1, 1, 1)
        return activate(x, spec.activation, gain=spec.act_gain, clamp=spec.conv_clamp)

    def to_rgb(x, name, w):
        style = linear(t, f"{name}.affine", w) / math.sqrt(x.shape[1])
        x = modulated_conv(x, t[f"{name}.weight"], style, demodulate=False, taps=None)
        return clip(x + t[f"{name}.bias"].view(1, -1, 1, 1), spec.conv_clamp)

    x = torch.stack([t["synthesis.b4.const"]] * len(ws))
    image, row, last = None, 0, len(spec.channels) - 1
    for level in range(last + 1):
        block, below = f"synthesis.b{4 * 2**level}", x
        if level:
            x = layer(x, f"{block}.conv0", ws[:, row], up=True)
            row += 1
        x = layer(x, f"{block}.conv1", ws[:, row], up=False)
        row += 1
        if level and spec.architecture == "resnet":
            weight = t[f"{block}.skip.weight"]
            x = (upsample(F.conv2d(below, weight / math.sqrt(weight.shape[1])), taps) + x) * math.sqrt(0.5)
        if image is not None:
            image = upsample(image, taps)
        if level == last or spec.architecture == "skip":
            rgb = to_rgb(x, f"{block}.torgb", ws[:, row])
            image = rgb if image is None else image + rgb
    return image


def logits(tensors, spec, images, c=None):
    """`[N, 1]` of a discriminator."""
    t, taps = double(tensors), spec.resample_filter or (1,)

    def layer(x, name, *, clamp=spec.conv_clamp, activation=spec.activation, down=False):
        weight = t[f"{name}.weight"]
        k, f = weight.shape[-1], len(taps)
        if down:
            x = filtered(x, taps, left=k // 2 + (f - 1) // 2, right=k // 2 + (f - 2) // 2)
        weight = weight / math.sqrt(weight[0].numel())
        x = F.conv2d(x, weight, stride=2 if down else 1, padding=0 if down else k // 2)
        if f"{name}.bias" in t:
            x = x + t[f"{name}.bias"].view(1, -1, 1, 1)
        return activate(x, activation, clamp=clamp)

    def halved(x):
        return filtered(x, taps, left=(len(taps) - 1) // 2, right=(len(taps) - 2) // 2)[:, :, ::2, ::2]

    image, x = images.double(), None
    for level in range(len(spec.channels) - 1, 0, -1):
        block = f"b{4 * 2**level}"
        if x is None or spec.architecture == "skip":
            seen = layer(image, f"{block}.fromrgb")
            x = seen if x is None else x + seen
            image = halved(image)
        around = x
        x = layer(layer(x, f"{block}.conv0"), f"{block}.conv1", down=True)
        if spec.architecture == "resnet":
            x = (x + layer(halved(around), f"{block}.skip", clamp=None, activation="linear")) * math.sqrt(0.5)
    if spec.architecture == "skip":
        x = x + layer(image, "b4.fromrgb", clamp=None)
    x = layer(with_deviation(x, spec.group_size, spec.num_channels), "b4.conv")
    x = linear(t, "b4.out", activate(linear(t, "b4.fc", x.flatten(1)), spec.activation))
    if not spec.c_dim:
        return x
    cmap = map_inputs(t, spec.mapping, None, c)
    return (x * cmap).sum(dim=1, keepdim=True) / math.sqrt(cmap.shape[1])


def map_inputs(t, spec, z, c):
    """`[N, w_dim]` of a mapping network; z or c may be None."""
    inputs = [] if z is None else [normalized(z.double())]
    if c is not None:
        inputs.append(normalized(linear(t, "mapping.embed", c.double())))
    x = torch.cat(inputs, dim=1)
    for i in range(spec.num_layers):
        x = activate(linear(t, f"mapping.fc{i}", x, lr_multiplier=spec.lr_multiplier), spec.activation)
    return x


def linear(t, name, x, *, lr_multiplier=1.0):
    """A linear layer at equalised learning rate."""
    weight = t[f"{name}.weight"] * (lr_multiplier / math.sqrt(x.shape[1]))
    return x @ weight.T + t[f"{name}.bias"] * lr_multiplier


def normalized(x):
    """Rows with a mean square of 1."""
    return x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()


def activate(x, name, *, gain=None, clamp=None):
    """The activation times its gain, clipped."""
    function, default = ACTIVATIONS[name]
    return clip(function(x) * (default if gain is None else gain), clamp)


def clip(x, limit):
    """`x` within plus and minus the limit, None for none."""
    return x if limit is None else x.clamp(-limit, limit)


def modulated_conv(x, weight, style, *, demodulate, taps):
    """Every sample convolved by weights of its own, upsampled by 2 if there are taps."""
    result = []
    for sample, scales in zip(x, style, strict=True):
        own = weight * scales.view(1, -1, 1, 1)
        if demodulate:
            own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        size = own.shape[-1]
        if taps is None:
            result.append(F.conv2d(sample[None], own, padding=size // 2))
            continue
        spread = zeros_between(sample[None])[:, :, :-1, :-1]  # the last zeros would only lengthen the result
        full = F.conv2d(spread, own.flip(2, 3), padding=size - 1)
        left = size // 2 + (len(taps) + 1) // 2 - (size - 1)
        right = size // 2 + (len(taps) - 2) // 2 - (size - 2)
        result.append(4 * filtered(full, taps, left=left, right=right))
    return torch.cat(result)


def upsample(x, taps):
    """An image or features at twice the size."""
    spread = zeros_between(x)
    return 4 * filtered(spread, taps, left=(len(taps) + 1) // 2, right=(len(taps) - 2) // 2)


def zeros_between(x):
    """`x` with a zero after every sample, at twice the size."""
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    spread[:, :, ::2, ::2] = x
    return spread


def filtered(x, taps, *, left, right):
    """Padded, on both axes alike, and convolved with the filter of sum 1."""
    taps = torch.tensor(taps, dtype=torch.float64)
    kernel = torch.outer(taps, taps) / taps.sum() ** 2
    x = F.pad(x, (left, right, left, right))
    n, c, h, w = x.shape
    x = F.conv2d(x.reshape(n * c, 1, h, w), kernel.flip(0, 1)[None, None])
    return x.view(n, c, *x.shape[2:])


def with_deviation(x, group_size, num_channels):
    """`x` and the deviation of every group of samples, one image for each part of the channels."""
    n = len(x)
    groups = n // (n if group_size is None else min(group_size, n))
    if not num_channels:
        return x
    added = x.new_zeros(n, num_channels, *x.shape[2:])
    for first in range(groups):
        members = x[first::groups]
        deviation = (members.var(dim=0, unbiased=False) + 1e-8).sqrt()
        for part, channels in enumerate(deviation.chunk(num_channels)):
            added[first::groups, part] = channels.mean()
    return torch.cat([x, added], dim=1)


def inputs(spec, n=2, seed=7):
    """Latents and labels, or None for these."""
    random = np.random.RandomState(seed)
    z = torch.tensor(random.randn(n, spec.z_dim), dtype=torch.float32)
    c = (
        torch.tensor(np.eye(spec.c_dim)[random.randint(spec.c_dim, size=n)], dtype=torch.float32)
        if spec.c_dim
        else None
    )
    return z, c


def images_and_labels(spec, n=8, seed=8):
    """Images and labels for a discriminator."""
    random = torch.Generator().manual_seed(seed)
    size = 2 ** (len(spec.channels) + 1)
    images = torch.randn(n, spec.img_channels, size, size, generator=random)
    return images, torch.eye(spec.c_dim)[torch.arange(n) % spec.c_dim] if spec.c_dim else None


@torch.inference_mode()
def assert_computes(got, tensors, spec):
    """A generator's styles and images are the reference's."""
    z, c = inputs(spec)
    ws = styles(tensors, spec, z, c)
    assert_golden(got.mapping(z, c), ws)
    if spec.w_avg:
        assert_golden(got.mapping(z, c, 0.6), styles(tensors, spec, z, c, psi=0.6))
        expected = styles(tensors, spec, z, c, psi=0.6, cutoff=2)
        assert_golden(got.mapping(z, c, 0.6, 2), expected)
    for noise in ("const", "none"):
        expected = make_images(tensors, spec, ws, noise=noise)
        assert expected.std() > 0.01
        assert_golden(got(z, c, noise=noise), expected)


@torch.inference_mode()
def assert_judges(got, tensors, spec):
    """A discriminator's logits are the reference's."""
    images, c = images_and_labels(spec)
    for n in (1, 8):  # of 8, groups of 4 are not the whole batch
        labels = None if c is None else c[:n]
        assert_golden(got(images[:n], labels), logits(tensors, spec, images[:n], labels))
