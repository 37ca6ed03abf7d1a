"""State dicts of genforce's StyleGAN2 generators, which follow TensorFlow's numbers.

Kernels of layers that upsample are turned by half, and 1 is added to the bias of each style.
"""

from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Array, Tensors, fill, resolution_of, same
from ganzoo.converters.rosinality import count, take_mean
from ganzoo.converters.square import refuse_oblong
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.names import (
    CONST,
    bias_name,
    conv_name,
    is_upsampling,
    layer_name,
    layer_side,
)

_KERNEL_GAIN = 4.0  # of the filters behind upsampling


def read_generator(tensors: Tensors) -> Generator:
    """The generator of a state dict.

    Raises:
        ValueError: for another network, or one that is damaged.
    """
    if "mapping.label_weight" in tensors:
        raise ValueError(
            "The network joins label and latent as StyleGAN2 did before ADA, which is not supported."
        )
    refuse_oblong(tensors)
    arrays: dict[str, Array] = {}
    depth = count(tensors, r"mapping\.dense(\d+)\.weight")
    if not depth:
        raise ValueError("The network has no mapping network.")
    for i in range(depth):
        arrays[f"mapping.layers.{i}.weight"] = tensors.take(f"mapping.dense{i}.weight")
        arrays[f"mapping.layers.{i}.bias"] = tensors.take(f"mapping.dense{i}.bias")
    take_mean(tensors, arrays, "truncation.w_avg")
    arrays[CONST] = tensors.take("synthesis.early_layer.const")
    levels = count(tensors, r"synthesis\.output(\d+)\.weight")
    for i in range(2 * levels - 1):
        source, target, side = f"synthesis.layer{i}", layer_name(i), layer_side(i)
        _modulated(tensors, source, conv_name(i), arrays, flip=is_upsampling(i))
        arrays[f"{target}.bias"] = tensors.take(f"{source}.bias")
        arrays[f"{target}.noise.strength"] = tensors.take(f"{source}.noise_strength", ())
        arrays[f"{target}.noise.const"] = tensors.take(f"{source}.noise", (1, 1, side, side))
    for i in range(levels):
        source, target = f"synthesis.output{i}", f"synthesis.head.to_image.{i}"
        _modulated(tensors, source, f"{target}.conv", arrays, flip=False)
        arrays[f"{target}.bias"] = tensors.take(f"{source}.bias")
    filters = [f"synthesis.layer{i}.filter.kernel" for i in range(1, 2 * levels - 1, 2)]
    if levels > 1:
        filters.append("synthesis.upsample.kernel")
    found = {name: tensors.separable_filter(name, gain=_KERNEL_GAIN) for name in filters}
    taps = {"taps": same("The resampling filter", found)} if found else {}
    config = GeneratorConfig.from_dict(
        {
            "resolution": resolution_of(levels),
            "channels": [arrays[bias_name(i)].size for i in range(levels)],
            "z_dim": arrays["mapping.layers.0.weight"].shape[1],
            "w_dim": arrays[f"mapping.layers.{depth - 1}.bias"].size,
            "img_channels": arrays["synthesis.head.to_image.0.bias"].size,
            "mapping": {"name": "mlp", "depth": depth, "lr_multiplier": MAPPING_LR_MULTIPLIER},
            "upsampler": {"name": "conv_transpose", **taps},
            "conv": "full",
            "head": {"name": "skip", **taps},
        }
    )
    tensors.drop("a filter that no layer applies", when=lambda n: n == "synthesis.upsample.kernel")
    tensors.finish()
    return fill(empty(config), arrays, tensors)


def _modulated(tensors: Tensors, source: str, target: str, arrays: dict[str, Array], *, flip: bool) -> None:
    """A modulated convolution."""
    weight = tensors.take(f"{source}.weight")
    arrays[f"{target}.weight"] = weight[..., ::-1, ::-1] if flip else weight
    arrays[f"{target}.modulation.weight"] = tensors.take(f"{source}.style.weight")
    arrays[f"{target}.modulation.bias"] = tensors.take(f"{source}.style.bias") + 1
