"""The registries of the generator's blocks, one per kind, and what the code gives to every block of the kind."""

from torch import nn

from ganzoo.registry import Registry

DEMODULATIONS: Registry[nn.Module] = Registry("demodulation", context=["in_channels"])
CONVS: Registry[nn.Module] = Registry("conv", context=["in_channels", "out_channels", "w_dim", "demodulation"])
UPSAMPLERS: Registry[nn.Module] = Registry("upsampler", context=["in_channels", "out_channels", "w_dim", "make_conv"])
HEADS: Registry[nn.Module] = Registry("head", context=["channels", "w_dim", "img_channels", "output", "clamp"])
MAPPINGS: Registry[nn.Module] = Registry("mapping", context=["z_dim", "w_dim", "num_ws", "label_dim"])

KINDS: dict[str, Registry[nn.Module]] = {r.kind: r for r in (MAPPINGS, UPSAMPLERS, CONVS, DEMODULATIONS, HEADS)}
