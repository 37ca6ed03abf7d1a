"""Files of StyleGAN (2019) in other configurations than the golden ones, and those that are still growing."""

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from golden_helpers import GOLDEN, load
from helpers import assert_golden
from stylegan_states import (
    discriminator_state,
    generator_state,
    images,
    logits,
    tensorflow_discriminator,
    tensorflow_generator,
)
from test_tensorflow import write_tensorflow

import ganzoo
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.conversion import convert_with_account
from ganzoo.converters.keymap import flatten

TRAINED = GOLDEN / "stylegan1" / "sg1_ros_train.model"
CHANNELS = (8, 6, 4)
GENERATORS = {  # the network, and whether it was fused
    "plain": ({}, False),
    "fused": ({}, True),
    "conditional": ({"label_dim": 3}, False),
    "grey, other widths": ({"colors": 1, "z_dim": 5, "w_dim": 6, "hidden": 9, "depth": 2}, False),
    "one layer of mapping": ({"depth": 1}, False),
}
DISCRIMINATORS = {
    "plain": {},
    "conditional": {"label_dim": 3},
    "grey": {"colors": 1},
    "no deviation": {"deviation": False},
}


def one_hot(count, n=3):
    return F.one_hot(torch.arange(n) % count, count).float() if count else None


@cache
def golden_state(key):
    """The tensors of a network of rosinality's golden file."""
    found = flatten(open_checkpoint(TRAINED)[key])
    return {name: torch.from_numpy(ref.array()) for name, ref in found}


def saved(path, contents):
    torch.save(contents, path)
    return path


def written(folder, form, **networks):
    """A file of genforce or of NVIDIA with a generator's average and a discriminator."""
    g, d = networks["generator"], networks["discriminator"]
    settings = networks.get("settings", {})
    if form == "genforce":
        return saved(folder / "a.pth", {"generator_smooth": g, "discriminator": d})
    average, judge = tensorflow_generator(g, **settings), tensorflow_discriminator(d)
    return write_tensorflow(folder / "a.pkl", tensorflow_generator(g), judge, average)


@pytest.mark.parametrize("form", ["genforce", "tensorflow"])
@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_computes_what_its_file_did(tmp_path, name, form):
    options, fused = GENERATORS[name]
    state = generator_state(CHANNELS, **options)
    path = written(
        tmp_path,
        form,
        generator=state,
        discriminator=discriminator_state(CHANNELS),
        settings={"fused_scale": fused},
    )
    told = {"fused_scale": fused} if form == "genforce" else {}
    found = ganzoo.convert(path, assume=told)
    z, label = found.sample_z(3), one_hot(options.get("label_dim"))
    assert_golden(found(z, label), images(state, z, label, fused=fused).float())
    assert torch.equal(found.mapping.w_avg, state["truncation.w_avg"])


@pytest.mark.parametrize("form", ["genforce", "tensorflow"])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_judges_as_its_file_did(tmp_path, name, form):
    options = DISCRIMINATORS[name]
    state = discriminator_state(CHANNELS, **options)
    path = written(tmp_path, form, generator=generator_state(CHANNELS), discriminator=state)
    found = ganzoo.convert(path, "discriminator")
    x = torch.randn(3, options.get("colors", 3), 16, 16, generator=torch.Generator().manual_seed(0))
    label = one_hot(options.get("label_dim"))
    assert_golden(found(x, label), logits(state, x, label).float())


@pytest.mark.parametrize("form", ["genforce", "tensorflow"])
def test_layers_of_128_and_more_are_fused_unless_it_is_said_otherwise(tmp_path, form):
    state = generator_state((4, 3, 3, 2, 2, 2))  # one of its levels is
    path = written(tmp_path, form, generator=state, discriminator=discriminator_state(CHANNELS))
    found = convert_with_account(path)
    turned = dict(state)
    turned["synthesis.layer10.weight"] = state["synthesis.layer10.weight"].flip(2, 3)
    z = found.module.sample_z(1)
    assert_golden(found.module(z), images(turned, z).float())
    assert found.assumed == ({"fused_scale": "auto"} if form == "genforce" else {})


def test_a_generator_without_noise_is_read(tmp_path):
    state = {name: x for name, x in generator_state(CHANNELS).items() if ".apply_noise." not in name}
    found = convert_with_account(saved(tmp_path / "a.pth", state), assume={"fused_scale": False})
    z = found.module.sample_z(2)
    assert_golden(found.module(z), images(state, z).float())
    assert set(found.made.values()) == {"zeros: the network has no noise", "0: the network has no noise"}


# Networks that still grow


@pytest.mark.parametrize("form", ["genforce", "tensorflow"])
@pytest.mark.parametrize(("lod", "side"), [(1.0, 8), (0.25, 16), (1.5, 8)])
def test_a_network_that_grows_is_converted_as_its_file_stands(tmp_path, form, lod, side):
    state = generator_state(CHANNELS, lod=lod)
    judge = discriminator_state(CHANNELS, lod=lod)
    path = written(tmp_path, form, generator=state, discriminator=judge)
    found = convert_with_account(path)
    config = found.module.config
    assert config.resolution == side == ganzoo.convert(path, "discriminator").config.resolution
    alpha = 1 - lod % 1
    assert config.head == ({"name": "aux"} if alpha == 1 else {"name": "fade", "alpha": alpha})
    above = [
        name
        for name, reason in found.dropped.items()
        if reason.startswith("of a level that the image does not show")
    ]
    assert any("16" in name or "layer5" in name for name in above) == (side < 16)


def test_the_image_of_a_growing_network_is_that_of_its_levels(tmp_path):
    state = generator_state(CHANNELS, lod=0.25)
    path = saved(tmp_path / "a.pth", state)
    growing, grown, smaller = (
        ganzoo.convert(path, assume={"fused_scale": False, **told}) for told in ({}, {"lod": 0}, {"lod": 1})
    )
    z = grown.sample_z(2)
    below = F.interpolate(smaller(z), scale_factor=2)
    torch.testing.assert_close(growing(z), 0.75 * grown(z) + 0.25 * below, rtol=0, atol=1e-4)


def test_a_step_that_was_never_trained_is_left_out_and_told(tmp_path):
    state = dict(golden_state("g_running"))
    for name, tensor in state.items():
        level = name.split(".")[2] if name.startswith(("generator.progression.", "generator.to_rgb.")) else ""
        if level in tuple("345678") and (".noise" in name or name.endswith("conv.bias")):
            state[name] = torch.zeros_like(tensor)
    found = convert_with_account(saved(tmp_path / "a.model", state))
    assert found.module.config.resolution == 16
    assert found.assumed["step"] == "2, images of 16 x 16 (those above were never trained)"
    e = load(GOLDEN / "stylegan1" / "sg1_ros_train_expected.npz")
    noise = [e[f"noise_{i}"] for i in range(3)]
    assert_golden(found.module(e["z"], noise=noise), e["img_step2"])


def test_a_file_that_was_trained_to_its_end_has_all_levels():
    found = convert_with_account(TRAINED)
    assert found.module.config.resolution == 1024
    assert found.assumed == {"step": "8, images of 1024 x 1024 (all levels are trained)", "alpha": "1"}


def test_the_two_layers_of_a_level_share_their_noise(tmp_path):
    found = ganzoo.convert(TRAINED, assume={"step": 2})
    assert [size[0] for size in found.synthesis.noise_sizes] == [4, 8, 16]
    assert len(found.synthesis.constant_noise()) == 3


WRONG = [
    ({"step": 9}, "step is 0 to 8; got 9"),
    ({"step": True}, "step is 0 to 8"),
    ({"step": "two"}, "step is 0 to 8"),
    ({"step": 2, "alpha": 1.5}, "alpha is 0 to 1"),
    ({"lod": 1}, "setting to assume"),
]


@pytest.mark.parametrize(("told", "words"), WRONG, ids=[words for _, words in WRONG])
def test_a_setting_out_of_range_is_one_line(told, words):
    with pytest.raises(ValueError, match=words) as caught:
        ganzoo.convert(TRAINED, assume=told)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "words"),
    [({"lod": 3}, "lod is 0 to 2"), ({"lod": -1}, "lod is 0 to 2"), ({"fused_scale": "no"}, "scale: 'no'")],
)
def test_the_same_of_genforces_files(tmp_path, told, words):
    path = saved(tmp_path / "a.pth", generator_state(CHANNELS))
    with pytest.raises(ValueError, match=words):
        ganzoo.convert(path, assume=told)


@pytest.mark.parametrize("extra", ["synthesis.layer9.weight", "other"])
def test_a_tensor_that_the_layout_does_not_know_stops_the_conversion(tmp_path, extra):
    path = saved(tmp_path / "a.pth", {**generator_state(CHANNELS), extra: torch.ones(2)})
    with pytest.raises(ValueError, match=extra):
        ganzoo.convert(path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"use_styles": False}, "use_styles=False"), ({"blur_filter": "box"}, "no list of numbers")],
)
def test_a_tensorflow_network_of_another_make_is_refused(tmp_path, settings, words):
    network = tensorflow_generator(generator_state(CHANNELS), **settings)
    with pytest.raises(ValueError, match=words):
        ganzoo.convert(write_tensorflow(tmp_path / "a.pkl", network))


def test_a_progressive_gans_discriminator_is_refused_by_its_name(tmp_path):
    network = tensorflow_discriminator(discriminator_state(CHANNELS))
    network.build_func_name = "D_paper"
    with pytest.raises(ValueError, match="progressive GAN"):
        ganzoo.convert(write_tensorflow(tmp_path / "a.pkl", network))
