import pytest
import torch

from ganzoo.blocks import CONVS
from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.cost import Cost, costs
from ganzoo.models.factory import build, config_of

TINY = {"resolution": 8, "channels": [4, 4], "z_dim": 4, "w_dim": 4, "mapping": {"name": "mlp", "depth": 1}}


def test_the_cost_of_stylegan2_at_1024_is_the_published_one():
    assert costs(config_of("stylegan2"), deployed=False) == {
        "mapping": Cost(parameters=2_101_248, macs=2_097_152),
        "synthesis": Cost(parameters=28_268_812, macs=75_383_102_464),
    }


def test_the_cost_of_mobilestylegan_at_1024_is_the_published_one():
    assert costs(config_of("mobilestylegan")) == {
        "mapping": Cost(parameters=2_101_248, macs=2_097_152),
        "synthesis": Cost(parameters=8_852_079, macs=7_544_758_272, static=3_744),
        "deployed synthesis": Cost(parameters=7_306_395, macs=7_346_151_424),
    }


def test_the_deploy_form_is_left_out_on_request():
    assert set(costs(GeneratorConfig.from_dict(TINY), deployed=False)) == {"mapping", "synthesis"}


def test_the_cost_of_a_small_network_is_what_one_counts_by_hand():
    config = GeneratorConfig.from_dict({**TINY, "resolution": 4, "channels": [4], "head": "single"})
    mapping = 4 * 4  # one layer
    styles = 2 * 4 * 4  # of the convolution and of the head
    convolution, head = 4 * 4 * 9 * 16, 4 * 3 * 16
    assert costs(config, deployed=False) == {
        "mapping": Cost(parameters=4 * 4 + 4, macs=mapping),
        "synthesis": Cost(
            # constant; convolution with style, noise strength and bias; head with style and bias
            parameters=4 * 16 + (4 * 4 * 9 + 20 + 1 + 4) + (4 * 3 + 20 + 3),
            macs=styles + convolution + head,
        ),
    }


@pytest.mark.parametrize("name", ["stylegan2", "mobilestylegan"])
def test_parameters_are_those_of_the_module(name):
    settings = {**config_of(name).to_dict(), **TINY}
    settings["channels"] = [4, 4] if settings["output"] == "pixel" else [4]
    config = GeneratorConfig.from_dict(settings)
    generator, cost = build(config), costs(config, deployed=False)
    for part in ("mapping", "synthesis"):
        numbers = sum(p.numel() for p in getattr(generator, part).parameters())
        assert cost[part].parameters + cost[part].static == numbers


def test_a_label_adds_its_embedding_to_the_mapping_network():
    plain = costs(GeneratorConfig.from_dict(TINY), deployed=False)["mapping"]
    conditional = costs(GeneratorConfig.from_dict({**TINY, "label_dim": 3}), deployed=False)["mapping"]
    assert conditional.parameters - plain.parameters == (3 * 4 + 4) + 4 * 4
    assert conditional.macs - plain.macs == 3 * 4 + 4 * 4


def test_counting_leaves_no_default_device_behind():
    costs(GeneratorConfig.from_dict({**TINY, "w_dim": 5}))  # not counted yet
    assert torch.empty(1).device.type == "cpu"


def test_a_block_of_the_same_name_that_is_another_is_counted_anew(blocks_of_this_test):
    config = GeneratorConfig.from_dict(TINY)
    before, convs = costs(config), CONVS.classes()
    CONVS.restore({**convs, config.conv["name"]: convs["depthwise"]})
    assert costs(config)["synthesis"].macs < before["synthesis"].macs
