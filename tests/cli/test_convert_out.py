"""`ganzoo convert MODEL OUT --to LAYOUT`: the file, what is said of it, and every mistake."""

from pathlib import Path

import pytest
import torch
from cli_helpers import assert_one_line
from helpers import MOBILE, tiny_config, trained
from safetensors.torch import load_file

import ganzoo
from ganzoo.converters.outgoing import writing
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig

SIZES = {"resolution": 8, "channels": [8, 8]}
CHECKPOINT = Path(__file__).parents[1] / "golden" / "rosinality" / "ros_train_32.pt"
# Arguments in front of --to, with what is said of them.
MISTAKES = {
    "an unknown layout": (["g", "a.pt", "--to=rosinalty"], ["Did you mean 'rosinality'", "nvidia"]),
    "a layout that is not written": (["g", "a.pt", "--to=bes-dev"], ["Unknown layout: 'bes-dev'"]),
    "an empty layout": (["g", "a.pt", "--to="], ["Unknown layout: ''"]),
    "a model that does not fit": (["student", "a.pt", "--to=nvidia"], ["output is wavelet (there: pixel)"]),
    "a published one": (["mobilestylegan_ffhq", "a.pt", "--to=rosinality"], ["conv is depthwise"]),
    "a discriminator that does not fit": (
        ["g", "a.pt", "--to=rosinality", "--discriminator=skip"], ["architecture is skip (there: resnet)"],
    ),
    "OUT is there": (["g", "file.pt", "--to=nvidia"], ["file.pt exists", "--overwrite"]),
    "OUT is a folder": (["g", "g", "--to=nvidia"], ["g is a folder", "g/model.pt"]),
    "OUT has no ending": (["g", "new", "--to=nvidia"], ["ends in .pt or .safetensors", "'new'"]),
    "OUT is a snapshot": (["g", "a.pkl", "--to=nvidia"], [".pkl of NVIDIA's holds code"]),
    "OUT lies below a file": (["g", "file.pt/a.pt", "--to=nvidia"], ["no writable folder"]),
    "no OUT": (["g", "--to=nvidia"], ["ganzoo convert MODEL OUT --to LAYOUT"]),
    "no model": (["--to=nvidia"], ["ganzoo convert MODEL OUT --to LAYOUT"]),
    "two models": (["g", "g", "a.pt", "--to=nvidia"], ["one model"]),
    "a recipe": (["stylegan2", "a.pt", "--to=nvidia"], ["is a recipe and has no weights"]),
    "an unknown model": (["nothing", "a.pt", "--to=nvidia"], ["nothing"]),
    "no such folder": (["./nothing", "a.pt", "--to=nvidia"], ["does not exist"]),
    "a checkpoint": ([CHECKPOINT, "a.pt", "--to=nvidia"], ["A checkpoint is converted first"]),
    "a discriminator twice": (["d", "a.pt", "--to=nvidia", "--discriminator=d"], ["the generator first"]),
    "a generator twice": (["g", "a.pt", "--to=nvidia", "--discriminator=g"], ["the generator first"]),
    "a discriminator that is not there": (["g", "a.pt", "--to=nvidia", "--discriminator=x"], ["x"]),
    "a discriminator of another size": (
        ["g", "a.pt", "--to=nvidia", "--discriminator=large"], ["resolution is 16, the generator's 8"],
    ),
    "a part": (["g", "a.pt", "--to=nvidia", "--part=generator"], ["--part is for a checkpoint", "--to"]),
    "a key": (["g", "a.pt", "--to=nvidia", "--key=x"], ["--key is for a checkpoint"]),
    "a license": (["g", "a.pt", "--to=nvidia", "--license=mit"], ["--license is for a checkpoint"]),
    "another assumption": (["g", "a.pt", "--to=nvidia", "--assume=activation=relu"], ["Choose from: clamp"]),
    "an assumption without a value": (["g", "a.pt", "--to=nvidia", "--assume=clamp"], ["NAME=VALUE"]),
    "a discriminator without --to": ([CHECKPOINT, "new", "--discriminator=d"], ["is for --to"]),
    "another option": (["g", "a.pt", "--format=nvidia"], ["--to"]),
}  # fmt: skip


def judge(**settings):
    options = {"name": "residual", **settings.pop("options", {})}
    config = DiscriminatorConfig.from_dict({**SIZES, **settings, "discriminator": options})
    module = Discriminator(config)
    for i, parameter in enumerate(module.parameters()):
        parameter.data.normal_(generator=torch.Generator().manual_seed(i))
    return module


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with models."""
    folder = tmp_path_factory.mktemp("models")
    made = {
        "g": trained(tiny_config(**SIZES)),
        "clamped": trained(tiny_config(**SIZES, clamp=256)),
        "student": trained(tiny_config(**MOBILE)),
        "run/generator": trained(tiny_config(**SIZES), seed=1),
        "d": judge(),
        "skip": judge(options={"architecture": "skip"}),
        "large": judge(resolution=16, channels=[8, 8, 8]),
    }
    for name, module in made.items():
        ganzoo.save(module, folder / name)
    (folder / "file.pt").write_text("mine")
    return folder


@pytest.fixture
def place(models, monkeypatch):
    """The working folder; files that a test writes there are gone after it."""
    monkeypatch.chdir(models)
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*") if path.is_file()}
    yield models
    for path in models.rglob("*"):
        if path.is_file() and path not in before:
            path.unlink()


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line_and_writes_nothing(run, place, case):
    arguments, parts = MISTAKES[case]
    before = sorted(place.rglob("*"))
    assert_one_line(run("convert", *arguments), *parts)
    assert sorted(place.rglob("*")) == before and Path("file.pt").read_text() == "mine"


def test_a_pair_is_written_and_said(run, place):
    status, out, err = run("convert", "g", "a.pt", "--to", "rosinality", "--discriminator", "d")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "a.pt: g_ema (31 tensors), latent_avg, d (15 tensors), read back and the same, bit for bit.",
        "In its code, g_ema is of Generator(8, 8, 1).",
        "In its code, d is of Discriminator(8).",
        "That code's widths must be changed to {4: 8, 8: 8}.",
    ]
    state = torch.load("a.pt", weights_only=True)  # noqa: TID251 - as others read it
    assert torch.equal(state["latent_avg"], ganzoo.load("g").mapping.w_avg)
    assert ganzoo.convert("a.pt", "discriminator").config == ganzoo.load("d").config


def test_the_result_of_a_run_is_written_with_its_arguments(run, place):
    status, out, err = run("convert", "run", "a.safetensors", "--to", "nvidia")
    assert (status, err) == (0, "") and out.startswith("a.safetensors and a.json: G_ema (")
    assert all(name.startswith("G_ema.") for name in load_file("a.safetensors"))
    assert run("convert", "a.safetensors", "again")[0] == 0
    own, again = ganzoo.load("run"), ganzoo.load("again")
    assert again.config == own.config
    assert all(torch.equal(t, own.state_dict()[name]) for name, t in again.state_dict().items())


def test_a_discriminator_alone_is_written(run, place):
    assert run("convert", "d", "a.pt", "--to", "nvidia")[0] == 0
    assert ganzoo.convert("a.pt").config == ganzoo.load("d").config


def test_a_clamp_is_left_out_where_the_user_says_so(run, place):
    assert_one_line(run("convert", "clamped", "a.pt", "--to=rosinality"), "--assume clamp=none")
    assert run("convert", "clamped", "a.pt", "--to=rosinality", "--assume=clamp=none")[0] == 0
    assert ganzoo.convert("a.pt").config.clamp is None


def test_overwrite_replaces_the_file(run, place):
    for model in ("g", "run"):
        assert run("convert", model, "out/a.pt", "--to=rosinality", "--overwrite")[0] == 0
    again, expected = ganzoo.convert("out/a.pt"), ganzoo.load("run")
    assert torch.equal(again.mapping.w_avg, expected.mapping.w_avg)


@pytest.mark.parametrize("place_in_code", ["_save", "_compare", "move_together"])
def test_ctrl_c_leaves_nothing(run, place, monkeypatch, place_in_code):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, place_in_code, interrupt)
    status, out, err = run("convert", "g", "new/a.pt", "--to", "nvidia")
    assert (status, out, err) == (130, "", "ganzoo: Interrupted: new/a.pt was left as it was.\n")
    assert not Path("new").exists()
