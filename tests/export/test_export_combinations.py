"""Every combination of blocks at 64 x 64, in ONNX and in OpenVINO: a new block joins by itself.

Eight of them run always, the others with `-m slow`.
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


# The bases, and as many more as it takes for every block to meet others of every kind.
ALWAYS = [
    *BASES,
    *(tuple(names[(i + i // 2 * k) % len(names)] for k, names in enumerate(AXES.values())) for i in range(6)),
]
COMBINATIONS = [
    pytest.param(c, marks=() if c in ALWAYS else pytest.mark.slow) for c in itertools.product(*AXES.values())
]


def test_every_block_is_in_a_combination_that_always_runs():
    for k, names in enumerate(AXES.values()):
        assert {combination[k] for combination in ALWAYS} == set(names)


@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_every_combination_gives_the_same_images_in_onnx_and_openvino(combination, tmp_path):
    settings = dict(zip(AXES, combination, strict=True))
    generator = trained(tiny_config(resolution=64, channel_base=2**14, channel_max=8, **settings))
    w = torch.randn(1, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(1))
    expected = generator.synthesis(w).image
    for engine in (target("onnx"), target("openvino")):
        graph = graphs(generator, Options(), engine.FORM)[1]
        path = tmp_path / f"synthesis{engine.SUFFIX}"
        engine.write(graph, path, "fp32")
        close(engine.open_file(path, threads=1)(numpy_of(w)), expected)
