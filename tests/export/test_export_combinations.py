"""Every combination of blocks at 64 x 64, in ONNX and in OpenVINO: a new block joins by itself.

Those that differ in one axis at most from StyleGAN2 or MobileStyleGAN run always, the others with `-m slow`.
"""

import itertools

import pytest
import torch
from export_helpers import close, numpy_of
from helpers import tiny_config, trained

from ganzoo.blocks import CONVS, DEMODULATIONS, HEADS, SHORTCUTS, UPSAMPLERS
from ganzoo.export.graphs import Options, graphs
from ganzoo.export.targets import target

AXES = {
    "upsampler": UPSAMPLERS.names(),
    "conv": CONVS.names(),
    "head": HEADS.names(),
    "demodulation": DEMODULATIONS.names(),
    "output": ["pixel", "wavelet"],
    "shortcut": SHORTCUTS.names(),
}
BASES = [
    ("conv_transpose", "full", "skip", "style", "pixel", "none"),
    ("idwt", "depthwise", "aux", "static", "wavelet", "none"),
]


def marked(combination):
    """The combination, slow if it is far from both bases; combinations with a shortcut only near them."""
    distance = min(sum(a != b for a, b in zip(combination, base, strict=True)) for base in BASES)
    return pytest.param(combination, marks=pytest.mark.slow if distance > 1 else ())


@pytest.mark.parametrize("combination", map(marked, itertools.product(*AXES.values())), ids="-".join)
def test_every_combination_gives_the_same_pictures_in_onnx_and_openvino(combination, tmp_path):
    settings = dict(zip(AXES, combination, strict=True))
    generator = trained(tiny_config(resolution=64, channel_base=2**14, channel_max=8, **settings))
    w = torch.randn(1, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(1))
    expected = generator.synthesis(w).image
    for engine in (target("onnx"), target("openvino")):
        graph = graphs(generator, Options(), engine.FORM)[1]
        path = tmp_path / f"synthesis{engine.SUFFIX}"
        engine.write(graph, path, "fp32")
        close(engine.open_file(path, threads=1)(numpy_of(w)), expected)
