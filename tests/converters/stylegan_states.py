"""State dicts of genforce's StyleGAN, what they compute in float64, and the same as TensorFlow's networks."""

import math

import torch
import torch.nn.functional as F
from test_tensorflow import Network

BLUR = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16


class Draw:
    """Random tensors, one after the other."""

    def __init__(self, seed):
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, *shape):
        return torch.randn(*shape, generator=self.random)


def generator_state(channels, *, z_dim=6, w_dim=8, hidden=7, depth=3, label_dim=0, colors=3, lod=0.0, seed=0):
    """The generator's tensors; `channels` are the widths from 4 x 4 up."""
    draw, state = Draw(seed), {}
    widths = [2 * z_dim if label_dim else z_dim, *[hidden] * (depth - 1), w_dim]
    for i in range(depth):
        state[f"mapping.dense{i}.weight"] = 100 * draw(widths[i + 1], widths[i])
        state[f"mapping.dense{i}.bias"] = 30 * draw(widths[i + 1])
    if label_dim:
        state["mapping.label_weight"] = draw(label_dim, z_dim)
    state["truncation.w_avg"] = draw(w_dim)
    state["synthesis.lod"] = torch.tensor(lod)
    state["synthesis.layer0.const"] = draw(1, channels[0], 4, 4)
    for row in range(2 * len(channels)):
        level, name = row // 2, f"synthesis.layer{row}"
        width, below = channels[level], channels[max(0, level - (row % 2 == 0))]
        if row:
            state[f"{name}.weight"] = draw(width, below, 3, 3)
        state[f"{name}.bias"] = draw(width)
        state[f"{name}.apply_noise.weight"] = draw(width)
        state[f"{name}.apply_noise.noise"] = draw(1, 1, 4 << level, 4 << level)
        state[f"{name}.style.weight"], state[f"{name}.style.bias"] = draw(2 * width, w_dim), draw(2 * width)
        if row and row % 2 == 0:
            state[f"{name}.blur.kernel"] = BLUR.expand(width, 1, 3, 3).clone()
    for level, width in enumerate(channels):
        state[f"synthesis.output{level}.weight"] = draw(colors, width, 1, 1)
        state[f"synthesis.output{level}.bias"] = draw(colors)
    return state


def images(state, z, label=None, *, fused=False):
    """Images of a generator that has grown up: pixels are repeated, then convolved and blurred."""
    t = {name: tensor.double() for name, tensor in state.items()}
    x = z.double()
    if label is not None:
        x = torch.cat([x, label.double() @ t["mapping.label_weight"]], dim=1)
    x = x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for i in range(sum(name.startswith("mapping.dense") for name in t) // 2):
        weight, bias = t[f"mapping.dense{i}.weight"], t[f"mapping.dense{i}.bias"]
        x = F.leaky_relu(x @ weight.T * (0.01 * math.sqrt(2 / weight.shape[1])) + 0.01 * bias, 0.2)
    w, levels = x, sum(name.startswith("synthesis.output") for name in t) // 2
    x = t["synthesis.layer0.const"]
    for row in range(2 * levels):
        name = f"synthesis.layer{row}"
        if row:
            weight = t[f"{name}.weight"]
            weight = weight * math.sqrt(2 / weight[0].numel())
            if row % 2 == 0:
                x = F.interpolate(x, scale_factor=2)
                weight = weight.flip(2, 3) if fused else weight
            x = F.conv2d(x, weight, padding=1)
        if f"{name}.blur.kernel" in t:
            x = F.conv2d(x, t[f"{name}.blur.kernel"], padding=1, groups=x.shape[1])
        if f"{name}.apply_noise.weight" in t:
            x = x + t[f"{name}.apply_noise.weight"][:, None, None] * t[f"{name}.apply_noise.noise"]
        x = F.leaky_relu(x + t[f"{name}.bias"][:, None, None], 0.2)
        x = F.instance_norm(x, eps=1e-8)
        style = w @ t[f"{name}.style.weight"].T / math.sqrt(w.shape[1]) + t[f"{name}.style.bias"]
        factor, shift = style[:, :, None, None].chunk(2, dim=1)
        x = x * (factor + 1) + shift
    weight = t[f"synthesis.output{levels - 1}.weight"]
    return F.conv2d(x, weight / math.sqrt(weight.shape[1]), t[f"synthesis.output{levels - 1}.bias"])


def discriminator_state(channels, *, label_dim=0, colors=3, deviation=True, lod=0.0, seed=0):
    """The discriminator's tensors."""
    draw, state, last = Draw(seed), {"lod": torch.tensor(lod)}, len(channels) - 1
    for i, level in enumerate(range(last, -1, -1)):
        width, next_width = channels[level], channels[max(0, level - 1)]
        state[f"input{i}.weight"], state[f"input{i}.bias"] = draw(width, colors, 1, 1), draw(width)
        if level:
            state[f"layer{2 * i}.weight"], state[f"layer{2 * i}.bias"] = draw(width, width, 3, 3), draw(width)
            state[f"layer{2 * i + 1}.weight"] = draw(next_width, width, 3, 3)
            state[f"layer{2 * i + 1}.bias"] = draw(next_width)
            state[f"layer{2 * i + 1}.blur.kernel"] = BLUR.expand(width, 1, 3, 3).clone()
    width = channels[0]
    state[f"layer{2 * last}.weight"] = draw(width, width + deviation, 3, 3)
    state[f"layer{2 * last}.bias"] = draw(width)
    for i, out in ((1, width), (2, max(1, label_dim))):
        state[f"layer{2 * last + i}.weight"] = draw(out, width * (16 if i == 1 else 1))
        state[f"layer{2 * last + i}.bias"] = draw(out)
    return state


def logits(state, images, label=None):
    """What a discriminator that has grown up makes of up to four images."""
    t = {name: tensor.double() for name, tensor in state.items()}
    last = sum(name.startswith("input") for name in t) // 2 - 1

    def layer(x, name, *, blurred=False):
        weight = t[f"{name}.weight"]
        weight = weight * math.sqrt(2 / weight[0].numel())
        if weight.ndim == 2:
            return F.leaky_relu(x.flatten(1) @ weight.T + t[f"{name}.bias"], 0.2)
        if blurred:
            x = F.conv2d(x, t[f"{name}.blur.kernel"], padding=1, groups=x.shape[1])
        x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        x = F.avg_pool2d(x, 2) if blurred else x
        return F.leaky_relu(x + t[f"{name}.bias"][:, None, None], 0.2)

    x = layer(images.double(), "input0")
    for i in range(last):
        x = layer(layer(x, f"layer{2 * i}"), f"layer{2 * i + 1}", blurred=True)
    if t[f"layer{2 * last}.weight"].shape[1] > x.shape[1]:
        deviation = (x.var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
        x = torch.cat([x, deviation.expand(len(x), 1, 4, 4)], dim=1)
    x = layer(layer(x, f"layer{2 * last}"), f"layer{2 * last + 1}")
    weight = t[f"layer{2 * last + 2}.weight"]
    x = x @ weight.T / math.sqrt(weight.shape[1]) + t[f"layer{2 * last + 2}.bias"]
    return x if label is None else (x * label).sum(dim=1, keepdim=True)


def tensorflow_generator(state, **settings):
    """A generator's state dict as a network of TensorFlow: kernels are `[k, k, in, out]`."""
    t = {name: tensor.numpy() for name, tensor in state.items()}
    mapping, synthesis = {}, {"lod": t["synthesis.lod"]}
    for i in range(sum(name.startswith("mapping.dense") for name in t) // 2):
        mapping[f"Dense{i}/weight"] = t[f"mapping.dense{i}.weight"].T
        mapping[f"Dense{i}/bias"] = t[f"mapping.dense{i}.bias"]
    if "mapping.label_weight" in t:
        mapping["LabelConcat/weight"] = t["mapping.label_weight"]
    levels = sum(name.startswith("synthesis.output") for name in t) // 2
    synthesis["4x4/Const/const"] = t["synthesis.layer0.const"]
    for row in range(2 * levels):
        side, source = 4 << row // 2, f"synthesis.layer{row}"
        first = "Const" if row == 0 else "Conv0_up"
        target = f"{side}x{side}/{first if row % 2 == 0 else 'Conv' if row == 1 else 'Conv1'}"
        if row:
            synthesis[f"{target}/weight"] = t[f"{source}.weight"].transpose(2, 3, 1, 0)
        synthesis[f"{target}/bias"] = t[f"{source}.bias"]
        if f"{source}.apply_noise.weight" in t:
            synthesis[f"{target}/Noise/weight"] = t[f"{source}.apply_noise.weight"]
            synthesis[f"noise{row}"] = t[f"{source}.apply_noise.noise"]
        synthesis[f"{target}/StyleMod/weight"] = t[f"{source}.style.weight"].T
        synthesis[f"{target}/StyleMod/bias"] = t[f"{source}.style.bias"]
    for level in range(levels):
        name = f"ToRGB_lod{levels - 1 - level}"
        synthesis[f"{name}/weight"] = t[f"synthesis.output{level}.weight"].transpose(2, 3, 1, 0)
        synthesis[f"{name}/bias"] = t[f"synthesis.output{level}.bias"]
    components = {
        "mapping": Network(mapping, version=3, build_func_name="G_mapping", **settings),
        "synthesis": Network(synthesis, version=3, build_func_name="G_synthesis", **settings),
    }
    own = {"lod": t["synthesis.lod"], "dlatent_avg": t["truncation.w_avg"]}
    return Network(own, components=components, version=3, build_func_name="G_style", **settings)


def tensorflow_discriminator(state, **settings):
    """A discriminator's state dict as a network of TensorFlow."""
    t = {name: tensor.numpy() for name, tensor in state.items()}
    last = sum(name.startswith("input") for name in t) // 2 - 1
    names = {f"input{i}": f"FromRGB_lod{i}" for i in range(last + 1)}
    for i in range(last):
        side = 4 << last - i
        names |= {f"layer{2 * i}": f"{side}x{side}/Conv0", f"layer{2 * i + 1}": f"{side}x{side}/Conv1_down"}
    for i, name in enumerate(("Conv", "Dense0", "Dense1")):
        names[f"layer{2 * last + i}"] = f"4x4/{name}"
    variables = {"lod": t["lod"]}
    for source, target in names.items():
        weight = t[f"{source}.weight"]
        variables[f"{target}/weight"] = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        variables[f"{target}/bias"] = t[f"{source}.bias"]
    return Network(variables, version=3, build_func_name="D_basic", **settings)
