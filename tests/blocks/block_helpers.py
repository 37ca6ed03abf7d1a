"""A block of every kind, in the context that its network gives it, and comparisons."""

from functools import partial

import torch

from ganzoo.blocks import (
    AUGMENTS,
    CONVS,
    DEMODULATIONS,
    DISCRIMINATORS,
    HEADS,
    MAPPINGS,
    NORMS,
    SHORTCUTS,
    UPSAMPLERS,
)
from ganzoo.blocks.classes import row_width
from ganzoo.ops.spectral import SpectralLinear

IN, OUT, W_DIM, Z_DIM, NUM_WS = 8, 6, 5, 7, 4
HEAD_CHANNELS = (8, 12, 6)


def randomized(module, seed=0):
    """The module with every parameter drawn from a normal distribution around what it starts with."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.randn(parameter.shape, generator=random)
    return module


def demodulation(name, in_channels=IN):
    return DEMODULATIONS.build(name, in_channels=in_channels)


def conv(name, demodulated="style", in_channels=IN, out_channels=OUT, **options):
    return CONVS.build(
        {"name": name, **options},
        in_channels=in_channels,
        out_channels=out_channels,
        w_dim=W_DIM,
        demodulation=demodulation(demodulated, in_channels),
    )


def upsampler(name, conv_name, **conv_options):
    def make_conv(in_channels, out_channels):
        return conv(conv_name, in_channels=in_channels, out_channels=out_channels, **conv_options)

    return UPSAMPLERS.build(name, in_channels=IN, out_channels=OUT, w_dim=W_DIM, make_conv=make_conv)


def head(name, output="pixel", clamp=None):
    return HEADS.build(name, channels=HEAD_CHANNELS, w_dim=W_DIM, img_channels=3, output=output, clamp=clamp)


def classes(name="classes", label_dim=0, z_dim=4 * NUM_WS, **options):
    """The mapping network of classes, its rows as wide as its options ask for."""
    spec = MAPPINGS.complete({"name": name, "embed_dim": 3, **options})
    sizes = {"z_dim": z_dim, "num_ws": NUM_WS, "label_dim": label_dim}
    return MAPPINGS.build(spec, w_dim=row_width(spec, **sizes), **sizes)


def norm(name, condition_dim=W_DIM, **options):
    linear = partial(SpectralLinear, bias=False)
    spec = {"name": name, **options}
    return NORMS.build(spec, channels=IN, condition_dim=condition_dim, make_linear=linear)


def mapping(name, label_dim=0):
    return MAPPINGS.build(name, z_dim=Z_DIM, w_dim=W_DIM, num_ws=NUM_WS, label_dim=label_dim)


def shortcut(name, in_channels=IN, out_channels=OUT):
    return SHORTCUTS.build(name, in_channels=in_channels, out_channels=out_channels)


def discriminator(name, label_dim=0):
    return DISCRIMINATORS.build(name, resolution=16, channels=(8, 12, 6), img_channels=3, label_dim=label_dim)


def example(kind, name):
    """A block in the context that its kind is given."""
    builders = {
        "mapping": lambda name: classes(name) if name.startswith("classes") else mapping(name),
        "norm": norm,
        "upsampler": lambda name: upsampler(name, "full"),
        "conv": conv,
        "demodulation": demodulation,
        "head": head,
        "shortcut": shortcut,
        "discriminator": discriminator,
        "augment": AUGMENTS.build,
    }
    return builders[kind](name)


def run_head(block, w):
    """The image and the predictions of all levels, from random features."""
    image, predictions = None, []
    for level, channels in enumerate(HEAD_CHANNELS):
        x = torch.randn(len(w), channels, 4 * 2**level, 4 * 2**level)
        image, prediction = block(level, x, w, image)
        predictions.append(prediction)
    return image, predictions


def assert_batch_independent(block, *inputs):
    """Every sample comes out of a batch as it comes out alone."""
    together = block(*inputs)
    for i in range(len(together)):
        alone = block(*(x[i : i + 1] for x in inputs))
        torch.testing.assert_close(alone, together[i : i + 1], atol=1e-5, rtol=1e-5)
