"""BigGAN generators as state dicts of random numbers, and what they compute, spelt out on their tensors."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F


class StateDict(dict):
    """Tensors by name, drawn as they are asked for."""

    def __init__(self, seed=0):
        super().__init__()
        self.random = torch.Generator().manual_seed(seed)

    def draw(self, name, *shape, low=None):
        drawn = torch.randn(shape, generator=self.random)
        self[name] = drawn * 0.3 if low is None else low + drawn.abs()

    def layer(self, name, *shape, bias=True, vectors=1):
        self.draw(f"{name}.weight", *shape)
        if bias:
            self.draw(f"{name}.bias", shape[0])
        for k in range(vectors):
            self.draw(f"{name}.u{k}", 1, shape[0])
            self.draw(f"{name}.sv{k}", 1)


def state_dict(
    widths=(8, 8, 4),
    classes=3,
    shared=4,
    chunk=2,
    z_dim=5,
    attention=(),
    norm="",
    vectors=1,
    depth=0,
    colors=3,
    side=4,
):
    """A generator in the names of BigGAN-PyTorch.

    Args:
        widths: of the first features and behind every level.
        shared: width of the classes' embedding; 0 for none.
        chunk: of z in every block; 0 for a z that only the linear layer sees.
        attention: numbers of levels behind which it stands.
        norm: what stands before the names of statistics: "", "bn.stored" and so on.
        vectors: of power iteration in every layer; 0 without spectral norm.
        depth: blocks a level of BigGAN-deep; 0 for BigGAN.
    """
    found = StateDict()
    condition = shared + (z_dim if depth else chunk) if shared else classes
    if shared:
        found.draw("shared.weight", classes, shared)
    found.layer("linear", widths[0] * side**2, condition if depth else chunk or z_dim, vectors=vectors)

    def bn(name, width):
        _statistics(found, name, width, norm)
        for part in ("gain", "bias"):
            shape = (width, condition) if shared else (classes, width)
            found.layer(f"{name}.{part}", *shape, bias=False, vectors=vectors if shared else 0)

    block = 0
    for level, (below, above) in enumerate(pairwise(widths)):
        for j in range(max(1, depth)):
            name, out = f"blocks.{block}.0", above if j == max(1, depth) - 1 else below
            if depth:
                inner = below // 4
                shapes = [(inner, below, 1), (inner, inner, 3), (inner, inner, 3), (out, inner, 1)]
            else:
                shapes = [(out, below, 3), (out, out, 3)]
                found.layer(f"{name}.conv_sc", out, below, 1, 1, vectors=vectors)
            for k, (o, i, size) in enumerate(shapes, 1):
                found.layer(f"{name}.conv{k}", o, i, size, size, vectors=vectors)
                bn(f"{name}.bn{k}", i)
            block += 1
        if level in attention:
            place = f"blocks.{block - 1}.1"
            found[f"{place}.gamma"] = torch.tensor(0.7)
            shapes = {"theta": (above // 8, above), "phi": (above // 8, above), "g": (above // 2, above)}
            for part, (o, i) in {**shapes, "o": (above, above // 2)}.items():
                found.layer(f"{place}.{part}", o, i, 1, 1, bias=False, vectors=vectors)
    _statistics(found, "output_layer.0", widths[-1], norm)
    found.draw("output_layer.0.gain", widths[-1], low=0.5)
    found.draw("output_layer.0.bias", widths[-1])
    found.layer("output_layer.2", colors, widths[-1], 3, 3, vectors=vectors)
    return dict(found)


def _statistics(found, name, width, norm):
    if norm == "nonorm" and "output" not in name:
        return
    mean, variance = {"running": ("bn.running_mean", "bn.running_var")}.get(
        norm,
        (f"{'bn.' if norm == 'mybn' else ''}stored_mean", f"{'bn.' if norm == 'mybn' else ''}stored_var"),
    )
    found.draw(f"{name}.{mean}", width)
    found.draw(f"{name}.{variance}", width, low=0.5)
    if norm == "mybn":
        found[f"{name}.bn.accumulation_counter"] = torch.zeros(1)
    if norm == "running":
        found[f"{name}.bn.num_batches_tracked"] = torch.tensor(7)


class Original:
    """What the original computes in eval mode with a state dict."""

    def __init__(self, tensors, *, deep=False, depth=1, chunks=True, act=F.relu, bn_eps=1e-5, sn_eps=1e-6):
        self.tensors, self.deep, self.depth, self.chunks = tensors, deep, depth, chunks
        self.act, self.bn_eps, self.sn_eps = act, bn_eps, sn_eps

    def weight(self, name):
        weight = self.tensors[f"{name}.weight"]
        if f"{name}.u0" not in self.tensors:
            return weight
        matrix, u = weight.flatten(1), self.tensors[f"{name}.u0"]
        v = F.normalize(u @ matrix, eps=self.sn_eps)
        u = F.normalize(v @ matrix.T, eps=self.sn_eps)
        return weight / (v @ matrix.T @ u.T).squeeze()

    def conv(self, name, x):
        weight = self.weight(name)
        return F.conv2d(x, weight, self.tensors.get(f"{name}.bias"), padding=weight.shape[-1] // 2)

    def statistics(self, name):
        for mean, variance in (
            ("stored_mean", "stored_var"),
            ("bn.stored_mean", "bn.stored_var"),
            ("bn.running_mean", "bn.running_var"),
        ):
            if f"{name}.{mean}" in self.tensors:
                return self.tensors[f"{name}.{mean}"], self.tensors[f"{name}.{variance}"]
        return None

    def norm(self, name, x, y):
        if y is None:
            gain, bias = self.tensors[f"{name}.gain"][None], self.tensors[f"{name}.bias"][None]
        elif y.dtype == torch.int64:  # without a shared embedding each layer has a table
            gain, bias = (self.tensors[f"{name}.{part}.weight"][y] for part in ("gain", "bias"))
            gain = 1 + gain
        else:
            gain, bias = 1 + y @ self.weight(f"{name}.gain").T, y @ self.weight(f"{name}.bias").T
        if found := self.statistics(name):
            x = F.batch_norm(x, *found, eps=self.bn_eps)
        return x * gain[:, :, None, None] + bias[:, :, None, None]

    def attention(self, name, x):
        n, _, h, w = x.shape
        theta = self.conv(f"{name}.theta", x).view(n, -1, h * w)
        phi = F.max_pool2d(self.conv(f"{name}.phi", x), 2).view(n, -1, h * w // 4)
        g = F.max_pool2d(self.conv(f"{name}.g", x), 2).view(n, -1, h * w // 4)
        beta = torch.softmax(torch.bmm(theta.transpose(1, 2), phi), -1)
        o = torch.bmm(g, beta.transpose(1, 2)).view(n, -1, h, w)
        return self.tensors[f"{name}.gamma"] * self.conv(f"{name}.o", o) + x

    def block(self, name, x, y, doubles):
        def up(x):
            return x.repeat_interleave(2, 2).repeat_interleave(2, 3) if doubles else x

        def normed(k, x):
            return self.act(self.norm(f"{name}.bn{k}", x, y))

        if not self.deep:
            h = self.conv(f"{name}.conv1", up(normed(1, x)))
            return self.conv(f"{name}.conv2", normed(2, h)) + self.conv(f"{name}.conv_sc", up(x))
        h = self.conv(f"{name}.conv2", up(normed(2, self.conv(f"{name}.conv1", normed(1, x)))))
        h = self.conv(f"{name}.conv4", normed(4, self.conv(f"{name}.conv3", normed(3, h))))
        return h + up(x[:, : h.shape[1]])

    def __call__(self, z, y):
        blocks = len([name for name in self.tensors if name.endswith(".0.conv1.weight")])
        if "shared.weight" in self.tensors:
            y = self.tensors["shared.weight"][y]
        if self.deep:
            z = torch.cat([y, z], 1)
            ys = [z] * blocks
        elif self.chunks:
            z, *parts = z.chunk(blocks + 1, dim=1)
            ys = [torch.cat([y, part], 1) for part in parts]
        else:
            ys = [y] * blocks
        x = z @ self.weight("linear").T + self.tensors["linear.bias"]
        channels = self.tensors["blocks.0.0.conv1.weight"].shape[1]
        side = math.isqrt(x.shape[1] // channels)
        x = x.view(len(z), channels, side, side)
        for i in range(blocks):
            x = self.block(f"blocks.{i}.0", x, ys[i], doubles=i % self.depth == self.depth - 1)
            if f"blocks.{i}.1.gamma" in self.tensors:
                x = self.attention(f"blocks.{i}.1", x)
        x = self.act(self.norm("output_layer.0", x, None))
        return torch.tanh(self.conv("output_layer.2", x))


def huggingface(layers, width=2, z_dim=4, classes=3, stats=11, attention=1, side=4):
    """A generator in the names of pytorch-pretrained-BigGAN, and its config.json."""
    found = StateDict()

    def spectral(name, *shape, bias=True):
        found.draw(f"{name}.weight_orig", *shape)
        matrix = found[f"{name}.weight_orig"].flatten(1)
        found.draw(f"{name}.weight_u", shape[0])
        found[f"{name}.weight_v"] = F.normalize(found[f"{name}.weight_u"] @ matrix, dim=0)  # one step
        found[f"{name}.weight_u"] = F.normalize(matrix @ found[f"{name}.weight_v"], dim=0)
        if bias:
            found.draw(f"{name}.bias", shape[0])

    def bn(name, channels):
        found.draw(f"{name}.running_means", stats, channels)
        found.draw(f"{name}.running_vars", stats, channels, low=0.5)

    found.draw("embeddings.weight", z_dim, classes)
    spectral("generator.gen_z", layers[0][1] * width * side**2, 2 * z_dim)
    module = 0
    for i, (_, below, above) in enumerate(layers):
        if i == attention:
            name, channels = f"generator.layers.{module}", below * width
            found[f"{name}.gamma"] = torch.tensor([0.7])
            shapes = {"theta": (channels // 8, channels), "phi": (channels // 8, channels)}
            shapes |= {"g": (channels // 2, channels), "o_conv": (channels, channels // 2)}
            for part, (o, c) in shapes.items():
                spectral(f"{name}.snconv1x1_{part}", o, c, 1, 1, bias=False)
            module += 1
        name, a, b = f"generator.layers.{module}", below * width, above * width
        inner = a // 4
        shapes = [(inner, a, 1), (inner, inner, 3), (inner, inner, 3), (b, inner, 1)]
        for k, (o, c, size) in enumerate(shapes):
            spectral(f"{name}.conv_{k}", o, c, size, size)
            bn(f"{name}.bn_{k}", c)
            for part in ("scale", "offset"):
                spectral(f"{name}.bn_{k}.{part}", c, 2 * z_dim, bias=False)
        module += 1
    last = layers[-1][2] * width
    bn("generator.bn", last)
    found.draw("generator.bn.weight", last)
    found.draw("generator.bn.bias", last)
    spectral("generator.conv_to_rgb", last, last, 3, 3)
    config = {"output_dim": side << sum(up for up, _, _ in layers), "z_dim": z_dim, "class_embed_dim": z_dim}
    config |= {"channel_width": width, "num_classes": classes, "layers": layers, "n_stats": stats}
    return dict(found), {**config, "attention_layer_position": attention, "eps": 1e-4}


class HuggingFace:
    """What huggingface/pytorch-pretrained-BigGAN computes."""

    def __init__(self, tensors, config):
        self.tensors, self.config = tensors, config

    def weight(self, name):
        weight = self.tensors[f"{name}.weight_orig"]
        sigma = self.tensors[f"{name}.weight_u"] @ (weight.flatten(1) @ self.tensors[f"{name}.weight_v"])
        return weight / sigma

    def conv(self, name, x):
        weight = self.weight(name)
        return F.conv2d(x, weight, self.tensors.get(f"{name}.bias"), padding=weight.shape[-1] // 2)

    def norm(self, name, x, c, truncation):
        place = truncation / (1.0 / (self.config["n_stats"] - 1))
        rest, row = math.modf(place)
        means, variances = self.tensors[f"{name}.running_means"], self.tensors[f"{name}.running_vars"]
        row = int(row)
        if rest:
            mean = means[row] * rest + means[row + 1] * (1 - rest)
            variance = variances[row] * rest + variances[row + 1] * (1 - rest)
        else:
            mean, variance = means[row], variances[row]
        if c is None:
            gain, bias = self.tensors[f"{name}.weight"][None], self.tensors[f"{name}.bias"][None]
        else:
            gain, bias = 1 + c @ self.weight(f"{name}.scale").T, c @ self.weight(f"{name}.offset").T
        x = (x - mean[:, None, None]) / torch.sqrt(variance[:, None, None] + self.config["eps"])
        return x * gain[:, :, None, None] + bias[:, :, None, None]

    def attention(self, name, x):
        n, _, h, w = x.shape
        theta = self.conv(f"{name}.snconv1x1_theta", x).view(n, -1, h * w)
        phi = F.max_pool2d(self.conv(f"{name}.snconv1x1_phi", x), 2).view(n, -1, h * w // 4)
        g = F.max_pool2d(self.conv(f"{name}.snconv1x1_g", x), 2).view(n, -1, h * w // 4)
        shares = torch.softmax(torch.bmm(theta.permute(0, 2, 1), phi), -1)
        out = torch.bmm(g, shares.permute(0, 2, 1)).view(n, -1, h, w)
        return x + self.tensors[f"{name}.gamma"] * self.conv(f"{name}.snconv1x1_o_conv", out)

    def __call__(self, z, label, truncation):
        c = torch.cat([z, label @ self.tensors["embeddings.weight"].T], 1)
        x = c @ self.weight("generator.gen_z").T + self.tensors["generator.gen_z.bias"]
        layers = self.config["layers"]
        channels = layers[0][1] * self.config["channel_width"]
        side = math.isqrt(x.shape[1] // channels)
        x = x.view(-1, side, side, channels).permute(0, 3, 1, 2)
        module = 0
        for i, (doubles, below, above) in enumerate(layers):
            if i == self.config["attention_layer_position"]:
                x, module = self.attention(f"generator.layers.{module}", x), module + 1
            name, around = f"generator.layers.{module}", x
            for k in range(4):
                x = F.relu(self.norm(f"{name}.bn_{k}", x, c, truncation))
                x = F.interpolate(x, scale_factor=2) if doubles and k == 1 else x
                x = self.conv(f"{name}.conv_{k}", x)
            around = around[:, : around.shape[1] // 2] if below != above else around
            x, module = x + (F.interpolate(around, scale_factor=2) if doubles else around), module + 1
        x = F.relu(self.norm("generator.bn", x, None, truncation))
        return torch.tanh(self.conv("generator.conv_to_rgb", x)[:, :3])
