"""A tiny feature network, images of noise, and figures computed by other means."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from PIL import Image
from torch import nn

import ganzoo
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.metrics.extract import Features, extract
from ganzoo.metrics.sets import Samples

HERE = Path(__file__).parent
DIM, CLASSES = 12, 5


class TinyFeatures(FeatureNetwork):
    """Two random convolutions, which count how many images they see."""

    def __init__(self, name="tiny", seed=0):
        gaussian = torch.Generator().manual_seed(seed)
        super().__init__(FeatureInfo(name, f"{seed:064}", DIM, 16, (127.5,) * 3, (127.5,) * 3))
        self.convs = nn.ModuleList([nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, DIM, 3, stride=2)])
        self.classifier = nn.Linear(DIM, CLASSES)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=gaussian))
        self.seen = 0
        self.eval().requires_grad_(False)

    def maps(self, pixels):
        found = [(pixels - self.mean) / self.std]
        for conv in self.convs:
            found.append(conv(found[-1]).relu())
        return found[1:]

    def forward(self, pixels):
        self.seen += len(pixels)
        features = self.maps(pixels)[-1].mean(dim=(2, 3))
        return features, self.classifier(features)


class ArraySamples(Samples):
    """Images in memory."""

    def __init__(self, pixels, name="array"):
        self.pixels, self.name = pixels, name
        self.protocol = {"kind": "files", "sha256": name, "resolution": [16, 16]}

    def __len__(self):
        return len(self.pixels)

    def read(self, indices, size):
        return self.pixels[list(indices)].astype(np.float32)


def noise(n, seed=0, bias=0):
    random = np.random.RandomState(seed)
    contrast = random.rand(n, 1, 1, 3)
    return (contrast * random.randint(0, 200, size=(n, 16, 16, 3)) + bias).clip(0, 255).astype(np.uint8)


def write_images(folder, n, seed=0, bias=0, side=16):
    folder.mkdir(parents=True)
    for i, pixels in enumerate(noise(n, seed, bias)):
        Image.fromarray(pixels).resize((side, side)).save(folder / f"{i:03d}.png")
    return folder


def tiny_model(folder, **settings):
    """A saved StyleGAN2 of 16 x 16 with images of some contrast."""
    data = {
        "resolution": 16,
        "channels": [8, 8, 8],
        "z_dim": 8,
        "w_dim": 8,
        "mapping": {"depth": 1},
        **settings,
    }
    generator = ganzoo.create("stylegan2", **data)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("strength"):
                parameter += 0.3
    ganzoo.save(generator, folder)
    return folder


def random_features(n, dim, seed, shift=0.0):
    """Correlated features `[n, dim]`, as after a ReLU."""
    random = np.random.RandomState(seed)
    mix = np.random.RandomState(99).randn(dim, dim) / np.sqrt(dim)
    return np.maximum(random.randn(n, dim) @ mix + shift, 0).astype(np.float32)


def features(n, seed=0, bias=0, **options):
    found: Features = extract(
        ArraySamples(noise(n, seed, bias), f"{n}-{seed}-{bias}"), TinyFeatures(), **options
    )
    return found


def frechet(a, b):
    """Heusel et al. 2017, equation 6, with scipy's matrix square root."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root)


def mmd2(x, y):
    """The unbiased squared MMD with the kernel (x.y / d + 1)^3, pair by pair."""

    def kernel(p, q):
        return (np.einsum("id,jd->ij", p, q) / p.shape[1] + 1) ** 3

    m, n = len(x), len(y)
    xx, yy = (
        sum(k[i, j] for i in range(len(k)) for j in range(len(k)) if i != j)
        for k in (kernel(x, x), kernel(y, y))
    )
    return xx / (m * (m - 1)) + yy / (n * (n - 1)) - 2 * kernel(x, y).sum() / (m * n)


def precision_recall_naively(fake, real, k=3):
    def covered(points, by):
        inside = 0
        for point in points:
            for centre in by:
                radius = np.sort(np.linalg.norm(by - centre, axis=1))[k]
                if np.linalg.norm(point - centre) <= radius:
                    inside += 1
                    break
        return inside / len(points)

    return covered(fake, real), covered(real, fake)


def run_in_two_processes(*arguments):
    """What `ganzoo eval` on tiny features prints under torchrun."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "--"]
    command = [sys.executable, *launcher, str(HERE / "tiny_cli.py"), "eval", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def records(text):
    return [json.loads(line) for line in text.splitlines()]
