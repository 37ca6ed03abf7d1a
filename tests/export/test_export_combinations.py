"""Combinations of blocks, in ONNX and in OpenVINO: a new block joins by itself.

Always run those in which any two blocks meet in OpenVINO, and every block in ONNX, whose exporter takes ten
times as long, small; the others with `-m slow`, and the product at 64 x 64.
"""

import pytest
import torch
from combinations import COMBINATIONS, PAIRS, settings
from covering import covering, thinned
from export_helpers import close, numpy_of
from helpers import tiny_config, trained

from ganzoo.export.graphs import Options, graphs
from ganzoo.export.targets import target

CASES = [(engine, combination) for engine in ("onnx", "openvino") for combination in PAIRS]
ALWAYS = [
    *(("openvino", combination) for combination in PAIRS),
    *(("onnx", combination) for combination in covering(PAIRS, 1)),
]


def assert_same_in_engine(name, combination, resolution, folder):
    sizes = {"resolution": resolution, "channel_base": 2**14, "channel_max": 8}
    generator = trained(tiny_config(**sizes, **settings(combination)))
    w = torch.randn(1, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(1))
    expected = generator.synthesis(w).image
    engine = target(name)
    graph = graphs(generator, Options(), engine.FORM)[1]
    path = folder / f"synthesis{engine.SUFFIX}"
    engine.write(graph, path, "fp32")
    close(engine.open_file(path, threads=1)(numpy_of(w)), expected)


@pytest.mark.parametrize("case", thinned(CASES, ALWAYS), ids=lambda case: "-".join([case[0], *case[1]]))
def test_every_pair_of_blocks_gives_the_same_images_in_onnx_and_openvino(case, tmp_path):
    _, combination = case
    assert_same_in_engine(*case, 8 if "pixel" in combination else 16, tmp_path)  # two levels each


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_every_combination_gives_the_same_images_in_onnx_and_openvino(combination, engine, tmp_path):
    assert_same_in_engine(engine, combination, 64, tmp_path)
