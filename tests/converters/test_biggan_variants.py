"""BigGAN generators of other shapes than the golden files', against a spelt-out original."""

import json

import pytest
import torch
import torch.nn.functional as F
from biggan_reference import HuggingFace, Original, huggingface, state_dict
from covering import crossed
from helpers import assert_golden
from safetensors.torch import save_file

import ganzoo
from ganzoo.converters.conversion import convert_with_account
from ganzoo.generators.standing import with_standing_statistics

OPTIONS = {"G_depth": 2, "BN_eps": 1e-5, "SN_eps": 1e-6, "norm_style": "bn", "G_nl": "relu", "resolution": 16}


def write(folder, tensors, options=None, suffix=""):
    """A generator in a file, with the options of its training run beside it if there are any."""
    folder.mkdir(exist_ok=True)
    torch.save(tensors, folder / f"G{suffix}.pth")
    if options is not None:
        torch.save({"itr": 7, "config": {**OPTIONS, **options}}, folder / f"state_dict{suffix}.pth")
    return folder


def inputs(generator):
    z = torch.randn(3, generator.z_dim, generator=torch.Generator().manual_seed(5))
    y = torch.tensor([0, 2, 1])
    return z, y, torch.eye(generator.label_dim)[y]


@torch.no_grad()
def assert_converted(path, original, **arguments):
    generator = ganzoo.convert(path, **arguments)
    z, y, label = inputs(generator)
    assert_alike(generator(z, label), original(z, y))
    return generator


def assert_alike(got, expected):
    assert (expected.abs() < 0.95).float().mean() > 0.25, "an image at its limits shows nothing"
    assert_golden(got, expected)


SHAPES = {
    "plain": ({}, {}),
    "not hierarchical": ({"chunk": 0}, {"chunks": False}),
    "without shared embedding": ({"shared": 0, "chunk": 0}, {"chunks": False}),
    "own batch norm": ({"norm": "mybn"}, {}),
    "batch norm over devices": ({"norm": "running"}, {}),
    "attention twice": ({"widths": (16, 16, 8), "attention": (0, 1)}, {}),
    "attention first": ({"widths": (8, 8, 4), "attention": (0,)}, {}),
    "several singular values": ({"vectors": 3}, {}),
    "without spectral norm": ({"vectors": 0}, {}),
    "neither spectral norm nor embedding": ({"vectors": 0, "shared": 0, "chunk": 0}, {"chunks": False}),
    "grey": ({"colors": 1}, {}),
    "of another first side": ({"side": 3}, {}),
    "one level": ({"widths": (8, 4)}, {}),
    "deep": ({"depth": 2, "attention": (0,)}, {"deep": True, "depth": 2}),
    "deep with own batch norm": ({"depth": 2, "norm": "mybn"}, {"deep": True, "depth": 2}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_alone_is_converted_by_its_shapes(shape, tmp_path):
    made, original = SHAPES[shape]
    tensors = state_dict(**made)
    folder = write(tmp_path / "alone", tensors)
    assert_converted(folder / "G.pth", Original(tensors, **original))


def test_a_deep_one_with_three_blocks_a_level_is_told_by_its_options(tmp_path):
    tensors = state_dict(widths=(8, 8, 8), depth=3)
    original = Original(tensors, deep=True, depth=3)
    assert_converted(write(tmp_path / "told", tensors, {"G_depth": 3}), original)
    assert_converted(write(tmp_path / "assumed", tensors) / "G.pth", original, assume={"depth": 3})


ACTIVATIONS = {
    "relu": (torch.nn.ReLU(inplace=True), F.relu),
    "lrelu": (torch.nn.LeakyReLU(0.3), lambda x: F.leaky_relu(x, 0.3)),
    "elu": (torch.nn.ELU(), F.elu),
    "swish": (torch.nn.SiLU(), F.silu),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_activation_is_that_of_the_options(name, tmp_path):
    module, act = ACTIVATIONS[name]
    tensors = state_dict()
    folder = write(tmp_path / "run", tensors, {"G_activation": module, "G_nl": "own"})
    assert assert_converted(folder, Original(tensors, act=act)).config.activation == name


def test_what_a_file_alone_leaves_open_is_assumed(tmp_path):
    tensors = state_dict(norm="nonorm")
    path = write(tmp_path / "alone", tensors) / "G.pth"
    assume = {"activation": "lrelu", "slope": 0.1, "norm": "none", "norm_eps": 1e-3, "eps": 1e-4}
    act = lambda x: F.leaky_relu(x, 0.1)  # noqa: E731
    assert_converted(path, Original(tensors, act=act, bn_eps=1e-3, sn_eps=1e-4), assume=assume)
    told = convert_with_account(path, assume=assume).assumed
    assert told["norm"] == "none (as told)" and "depth" not in told


def test_the_options_of_a_run_leave_nothing_to_assume(tmp_path):
    folder = write(tmp_path / "run", state_dict(), {"norm_style": "in", "BN_eps": 1e-3})
    found = convert_with_account(folder)
    assert not found.assumed
    assert found.module.config.norm == {"name": "instance", "eps": 1e-3}
    with pytest.raises(ValueError, match="Nothing is assumed"):
        ganzoo.convert(folder, assume={"norm": "batch"})


# Standing statistics


def summed(tensors, count):
    """The tensors of a run that has gathered standing statistics over so many batches."""
    found = dict(tensors)
    for name in tensors:
        if name.endswith(("stored_mean", "stored_var")):
            found[name] = tensors[name] * count
        if name.endswith("accumulation_counter"):
            found[name] = torch.full((1,), float(count))
    return found


def test_sums_of_standing_statistics_are_divided_by_their_number_unless_they_are_none(tmp_path):
    tensors = state_dict(norm="mybn")
    folder = write(tmp_path / "run", summed(tensors, 4), {})
    assert_converted(folder, Original(tensors))
    assert convert_with_account(folder).assumed == {"sums": "yes"}
    assert_converted(folder, Original(summed(tensors, 4)), assume={"sums": "no"})


def test_standing_statistics_of_the_own_batch_norm_are_means_of_the_batches_own(tmp_path):
    generator = ganzoo.convert(write(tmp_path / "run", state_dict(norm="mybn"), {}))
    z, _, label = inputs(generator)
    batches = [generator.mapping(z * k, label) for k in (1, 2)]
    measured = with_standing_statistics(generator, batches)
    first = [generator.synthesis.levels[0](w[:, 0, 4:], None) for w in batches]
    block = measured.synthesis.levels[1].blocks[0]
    variance = sum(x.var(dim=(0, 2, 3), correction=0) for x in first) / 2
    torch.testing.assert_close(block.norm1.variance, variance, rtol=1e-2, atol=1e-3)


# Hugging Face's


@pytest.mark.parametrize("case", crossed([5, 11, 51], [0, 2, 9], t=1), ids=str)
@torch.no_grad()
def test_a_network_of_hugging_face_with_other_layers_is_converted(case, tmp_path):
    stats, attention = case
    layers = [[False, 8, 8], [True, 8, 4], [False, 4, 4], [True, 4, 4]]
    tensors, config = huggingface(layers, stats=stats, attention=attention)
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(tensors, tmp_path / "model.safetensors")
    generator = ganzoo.convert(tmp_path)
    z, _, label = inputs(generator)
    for psi in (0.0, 0.13, 0.5, 0.7, 0.77, 1.0):
        expected = HuggingFace(tensors, config)(z * psi, label, psi)
        assert_alike(generator(z, label, truncation_psi=psi), expected)


def test_weights_without_config_are_taken_to_double_every_second_block(tmp_path):
    layers = [[False, 8, 8], [True, 8, 4]]
    tensors, config = huggingface(layers, attention=9)
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    generator = ganzoo.convert(tmp_path / "pytorch_model.bin")
    z, _, label = inputs(generator)
    with torch.no_grad():
        assert_alike(generator(z, label), HuggingFace(tensors, config)(z, label, 1.0))
    assert convert_with_account(tmp_path / "pytorch_model.bin").assumed == {
        "norm_eps": "0.0001",
        "depth": "2",
    }


def test_spectral_norm_under_the_names_of_today_is_the_same(tmp_path):
    tensors, config = huggingface([[True, 8, 4]], attention=9)
    new = {"weight_orig": "parametrizations.weight.original"}
    new |= {f"weight_{x}": f"parametrizations.weight.0._{x}" for x in "uv"}
    renamed = {}
    for name, tensor in tensors.items():
        layer, _, last = name.rpartition(".")
        renamed[f"{layer}.{new.get(last, last)}"] = tensor
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.save(renamed, tmp_path / "pytorch_model.bin")
    generator = ganzoo.convert(tmp_path)
    z, _, label = inputs(generator)
    with torch.no_grad():
        assert_alike(generator(z, label), HuggingFace(tensors, config)(z, label, 1.0))


# Folders


def test_of_several_suffixes_one_is_chosen_by_its_key(tmp_path):
    folder = tmp_path / "run"
    for suffix in ("", "_best0", "_copy1"):
        write(folder, state_dict(colors=1 if suffix else 3), {}, suffix)
    torch.save({"state": {}}, folder / "G_optim.pth")
    with pytest.raises(
        ValueError, match=r"3 networks that are a generator.*--key G, --key G_best0, --key G_c"
    ):
        ganzoo.convert(folder)
    found = convert_with_account(folder, key="G_best0")
    assert found.module.img_channels == 1
    assert [file.name for file in found.files] == ["G_best0.pth", "state_dict_best0.pth"]
    assert ganzoo.convert(folder / "G.pth").img_channels == 3


def test_a_file_out_of_a_run_is_read_with_its_options(tmp_path):
    tensors = state_dict()
    folder = write(tmp_path / "run", tensors, {"G_activation": torch.nn.ELU()}, "_best0")
    torch.save(tensors, folder / "G_ema_best0.pth")
    found = convert_with_account(folder / "G_ema_best0.pth")
    assert (found.part, found.module.config.activation) == ("generator_ema", "elu")
    assert convert_with_account(folder).part == "generator_ema"


def test_half_precision_is_read_as_float32(tmp_path):
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state_dict().items()
    }
    full = {name: tensor.float() for name, tensor in tensors.items()}
    assert_converted(write(tmp_path / "run", tensors, {}), Original(full))


def test_names_of_parallel_training_are_left_out(tmp_path):
    tensors = state_dict()
    wrapped = {f"module.{name}": tensor for name, tensor in tensors.items()}
    assert_converted(write(tmp_path / "run", wrapped, {}), Original(tensors))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm_style": "gn"}, r"Unknown norm_style.*'gn'.*Choose from: bn, in, nonorm"),
        ({"G_nl": "prelu"}, "Unknown activation: 'prelu'"),
        ({"G_activation": torch.nn.GELU()}, r"Unknown activation: 'torch\.nn\.modules\.activation\.GELU'"),
        ({"BN_eps": "small"}, "norm_eps is a number; got 'small'"),
        ({"G_depth": "two"}, "depth"),
    ],
)
def test_options_that_no_network_here_has_are_refused_in_one_line(options, message, tmp_path):
    tensors = state_dict(depth=2) if "G_depth" in options else state_dict()
    with pytest.raises(ValueError, match=message) as error:
        ganzoo.convert(write(tmp_path / "run", tensors, options))
    assert "\n" not in str(error.value)


def without(name):
    def change(tensors):
        del tensors[name]

    return change


def reshaped(name, *shape):
    def change(tensors):
        tensors[name] = torch.zeros(shape)

    return change


def extra(tensors):
    tensors["blocks.0.0.conv9.weight"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("blocks.1.0.bn2.gain.weight"), r"lacks blocks\.1\.0\.bn2\.gain\.weight"),
        (without("blocks.0.0.bn1.stored_var"), r"lacks blocks\.0\.0\.bn1\.stored_var"),
        (without("blocks.0.0.conv2.weight"), r"lacks blocks\.0\.0\.conv2\.weight"),
        (reshaped("linear.weight", 100, 2), "shape"),
        (reshaped("linear.weight", 0, 2), "no|not"),
        (reshaped("linear.weight", 128, 9), "reads 9 numbers where a chunk of z has 2"),
        (reshaped("blocks.0.0.conv1.weight", 8), "not 4 sizes"),
        (reshaped("shared.weight", 3, 90), "z_dim|chunk"),
        (reshaped("blocks.1.0.conv1.weight", 4, 6, 3, 3), "6 channels where 8 come"),
        (extra, r"blocks\.0\.0\.conv9\.weight"),
    ],
)
def test_damaged_tensors_are_refused_in_one_line(change, message, tmp_path):
    tensors = state_dict()
    change(tensors)
    with pytest.raises(ValueError, match=message) as error:
        ganzoo.convert(write(tmp_path / "run", tensors, {}))
    assert "\n" not in str(error.value) and "damaged (" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 7}, "layers must be"),
        ({"layers": [[True, 8, 4]] * 2}, "config.json lists 2 layers, the file holds 1"),
        ({"layers": [[True, 8, 4]] * 1000}, "lists 1000 layers"),
        ({"eps": "none"}, "eps must be"),
        ({"eps": 0}, "eps is positive"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_in_one_line(change, message, tmp_path):
    tensors, config = huggingface([[True, 8, 4]], attention=9)
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=message) as error:
        ganzoo.convert(tmp_path)
    assert "\n" not in str(error.value)


def test_a_config_without_weights_says_what_lacks(tmp_path):
    _, config = huggingface([[True, 8, 4]])
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(FileNotFoundError, match=r"lacks model\.safetensors or pytorch_model\.bin"):
        ganzoo.convert(tmp_path)


@pytest.mark.parametrize("state", [{"itr": 1}, [1], {"config": 3}])
def test_a_state_dict_without_options_is_named(state, tmp_path):
    folder = write(tmp_path / "run", state_dict())
    torch.save(state, folder / "state_dict.pth")
    with pytest.raises(ValueError, match=r"state_dict\.pth holds no config"):
        ganzoo.convert(folder)


# Strangers' files

ODD = [
    None,
    -1,
    0,
    10**40,
    1e308,
    float("nan"),
    "\x1b[0m",
    [],
    {},
    [[True, 8, 8]] * 9,
    [[1, 2]],
    [[True, 1, 10**9]],
]


@pytest.mark.parametrize("key", ["layers", "eps", "n_stats"])
def test_odd_values_in_a_config_are_heeded_or_refused_in_one_line(key, tmp_path):
    tensors, config = huggingface([[True, 8, 4]], attention=9)
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    for value in ODD:
        (tmp_path / "config.json").write_text(json.dumps({**config, key: value}))
        try:
            ganzoo.convert(tmp_path)
        except ValueError as error:
            assert "\n" not in str(error) and str(error).isprintable() and len(str(error)) < 600


@pytest.mark.parametrize("key", ["BN_eps", "G_depth", "norm_style", "G_activation"])
def test_odd_options_of_a_run_are_heeded_or_refused_in_one_line(key, tmp_path):
    for number, value in enumerate(ODD):
        folder = write(tmp_path / str(number), state_dict(widths=(8, 4), depth=2), {key: value})
        try:
            ganzoo.convert(folder)
        except ValueError as error:
            assert "\n" not in str(error) and str(error).isprintable() and len(str(error)) < 600


def test_what_is_no_config_is_no_network_of_hugging_face(tmp_path):
    for text in ("{", "[]", "[" * 100_000, '{"layers": []}', "\xff"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises((ValueError, FileNotFoundError), match=r"nothing is left to convert|lacks"):
            ganzoo.convert(tmp_path)


def test_a_class_among_the_options_is_not_made(tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "was-here"), "w")

    folder = write(tmp_path / "run", state_dict(), {"experiment_name": Evil()})
    ganzoo.convert(folder)
    with pytest.raises(ValueError, match="Unknown activation"):
        ganzoo.convert(write(tmp_path / "other", state_dict(), {"G_activation": Evil()}))
    assert not (tmp_path / "was-here").exists()
