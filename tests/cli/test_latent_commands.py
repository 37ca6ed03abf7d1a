"""`ganzoo directions`, `edit`, `mix` and `swap`: what they write, and what they say of mistakes."""

import json
import shutil

import numpy as np
import pytest
import torch
from helpers import assert_one_line, tiny, trained
from PIL import Image

import ganzoo
from ganzoo.latent.directions import read_file
from ganzoo.latent.editing import edit
from ganzoo.latent.saved import load_w, save_w
from ganzoo.system.images import read_settings


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "faces"
    ganzoo.save(trained(tiny("wavelet")), folder)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where `found` keeps what it copies."""
    return tmp_path_factory.mktemp("kept") / "found"


@pytest.fixture
def found(run, faces, kept, tmp_path):
    """Two directions in a folder of their own; they are found once."""
    if not kept.exists():
        told = ["--method", "ganspace", "--num", 2, "--samples", 100, "--out", kept]
        assert run("directions", faces, *told)[0] == 0
    return shutil.copytree(kept, tmp_path / "found")


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def image_of(generator, w):
    with torch.inference_mode():
        [image] = generator.to_pil(generator.synthesis(w).image)
    return np.asarray(image)


def test_directions_are_found_listed_and_shown(run, faces, found):
    assert sorted(path.name for path in found.iterdir()) == [
        "directions.safetensors", "directions.yaml", "sheet.png",
    ]  # fmt: skip
    assert read_settings(found / "sheet.png")["directions"] == ["ganspace-1", "ganspace-2"]
    status, out, _ = run("edit", faces, "--directions", found)
    assert status == 0 and out.startswith("ganspace-1  all rows    GANSpace, 100 w; ")
    assert f"--direction ganspace-1 --directions {found}" in out


def test_a_second_method_adds_to_the_folder_and_replaces_what_has_the_same_name(run, faces, found):
    args = ["directions", faces, "--samples", 50, "--out", found, "--num", 1]
    assert "holds 3 directions" in run(*args, "--method", "sefa", "--rows", "coarse")[1]
    assert "holds 3 directions" in run(*args, "--method", "ganspace")[1]
    both = read_file(found)
    assert both.names == ["ganspace-1", "ganspace-2", "sefa-1"] and both["sefa-1"].rows == (0, 3)
    assert "50 w" in both["ganspace-1"].facts["method"] and "100 w" in both["ganspace-2"].facts["method"]


def test_directions_in_the_models_folder_are_its_own(run, faces, found, tmp_path):
    generator = ganzoo.load(faces)
    ganzoo.save(generator, tmp_path / "mine")
    assert_one_line(run("directions", tmp_path / "mine"), "--method ganspace")
    run(
        "directions",
        tmp_path / "mine",
        "--method=sefa",
        "--num=1",
        "--samples=20",
        "--out",
        tmp_path / "mine",
    )
    for arguments in (["directions", "--list"], ["directions"], ["edit"]):
        command, *options = arguments
        assert run(command, tmp_path / "mine", *options)[1].startswith("sefa-1  all rows    SeFa")


def test_scores_give_a_direction_a_column(run, faces, tmp_path):
    generator = ganzoo.load(faces)
    with torch.inference_mode():
        w = generator.mapping(generator.sample_z(60))[:, 0]
    table = tmp_path / "scores.csv"
    rows = [f"{seed},{float(x[2])},{float(x[5])}" for seed, x in enumerate(w)]
    table.write_text("\n".join(["seed, third,sixth", *rows]))
    out = tmp_path / "out"
    status, told, _ = run("directions", faces, "--scores", table, "--share", 0.4, "--out", out)
    assert status == 0 and "of 14 w held out" in told
    both = read_file(out)
    assert both["third"].vector.argmax() == 2 and both["sixth"].vector.argmax() == 5


def test_edited_images_are_those_of_the_api(run, faces, found, tmp_path):
    status, told, _ = run(
        "edit", faces, "--seeds", "3-4", "--direction", "ganspace-2,ganspace-1", "--strength", "-2,0",
        "--rows", "0-2", "--directions", found, "--save-w", "--out", tmp_path / "out",
    )  # fmt: skip
    assert status == 0 and "8 images and ganspace-2.png, ganspace-1.png" in told
    generator, [direction, _] = ganzoo.load(faces), read_file(found)
    with torch.inference_mode():
        w = edit(generator.mapping(generator.sample_z(1, seed=4), None, 0.7), direction, -2, (0, 3))
    file = tmp_path / "out" / "seed0004_ganspace-1_-2.png"
    assert np.abs(pixels(file).astype(int) - image_of(generator, w)).max() <= 1
    told = read_settings(file)
    assert told["strength"] == -2 and told["rows"] == [0, 3] and told["point"] == "seed0004"
    every = load_w(tmp_path / "out" / "w.safetensors", generator)
    assert len(every.w) == 8 and torch.allclose(every.w[6], w[0]) and every.facts["strengths"] == "-2,0"
    assert len(list((tmp_path / "out").iterdir())) == 11


def test_saved_w_are_edited_with_their_noise(run, faces, found, tmp_path):
    generator = ganzoo.load(faces)
    w = generator.mapping(generator.sample_z(2))
    noise = [
        torch.randn(2, *x.shape[1:], generator=torch.Generator().manual_seed(1))
        for x in generator.synthesis(w).noise
    ]
    save_w(tmp_path / "w.safetensors", w, generator, noise=noise)
    args = ["edit", faces, "--w", tmp_path / "w.safetensors", "--directions", found, "--save-w"]
    words = ["--direction=ganspace-1,ganspace-2", "--strength=0,1", "--out", tmp_path]
    assert run(*args, *words)[0] == 0
    with torch.inference_mode():
        [expected] = generator.to_pil(generator.synthesis(w[1:], [x[1:] for x in noise]).image)
    got = pixels(tmp_path / "w0001_ganspace-1_0.png")
    assert np.abs(got.astype(int) - np.asarray(expected)).max() <= 1
    kept = load_w(tmp_path / "w.safetensors", generator)
    assert len(kept.w) == 8 and all(torch.equal(a[4::2], b) for a, b in zip(kept.noise, noise, strict=True))


def test_a_mix_is_a_grid_with_its_sources_at_the_margins(run, faces, tmp_path):
    status, told, _ = run("mix", faces, "--rows=0,7", "--columns=3-5", "--layers=coarse", "--out", tmp_path)
    assert status == 0 and "6 images and sheet.png" in told and "rows 0-2 are from the top" in told
    generator = ganzoo.load(faces)
    with torch.inference_mode():
        row, column = generator.mapping(generator.sample_z([7, 4]), None, 0.7)
    expected = image_of(generator, torch.cat([column[:3], row[3:]])[None])
    assert np.abs(pixels(tmp_path / "seed0007_seed0004.png").astype(int) - expected).max() <= 1
    assert len(list(tmp_path.iterdir())) == 7
    assert read_settings(tmp_path / "sheet.png")["layers"] == [0, 3]


def test_a_conditional_model_is_edited_and_mixed_in_a_class(run, tmp_path):
    ganzoo.save(trained(tiny(label_dim=3)), tmp_path / "model")
    args = ["directions", tmp_path / "model", "--method=ganspace", "--num=1", "--samples=50"]
    assert_one_line(run(*args, "--out", tmp_path / "model"), "class from 0 to 2")
    assert run(*args, "--label=1", "--out", tmp_path / "model")[0] == 0
    edited = ["edit", tmp_path / "model", "--direction=ganspace-1", "--strength=1", "--seeds=0"]
    assert run(*edited, "--label=2", "--out", tmp_path / "out")[0] == 0
    assert_one_line(run("mix", tmp_path / "model", "--label=7"), "class from 0 to 2")


def test_a_swap_is_a_model_with_its_lineage(run, faces, tmp_path):
    ganzoo.save(trained(tiny("wavelet"), seed=1), tmp_path / "b")
    status, told, _ = run(
        "swap", faces, tmp_path / "b", "--from=8", "--license=mit", "--out", tmp_path / "made"
    )
    assert status == 0 and "mapping networks of their own" in told
    assert "mapping networks" not in run("swap", faces, faces, "--from=8", "--out", tmp_path / "same")[1]
    assert run("verify", tmp_path / "made")[0] == 0
    card = json.loads(run("info", tmp_path / "made", "--json")[1])["card"]
    assert card["license"] == "mit" and f"below 8 x 8 of `{faces}`" in card["lineage"]
    again = run("swap", faces, tmp_path / "b", "--from=8", "--out", tmp_path / "made")
    assert_one_line(again, "holds a model: choose another folder")


EDIT = ["edit", "M", "--directions=D"]
ONE = [*EDIT, "--direction=ganspace-1"]
MISTAKES = {
    "a typo in a direction": ([*EDIT, "--direction=ganspase-1"], "Did you mean 'ganspace-"),
    "strengths that are none": (["edit", "M", "--strength=much"], "such as -3,0,3; got 'much'"),
    "a strength without end": (["edit", "M", "--strength=inf"], "such as -3,0,3"),
    "rows that are not there": ([*ONE, "--rows=4-9"], "rows 0-5"),
    "no directions there": (["edit", "M", "--directions=nowhere.yaml"], "does not exist"),
    "seeds and saved w": ([*ONE, "--seeds=0", "--w=W"], "one of the two"),
    "a file of w that is none": ([*ONE, "--w=W"], "is not a whole"),
    "an unknown method": (["directions", "M", "--method=pca"], "ganspace, sefa"),
    "two methods": (["directions", "M", "--method=sefa", "--scores=W"], "exclude each other"),
    "a table that is none": (["directions", "M", "--scores=W"], "is no table of scores"),
    "too many directions": (["directions", "M", "--method=sefa", "--num=9"], "1 to 8"),
    "seeds of a mix": (["mix", "M", "--rows=5-2"], "--rows '5-2'"),
    "layers of a mix": (["mix", "M", "--layers=fine"], "no fine rows"),
    "a swap at no level": (["swap", "M", "M", "--from=64"], "is one of 8"),
    "a swap of two sizes": (["swap", "M", "mobilestylegan_ffhq_64_lite"], "resolution is 16, not 64"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line_and_writes_no_image(run, faces, found, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "W").write_text("no table")
    arguments, told = MISTAKES[case]
    places = {"M": str(faces), "--directions=D": f"--directions={found}"}
    assert_one_line(run(*[places.get(argument, argument) for argument in arguments]), told)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["W", "found"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("smile,age\n1,2\n", "is no table"),
        ("seed\n1\n", "is no table"),
        ("seed,a,a\n1,2,3\n", "a name of its own"),
        ("seed,a\n1,2\n2\n", "line 3"),
        ("seed,a\n1,nan\n", "line 2"),
        ("seed,a\n-1,2\n", "line 2"),
    ],
)
def test_a_table_of_scores_is_read_strictly(tmp_path, text, told):
    from ganzoo.latent.score_table import read_scores

    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_scores(tmp_path / "scores.csv")


def test_ctrl_c_tells_how_many_images_there_are(run, faces, found, tmp_path, monkeypatch):
    images = iter([Image.new("RGB", (16, 16))] * 2)

    def interrupting(*args):
        for image in images:
            return image
        raise KeyboardInterrupt

    monkeypatch.setattr("ganzoo.latent.edits._image", interrupting)
    args = ["edit", faces, "--directions", found, "--direction=ganspace-1", "--out", tmp_path / "out"]
    status, _, err = run(*args)
    assert (
        status == 130 and "2 of 28 images were made" in err and len(list((tmp_path / "out").iterdir())) == 2
    )


OPTIONS = {  # scripts rely on these names: a change here is a change for users
    "directions": "--list --method --scores --num --rows --samples --share --seed --psi --label --out "
    "--device --cache-dir",
    "edit": "--direction --seeds --w --strength --strengths --rows --directions --other-mapping --psi "
    "--cutoff --noise --label --save-w --out --device --cache-dir",
    "mix": "--rows --columns --layers --psi --cutoff --noise --label --out --device --cache-dir",
    "swap": "--from --out --license --cache-dir",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_options_of_moving_w_are_frozen(run, command):
    page = run(command, "--help")[1]
    assert [option for option in OPTIONS[command].split() if option not in page] == []
