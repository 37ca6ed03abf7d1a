"""Networks that another repository's layout has no place for: one line, and no file."""

import os
from pathlib import Path

import pytest
import torch
from helpers import MOBILE, tiny_config, trained

import ganzoo
from ganzoo.blocks import MAPPINGS, UPSAMPLERS
from ganzoo.blocks.mapping import MLPMapping
from ganzoo.blocks.upsampler import ConvTransposeUpsampler
from ganzoo.converters import outgoing
from ganzoo.converters.outgoing import writing
from ganzoo.converters.outgoing.assumed import refuse_misfits
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.models.recipes import compose, list_recipes

TWO, FIVE = {"name": "skip", "taps": [1, 1]}, {"name": "conv_transpose", "taps": [1, 4, 6, 4, 1]}
# Settings of a generator, with what is said of each; both layouts lack the first ones.
BOTH = {
    "sub-bands": ({"output": "wavelet"}, "output is wavelet (there: pixel)"),
    "another upsampler": ({"upsampler": "idwt"}, "upsampler is idwt (there: conv_transpose)"),
    "depthwise": ({"conv": "depthwise"}, "conv is depthwise (there: full)"),
    "static": ({"demodulation": "static"}, "demodulation is static (there: style)"),
    "auxiliary heads": ({"head": "aux"}, "head is aux (there: skip"),
    "another gain": ({"activation_gain": 1.0}, "activation_gain is 1 (there: none, for "),
}
GENERATORS = {
    "rosinality": {
        **BOTH,
        "residual": ({"shortcut": "residual"}, "shortcut is residual (there: none)"),
        "one head": ({"head": "single"}, "head is single (there: skip)"),
        "kernels of 5": ({"conv": {"name": "full", "kernel_size": 5}}, "conv.kernel_size is 5 (there: 3)"),
        "labels": ({"label_dim": 2}, "label_dim is 2 (there: 0)"),
        "grey": ({"img_channels": 1}, "img_channels is 1 (there: 3)"),
        "z and w": ({"z_dim": 4}, "z_dim is 4 (there: w_dim, 8)"),
        "narrow mapping": ({"mapping": {"layer_features": 4}}, "mapping.layer_features is 4 (there: 8)"),
        "swish mapping": ({"mapping": {"activation": "swish"}}, "mapping.activation is swish (there: lrelu)"),
        "swish": ({"activation": "swish"}, "activation is swish (there: lrelu)"),
        "a clamp": ({"clamp": 256}, "clamp is 256 (there: none; --assume clamp=none leaves it out"),
        "two taps of the head": ({"head": TWO}, "head.taps is 1, 1 (there: 4 numbers)"),
    },
    "nvidia": {
        **BOTH,
        "widths of no rule": (
            {"channels": [4, 8]},
            "channels is 4, 8 (there: min(channel_base // side, channel_max))",
        ),
        "both paths": ({"shortcut": "residual"}, "shortcut is residual (there: none beside a head skip"),
        "two lengths of taps": ({"upsampler": FIVE}, "the number of taps is 4, 5 (there: one for all"),
    },
}
DISCRIMINATORS = {
    "rosinality": {
        "skip": ({"architecture": "skip"}, "discriminator.architecture is skip (there: resnet)"),
        "swish": ({"activation": "swish"}, "discriminator.activation is swish (there: lrelu)"),
        "a clamp": ({"clamp": 256}, "discriminator.clamp is 256 (there: none; --assume"),
        "taps": ({"taps": [1, 1]}, "discriminator.taps is 1, 1 (there: 4 numbers)"),
        "groups": ({"mbstd_group_size": None}, "discriminator.mbstd_group_size is none (there: 4)"),
        "channels of deviation": ({"mbstd_num_channels": 2}, "mbstd_num_channels is 2 (there: 1)"),
        "another block": ({"name": "projected"}, "discriminator is projected (there: residual)"),
    },
    "nvidia": {"another block": ({"name": "projected"}, "discriminator is projected (there: residual)")},
}


def cases(networks):
    return [
        pytest.param(layout, *case, id=f"{layout}, {name}")
        for layout, found in networks.items()
        for name, case in found.items()
    ]


def config(**settings):
    mapping = {"name": "mlp", "depth": 2, **settings.pop("mapping", {})}
    sizes = {"resolution": 16 if settings.get("output") == "wavelet" else 8, "channels": [8, 4]}
    return tiny_config(**{**sizes, "mapping": mapping, **settings})


def judge_config(**options):
    sizes = {name: options.pop(name) for name in ("resolution", "channels", "label_dim") if name in options}
    return DiscriminatorConfig.from_dict(
        {"resolution": 8, "channels": [8, 4], **sizes, "discriminator": {"name": "residual", **options}}
    )


@pytest.mark.parametrize(("layout", "settings", "part"), cases(GENERATORS))
def test_what_has_no_place_is_named_with_what_would(layout, settings, part):
    line = outgoing.refusal(config(**settings), layout)
    assert part in line and "\n" not in line and line.count("(there: ") == 1
    assert outgoing.LAYOUTS[layout].words in line


@pytest.mark.parametrize(("layout", "options", "part"), cases(DISCRIMINATORS))
def test_what_has_no_place_of_a_discriminator_is_named(layout, options, part):
    assert part in outgoing.refusal(judge_config(**options), layout)


def test_sizes_of_a_discriminator_that_have_no_place_are_named():
    assert "label_dim is 2 (there: 0)" in outgoing.refusal(judge_config(label_dim=2), "rosinality")
    assert "channels is 4, 8" in outgoing.refusal(judge_config(channels=[4, 8]), "nvidia")
    four = judge_config(resolution=4, channels=[8])
    assert "resolution is 4 (there: 8 or more)" in outgoing.refusal(four, "nvidia")
    assert outgoing.refusal(four, "rosinality") is None


@pytest.mark.parametrize("layout", outgoing.LAYOUTS)
def test_all_that_has_no_place_stands_in_one_line(layout):
    line = outgoing.refusal(tiny_config(**MOBILE), layout)
    assert line.startswith("A mobilestylegan such as this has no place")
    for part in ("output", "upsampler", "conv", "demodulation", "head", "activation_gain"):
        assert f"{part} is" in line


@pytest.mark.parametrize("layout", outgoing.LAYOUTS)
def test_another_architecture_is_refused_by_its_name(second_architecture, layout):
    line = outgoing.refusal(GeneratorConfig.from_dict({"generator": "waves"}), layout)
    assert "its architecture is waves, and there only stylegan2 has a place" in line


@pytest.mark.parametrize("layout", outgoing.LAYOUTS)
def test_every_recipe_has_its_place_or_its_line(layout):
    fitting = set()
    for recipe in list_recipes():
        settings = GeneratorConfig.from_dict(compose(recipe))
        line = outgoing.refusal(settings, layout)
        if line is None:
            fitting.add(recipe)
            assert outgoing.LAYOUTS[layout].contents(empty(settings), None)
        elif settings.architecture == "stylegan2":
            assert "(there: " in line
        else:
            assert f"its architecture is {settings.architecture}, and there only stylegan2 has a" in line
    assert fitting == {"rosinality": {"stylegan2"}, "nvidia": {"stylegan2", "stylegan2_single"}}[layout]


@pytest.mark.parametrize("layout", outgoing.LAYOUTS)
def test_a_block_or_an_option_that_is_new_is_refused(blocks_of_this_test, layout):
    @UPSAMPLERS.register("mine")
    class Mine(ConvTransposeUpsampler):
        pass

    @MAPPINGS.register("my_mlp")
    class MyMapping(MLPMapping):
        pass

    line = outgoing.refusal(config(upsampler="mine", mapping={"name": "my_mlp"}), layout)
    assert "mapping is my_mlp (there: mlp); upsampler is mine (there: conv_transpose)" in line
    # An option that a later version gives to a known block, as long as nobody has said that it fits.
    UPSAMPLERS.unregister("conv_transpose")

    @UPSAMPLERS.register("conv_transpose")
    class Sharper(ConvTransposeUpsampler):
        def __init__(
            self,
            *,
            in_channels: int,
            out_channels: int,
            w_dim: int,
            make_conv: object,
            taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0),
            sharp: bool = False,
        ) -> None:
            raise NotImplementedError

    assert outgoing.refusal(config(), layout) is None
    sharp = {"name": "conv_transpose", "sharp": True}
    assert "upsampler.sharp is True (there: False)" in outgoing.refusal(config(upsampler=sharp), layout)


def test_an_unknown_layout_is_named_with_the_near_one(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'rosinality'"):
        outgoing.refusal(config(), "rosinalty")
    with pytest.raises(ValueError, match="Did you mean 'nvidia'"):
        outgoing.write(trained(config()), tmp_path / "a.pt", "NVIDIA")


# Clamps


@pytest.fixture(scope="module")
def clamped():
    return trained(config(clamp=256))


def test_a_clamp_that_no_image_reaches_may_be_left_out(clamped, tmp_path):
    with pytest.raises(ValueError, match="clamp is 256"):
        outgoing.write(clamped, tmp_path / "a.pt", "rosinality")
    result = outgoing.write(clamped, tmp_path / "a.pt", "rosinality", assume={"clamp": None})
    again, z = ganzoo.convert(result.files[0]), clamped.sample_z(2, seed=9)
    assert again.config.clamp is None and clamped.config.clamp == 256
    assert torch.equal(again(z), clamped(z))


@pytest.mark.parametrize("layout", outgoing.LAYOUTS)
def test_a_clamp_that_an_image_reaches_cannot_be_left_out(layout, tmp_path):
    with pytest.raises(ValueError, match="clamp of the generator is reached"):
        outgoing.write(trained(config(clamp=0.1)), tmp_path / "a.pt", layout, assume={"clamp": None})
    assert [*tmp_path.iterdir()] == []


def test_the_same_holds_for_a_discriminator(clamped, tmp_path):
    free, tight = (Discriminator(judge_config(clamp=limit)) for limit in (1e4, 0.1))
    assume = {"clamp": None}
    result = outgoing.write(clamped, tmp_path / "a.pt", "rosinality", discriminator=free, assume=assume)
    assert ganzoo.convert(result.files[0], "discriminator").config.discriminator["clamp"] is None
    with pytest.raises(ValueError, match="clamp of the discriminator is reached"):
        outgoing.write(tight, tmp_path / "b.pt", "rosinality", assume=assume)


@pytest.mark.parametrize(
    ("assume", "part"),
    [
        ({"clampp": None}, "Did you mean 'clamp'"),
        ({"clamp": 3}, "clamp=none leaves a clamp out; got clamp=3"),
    ],
)
def test_nothing_else_is_assumed(assume, part):
    with pytest.raises(ValueError, match=part):
        refuse_misfits(config(), "rosinality", assume)


# The file


@pytest.fixture(scope="module")
def plain():
    return trained(config())


@pytest.mark.parametrize(
    ("name", "layout", "part"),
    [
        ("a.pkl", "nvidia", r"ends in \.pt or \.safetensors for nvidia.* holds code, and ganzoo writes none"),
        ("a.safetensors", "rosinality", r"ends in \.pt for rosinality"),
        ("a", "nvidia", r"ends in \.pt or"),
        ("folder", "nvidia", "is a folder: with --to, OUT is a file such as .*folder/model.pt"),
        ("there.pt", "rosinality", "there.pt exists: choose another name, or add --overwrite"),
        ("other.safetensors", "nvidia", "other.json exists: choose another name"),
        ("there.pt/a.pt", "nvidia", "no writable folder"),
    ],
)
def test_a_place_that_is_not_free_is_told(plain, tmp_path, name, layout, part):
    (tmp_path / "folder").mkdir()
    for taken in ("there.pt", "other.json"):
        (tmp_path / taken).write_text("mine")
    with pytest.raises((ValueError, OSError), match=part):
        outgoing.write(plain, tmp_path / name, layout)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["folder", "other.json", "there.pt"]
    assert (tmp_path / "there.pt").read_text() == (tmp_path / "other.json").read_text() == "mine"


def test_folders_are_made_and_files_replaced_where_it_is_asked_for(plain, tmp_path):
    file = tmp_path / "a" / "b" / "c.pt"
    first = outgoing.write(plain, file, "nvidia").files
    file.write_bytes(b"")
    assert outgoing.write(plain, file, "nvidia", overwrite=True).files == first
    assert file.stat().st_size > 0 and sorted(file.parent.iterdir()) == sorted(first)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("place", ["_compare", "move_together", "_save"])
def test_a_write_that_stops_leaves_what_was_there(plain, tmp_path, monkeypatch, place, error):
    file = tmp_path / "old.pt"
    file.write_text("mine")

    def stop(*_):
        raise error

    monkeypatch.setattr(writing, place, stop)
    for out in (file, tmp_path / "new" / "a.pt"):
        with pytest.raises(type(error) if isinstance(error, OSError) else error):
            outgoing.write(plain, out, "nvidia", overwrite=True)
    assert [*tmp_path.iterdir()] == [file] and file.read_text() == "mine"


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_ctrl_c_between_the_files_leaves_the_old_pair(plain, tmp_path, monkeypatch, nth):
    old = {name: f"my {name}" for name in ("a.pt", "a.json")}
    for name, text in old.items():
        (tmp_path / name).write_text(text)
    moves, replace = [], Path.replace

    def stopping(self, target):
        moves.append(target)
        if len(moves) == nth:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopping)
    with pytest.raises(KeyboardInterrupt):
        outgoing.write(plain, tmp_path / "a.pt", "nvidia", overwrite=True)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == old


def test_what_was_written_is_read_back(plain, tmp_path, monkeypatch):
    save = torch.save

    def worse(contents, file):
        contents["g_ema"]["conv1.activate.bias"] = contents["g_ema"]["conv1.activate.bias"] + 1e-7
        save(contents, file)

    monkeypatch.setattr(torch, "save", worse)
    with pytest.raises(OSError, match="differs from what was read"):
        outgoing.write(plain, tmp_path / "a.pt", "rosinality")
    assert [*tmp_path.iterdir()] == []


def test_files_are_as_open_to_others_as_the_users_own(plain, tmp_path):
    files = outgoing.write(plain, tmp_path / "a.pt", "nvidia").files
    (tmp_path / "mine").touch()
    assert {file.stat().st_mode for file in files} == {(tmp_path / "mine").stat().st_mode}


@pytest.mark.skipif(os.name != "posix", reason="names of files")
def test_a_relative_name_and_a_home_folder_are_understood(plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    outgoing.write(plain, "a.pt", "rosinality")
    outgoing.write(plain, "~/b.PT", "rosinality")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pt", "b.PT"]


def test_what_is_no_network_or_no_pair_is_told(plain, tmp_path):
    judge, larger = (
        Discriminator(judge_config()),
        Discriminator(judge_config(resolution=16, channels=[8, 8, 4])),
    )
    out = tmp_path / "a.pt"
    with pytest.raises(TypeError, match="deployed"):
        outgoing.write(ganzoo.deploy(plain), out, "nvidia")
    with pytest.raises(TypeError, match="Generator and Generator"):
        outgoing.write(plain, out, "nvidia", discriminator=plain)
    with pytest.raises(TypeError, match="Discriminator and Discriminator"):
        outgoing.write(judge, out, "nvidia", discriminator=judge)
    with pytest.raises(ValueError, match="discriminator's resolution is 16, the generator's 8"):
        outgoing.write(plain, out, "nvidia", discriminator=larger)
    assert [*tmp_path.iterdir()] == []


def test_the_network_is_left_as_it_is(plain, tmp_path):
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    outgoing.write(plain.double(), tmp_path / "a.pt", "rosinality")
    again = ganzoo.convert(tmp_path / "a.pt").state_dict()
    assert all(tensor.dtype == torch.float64 for tensor in plain.state_dict().values())
    plain.float()
    assert all(torch.equal(again[name], before[name]) for name in before)
