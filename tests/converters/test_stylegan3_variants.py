"""StyleGAN3 generators in other configurations: written here, converted, compared with plain steps."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import snapshots
import stylegan3_reference as reference
import torch
from helpers import assert_golden
from reference import Mapping, double, inputs, map_inputs
from stylegan3_reference import S

import ganzoo
from ganzoo.converters.conversion import convert_with_account

small = partial(S, margin_size=2, channel_max=4)
RARE = pytest.mark.slow
VARIANTS = {
    "the margin of the original": S(channel_max=2),
    "R": small(conv_kernel=1, use_radial_filters=True, num_layers=4),
    "no margin, short filters": small(margin_size=0, filter_size=2),
    "odd filters at three times the rate": small(filter_size=3, lrelu_upsampling=3),
    "no critical layer": small(num_critical=0, img_resolution=32, num_layers=2),
    "other cutoffs": small(first_cutoff=1.5, first_stopband=3.0, last_stopband_rel=1.5, num_layers=4),
    "conditional and grey": small(c_dim=3, z_dim=5, w_dim=7, img_channels=1, conv_clamp=0.5),
}
RARE_VARIANTS = {
    "radial filters and kernels of 3": small(use_radial_filters=True, num_layers=4),
    "many layers": small(num_layers=6),
    "long filters": small(filter_size=9),
    "activations at the rate of the layer": small(lrelu_upsampling=1, img_resolution=32),
    "activations at four times the rate": small(lrelu_upsampling=4),
    "all layers critical but one": small(num_critical=3, num_layers=4),
    "one layer": small(num_layers=1, num_critical=0),
    "a rate that falls": small(first_stopband=40.0, img_resolution=32, last_stopband_rel=1.05),
    "a deep mapping network": small(mapping=Mapping(num_layers=3, layer_features=9, lr_multiplier=0.1)),
    "no clamp": small(conv_clamp=None),
    "another scale of the output": small(output_scale=1.0),
    "kernels of 5": small(conv_kernel=5),
    "8 pixels": small(img_resolution=8),
    "64 pixels": small(img_resolution=64, num_layers=5),
}


@torch.inference_mode()
def assert_computes(got, tree, spec):
    """A generator's w and images are those of the plain steps, and so are its deploy form's."""
    z, c = inputs(spec)
    ws = got.mapping(z, c)
    assert ws.shape == (2, spec.num_layers + 2, spec.w_dim)
    assert_golden(ws[:, 0], map_inputs(double(tree.tensors()), spec.mapping, z, c).float())
    ws = ws + 0.3 * torch.randn(ws.shape, generator=torch.Generator().manual_seed(0))  # rows that differ
    expected = reference.images(spec, tree, ws).float()
    assert expected.std() > 0.01
    assert_golden(got.synthesis(ws).image, expected)
    assert_golden(ganzoo.deploy(got).synthesis(ws).image, expected)


def converted(tmp_path, spec):
    tree = reference.generator(spec)
    return ganzoo.convert(snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree)), tree


@pytest.mark.parametrize(
    "spec",
    [
        *(pytest.param(spec, id=name) for name, spec in VARIANTS.items()),
        *(pytest.param(spec, id=name, marks=RARE) for name, spec in RARE_VARIANTS.items()),
    ],
)
def test_a_snapshot_of_any_configuration_computes_what_plain_steps_do(tmp_path, spec):
    got, tree = converted(tmp_path, spec)
    assert_computes(got, tree, spec)


def test_the_clamp_of_these_tests_clips():
    spec = VARIANTS["conditional and grey"]
    tree, ws = reference.generator(spec), torch.randn(1, spec.num_layers + 2, spec.w_dim)
    free = reference.images(replace(spec, conv_clamp=None), tree, ws)
    assert (reference.images(spec, tree, ws) - free).abs().max() > 0.01


def broken(tree, name):
    """The tree with one thing that its arguments do not explain."""
    layer = next(m for n, m in tree["synthesis"].modules.items() if n.startswith("L1_"))
    match name:
        case "another cutoff":
            layer.attributes["out_cutoff"] *= 1.5
        case "another padding":
            layer.attributes["padding"] = [1, 1, 1, 1]
        case "an oblong size":
            layer.attributes["out_size"] = np.array([20, 24])
        case "another stopband":
            tree.arguments["first_stopband"] = 16.0
        case "a layer too few":
            del tree["synthesis"].modules[layer_name(tree, 1)]
        case "a tensor too many":
            layer.buffers["extra"] = torch.ones(1)
    return tree


def layer_name(tree, number):
    return next(n for n in tree["synthesis"].modules if n.startswith(f"L{number}_"))


MISTAKES = {
    "another cutoff": "out_cutoff",
    "another padding": "another padding",
    "an oblong size": "another out_size",
    "another stopband": "arguments give",
    "a layer too few": r"the layers \[0, 2, 3\]",
    "a tensor too many": "no StyleGAN3 has: synthesis.L1_.*extra",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_snapshot_that_contradicts_itself_is_refused_in_one_line(tmp_path, name):
    tree = broken(reference.generator(small()), name)
    with pytest.raises(ValueError, match=MISTAKES[name]) as caught:
        ganzoo.convert(snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree))
    assert "\n" not in str(caught.value)


# State dicts, which record no settings


def bare(tmp_path, spec, **changed):
    tensors = reference.generator(spec).tensors() | changed
    torch.save(tensors, tmp_path / "a.pt")
    return tmp_path / "a.pt"


@pytest.mark.parametrize("name", ["the margin of the original", "R", "no margin, short filters"])
def test_a_state_dict_gives_the_network_of_its_snapshot_bit_for_bit(tmp_path, name):
    got, _ = converted(tmp_path, VARIANTS[name])
    found = ganzoo.convert(bare(tmp_path, VARIANTS[name]))
    assert found.config == got.config
    for tensor, expected in zip(found.state_dict().values(), got.state_dict().values(), strict=True):
        assert torch.equal(tensor, expected)


def test_settings_that_a_state_dict_does_not_tell_are_told_and_given(tmp_path):
    spec = VARIANTS["other cutoffs"]
    with pytest.raises(ValueError, match="--assume them: num_critical, first_cutoff"):
        ganzoo.convert(bare(tmp_path, spec))
    given = {"first_cutoff": 1.5, "first_stopband": 3, "last_stopband_rel": 1.5, "output_scale": 1}
    found = convert_with_account(bare(tmp_path, spec), assume=given)
    assert found.assumed["first_cutoff"] == "1.5 (as told)" and found.assumed["clamp"] == "256"
    assert found.module.config.output_scale == 1.0
    assert found.module.config.shapes == converted(tmp_path, spec)[0].config.shapes


@pytest.mark.parametrize("given", [{"first_cutoff": "low"}, {"lrelu_upsampling": 0}, {"num_critical": -1}])
def test_a_setting_out_of_range_is_refused(tmp_path, given):
    with pytest.raises(ValueError, match=next(iter(given))):
        ganzoo.convert(bare(tmp_path, small()), assume=given)


def test_filters_that_were_changed_are_noticed(tmp_path):
    spec = small()
    name = next(n for n in reference.generator(spec).tensors() if n.endswith("down_filter"))
    with pytest.raises(ValueError, match=f"{name} is another filter"):
        ganzoo.convert(bare(tmp_path, spec, **{name: torch.rand(12)}))
