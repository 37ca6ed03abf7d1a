"""Networks in the layouts of other repositories: the tensors of the originals' files, to the bit."""

import json
import math
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
import snapshots
import torch
from foreign_names import state
from golden_helpers import GOLDEN, NETWORKS
from helpers import assert_same_image, tiny_config, trained
from reference import D, G, Mapping
from safetensors.torch import load_file

import ganzoo
from ganzoo.converters import outgoing
from ganzoo.converters.conversion import convert_with_account
from ganzoo.converters.nvidia_arguments import recorded
from ganzoo.converters.outgoing import nvidia, rosinality
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty

TABLES = json.loads((GOLDEN / "tensors.json").read_text())
KEYS = {
    ".pkl": {"generator_ema": "G_ema", "discriminator": "D"},
    ".pt": {"generator_ema": "g_ema", "discriminator": "d"},
}
LAYOUT = {".pkl": "nvidia", ".pt": "rosinality"}
ORIGINALS = [  # those of StyleGAN2; the discriminators of StyleGAN3 are
    network
    for network in NETWORKS
    for path in network.paths[:1]
    if path.parent.name in ("nvidia_pkl", "rosinality")
    and network.part in KEYS[path.suffix]
    and ("stylegan3" not in path.stem or network.part == "discriminator")
]
each_original = pytest.mark.parametrize("network", ORIGINALS, ids=str)


@cache
def converted(network):
    return network.convert()


def written(module, tmp_path, layout, ending=".pt", **options):
    """The tensors of each network in a file that was written, by their places."""
    result = outgoing.write(module, tmp_path / f"out{ending}", layout, **options)
    contents = torch.load(result.files[0], weights_only=True)  # noqa: TID251 - as others read it
    return contents, result


def assert_same_tensors(got, expected):
    assert list(got) == list(expected)
    for name, tensor in expected.items():
        assert got[name].shape == tensor.shape and torch.equal(got[name], tensor), name


def assert_same_network(got, expected):
    assert got.config == expected.config
    assert_same_tensors(got.state_dict(), expected.state_dict())


def shapes(tensors):
    return {name: list(tensor.shape) for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def original_written(tmp_path_factory):
    """The contents and the file of an original network, written once."""
    return cache(
        lambda network: written(
            converted(network), tmp_path_factory.mktemp("written"), LAYOUT[network.paths[0].suffix]
        )
    )


@each_original
def test_what_is_written_is_the_originals_file_to_the_bit(network, original_written):
    [path] = network.paths
    key = KEYS[path.suffix][network.part]
    contents, _ = original_written(network)
    assert_same_tensors(contents[key], state(path, key))
    if (mean := contents.get("latent_avg")) is not None:
        assert torch.equal(mean, converted(network).mapping.w_avg)


@each_original
def test_it_is_read_again_as_it_was(network, original_written):
    _, result = original_written(network)
    assert_same_network(ganzoo.convert(result.files[0]), converted(network))


@each_original
def test_a_network_of_our_own_has_the_names_and_shapes_of_that_code(network):
    [path] = network.paths
    key, config = KEYS[path.suffix][network.part], converted(network).config
    networks = (None, empty(config)) if network.part == "discriminator" else (empty(config), None)
    contents = outgoing.LAYOUTS[LAYOUT[path.suffix]].contents(*networks)
    assert shapes(contents[key]) == TABLES[path.name][key]


def test_a_teacher_of_mobilestylegan_is_the_generator_that_it_was_made_from(tmp_path):
    halves = [
        GOLDEN / "mobilestylegan" / f"msg_teacher_from_ros_train_32_{half}.ckpt"
        for half in ("mapping", "synthesis")
    ]
    contents, result = written(ganzoo.convert(halves), tmp_path, "rosinality")
    expected = state(GOLDEN / "rosinality" / "ros_train_32.pt", "g")
    assert list(contents["g_ema"]) == list(expected)
    noise = {name for name in expected if name.startswith("noises.")}  # which the pair does not hold
    for name in expected.keys() - noise:
        assert torch.equal(contents["g_ema"][name], expected[name]), name
    assert_same_network(ganzoo.convert(result.files[0]), ganzoo.convert(halves))


def test_the_teacher_in_a_distillers_file_leaves_as_well(tmp_path):
    teacher = ganzoo.convert(GOLDEN / "mobilestylegan" / "msg_32_distiller.ckpt", "teacher")
    _, result = written(teacher, tmp_path, "rosinality")
    assert_same_network(ganzoo.convert(result.files[0]), teacher)


# Other configurations

MAPPING = {
    "name": "mlp", "depth": 3, "lr_multiplier": 0.1, "activation": "swish", "layer_features": 10,
    "embed_features": 5,
}  # fmt: skip
SYM6 = (0.0154, 0.0035, -0.1180, -0.0483, 0.4911, 0.7876, 0.3379, -0.0726, -0.0211, 0.0447, 0.0018, -0.0078)
TAPS, EIGHT = (1.0, 2.0, 1.0), (1.0, 2.0, 4.0, 7.0, 6.0, 3.0, 2.0, 1.0)
RESIDUAL = {"head": "single", "shortcut": "residual"}
GENERATORS = {
    "nvidia": {
        "plain": {},
        "4 pixels": {"resolution": 4, "channels": [8]},
        "widths of z and w": {"z_dim": 5, "w_dim": 11},
        "grey": {"img_channels": 1},
        "four channels, orig": {"img_channels": 4, "head": "single"},
        "conditional": {"label_dim": 3, "mapping": MAPPING},
        "residual": {**RESIDUAL, "label_dim": 1},
        "other taps": {
            "upsampler": {"name": "conv_transpose", "taps": TAPS}, "head": {"name": "skip", "taps": TAPS}
        },
        "taps that differ": {
            "upsampler": {"name": "conv_transpose", "taps": [1, 2, 4]}, "head": {"name": "skip", "taps": TAPS}
        },
        "eight taps, residual": {
            "upsampler": {"name": "conv_transpose", "taps": EIGHT}, "head": "single",
            "shortcut": {"name": "residual", "taps": EIGHT},
        },
        "swish": {"activation": "swish"},
        "its own gain": {"activation": "relu", "activation_gain": math.sqrt(2)},
        "a clamp": {"clamp": 0.5},
        "kernels of 1": {"conv": {"name": "full", "kernel_size": 1}},
    },
    "rosinality": {
        "plain": {},
        "4 pixels": {"resolution": 4, "channels": [8]},
        "rising widths": {"resolution": 16, "channels": [4, 5, 6]},
        "three layers": {"mapping": {"name": "mlp", "depth": 3}},
        "other taps": {
            "upsampler": {"name": "conv_transpose", "taps": TAPS},
            "head": {"name": "skip", "taps": [1, 4, 4, 1]},
        },
    },
}  # fmt: skip
DISCRIMINATORS = {
    "nvidia": {
        "plain": {},
        "skip": {"architecture": "skip", "taps": TAPS},
        "orig": {"architecture": "orig", "activation": "relu", "clamp": 0.5},
        "groups": {"mbstd_group_size": None, "mbstd_num_channels": 2},
        "no deviation": {"mbstd_num_channels": 0},
        "eight taps": {"taps": EIGHT},
        "conditional": {"label_dim": 3, "projection_dim": 5, "mapping_depth": 2, "mapping_features": 7},
        "no mapping layers": {"label_dim": 3, "mapping_depth": 0, "mapping_lr_multiplier": 0.01},
    },
    "rosinality": {"plain": {}, "other taps": {"taps": [1, 4, 4, 1]}},
}


def cases(networks):
    return [
        pytest.param(layout, settings, id=f"{layout}, {name}")
        for layout, found in networks.items()
        for name, settings in found.items()
    ]


WIDTHS = (8, 8, 4)
SPECS = {
    "asymmetric filter, resnet": G(channels=WIDTHS, resample_filter=(1, 2, 4, 3), architecture="resnet"),
    "long filter": G(channels=WIDTHS, resample_filter=SYM6, conv_clamp=0.5),
    "conditional": G(channels=WIDTHS, c_dim=3, kernel_size=5, mapping=Mapping(embed_features=5)),
    "discriminator, asymmetric filter": D(channels=WIDTHS, resample_filter=(1, 3, 2), architecture="skip"),
    "discriminator, conditional": D(channels=WIDTHS, c_dim=3, cmap_dim=5, mapping=Mapping(layer_features=7)),
    "discriminator, deviations": D(channels=WIDTHS, num_channels=2, group_size=None, activation="swish"),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_snapshots_tensors_leave_as_they_came(tmp_path, name):
    spec = SPECS[name]
    make, key = (snapshots.generator, "G_ema") if isinstance(spec, G) else (snapshots.discriminator, "D")
    tree = make(spec)
    module = ganzoo.convert(snapshots.write_nvidia(tmp_path / "a.pkl", **{key: tree}))
    contents, result = written(module, tmp_path, "nvidia")
    expected = tree.tensors()
    assert_same_tensors({name: contents[key][name] for name in expected}, expected)
    assert contents[key].keys() == expected.keys()
    assert_same_network(ganzoo.convert(result.files[0]), module)


def generator(**settings):
    return trained(tiny_config(**{"resolution": 8, "channels": [8, 4], **settings}))


def discriminator(*, label_dim=0, channels=(8, 4), resolution=8, **options):
    config = {"resolution": resolution, "channels": channels, "label_dim": label_dim}
    module = Discriminator(
        DiscriminatorConfig.from_dict({**config, "discriminator": {"name": "residual", **options}})
    )
    random = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data.normal_(generator=random)
    return module


@pytest.mark.parametrize(("layout", "settings"), cases(GENERATORS))
def test_a_generator_comes_back_with_its_config_and_every_bit(tmp_path, layout, settings):
    module = generator(**settings)
    _, result = written(module, tmp_path, layout)
    expected = module
    if settings.get("activation_gain") or len(module.config.channels) == 1:
        expected = ganzoo.convert(result.files[0])  # the same, said otherwise
        assert_same_image(expected(module.sample_z(2)), module(module.sample_z(2)))
    assert_same_network(ganzoo.convert(result.files[0]), expected)
    assert_same_tensors(expected.state_dict(), module.state_dict())


@pytest.mark.parametrize(("layout", "settings"), cases(DISCRIMINATORS))
def test_a_discriminator_comes_back_with_its_config_and_every_bit(tmp_path, layout, settings):
    module = discriminator(**settings)
    _, result = written(module, tmp_path, layout)
    assert_same_network(ganzoo.convert(result.files[0]), module)


@pytest.mark.parametrize("layout", outgoing.LAYOUTS)
def test_a_pair_comes_back_from_one_file(tmp_path, layout):
    teacher, judge = generator(), discriminator()
    contents, result = written(teacher, tmp_path, layout, discriminator=judge)
    assert result.tensors == {k: len(v) if isinstance(v, dict) else 1 for k, v in contents.items()}
    assert_same_network(ganzoo.convert(result.files[0]), teacher)
    assert_same_network(ganzoo.convert(result.files[0], "discriminator"), judge)


def test_a_safetensors_file_holds_the_same_by_dotted_names(tmp_path):
    teacher, judge = generator(label_dim=2), discriminator(label_dim=2)
    contents, _ = written(teacher, tmp_path, "nvidia", discriminator=judge)
    [file, arguments] = outgoing.write(
        teacher, tmp_path / "b.safetensors", "nvidia", discriminator=judge
    ).files
    flat = {f"{key}.{name}": t for key in ("G_ema", "D") for name, t in contents[key].items()}
    found = load_file(file)
    assert found.keys() == flat.keys() and all(torch.equal(found[name], flat[name]) for name in flat)
    assert arguments.read_text() == (tmp_path / "out.json").read_text()
    assert_same_network(ganzoo.convert(file), teacher)
    assert_same_network(ganzoo.convert(file, "discriminator"), judge)


# Arguments of the constructors


def test_the_arguments_are_those_that_the_original_was_made_with(tmp_path):
    network = next(n for n in ORIGINALS if str(n) == "ada_resnet_32.pkl-generator_ema")
    judge = next(n for n in ORIGINALS if str(n) == "ada_resnet_32.pkl-discriminator")
    written(converted(network), tmp_path, "nvidia", discriminator=converted(judge))
    found = json.loads((tmp_path / "out.json").read_text())
    mapping = {"embed_features": None, "layer_features": None, "activation": "lrelu", "lr_multiplier": 0.01}
    taps = [1, 3, 3, 1]
    sizes = {"img_resolution": 32, "img_channels": 3, "c_dim": 0}
    widths = {"channel_base": 256, "channel_max": 12, "num_fp16_res": 0, "conv_clamp": 256}
    assert found == {
        "G_ema": {
            **sizes, "z_dim": 16, "w_dim": 16, "mapping_kwargs": {"num_layers": 8, **mapping},
            "synthesis_kwargs": {
                **widths, "architecture": "resnet", "resample_filter": taps, "activation": "lrelu",
                "kernel_size": 3,
            },
        },
        "D": {
            **sizes, **widths, "architecture": "skip", "cmap_dim": None, "mapping_kwargs": {},
            "block_kwargs": {"activation": "lrelu", "resample_filter": taps},
            "epilogue_kwargs": {"mbstd_group_size": 2, "mbstd_num_channels": 1, "activation": "lrelu"},
        },
    }  # fmt: skip


def test_base_and_most_of_the_widths_are_found_from_them():
    for base, most, levels in product([40, 100, 256, 1000, 16384, 32768], [1, 7, 64, 512], [1, 2, 5, 9]):
        channels = [min(base // (4 << i), most) for i in range(levels)]
        if min(channels) > 0:
            found = nvidia._widths(channels)
            assert [
                min(found["channel_base"] // (4 << i), found["channel_max"]) for i in range(levels)
            ] == channels
    assert nvidia._widths([8, 6, 4]) is None and nvidia._widths([4, 8]) is None


def test_full_size_networks_have_as_many_numbers_as_the_originals():
    config = GeneratorConfig.from_dict({"resolution": 1024, "channel_base": 32768, "channel_max": 512})
    judge = DiscriminatorConfig.from_dict({"resolution": 1024, "channel_base": 32768, "channel_max": 512})
    contents = rosinality.contents(empty(config), empty(judge))
    counts = {"parameters": 0, "buffers": 0}
    for name, tensor in contents["g_ema"].items():
        is_buffer = name.startswith("noises.") or name.endswith(".kernel")
        counts["buffers" if is_buffer else "parameters"] += tensor.numel()
    assert counts == {"parameters": 30_370_060, "buffers": 2_796_432}
    assert sum(t.numel() for n, t in contents["d"].items() if not n.endswith(".kernel")) == 29_012_513
    assert rosinality.notes(empty(config), empty(judge)) == [
        "In its code, g_ema is of Generator(1024, 512, 8).",
        "In its code, d is of Discriminator(1024).",
    ]


def test_it_is_said_how_that_code_makes_the_network(tmp_path):
    taps = {"name": "conv_transpose", "taps": TAPS}
    _, result = written(generator(upsampler=taps), tmp_path, "rosinality", discriminator=discriminator())
    assert result.notes == (
        "In its code, g_ema is of Generator(8, 8, 1, blur_kernel=[1, 2, 1]).",
        "In its code, d is of Discriminator(8).",
        "That code's widths must be changed to {4: 8, 8: 4}.",
    )
    narrow = {"resolution": 64, "channels": [512] * 4 + [256], "z_dim": 8, "w_dim": 8}
    config = GeneratorConfig.from_dict(narrow)
    assert rosinality.notes(empty(config), None) == [
        "In its code, g_ema is of Generator(64, 8, 8, channel_multiplier=1)."
    ]


def test_another_learning_rate_of_the_mapping_network_is_scaled_to_rosinalitys(tmp_path):
    own = generator(mapping={"name": "mlp", "depth": 2, "lr_multiplier": 0.1})
    _, result = written(own, tmp_path, "rosinality")
    assert "Weights of its mapping network were scaled from lr_mlp=0.1 to 0.01." in result.notes
    again = ganzoo.convert(result.files[0])
    assert again.config.mapping["lr_multiplier"] == 0.01
    assert_same_image(again(own.sample_z(2)), own(own.sample_z(2)))
    assert not torch.equal(again.mapping.layers[0].weight, own.mapping.layers[0].weight)


# What the file of arguments tells when it is read


def test_settings_come_from_the_arguments_beside_a_file_and_the_user_goes_before(tmp_path):
    own = generator(clamp=0.5, activation="swish", mapping={**MAPPING, "embed_features": None})
    _, result = written(own, tmp_path, "nvidia")
    source = convert_with_account(result.files[0])
    assert source.assumed == {} and [f.name for f in source.files] == ["out.pt", "out.json"]
    told = ganzoo.convert(result.files[0], assume={"clamp": 2})
    assert told.config == replace(own.config, clamp=2.0)


def test_the_arguments_as_stylegan3_takes_them_are_read_too(tmp_path):
    own = generator(clamp=0.5)
    _, result = written(own, tmp_path, "nvidia")
    arguments = json.loads(result.files[1].read_text())
    synthesis = arguments["G_ema"].pop("synthesis_kwargs")
    result.files[1].write_text(json.dumps({"G_ema": {**arguments["G_ema"], **synthesis}}))
    assert_same_network(ganzoo.convert(result.files[0]), own)


NO_ARGUMENTS = [
    "", "{", "[" * 100_000, "[]", "1", '{"G_ema": 1}', '{"G_ema": {"conv_clamp": 1}}',
    '{"D": {"img_resolution": 8, "conv_clamp": 1}}', f'"{" " * (1 << 20)}"',
    '{"G_ema": {"img_resolution": 8, "synthesis_kwargs": [], "mapping_kwargs": null}}',
]  # fmt: skip


def test_another_file_of_that_name_is_left_alone(tmp_path):
    _, result = written(generator(), tmp_path, "nvidia")
    for text in NO_ARGUMENTS:
        result.files[1].write_text(text)
        assert recorded(result.files[0], "G_ema") == {}, text[:40]
    source = convert_with_account(result.files[0])
    assert source.module.config.clamp == 256 and "clamp" in source.assumed and len(source.files) == 1


@pytest.mark.parametrize("name", ["conv_clamp", "activation"])
def test_arguments_that_make_no_sense_are_refused(tmp_path, name):
    _, result = written(generator(), tmp_path, "nvidia")
    for value in ('"none"', "-1", "NaN", "[1]", "true", "1e999", '"\\u001b[2J"'):
        arguments = f'{{"img_resolution": 8, "synthesis_kwargs": {{"{name}": {value}}}}}'
        result.files[1].write_text(f'{{"G_ema": {arguments}}}')
        with pytest.raises(ValueError, match=r"out\.pt: ") as error:
            ganzoo.convert(result.files[0])
        assert str(error.value).isprintable()
