"""Tiny networks and comparisons that tests of several folders share."""

import torch

from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.factory import build

MOBILE = {
    "output": "wavelet",
    "upsampler": "idwt",
    "conv": "depthwise",
    "demodulation": "static",
    "head": "aux",
    "activation_gain": 1.0,
}
NETWORKS = {"pixel": {}, "wavelet": MOBILE}  # StyleGAN2 and MobileStyleGAN
TINY_RECIPE = {"resolution": 8, "channel_base": 64, "channel_max": 8, "z_dim": 8, "w_dim": 8}


def tiny_config(**settings):
    """A config of 16 x 16, with widths that differ from level to level; multiples of 4, for sub-bands."""
    data = {"resolution": 16, "z_dim": 8, "w_dim": 8, "mapping": {"name": "mlp", "depth": 1}, **settings}
    if not {"channels", "channel_base", "channel_max"} & data.keys():
        levels = data["resolution"].bit_length() - (2 if data.get("output", "pixel") == "pixel" else 3)
        data["channels"] = (8, 12, 16)[:levels]
    return GeneratorConfig.from_dict(data)


def tiny(network="pixel", **settings):
    """A config of 16 x 16 with 8 channels everywhere, which any other resolution may take the place of."""
    return tiny_config(**{"channel_base": 2**14, "channel_max": 8, **NETWORKS[network], **settings})


def trained(config, seed=0):
    """A generator with no parameter left at 0 or 1, where it would hide a fault, nor its mean style."""
    generator = build(config, seed)
    gaussian = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        generator.mapping.w_avg += torch.randn(config.w_dim, generator=gaussian)
        for name, parameter in generator.named_parameters():
            if name.endswith(("strength", "bias", "style_inv")):
                parameter += 0.3 * torch.randn(parameter.shape, generator=gaussian)
    return generator


def seeded(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def assert_same_image(got, expected):
    assert got.shape == expected.shape
    error = (got - expected).abs().max().item()
    assert error <= 1e-5 * max(1.0, expected.abs().max().item())


def assert_golden(got, expected):
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= 2e-5 * max(1.0, expected.abs().max().item())


def assert_one_line(result, *parts):
    """A mistake: status 2, nothing on stdout, one line on stderr that holds the parts."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("ganzoo: ") and err.count("\n") == 1 and "Traceback" not in err
    for part in parts:
        assert part in err


def styled_layers(generator):
    """The styled layers of a StyleGAN2's synthesis network, in the order in which they read rows of w."""
    return [layer for level in generator.synthesis.levels for layer in level.layers]
