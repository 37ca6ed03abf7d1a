"""State dicts of golden files under the names and in the wrappings of other repositories."""

import functools
import re

import torch
from golden_helpers import GOLDEN

from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.keymap import flatten

TRAINED = GOLDEN / "rosinality" / "ros_train_32.pt"
CONVERTED = GOLDEN / "rosinality" / "ros_convert_64_cm1.pt"
DISTILLER = GOLDEN / "mobilestylegan" / "msg_32_distiller.ckpt"


opened = functools.cache(open_checkpoint)


def state(path, *keys):
    """A state dict of a golden file, as torch tensors; a pickled module's by its tensors' names."""
    found = opened(path)
    for key in keys:
        found = found[key]
    return {name: torch.from_numpy(ref.array()) for name, ref in flatten(found)}


def saved(path, contents):
    torch.save(contents, path)
    return path


def prefixed(prefix, tensors):
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def renamed(tensors, rules):
    """The tensors, each by the first rule of its name; None leaves it out, no rule leaves it as it is."""
    result = {}
    for name, tensor in tensors.items():
        for old, new in rules:
            if match := re.fullmatch(old, name):
                result |= {} if new is None else {match.expand(new): tensor}
                break
        else:
            result[name] = tensor
    return result


FILTERS = (r".*\.kernel", None)


def basicsr(tensors):
    """BasicSR's names; its filters are no buffers."""
    rules = [
        FILTERS,
        (r"style\.(\d+)\.(weight|bias)", r"style_mlp.\1.\2"),
        (r"input\.input", "constant_input.weight"),
        (r"(conv1|convs\.\d+)\.noise\.weight", r"style_\1.weight"),
        (r"(conv1|convs\.\d+)\.activate\.bias", r"style_\1.activate.bias"),
        (r"(conv1|convs\.\d+)\.conv\.(.*)", r"style_\1.modulated_conv.\2"),
        (r"(to_rgb1|to_rgbs\.\d+)\.conv\.(.*)", r"\1.modulated_conv.\2"),
        (r"noises\.noise_(\d+)", r"noises.noise\1"),
    ]
    return renamed(tensors, rules)


def basicsr_discriminator(tensors):
    return renamed(tensors, [FILTERS, (r"convs\.(.*)", r"conv_body.\1")])


def mmagic(tensors):
    """The names of mmagic and mmgeneration: weights of equalised rate end in `_orig`."""
    rules = [
        (r"style\.(\d+)\.weight", r"style_mapping.\1.linear.weight_orig"),
        (r"style\.(\d+)\.bias", r"style_mapping.\1.bias"),
        (r"input\.input", "constant_input.input"),
        (r"(.*)\.conv\.modulation\.weight", r"\1.conv.style_modulation.linear.weight_orig"),
        (r"(.*)\.conv\.modulation\.bias", r"\1.conv.style_modulation.bias"),
        (r"(.*)\.conv\.weight", r"\1.conv.weight_orig"),
        (r"(.*)\.noise\.weight", r"\1.noise_injector.weight"),
        (r"noises\.noise_(\d+)", r"injected_noise_\1"),
    ]
    return renamed(tensors, rules)


def mmagic_discriminator(tensors):
    linear = (r"(final_linear\.\d)\.weight", r"\1.linear.weight_orig")
    return renamed(tensors, [linear, (r"(.*)\.weight", r"\1.conv.weight_orig")])


def genforce(tensors):
    """genforce's names; kernels that upsample are turned by half, and biases of styles lack their 1."""
    found = {}
    for name, tensor in tensors.items():
        if match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
            found[f"mapping.dense{int(match[1]) - 1}.{match[2]}"] = tensor
        elif name == "input.input":
            found["synthesis.early_layer.const"] = tensor
        elif match := re.fullmatch(r"noises\.noise_(\d+)", name):
            found[f"synthesis.layer{match[1]}.noise"] = tensor
        elif match := re.fullmatch(r"to_rgbs\.(\d+)\.upsample\.kernel", name):
            found["synthesis.upsample.kernel"] = tensor[None, None]
        elif match := re.fullmatch(r"(?:conv1|convs\.(\d+)|to_rgb1|to_rgbs\.(\d+))\.(.*)", name):
            index = int(next((m for m in match.groups()[:2] if m), -1)) + 1
            place = f"synthesis.{'output' if name.startswith('to_rgb') else 'layer'}{index}"
            kernel = tensor[0].flip(-1, -2) if index % 2 and "layer" in place and tensor.ndim == 5 else tensor
            found |= {
                "conv.weight": {f"{place}.weight": kernel[0] if kernel.ndim == 5 else kernel},
                "conv.blur.kernel": {f"{place}.filter.kernel": tensor[None, None]},
                "conv.modulation.weight": {f"{place}.style.weight": tensor},
                "conv.modulation.bias": {f"{place}.style.bias": tensor - 1},
                "noise.weight": {f"{place}.noise_strength": tensor.squeeze()},
                "activate.bias": {f"{place}.bias": tensor},
                "bias": {f"{place}.bias": tensor.reshape(-1)},
            }[match[3]]
        else:
            assert name == "latent_avg", name
            found["truncation.w_avg"] = tensor.reshape(-1)
    return found


def without_rounding(tensors):
    """The tensors, biases of styles such that 1 can be taken away and added without a change."""
    return {n: (t - 1) + 1 if n.endswith("modulation.bias") else t for n, t in tensors.items()}


def scattered(wrapper, tensors):
    """A state dict in which submodules were wrapped one by one: `convs.0` becomes `convs.0.WRAPPER`."""
    return {re.sub(r"^(convs\.\d+)\.", rf"\1.{wrapper}.", name): t for name, t in tensors.items()}
