import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from cli_helpers import GANZOO, assert_one_line
from PIL import Image
from processes import started
from safetensors.torch import load_file, save_file

import ganzoo
from ganzoo.cli import main
from ganzoo.cli.common import parse_seeds
from ganzoo.system.images import read_settings, to_images


def test_generate_writes_a_png_per_seed_and_a_sheet(run, model_folder, tmp_path):
    status, out, _ = run("generate", model_folder, "--seeds", "0-2,7", "--out", tmp_path / "new" / "faces")
    assert status == 0
    names = sorted(p.name for p in (tmp_path / "new" / "faces").iterdir())
    assert names == ["seed0000.png", "seed0001.png", "seed0002.png", "seed0007.png", "sheet.png"]
    assert "4 images" in out and "s per image of 32 x 32" in out


def test_generated_images_are_those_of_the_api(run, model_folder, tmp_path):
    run("generate", model_folder, "--seeds", "5", "--psi", "0.5", "--noise", "none", "--out", tmp_path)
    generator = ganzoo.load(model_folder)
    with torch.inference_mode():
        image = generator(generator.sample_z(1, seed=5), truncation_psi=0.5, noise="none")[0]
    expected = (image.clamp(-1, 1) * 127.5 + 127.5).permute(1, 2, 0)
    with Image.open(tmp_path / "seed0005.png") as written:
        got = torch.from_numpy(np.array(written))
    assert (got - expected).abs().max() < 0.51


def test_a_image_carries_its_settings(run, model_folder, tmp_path):
    run("generate", model_folder, "--seeds", "3", "--psi", "0.5", "--cutoff", "4", "--out", tmp_path)
    settings = read_settings(tmp_path / "seed0003.png")
    assert settings["seed"] == 3 and settings["truncation_psi"] == 0.5 and settings["truncation_cutoff"] == 4
    assert settings["noise"] == "const" and settings["ganzoo_version"] == ganzoo.__version__


@pytest.mark.parametrize("noise", ["const", "random"])
def test_a_image_does_not_depend_on_its_batch(run, model_folder, tmp_path, noise):
    for size in (1, 3):
        run(
            "generate",
            model_folder,
            "--seeds=1-4",
            f"--noise={noise}",
            "--batch-size",
            size,
            "--out",
            tmp_path / str(size),
        )
    for seed in range(1, 5):
        one, three = (Image.open(tmp_path / str(size) / f"seed{seed:04d}.png") for size in (1, 3))
        difference = np.array(one).astype(int) - np.array(three).astype(int)
        assert np.abs(difference).max() <= 1  # float error may move a value over the edge of rounding


def test_generate_takes_the_label_of_a_conditional_model(run, tmp_path):
    generator = ganzoo.create("stylegan2", resolution=8, channels=[8, 8], z_dim=8, w_dim=8, label_dim=3)
    ganzoo.save(generator, tmp_path / "model")
    assert run("generate", tmp_path / "model", "--seeds=0", "--label=2", "--out", tmp_path / "out")[0] == 0
    assert_one_line(run("generate", tmp_path / "model", "--seeds=0", "--out", tmp_path / "out"), "0 to 2")
    assert_one_line(run("generate", tmp_path / "model", "--label=3", "--out", tmp_path / "out"), "0 to 2")
    words = ["generate", tmp_path / "model", "--seeds=0", "--psi=1", "--z-limit=2", "--label"]
    assert run(*words, "0:1,2:1", "--out", tmp_path / "mixed")[0] == 0
    with Image.open(tmp_path / "mixed" / "seed0000.png") as image:
        made = np.array(image)
    settings = read_settings(tmp_path / "mixed" / "seed0000.png")
    assert (settings["label"], settings["z_limit"]) == ("0:1,2:1", 2.0)
    with torch.inference_mode():
        expected = generator(generator.sample_z(1, limit=2), {0: 0.5, 2: 0.5})
    assert np.abs(made.astype(int) - np.array(to_images(expected)[0]).astype(int)).max() <= 1
    status, _, err = run(*words, "0,2", "--out", tmp_path / "no")
    assert status == 2 and "a mix of classes" in " ".join(err.split())


def test_ctrl_c_leaves_whole_images_and_says_how_many(model_folder, tmp_path):
    out = tmp_path / "out"
    words = ["generate", model_folder, "--seeds", "0-99999", "--out", out]
    with started(tmp_path / "said", main, *words) as process:
        deadline = time.monotonic() + 120
        while len(list(out.glob("seed*.png"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        status, _, err = process.finish()
    assert status == 130
    assert "of 100000 images were made" in err and "Traceback" not in err
    for path in out.iterdir():
        assert path.suffix == ".png" and not path.name.startswith(".")
        with Image.open(path) as image:
            image.load()


TO_CONVERT = "ganzoo convert ffhq.pkl my-stylegan2-ffhq"
MISTAKES = {
    "an unknown model": (["generate", "mobilestylegan_fhq"], ["Did you mean 'mobilestylegan_ffhq'"]),
    "a recipe has no weights": (["generate", "mobilestylegan"], ["is a recipe", "mobilestylegan_ffhq"]),
    "seeds that run backwards": (["generate", "x", "--seeds", "5-2"], ["runs backwards", "2-5"]),
    "seeds that are no numbers": (["generate", "x", "--seeds", "a"], ["0-15"]),
    "a seed too large": (["generate", "x", "--seeds", "4294967296"], ["4294967295"]),
    "too many seeds": (["generate", "x", "--seeds", "0-4294967295"], ["100000"]),
    "an unknown noise": (["generate", "x", "--noise", "loud"], ["const, random or none"]),
    "a psi that is no number": (["generate", "x", "--psi", "much"], ["--psi"]),
    "an unknown option": (["generate", "x", "--seed", "1"], ["--seeds"]),
    "an unknown command": (["genrate"], ["generate"]),
    "a missing name": (["generate"], ["name"]),
    "a psi that is not finite": (["generate", "x", "--psi", "nan"], ["--psi"]),
    "a device that computes nothing": (["generate", "x", "--device", "meta"], ["meta"]),
    "seeds in other digits": (["generate", "x", "--seeds", "٣"], ["0-15"]),
    "a folder in brackets": (["info", "dir:[/red]x"], ["config.json"]),
    "another spelling": (["generate", "MobileStyleGAN_FFHQ"], ["Did you mean 'mobilestylegan_ffhq'"]),
    "an unknown device": (["generate", "x", "--device", "abacus"], ["abacus"]),
    "a Hub name without scheme": (["generate", "some/model"], ["hf-hub:some/model", "dir:some/model"]),
    "a folder that is no model": (["generate", "dir:nowhere"], ["config.json"]),
    "info on nothing": (["info", "stylegan4"], ["Did you mean 'stylegan"]),
    "nothing to list": (["list", "dcgan*"], ["dcgan*"]),
    "nothing to verify": (["verify", "stylegan2"], ["is a recipe"]),
    "images of an external model": (["generate", "stylegan2_ffhq"], [TO_CONVERT]),
    "an external model to verify": (["verify", "stylegan2_ffhq"], [TO_CONVERT]),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line_and_writes_nothing(run, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, parts = MISTAKES[case]
    assert_one_line(run(*arguments), *parts)
    assert not list(tmp_path.iterdir())


@contextmanager
def no_room_for(size):
    """The system takes no file larger than this, as a full disk or a used quota takes none."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_there_is_no_room_a_line_says_what_to_do(run, model_folder, tmp_path):
    with no_room_for(100):
        result = run("generate", model_folder, "--seeds", "0", "--out", tmp_path / "out")
    assert_one_line(result, "make room and run the same command again")
    assert not [*(tmp_path / "out").iterdir()]


def test_an_output_folder_that_cannot_be_written_is_told_before_anything_else(run, tmp_path):
    (tmp_path / "file").write_text("")
    assert_one_line(run("generate", "mobilestylegan_ffhq", "--out", tmp_path / "file" / "faces"), "--out")


def test_seeds_are_lists_of_numbers_and_ranges():
    assert parse_seeds("0-3") == [0, 1, 2, 3]
    assert parse_seeds("7, 1-2 ,1") == [7, 1, 2]


def test_list_shows_models_recipes_and_blocks(run):
    status, out, _ = run("list")
    assert status == 0
    for word in (
        "mobilestylegan_ffhq",
        "9.41 M",
        "7.36 G",
        "Apache-2.0",
        "stylegan2_wavelet",
        "conv_transpose, idwt",
        "none, residual",
        "discriminator",
    ):
        assert word in out
    assert "fixed filters included" in out


def test_list_takes_a_pattern(run):
    _, out, _ = run("list", "stylegan2_i*")
    assert "stylegan2_idwt" in out and "mobilestylegan" not in out and "depthwise" not in out


def test_list_prints_json(run):
    data = json.loads(run("list", "mobile*ffhq", "--json")[1])
    [model] = data["models"]
    assert model["external"] is False
    assert model["resolution"] == 1024 and model["parameters"] == 2_101_248 + 7_306_395
    assert model["macs"] == 2_097_152 + 7_358_734_336 and "transposed" in data["macs_convention"]
    assert model["cached"] in (True, False) and "non-commercial" in model["license"]["teacher"]


def test_a_bundled_model_is_listed_as_in_the_package(run):
    assert "in the package" in run("list", "mobilestylegan_ffhq_64_lite")[1]
    [model] = json.loads(run("list", "mobilestylegan_ffhq_64_lite", "--json")[1])["models"]
    assert model["bundled"] is True and model["cached"] is False
    out = run("info", "mobilestylegan_ffhq_64_lite")[1]
    assert "in the package" in out and "cached:" not in out


def test_an_external_model_is_listed_as_one_to_convert(run):
    [row] = [line for line in run("list", "stylegan2_f*")[1].splitlines() if "stylegan2_ffhq" in line]
    assert (
        "30.37 M" in row
        and "75.39 G" in row
        and "non-commercial" in row
        and row.rstrip().endswith("to convert")
    )
    [model] = json.loads(run("list", "stylegan2_f*", "--json")[1])["models"]
    assert model["external"] is True and model["cached"] is False
    assert model["parameters"] == 2_101_248 + 28_268_812


def test_info_of_an_external_model_says_how_to_get_it(run):
    status, out, _ = run("info", "stylegan2_ffhq")
    assert status == 0 and "28,268,812" in out and "Nvidia Source Code License-NC" in out
    assert "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/ffhq.pkl" in out
    assert "ganzoo convert ffhq.pkl my-stylegan2-ffhq" in out
    assert "cached:" not in out and "source:" not in out
    data = json.loads(run("info", "stylegan2_ffhq", "--json")[1])["model"]
    assert data["external"]["owner"] == "NVIDIA" and data["cached"] is False
    assert data["sources"] == [] and data["golden"] is None


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        pytest.param("stylegan2", ["2,101,248", "28,268,812", "75.383 G"], marks=pytest.mark.slow),
        ("mobilestylegan", ["8,852,079 + 3,744", "7.545 G", "7,306,395", "7.346 G"]),
        ("mobilestylegan_ffhq", ["7,306,395", "7.359 G", "Nvidia Source Code License-NC", "random-face"]),
    ],
)
def test_info_prints_the_published_costs(run, name, figures):
    _, out, _ = run("info", name)
    for figure in figures:
        assert figure in out


def test_info_prints_json(run, model_folder):
    data = json.loads(run("info", model_folder, "--json")[1])
    assert data["config"] == ganzoo.load(model_folder).config.to_dict() and data["num_ws"] == 8
    assert data["cost"]["synthesis"]["static"] > 0


def test_info_of_a_folder_shows_license_and_lineage_of_its_card(run, model_folder, tmp_path):
    assert "license: unknown: the folder has no card" in run("info", model_folder)[1]
    shutil.copytree(model_folder, tmp_path / "model")
    card = ["card", tmp_path / "model", "--license=cc-by-nc-4.0", "--lineage=Drawn by lot.", "--out"]
    assert run(*card, tmp_path / "model")[0] == 0
    out = run("info", tmp_path / "model")[1]
    assert "license: cc-by-nc-4.0\n" in out and "lineage: Drawn by lot. `model.safetensors`" in out
    told = json.loads(run("info", tmp_path / "model", "--json")[1])["card"]
    assert told["license"] == "cc-by-nc-4.0" and told["lineage"].startswith("Drawn by lot.")


def test_verify_finds_changed_weights(run, model_folder, tmp_path):
    status, out, _ = run("verify", model_folder)
    assert status == 0 and "as it was written" in out
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "config.json").write_bytes((model_folder / "config.json").read_bytes())
    data = bytearray((model_folder / "model.safetensors").read_bytes())
    data[-2] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    status, _, err = run("verify", copy)
    assert status == 1 and "was changed" in err


def test_a_folder_does_not_stand_in_for_a_published_model(run, model_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model_folder, tmp_path / "mobilestylegan_ffhq")
    data = json.loads(run("info", "mobilestylegan_ffhq", "--json")[1])
    assert data["config"]["resolution"] == 1024


def test_a_sheet_carries_its_settings(run, model_folder, tmp_path):
    run("generate", model_folder, "--seeds", "3,5", "--cutoff", "4", "--out", tmp_path)
    settings = read_settings(tmp_path / "sheet.png")
    assert settings["seeds"] == "3,5" and settings["truncation_cutoff"] == 4 and "seed" not in settings


def test_verify_says_when_a_file_records_no_hash(run, model_folder, tmp_path):
    (tmp_path / "config.json").write_bytes((model_folder / "config.json").read_bytes())
    save_file(load_file(model_folder / "model.safetensors"), tmp_path / "model.safetensors")
    status, out, _ = run("verify", tmp_path)
    assert status == 0 and "records no hash" in out


def test_help_does_not_wait_for_torch():
    code = "import sys; import ganzoo.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_arguments_print_the_help(run):
    status, out, err = run()
    assert status in (0, 2) and "generate" in out + err


def test_version_is_printed(run):
    assert run("--version")[:2] == (0, f"{ganzoo.__version__}\n")


def test_a_closed_pipe_is_no_error(tmp_path):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*GANZOO, "list", "--markdown"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert b"Traceback" not in process.stderr


def test_options_are_frozen(run):
    # Scripts rely on these names: a change here is a change for users.
    help_text = run("generate", "--help")[1]
    options = [
        "--seeds",
        "--psi",
        "--cutoff",
        "--noise",
        "--label",
        "--out",
        "--device",
        "--batch-size",
        "--cache-dir",
    ]
    assert [o for o in options if o not in help_text] == []
