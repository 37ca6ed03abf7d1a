"""Every wrapping and every layout of names gives the image of the plain file, bit for bit."""

from functools import cache

import pytest
import torch
from foreign_names import (
    CONVERTED,
    DISTILLER,
    TRAINED,
    basicsr,
    basicsr_discriminator,
    genforce,
    mmagic,
    mmagic_discriminator,
    prefixed,
    saved,
    scattered,
    state,
    without_rounding,
)

import ganzoo
from ganzoo.converters.conversion import convert_with_account

EMA, RAW, D = (state(TRAINED, key) for key in ("g_ema", "g", "d"))
SPACES = torch.randn(1, 24, generator=torch.Generator().manual_seed(5))

# How the moving average lies in a file, with the part and the key that are told.
WRAPPINGS = {
    "torch.compile": (prefixed("_orig_mod.", EMA), "generator", ""),
    "torch.compile of parallel training": (prefixed("_orig_mod.module.", EMA), "generator", ""),
    "parallel training of torch.compile": (prefixed("module._orig_mod.", EMA), "generator", ""),
    "wrapped twice": ({"g_ema": prefixed("module.module._orig_mod.", EMA)}, "generator_ema", "g_ema"),
    "torch.compile of some modules": (scattered("_orig_mod", EMA), "generator", ""),
    "sharded training": (prefixed("_fsdp_wrapped_module.", EMA), "generator", ""),
    "prefix of a trainer": (prefixed("model.net.", EMA), "generator", "model.net"),
    "prefix g_ema": (prefixed("g_ema.", EMA), "generator_ema", "g_ema"),
    "prefix generator_ema": (prefixed("generator_ema.", EMA), "generator_ema", "generator_ema"),
    "prefix generator": (prefixed("generator.", EMA), "generator", "generator"),
    "prefix netG, wrapped": (prefixed("module.netG._orig_mod.", EMA), "generator", "netG"),
    "Lightning": (
        {"state_dict": {**prefixed("G.", RAW), **prefixed("G_ema.", EMA), **prefixed("D.", D)}, "epoch": 3},
        "generator_ema",
        "state_dict.G_ema",
    ),
    "key generator_smooth": (
        {"generator": RAW, "generator_smooth": EMA, "discriminator": D},
        "generator_ema",
        "generator_smooth",
    ),
    "key netG_ema": ({"netG": RAW, "netG_ema": EMA, "netD": D}, "generator_ema", "netG_ema"),
    "key netG": ({"netG": EMA, "netD": D}, "generator", "netG"),
    "key G_ema": ({"G": RAW, "G_ema": EMA}, "generator_ema", "G_ema"),
    "keys model and ema": ({"model": RAW, "ema": EMA}, "generator_ema", "ema"),
    "keys model and model_ema": ({"model": RAW, "model_ema": EMA}, "generator_ema", "model_ema"),
    "state_dict_ema": ({"state_dict": RAW, "state_dict_ema": EMA}, "generator_ema", "state_dict_ema"),
    "params_ema": ({"params": RAW, "params_ema": EMA}, "generator_ema", "params_ema"),
    "the average first": ({"params_ema": EMA, "params": RAW}, "generator_ema", "params_ema"),
    "shadow": ({"model": RAW, "ema": {"decay": 0.99, "shadow": EMA}}, "generator_ema", "ema.shadow"),
    "lists": ([{"epoch": 1}, {"nets": [D, EMA]}], "generator", "1.nets.1"),
    "torch's AveragedModel": (
        {"n_averaged": torch.tensor(7), **prefixed("module.", EMA)},
        "generator_ema",
        "",
    ),
    "ema_pytorch": (
        {**prefixed("online_model.", RAW), **prefixed("ema_model.", EMA), "step": torch.tensor(3)},
        "generator_ema",
        "ema_model",
    ),
    "BasicSR": ({"params": basicsr(RAW), "params_ema": basicsr(EMA)}, "generator_ema", "params_ema"),
    "BasicSR, bare and compiled": (prefixed("_orig_mod.", basicsr(EMA)), "generator", ""),
    "mmagic": (
        {
            "meta": {"iter": 5},
            "state_dict": {
                **prefixed("generator.", mmagic(RAW)),
                **prefixed("discriminator.", mmagic_discriminator(D)),
                **prefixed("generator_ema.", mmagic(EMA)),
            },
        },
        "generator_ema",
        "state_dict.generator_ema",
    ),
    "mmgeneration, generator alone": ({"state_dict": mmagic(EMA)}, "generator", "state_dict"),
}  # fmt: skip


@cache
def plain(part):
    """The network of the plain file."""
    return ganzoo.convert(TRAINED, part)


def images(generator):
    z = generator.sample_z(2, seed=1)
    with torch.inference_mode():
        return torch.stack([generator(z), generator(z, truncation_psi=0.5)])


def assert_same_images(converted, plain):
    assert torch.equal(images(converted), images(plain))


@pytest.mark.parametrize("case", WRAPPINGS)
def test_a_wrapped_generator_gives_the_image_of_the_plain_file_bit_for_bit(tmp_path, case):
    contents, part, key = WRAPPINGS[case]
    found = convert_with_account(saved(tmp_path / "a.pt", contents))
    assert (found.part, found.key) == (part, key)
    assert_same_images(found.module, plain("generator_ema"))


DISCRIMINATORS = {
    "compiled": prefixed("_orig_mod.", D),
    "prefix": {"state_dict": {**prefixed("G.", RAW), **prefixed("D.module.", D)}},
    "BasicSR": {"params": basicsr_discriminator(D)},
    "mmagic": {"state_dict": prefixed("discriminator.", mmagic_discriminator(D))},
}


@pytest.mark.parametrize("case", DISCRIMINATORS)
def test_a_wrapped_discriminator_judges_as_the_plain_one_bit_for_bit(tmp_path, case):
    found = ganzoo.convert(saved(tmp_path / "a.pt", DISCRIMINATORS[case]), "discriminator")
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found(x), plain("discriminator")(x))


def test_genforces_generator_gives_the_image_of_the_plain_file_bit_for_bit(tmp_path):
    plain = {**without_rounding(EMA), "latent_avg": SPACES}
    expected = ganzoo.convert(saved(tmp_path / "plain.pt", plain))
    found = convert_with_account(
        saved(tmp_path / "a.pth", {"generator_smooth": genforce(plain), "generator": genforce(RAW)})
    )
    assert (found.part, found.format) == ("generator_ema", "genforce, StyleGAN2")
    assert_same_images(found.module, expected)


@pytest.mark.parametrize("part", ["student", "teacher", "discriminator"])
@pytest.mark.parametrize("wrapper", ["_orig_mod.", "module._orig_mod."])
def test_a_wrapped_distiller_gives_the_networks_of_the_plain_one(tmp_path, part, wrapper):
    contents = {"state_dict": prefixed(wrapper, state(DISTILLER, "state_dict"))}
    found = ganzoo.convert(saved(tmp_path / "a.ckpt", contents), part).state_dict()
    plain = ganzoo.convert(DISTILLER, part).state_dict()
    assert all(torch.equal(tensor, plain[name]) for name, tensor in found.items())


# Decoders of encoders


def encoder_file(rows):
    """A file of pSp, e4e or ReStyle."""
    encoder = {"encoder.body.0.weight": torch.ones(3), "encoder.styles.0.convs.0.weight": torch.ones(3)}
    return {"state_dict": {**encoder, **prefixed("decoder.", EMA)}, "latent_avg": rows, "opts": {"lr": 1e-4}}


@pytest.mark.parametrize("rows", [SPACES.repeat(8, 1), SPACES, SPACES[0], SPACES.repeat(1, 8, 1)], ids=str)
def test_the_decoder_of_an_encoders_file_is_a_generator_with_the_mean_of_the_file(tmp_path, rows):
    found = convert_with_account(saved(tmp_path / "psp.pt", encoder_file(rows)))
    plain = saved(tmp_path / "plain.pt", {"g": EMA, "latent_avg": SPACES})
    assert (found.part, found.key) == ("generator", "state_dict.decoder")
    assert "latent_avg" in found.used and not found.made
    assert_same_images(found.module, ganzoo.convert(plain))
    assert found.dropped["state_dict.encoder.body.0.weight"].startswith("no part of a network")


def test_a_mean_that_differs_between_layers_is_dropped_in_words_and_estimated(tmp_path):
    rows = torch.randn(8, 24, generator=torch.Generator().manual_seed(0))
    found = convert_with_account(saved(tmp_path / "psp.pt", encoder_file(rows)))
    assert "differs between layers" in found.dropped["latent_avg"] and "latent_avg" not in found.used
    assert "estimated" in found.made["mapping.w_avg"]
    assert_same_images(found.module, ganzoo.convert(TRAINED))


def test_a_mean_of_another_width_is_refused(tmp_path):
    path = saved(tmp_path / "psp.pt", encoder_file(torch.zeros(8, 25)))
    with pytest.raises(ValueError, match=r"latent_avg has shape \[8, 25\], which does not fit w of 24"):
        ganzoo.convert(path)


# Networks that are no StyleGAN2, and files without any

STRANGERS = {
    "lucidrains": (
        {"GAN": {f"{name}.blocks.0.to_style1.weight": torch.ones(2) for name in ("G", "GE")}},
        "latents are not normalised",
    ),
    "BasicSR, clean": (
        prefixed("stylegan_decoder.", {**basicsr(EMA), "style_conv1.bias": torch.ones(2)}),
        "enlarges bilinearly",
    ),
    "a shadow without names": ({"shadow_params": [torch.ones(2)]}, "no network that ganzoo knows"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGERS)
def test_a_network_that_is_no_stylegan2_gets_one_true_line(tmp_path, case):
    contents, words = STRANGERS[case]
    with pytest.raises(ValueError, match=words) as caught:
        ganzoo.convert(saved(tmp_path / "a.pt", contents))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rename", [basicsr, mmagic, genforce])
def test_a_tensor_that_a_layout_does_not_know_stops_the_conversion(tmp_path, rename):
    path = saved(tmp_path / "a.pt", {**rename(EMA), "extra.weight": torch.ones(2)})
    with pytest.raises(ValueError, match=r"no StyleGAN2 has: extra\.weight"):
        ganzoo.convert(path)


@pytest.mark.parametrize("rename", [basicsr, mmagic, genforce])
def test_every_tensor_of_another_layout_is_accounted_for_by_its_name_in_the_file(tmp_path, rename):
    tensors = rename(EMA)
    found = convert_with_account(saved(tmp_path / "a.pt", {"g_ema": tensors}))
    assert sorted([*found.used, *found.dropped]) == sorted(tensors)


def test_a_filter_that_the_file_lacks_is_told_as_assumed(tmp_path):
    found = convert_with_account(saved(tmp_path / "a.pth", basicsr(EMA)))
    assert found.assumed == {"taps": "1, 3, 3, 1"}
    assert convert_with_account(CONVERTED).assumed == {}


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_colours_that_mmagic_holds_the_other_way_round_are_turned_when_told(tmp_path, part):
    tensors = mmagic(EMA) if part == "generator" else mmagic_discriminator(D)
    path = saved(tmp_path / "a.pth", {"state_dict": tensors})
    found = convert_with_account(path)
    assert found.assumed == {"colors": "rgb"}
    turned = ganzoo.convert(path, assume={"colors": "bgr"})
    if part == "generator":
        assert torch.allclose(images(turned), images(found.module).flip(2), atol=1e-5)
    else:
        x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(turned(x.flip(1)), found.module(x), atol=1e-4)
    with pytest.raises(ValueError, match="Unknown order of colors: 'grb'"):
        ganzoo.convert(path, assume={"colors": "grb"})


@pytest.mark.parametrize(
    "extra",
    [
        {"conv1.conv.weight": torch.ones(1)},
        {"latent_avg": torch.zeros(24), "w_avg": torch.zeros(24)},
    ],
)
def test_two_names_of_one_tensor_stop_the_conversion(tmp_path, extra):
    path = saved(tmp_path / "a.pth", {"g": {**mmagic(EMA), **extra}})
    with pytest.raises(ValueError, match="'g' has two tensors of one meaning"):
        ganzoo.convert(path)


def test_a_name_with_and_without_a_wrapping_is_two_tensors(tmp_path):
    both = {"module.conv1.noise.weight": torch.ones(1), **EMA}
    with pytest.raises(ValueError, match=r"no StyleGAN2 has: module\.conv1\.noise\.weight"):
        ganzoo.convert(saved(tmp_path / "a.pt", both))
