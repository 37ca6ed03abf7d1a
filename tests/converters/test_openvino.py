"""What is read of a network in OpenVINO's form."""

import pytest
import torch
from ir_edits import IR, TINY
from ir_fixtures import write_ir

from ganzoo.converters.openvino import from_openvino, read_ir
from ganzoo.models.factory import build
from ganzoo.models.recipes import compose


def test_a_converted_network_has_the_config_it_was_made_from():
    assert from_openvino(IR).config == TINY.config


@torch.inference_mode()
def test_a_converted_network_gives_the_same_styles():
    z = TINY.sample_z(5, seed=3)
    torch.testing.assert_close(from_openvino(IR).mapping(z), TINY.mapping(z), rtol=0, atol=1e-5)


@pytest.mark.parametrize("noise", ["const", "none"])
@torch.inference_mode()
def test_a_converted_network_gives_the_same_images(noise):
    z = TINY.sample_z(3, seed=7)
    torch.testing.assert_close(from_openvino(IR)(z, noise=noise), TINY(z, noise=noise), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_a_converted_network_truncates_towards_its_own_mean_style():
    converted, z = from_openvino(IR), TINY.sample_z(2)
    mean = TINY.mapping.w(torch.randn(20_000, TINY.z_dim), None).mean(dim=0)
    assert (converted.mapping.w_avg - mean).abs().max() < 0.05
    torch.testing.assert_close(converted.mapping(z, None, 0.0)[0, 0], converted.mapping.w_avg)


@torch.inference_mode()
def test_half_precision_constants_are_read():
    z = TINY.sample_z(2)
    converted = from_openvino(write_ir(TINY, "float16"))
    assert {p.dtype for p in converted.parameters()} == {torch.float32}
    assert (converted(z) - TINY(z)).abs().max() < 0.1


@pytest.mark.parametrize("levels", [2, 4])
def test_depth_and_size_are_read_from_the_graph(levels):
    overrides = {"head": "single", "demodulation": "none", "z_dim": 4, "w_dim": 4, "mapping": {"depth": 1}}
    data = compose("mobilestylegan", {**overrides, "channels": [4] * levels, "resolution": 2 ** (levels + 2)})
    generator = build(type(TINY.config).from_dict(data))
    for name, parameter in generator.named_parameters():
        if name.endswith("strength"):
            parameter.data.fill_(0.5)
    assert from_openvino(write_ir(generator)).config == generator.config


def test_reading_leaves_the_callers_random_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    from_openvino(IR)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_graph_lists_a_layers_inputs_in_the_order_of_its_ports():
    xml = (
        b'<net><layers><layer id="a" name="a" type="X"/><layer id="b" name="b" type="X"/>'
        b'<layer id="c" name="c" type="X"/></layers><edges>'
        b'<edge from-layer="b" to-layer="c" to-port="10"/><edge from-layer="a" to-layer="c" to-port="2"/>'
        b"</edges></net>"
    )
    assert read_ir(xml, b"").inputs == {"c": ["a", "b"]}
