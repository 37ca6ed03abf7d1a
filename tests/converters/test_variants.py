"""Other configurations than those of the original files: written here, converted, compared with float64."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference
import snapshots
import torch
from covering import thinned
from helpers import assert_golden
from reference import ORIGINALS, D, G, Mapping, assert_computes, assert_judges, inputs
from snapshots import attribute, everywhere, lack, rate, tensor

import ganzoo
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.conversion import convert_with_account
from ganzoo.converters.keymap import flatten
from ganzoo.generators.stylegan2.names import layer_name

GOLDEN = Path(__file__).parents[1] / "golden"
EIGHT_TAPS = (1, 2, 4, 7, 6, 3, 2, 1)
SYM6 = (0.0154, 0.0035, -0.1180, -0.0483, 0.4911, 0.7876, 0.3379, -0.0726, -0.0211, 0.0447, 0.0018, -0.0078)

DEEP = Mapping(num_layers=3, layer_features=10, embed_features=5, lr_multiplier=0.1, activation="swish")
GENERATORS = {
    "plain": G(),
    "4 pixels": G(channels=(8,)),
    "32 pixels, rising widths": G(channels=(4, 5, 6, 7)),
    "widths of z and w": G(z_dim=5, w_dim=11),
    "grey": G(img_channels=1),
    "four channels": G(img_channels=4, architecture="orig"),
    "resnet": G(architecture="resnet"),
    "orig": G(architecture="orig"),
    "conditional": G(c_dim=3),
    "conditional resnet": G(c_dim=1, architecture="resnet", mapping=DEEP),
    "deep mapping": G(mapping=DEEP),
    "one mapping layer": G(mapping=Mapping(num_layers=1, lr_multiplier=1)),
    "conditional, one mapping layer": G(c_dim=4, mapping=Mapping(num_layers=1, embed_features=3)),
    "asymmetric filter": G(resample_filter=(1, 3, 2)),
    "asymmetric filter, resnet": G(resample_filter=(1, 3, 2), architecture="resnet"),
    "even asymmetric filter, resnet": G(resample_filter=(1, 2, 4, 3), architecture="resnet"),
    "two taps": G(resample_filter=(1, 1)),
    "three taps": G(resample_filter=(1, 2, 1)),
    "eight taps": G(resample_filter=EIGHT_TAPS),
    "eight taps, resnet": G(resample_filter=EIGHT_TAPS, architecture="resnet"),
    "wavelet's taps": G(resample_filter=SYM6),
    "one tap": G(resample_filter=(1,)),
    "one tap, resnet": G(resample_filter=(1,), architecture="resnet"),
    "zeros among the taps": G(resample_filter=(0, 2, 2, 0, 1)),
    "no filter": G(resample_filter=None, channels=(4, 8)),
    "relu": G(activation="relu"),
    "swish": G(activation="swish"),
    "linear": G(activation="linear", conv_clamp=256),
    "tanh": G(activation="tanh", architecture="resnet"),
    "elu": G(activation="elu"),
    "selu": G(activation="selu"),
    "sigmoid, orig": G(activation="sigmoid", architecture="orig"),
    "softplus": G(activation="softplus"),
    "gain of its own": G(act_gain=0.75),
    "gain of its own, swish": G(act_gain=0.75, activation="swish", conv_clamp=0.4),
    "small clamp": G(conv_clamp=0.5),
    "small clamp, resnet": G(conv_clamp=0.5, architecture="resnet"),
    "no noise": G(use_noise=False),
    "kernels of 1": G(kernel_size=1),
    "kernels of 5": G(kernel_size=5, architecture="resnet"),
}
DISCRIMINATORS = {
    "plain": D(),
    "8 pixels": D(channels=(4, 8)),
    "skip": D(architecture="skip"),
    "orig": D(architecture="orig"),
    "grey": D(img_channels=1, architecture="skip"),
    "asymmetric filter": D(resample_filter=(1, 3, 2)),
    "asymmetric filter, skip": D(resample_filter=(1, 3, 2), architecture="skip"),
    "even asymmetric filter": D(resample_filter=(1, 2, 4, 3)),
    "eight taps": D(resample_filter=EIGHT_TAPS),
    "one tap": D(resample_filter=(1,)),
    "two taps, skip": D(resample_filter=(1, 1), architecture="skip"),
    "relu": D(activation="relu"),
    "swish, skip": D(activation="swish", architecture="skip"),
    "small clamp": D(conv_clamp=0.5),
    "small clamp, skip": D(conv_clamp=0.5, architecture="skip"),
    "groups of 2": D(group_size=2),
    "the whole batch": D(group_size=None),
    "two images of deviation": D(num_channels=2, group_size=2),
    "no deviation": D(num_channels=0),
    "conditional": D(c_dim=3, mapping=Mapping(num_layers=8)),
    "conditional, narrow": D(c_dim=3, cmap_dim=5, mapping=DEEP),
    "conditional, no mapping layers": D(c_dim=3, mapping=Mapping(num_layers=0)),
    "conditional, narrow, no mapping layers": D(c_dim=3, cmap_dim=5, mapping=Mapping(num_layers=0)),
    "three frozen": D(frozen=3),
    "all frozen, skip": D(frozen=6, architecture="skip", c_dim=2),
}


def golden(path):
    return {name: torch.from_numpy(np.asarray(a)) for name, a in np.load(GOLDEN / path).items()}


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_reference_computes_what_nvidias_code_did(name):
    g, d = ORIGINALS[name]
    file = open_checkpoint(GOLDEN / "nvidia_pkl" / f"{name}.pkl")
    expected = golden(f"nvidia/{name}_expected.npz")
    g_tensors, d_tensors = (
        {k: torch.from_numpy(v.array()) for k, v in flatten(file[part])} for part in ("G_ema", "D")
    )
    z, c, cutoff = expected["z"], expected.get("c"), int(expected["truncation_cutoff"])
    ws = reference.styles(g_tensors, g, z, c)
    assert_golden(ws, expected["ws"])
    assert_golden(reference.styles(g_tensors, g, z, c, psi=0.7, cutoff=cutoff), expected["ws_psi07_cutoff"])
    for noise in ("const", "none"):
        assert_golden(reference.make_images(g_tensors, g, ws, noise=noise), expected[f"img_{noise}"])
    logits = reference.logits(d_tensors, d, expected["d_images"], expected.get("d_c"))
    assert_golden(logits, expected["d_logits"])


@pytest.mark.parametrize("name", ["f1331", "fasym"])
def test_the_reference_resamples_as_nvidias_code_did(name):
    arrays = golden("ops/nvidia_upfirdn2d.npz")
    x, taps = arrays["x"].double(), tuple(arrays[f"filter_{name}"].double().sum(dim=1).tolist())
    assert_golden(reference.upsample(x, taps), arrays[f"upsample2d_0_{name}"])
    half = reference.filtered(x, taps, left=(len(taps) - 1) // 2, right=(len(taps) - 2) // 2)[:, :, ::2, ::2]
    assert_golden(half, arrays[f"downsample2d_2_{name}"])


# Filters of as many taps, or as asymmetric, as another that runs always.
ALIKE = {
    "asymmetric filter, resnet", "two taps", "three taps", "eight taps, resnet", "one tap, resnet",
    "zeros among the taps",
}  # fmt: skip


@pytest.mark.parametrize("name", thinned(GENERATORS, GENERATORS.keys() - ALIKE))
def test_a_generator_computes_what_its_snapshot_did(tmp_path, name):
    spec = GENERATORS[name]
    tree = snapshots.generator(spec)
    path = snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree)
    converted = ganzoo.convert(path)
    assert_computes(converted, tree.tensors(), spec)
    ganzoo.save(converted, tmp_path / "saved")
    loaded = ganzoo.load(tmp_path / "saved")
    assert loaded.config == converted.config
    assert_computes(loaded, tree.tensors(), spec)
    assert_computes(ganzoo.deploy(converted), tree.tensors(), spec)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_judges_as_its_snapshot_did(tmp_path, name):
    spec = DISCRIMINATORS[name]
    tree = snapshots.discriminator(spec)
    converted = ganzoo.convert(snapshots.write_nvidia(tmp_path / "a.pkl", D=tree))
    assert_judges(converted, tree.tensors(), spec)
    ganzoo.save(converted, tmp_path / "saved")
    loaded = ganzoo.load(tmp_path / "saved")
    assert loaded.config == converted.config
    assert_judges(loaded, tree.tensors(), spec)


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
def test_the_small_clamp_of_these_tests_clips(architecture):
    spec = G(conv_clamp=0.5, architecture=architecture)
    tensors = snapshots.generator(spec).tensors()
    ws = reference.styles(tensors, spec, *inputs(spec))
    free = reference.make_images(tensors, replace(spec, conv_clamp=None), ws)
    assert (reference.make_images(tensors, spec, ws) - free).abs().max() > 0.1


def test_a_missing_mean_style_is_estimated(tmp_path):
    spec = G(w_avg=False, c_dim=3)
    tree = snapshots.generator(spec)
    source = convert_with_account(snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree))
    assert "estimated" in source.made["mapping.w_avg"]
    ws = reference.styles(tree.tensors(), spec, *inputs(spec, n=10_000))[:, 0]
    assert (source.module.mapping.w_avg - ws.mean(dim=0)).abs().max() < 0.05 * ws.std()
    assert_computes(source.module, tree.tensors(), spec)


def test_every_network_of_a_snapshot_is_found_by_its_name(tmp_path):
    g, d = G(channels=(4, 4)), D(channels=(4, 4))
    trees = {"G": snapshots.generator(g, 1), "D": snapshots.discriminator(d)}
    trees["G_ema"] = snapshots.generator(g, 2)
    trees["augment_pipe"] = snapshots.Module("AugmentPipe", buffers={"p": torch.zeros([])}, xflip=1.0)
    path = snapshots.write_nvidia(tmp_path / "a.pkl", **trees)
    assert_computes(ganzoo.convert(path), trees["G_ema"].tensors(), g)
    assert_computes(ganzoo.convert(path, "generator"), trees["G"].tensors(), g)
    assert_judges(ganzoo.convert(path, "discriminator"), trees["D"].tensors(), d)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle_is_read(tmp_path, protocol):
    spec = G(channels=(4, 4))
    tree = snapshots.generator(spec)
    path = snapshots.write_nvidia(tmp_path / "a.pkl", protocol=protocol, G_ema=tree)
    assert_computes(ganzoo.convert(path), tree.tensors(), spec)


def test_a_bare_network_is_read(tmp_path):
    g, d = snapshots.generator(G()), snapshots.discriminator(D())
    assert_computes(ganzoo.convert(snapshots.write_nvidia(tmp_path / "g.pkl", g)), g.tensors(), G())
    assert_judges(ganzoo.convert(snapshots.write_nvidia(tmp_path / "d.pkl", d)), d.tensors(), D())


KINDS_OF_TENSORS = [
    {"dtype": torch.float16},
    {"dtype": torch.float64},
    {"memory_format": torch.channels_last},
]


@pytest.mark.parametrize("kind", KINDS_OF_TENSORS, ids=str)
def test_tensors_of_another_type_or_order_in_memory_are_read(tmp_path, kind):
    tree = snapshots.generator(G())
    for block in tree["synthesis"].modules.values():
        for layer in block.modules.values():
            layer.parameters["weight"] = layer.parameters["weight"].to(**kind)
    path = snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree)
    assert_computes(ganzoo.convert(path), tree.tensors(), G())


def test_an_account_names_every_tensor_once(tmp_path):
    tree = snapshots.generator(G(architecture="resnet", c_dim=2))
    source = convert_with_account(snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree))
    dropped = [name for name in tree.tensors() if name not in source.used]
    assert all(name.endswith("resample_filter") for name in dropped)
    assert sorted(source.dropped) == sorted(dropped) and not source.made


ROSINALITY = {
    "plain": G(),
    "other widths": G(channels=(5, 9, 3, 2), z_dim=6, w_dim=6, mapping=Mapping(num_layers=5)),
    "channel multiplier 1": G(channels=(8, 8, 4)),
    "two taps": G(resample_filter=(1, 1)),
    "asymmetric taps": G(resample_filter=(1, 3, 2)),
    "ten taps": G(resample_filter=(1, 2, 3, 4, 5, 6, 5, 4, 3, 1)),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("name", ROSINALITY)
def test_a_rosinality_generator_computes_what_its_file_did(tmp_path, name, zipped):
    spec = ROSINALITY[name]
    tree = snapshots.generator(spec)
    contents = {
        "g_ema": snapshots.rosinality_generator(tree, spec),
        "latent_avg": tree.tensors()["mapping.w_avg"],
        "args": {"size": 16, "channel_multiplier": 2},
    }
    converted = ganzoo.convert(snapshots.write_rosinality(tmp_path / "a.pt", contents, zipped=zipped))
    assert_computes(converted, tree.tensors(), spec)


@pytest.mark.parametrize(
    "spec", [D(), D(channels=(3, 5)), D(resample_filter=(1, 3, 2)), D(resample_filter=(1,))]
)
def test_a_rosinality_discriminator_judges_as_its_file_did(tmp_path, spec):
    tree = snapshots.discriminator(spec)
    contents = {"d": snapshots.rosinality_discriminator(tree, spec)}
    assert_judges(
        ganzoo.convert(snapshots.write_rosinality(tmp_path / "a.pt", contents)), tree.tensors(), spec
    )


def test_a_bare_state_dict_without_noise_and_mean_style_is_read(tmp_path):
    spec = G(w_avg=False)
    tree = snapshots.generator(spec)
    state = snapshots.rosinality_generator(tree, spec, noises=False)
    source = convert_with_account(snapshots.write_rosinality(tmp_path / "a.pt", state))
    z, _ = inputs(spec)
    ws = reference.styles(tree.tensors(), spec, z)
    with torch.inference_mode():
        expected = reference.make_images(tree.tensors(), spec, ws, noise="none")
        assert_golden(source.module(z, noise="none"), expected)
    noise = [f"{layer_name(i)}.noise.const" for i in range(5)]
    assert sorted(source.made) == sorted(["mapping.w_avg", *noise])


CONV0 = "synthesis.b8.conv0"
SKEWED = torch.tensor([[1.0, 2.0], [3.0, 4.0]]) / 10


def fastgan(tree):
    """Synthesis as FastGAN has it: blocks of other names."""
    blocks = {f"feat_{r}": snapshots.Module("UpBlockSmall", parameters={"w": torch.ones(2)}) for r in (8, 16)}
    tree.modules["synthesis"] = snapshots.Module("FastganSynthesis", modules=blocks)


GENERATOR_ERRORS = {
    "clamps differ": (attribute(CONV0, conv_clamp=128), "conv_clamp differs"),
    "clamp of the head": (attribute("synthesis.b8.torgb", conv_clamp=128), "conv_clamp differs"),
    "negative clamp": (everywhere("conv_clamp", -1), "clamp is positive"),
    "clamp is text": (everywhere("conv_clamp", "x"), "conv_clamp"),
    "activations differ": (attribute(CONV0, activation="relu"), "activation differs"),
    "gains differ": (attribute(CONV0, act_gain=1.0), "gain differs"),
    "gain is infinite": (attribute(CONV0, act_gain=float("inf")), "act_gain"),
    "activation of the mapping": (attribute("mapping.fc1", activation="relu"), "activation differs"),
    "unknown activation": (lambda tree: everywhere("activation", "gelu")(tree["synthesis"]), "gelu"),
    "skewed filter": (tensor(CONV0, "resample_filter", SKEWED), "no separable filter"),
    "filters differ": (tensor(CONV0, "resample_filter", torch.ones(1, 1)), "filter differs"),
    "sum of a filter": (tensor(CONV0, "resample_filter", torch.ones(4)), "sum"),
    "no filter": (lack(CONV0, "resample_filter"), "resample_filter"),
    "no attribute": (lack(CONV0, "up"), "lacks the attribute 'up'"),
    "no gain": (lack("mapping.fc0", "weight_gain"), "weight_gain"),
    "extra tensor": (tensor(CONV0, "extra", torch.ones(2)), "b8.conv0.extra"),
    "missing tensor": (lack(CONV0, "bias"), "b8.conv0.bias"),
    "missing affine layer": (lack(CONV0, "affine"), "affine"),
    "wrong shape": (tensor(CONV0, "bias", torch.ones(5)), "shape"),
    "not a number": (tensor(CONV0, "bias", torch.full([6], torch.nan)), "NaN"),
    "rows of w": (lambda tree: tree.attributes.update(num_ws=10), "10 rows"),
    "missing block": (lack("synthesis", "b8"), r"\[4, 16\]"),
    "missing head": (lack("synthesis.b8", "torgb"), "architecture"),
    "missing layer": (lack("synthesis.b8", "conv0"), "b8.conv0"),
    "missing mapping layer": (lack("mapping", "fc0"), "fc0"),
    "no mapping layers": (lambda tree: tree["mapping"].modules.clear(), "no mapping network"),
    "no upsampling": (attribute(CONV0, up=1), "up 1, not 2"),
    "FastGAN": (fastgan, "blocks for"),
    "rates differ": (rate("mapping.fc1", 0.1), "learning rate differs"),
    "gain of the weights": (attribute("mapping.fc1", weight_gain=1.0), "scales its weights"),
    "rate of a style": (rate(f"{CONV0}.affine", 0.1), "bias_gain"),
    "rate of the embedding": (rate("mapping.embed", 0.01), "embed has bias_gain"),
    "activation of the embedding": (attribute("mapping.embed", activation="lrelu"), "embed has activation"),
}
DISCRIMINATOR_ERRORS = {
    "clamps differ": (attribute("b8.conv0", conv_clamp=128), "conv_clamp differs"),
    "clamp of a shortcut": (attribute("b8.skip", conv_clamp=128), "clip|conv_clamp"),
    "activations differ": (attribute("b4.fc", activation="relu"), "activation differs"),
    "activation of a shortcut": (attribute("b8.skip", activation="lrelu"), "skip"),
    "activation of the output": (attribute("b4.out", activation="lrelu"), "b4.out"),
    "gain of its own": (everywhere("act_gain", 0.5), "gain"),
    "skewed filter": (tensor("b8.conv1", "resample_filter", SKEWED), "no separable filter"),
    "filters differ": (tensor("b8.skip", "resample_filter", torch.ones(1, 1)), "filter differs"),
    "no size of groups": (lack("b4.mbstd", "group_size"), "group_size"),
    "groups of 0": (attribute("b4.mbstd", group_size=0), "mbstd_group_size"),
    "groups of 1.5": (attribute("b4.mbstd", group_size=1.5), "mbstd_group_size"),
    "images of deviation": (attribute("b4.mbstd", num_channels=2), "shape"),
    "uneven parts": (attribute("b4.mbstd", num_channels=3), "mbstd_num_channels"),
    "no downsampling": (attribute("b8.conv1", down=1), "b8.conv1"),
    "missing block": (lambda tree: tree.modules.pop("b8"), r"\[4, 16\]"),
    "missing epilogue": (lambda tree: tree.modules.pop("b4"), r"\[8, 16\]"),
    "missing shortcut": (lack("b8", "skip"), "architecture"),
    "extra tensor": (tensor("b8.conv0", "extra", torch.ones(2)), "b8.conv0.extra"),
    "missing tensor": (lack("b4.fc", "bias"), "b4.fc.bias"),
    "missing bias": (lack("b8.conv0", "bias"), "conv0.bias"),
    "rate of the output": (rate("b4.out", 0.1), "bias_gain"),
}


def assert_refused(path, match):
    """One line that names the file and the fault."""
    with pytest.raises(ValueError, match=match) as caught:
        ganzoo.convert(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and "is damaged" not in message


@pytest.mark.parametrize("case", GENERATOR_ERRORS)
def test_a_generator_that_is_no_stylegan2_is_refused(tmp_path, case):
    change, match = GENERATOR_ERRORS[case]
    tree = snapshots.generator(G(conv_clamp=256, c_dim=3))
    change(tree)
    assert_refused(snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree), match)


@pytest.mark.parametrize("case", DISCRIMINATOR_ERRORS)
def test_a_discriminator_that_is_no_stylegan2_is_refused(tmp_path, case):
    change, match = DISCRIMINATOR_ERRORS[case]
    tree = snapshots.discriminator(D(conv_clamp=256))
    change(tree)
    assert_refused(snapshots.write_nvidia(tmp_path / "a.pkl", D=tree), match)
