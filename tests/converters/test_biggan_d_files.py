"""Discriminators in BigGAN-PyTorch's layout, of all its tables and options, judge as plain formulas do."""

import pytest
import torch
import torch.nn.functional as F

import ganzoo
from ganzoo.converters.conversion import convert_with_account

# Multiples of the width by block, how many of them halve the size, and the side of the image.
PLAIN = {
    256: ([1, 2, 4, 8, 8, 16, 16], 6),
    128: ([1, 2, 4, 8, 16, 16], 5),
    64: ([1, 2, 4, 8, 16], 4),
    32: ([4, 4, 4, 4], 2),
}
DEEP = {256: [1, 2, 4, 8, 8, 16, 16], 128: [1, 2, 4, 8, 16, 16], 64: [1, 2, 4, 8, 16]}


class Writer:
    """Tensors of a discriminator under the repository's names."""

    def __init__(self, *, spectral=True, values=1):
        self.random = torch.Generator().manual_seed(0)
        self.spectral, self.values, self.tensors = spectral, values, {}

    def layer(self, name, *shape, bias=True):
        self.tensors[f"{name}.weight"] = torch.randn(shape, generator=self.random) / shape[-1] ** 0.5
        if bias:
            self.tensors[f"{name}.bias"] = torch.randn(shape[0], generator=self.random)
        for i in range(self.values if self.spectral else 0):
            self.tensors[f"{name}.u{i}"] = torch.randn(1, shape[0], generator=self.random)
            self.tensors[f"{name}.sv{i}"] = torch.ones(1)

    def attention(self, name, width):
        self.tensors[f"{name}.gamma"] = torch.tensor(0.3)
        for part, out, into in (
            ("theta", width // 8, width), ("phi", width // 8, width), ("g", width // 2, width),
            ("o", width, width // 2),
        ):  # fmt: skip
            self.layer(f"{name}.{part}", out, into, 1, 1, bias=False)

    def ends(self, width, classes):
        self.layer("linear", 1, width)
        self.layer("embed", classes, width, bias=False)
        return self.tensors


def plain(side, *, width=8, classes=3, colors=3, attention=(), wide=True, **options):
    """State dict of BigGAN's discriminator."""
    writer, (multiples, halved) = Writer(**options), PLAIN[side]
    into = colors
    for i, multiple in enumerate(multiples):
        out = multiple * width
        middle = out if wide else into
        writer.layer(f"blocks.{i}.0.conv1", middle, into, 3, 3)
        writer.layer(f"blocks.{i}.0.conv2", out, middle, 3, 3)
        if i < halved or into != out:
            writer.layer(f"blocks.{i}.0.conv_sc", out, into, 1, 1)
        if i in attention:
            writer.attention(f"blocks.{i}.1", out)
        into = out
    return writer.ends(into, classes)


def deep(side, *, width=8, classes=3, colors=3, attention=(), depth=2, **options):
    """State dict of BigGAN-deep's discriminator."""
    writer = Writer(**options)
    first, *multiples = DEEP[side]
    into = first * width
    writer.layer("input_conv", into, colors, 3, 3)
    for i, multiple in enumerate(multiples):
        out = multiple * width
        for j in range(depth):
            name, middle = f"blocks.{i}.{j}", out // 4
            writer.layer(f"{name}.conv1", middle, into, 1, 1)
            writer.layer(f"{name}.conv2", middle, middle, 3, 3)
            writer.layer(f"{name}.conv3", middle, middle, 3, 3)
            writer.layer(f"{name}.conv4", out, middle, 1, 1)
            if into != out:
                writer.layer(f"{name}.conv_sc", out - into, into, 1, 1)
            into = out
        if i in attention:
            writer.attention(f"blocks.{i}.{depth}", out)
    return writer.ends(into, classes)


def weight(tensors, name):
    """The weight that a layer computes with."""
    w = tensors[f"{name}.weight"]
    if f"{name}.u0" not in tensors:
        return w
    matrix = w.flatten(1)
    v = F.normalize(tensors[f"{name}.u0"] @ matrix, dim=1, eps=1e-6)
    return w / (F.normalize(v @ matrix.t(), dim=1, eps=1e-6) @ matrix @ v.t())


def conv(tensors, name, x):
    w = weight(tensors, name)
    return F.conv2d(x, w, tensors.get(f"{name}.bias"), padding=w.shape[-1] // 2)


def attend(tensors, name, x):
    theta, phi, g = (conv(tensors, f"{name}.{part}", x) for part in ("theta", "phi", "g"))
    phi, g = (F.max_pool2d(y, 2).flatten(2) for y in (phi, g))
    shares = torch.einsum("ncq,nck->nqk", theta.flatten(2), phi).softmax(-1)
    found = torch.einsum("nqk,nck->ncq", shares, g).reshape(len(x), -1, *x.shape[2:])
    return x + tensors[f"{name}.gamma"] * conv(tensors, f"{name}.o", found)


def judged(tensors, images, classes, *, halved, act=F.relu):
    """Logits by the formulas of the repository's blocks."""
    is_deep = "input_conv.weight" in tensors
    x = conv(tensors, "input_conv", images) if is_deep else images
    i = 0
    while f"blocks.{i}.0.conv1.weight" in tensors:
        j = 0
        while f"blocks.{i}.{j}.conv1.weight" in tensors:
            name, down = f"blocks.{i}.{j}", i < halved and j == 0
            h = conv(tensors, f"{name}.conv1", F.relu(x) if is_deep or i > 0 else x)
            h = conv(tensors, f"{name}.conv2", act(h))
            if is_deep:
                h = act(conv(tensors, f"{name}.conv3", act(h)))
                h = conv(tensors, f"{name}.conv4", F.avg_pool2d(h, 2) if down else h)
                x = F.avg_pool2d(x, 2) if down else x
                if f"{name}.conv_sc.weight" in tensors:
                    x = torch.cat([x, conv(tensors, f"{name}.conv_sc", x)], 1)
            else:
                if f"{name}.conv_sc.weight" in tensors:
                    x = conv(tensors, f"{name}.conv_sc", x)
                x, h = (F.avg_pool2d(y, 2) if down else y for y in (x, h))
            x, j = x + h, j + 1
        if f"blocks.{i}.{j}.gamma" in tensors:
            x = attend(tensors, f"blocks.{i}.{j}", x)
        i += 1
    h = act(x).sum((2, 3))
    out = F.linear(h, weight(tensors, "linear"), tensors["linear.bias"])
    return out + (weight(tensors, "embed")[classes] * h).sum(1, keepdim=True)


def converted(tensors, tmp_path, **assume):
    torch.save(tensors, tmp_path / "D.pth")
    return convert_with_account(tmp_path / "D.pth", assume=assume or None)


def assert_judges_alike(found, tensors, *, halved, act=F.relu):
    network = found.module
    random = torch.Generator().manual_seed(1)
    images = torch.randn(2, network.img_channels, *[network.resolution] * 2, generator=random)
    classes = torch.tensor([0, network.label_dim - 1])
    with torch.no_grad():
        got = network(images, torch.eye(network.label_dim)[classes])
        expected = judged(tensors, images, classes, halved=halved, act=act)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


CASES = [
    (plain, 256, {"width": 1}),
    (plain, 128, {"width": 2, "attention": [2]}),
    (plain, 64, {"colors": 1, "attention": [0]}),
    (plain, 64, {"wide": False}),
    (plain, 32, {"classes": 1, "values": 2}),
    (plain, 32, {"spectral": False, "attention": [0, 1, 2, 3]}),
    (deep, 256, {"width": 4}),
    (deep, 128, {"width": 4, "depth": 1, "attention": [0]}),
    (deep, 64, {"depth": 3, "spectral": False, "colors": 4}),
]


@pytest.mark.parametrize(
    ("make", "side", "options"), CASES, ids=[f"{m.__name__}_{s}_{i}" for i, (m, s, _) in enumerate(CASES)]
)
def test_a_discriminator_of_any_table_is_read_from_its_shapes(make, side, options, tmp_path):
    tensors = make(side, **options)
    found = converted(tensors, tmp_path)
    assert found.module.resolution == side and found.assumed["resolution"] == str(side)
    halved = PLAIN[side][1] if make is plain else len(DEEP[side]) - 1
    assert_judges_alike(found, tensors, halved=halved)
    assert all(name.rpartition(".")[2] in ("sv0", "sv1", "u1") for name in found.dropped)


def test_a_resolution_that_is_told_counts(tmp_path):
    tensors = plain(32)
    found = converted(tensors, tmp_path, resolution=64)
    assert found.module.resolution == 64 and found.assumed["resolution"] == "64 (as told)"
    assert_judges_alike(found, tensors, halved=2)


@pytest.mark.parametrize("resolution", [8, 48])
def test_a_resolution_that_it_cannot_have_is_refused(tmp_path, resolution):
    with pytest.raises(ValueError, match=rf"halves the image 2 times: .* from 16 on; got {resolution}\."):
        converted(plain(32), tmp_path, resolution=resolution)


def test_an_activation_that_is_told_counts_inside_of_the_blocks(tmp_path):
    tensors = plain(32)
    found = converted(tensors, tmp_path, activation="lrelu", slope=0.1)
    assert_judges_alike(found, tensors, halved=2, act=lambda x: F.leaky_relu(x, 0.1))
    with pytest.raises(ValueError, match="lrelu"):
        converted(tensors, tmp_path, activation="leaky")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda t: t.pop("linear.weight"),
        lambda t: t.pop("blocks.1.0.conv2.weight"),
        lambda t: t.update({"blocks.9.0.conv1.weight": torch.ones(8, 8, 3, 3)}),
        lambda t: t.update({"blocks.99999.0.x": torch.ones(1)}),
        lambda t: t.update({"blocks.0.0.conv1.u0": torch.ones(1, 5)}),
        lambda t: t.update({"linear.weight": torch.ones(2, 32)}),
        lambda t: t.update({"blocks.0.0.conv1.weight": torch.ones(32)}),
        lambda t: t.update({"embed.weight": torch.full((3, 32), torch.nan)}),
        lambda t: t.update({"strange.weight": torch.ones(3)}),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(break_it, tmp_path):
    tensors = plain(32)
    break_it(tensors)
    with pytest.raises(ValueError) as error:
        converted(tensors, tmp_path)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(tmp_path))


def test_wrapped_in_data_parallel_it_is_the_same(tmp_path):
    tensors = plain(32)
    torch.save({f"module.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "D.pth")
    network = ganzoo.convert(tmp_path / "D.pth")
    images, label = torch.ones(1, 3, 32, 32), torch.eye(3)[:1]
    torch.testing.assert_close(network(images, label), converted(tensors, tmp_path).module(images, label))
