"""Combinations of blocks, in ONNX and in OpenVINO: a new block joins by itself.

The bases and those in which any two blocks meet run always, small; the product at 64 x 64 with `-m slow`.
"""

import pytest
import torch
from combinations import COMBINATIONS, PAIRS, settings
from export_helpers import close, numpy_of
from helpers import tiny_config, trained

from ganzoo.export.graphs import Options, graphs
from ganzoo.export.targets import target


def assert_same_in_engines(combination, resolution, folder):
    sizes = {"resolution": resolution, "channel_base": 2**14, "channel_max": 8}
    generator = trained(tiny_config(**sizes, **settings(combination)))
    w = torch.randn(1, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(1))
    expected = generator.synthesis(w).image
    for engine in (target("onnx"), target("openvino")):
        graph = graphs(generator, Options(), engine.FORM)[1]
        path = folder / f"synthesis{engine.SUFFIX}"
        engine.write(graph, path, "fp32")
        close(engine.open_file(path, threads=1)(numpy_of(w)), expected)


@pytest.mark.parametrize("combination", PAIRS, ids="-".join)
def test_every_pair_of_blocks_gives_the_same_images_in_onnx_and_openvino(combination, tmp_path):
    assert_same_in_engines(combination, 16, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_every_combination_gives_the_same_images_in_onnx_and_openvino(combination, tmp_path):
    assert_same_in_engines(combination, 64, tmp_path)
