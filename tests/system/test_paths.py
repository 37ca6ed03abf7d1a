"""Paths as users write them: `~` is the home folder everywhere, and a path that leads nowhere is told so."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import assert_one_line, trained
from PIL import Image

import ganzoo
from ganzoo.cli import main
from ganzoo.data import ImageSet, prepare
from ganzoo.export.exporting import export
from ganzoo.generators.config import GeneratorConfig
from ganzoo.metrics.record import read_records
from ganzoo.metrics.saved import SavedStatistics
from ganzoo.models.factory import config_of
from ganzoo.models.published import cached_weights, model_entry
from ganzoo.models.reference import reference
from ganzoo.models.sources import default_cache_dir
from ganzoo.runtimes import Setup, cached_folder
from ganzoo.runtimes import load as open_runtime
from ganzoo.system.paths import is_path, missing, user_argument, user_name, user_path

CONFIG = {"resolution": 8, "channels": [8, 8], "z_dim": 8, "w_dim": 8, "mapping": {"depth": 1}}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and an empty current one, in which no `~` may appear."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert not list((tmp_path / "here").rglob("*~*"))


@pytest.fixture
def model(home):
    """A trained model in the home folder."""
    config = GeneratorConfig.from_dict(ganzoo.create("stylegan2", **CONFIG).config.to_dict())
    ganzoo.save(trained(config), home / "model")
    return home / "model"


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line in this process: status, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ganzoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call


def test_models_are_saved_loaded_created_and_opened_by_a_path_in_the_home_folder(home, model):
    ganzoo.save(ganzoo.load("~/model"), "~/copy")
    assert (home / "copy" / "model.safetensors").is_file()
    z = torch.zeros(1, 8)
    expected = ganzoo.load(home / "copy")(z)
    for generator in (
        ganzoo.create("dir:~/copy"),
        ganzoo.create(reference("~/copy")),
        open_runtime("~/copy", "torch"),
        open_runtime("dir:~/copy", "torch"),
    ):
        torch.testing.assert_close(generator(z), expected)
    assert config_of("dir:~/copy").resolution == 8 and reference("~/copy").path == home / "copy"


@pytest.mark.processes
def test_exports_and_caches_lie_in_the_home_folder(home, model):
    pytest.importorskip("onnxscript")
    export(ganzoo.load(model), ["torch"], "~/exported", name="model", verify=False)
    assert (home / "exported" / "manifest.json").is_file()
    entry = model_entry("mobilestylegan_ffhq")
    assert cached_weights(entry, "~/cache").parent == home / "cache"
    where = cached_folder(reference(f"dir:{model}", "~/cache"), Setup("torch"))
    assert where.parent == home / "cache" / "exports"


def test_the_cache_is_in_the_home_folder_even_where_no_shell_filled_it_in(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "~/elsewhere")
    assert default_cache_dir() == home / "elsewhere" / "ganzoo"


def test_images_records_and_checkpoints_are_read_from_the_home_folder(home):
    (home / "photos").mkdir()
    Image.new("RGB", (8, 8)).save(home / "photos" / "a.png")
    assert len(ImageSet("~/photos")) == 1
    prepare("~/photos", "~/set.zip", resolution=8, workers=1)
    assert (home / "set.zip").is_file()
    (home / "empty.jsonl").touch()
    with pytest.raises(ValueError, match="holds no record"):
        read_records("~/empty.jsonl")
    np.savez(home / "odd.npz", a=1)
    with pytest.raises(ValueError, match="holds no statistics"):
        SavedStatistics("~/odd.npz")
    (home / "x.pkl").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=str(home / "x.pkl")):
        ganzoo.convert("~/x.pkl")


@pytest.mark.parametrize("options", [["~/model", "--out=~/faces"], ["dir:~/model", "--out", "~/faces"]])
def test_commands_write_to_the_home_folder(run, home, model, options):
    assert run("generate", *options, "--seeds=0", "--cache-dir=~/cache")[0] == 0
    assert (home / "faces" / "seed0000.png").is_file()


def test_data_and_cards_go_to_the_home_folder(run, home, model):
    (home / "photos").mkdir()
    Image.new("RGB", (8, 8)).save(home / "photos" / "a.png")
    assert run("data", "prepare", "~/photos", "~/set.zip", "--resolution=8", "--workers=1")[0] == 0
    assert run("card", "~/model", "--out=~/cards")[0] == 0
    assert (home / "set.zip").is_file() and (home / "cards" / "README.md").is_file()


def test_settings_of_a_run_are_in_the_home_folder(home, model):
    from ganzoo.training.compose import plan

    given = ["teacher=~/model", "out=~/runs/a", "cache.folder=~/kept", "resolution=8", "channels=[8,8]"]
    data = plan("stylegan2", given).jobs[0].data
    assert data["teacher"] == str(model) and data["out"] == str(home / "runs" / "a")
    assert data["cache"]["folder"] == str(home / "kept")


ARGUMENTS = {
    "~": "HOME",
    "~/x": "HOME/x",
    "--out=~/x": "--out=HOME/x",
    "cache.folder=~/x": "cache.folder=HOME/x",
    "dir:~/x": "dir:HOME/x",
    "teacher=dir:~/x": "teacher=dir:HOME/x",
    "teacher=~/a,~/b": "teacher=HOME/a,HOME/b",
    "teacher='~/a b'": "teacher='HOME/a b'",
    "~nobody-of-that-name/x": "~nobody-of-that-name/x",
    "a~/x": "a~/x",
    "./~/x": "./~/x",
    "about ~ 5": "about ~ 5",
    "backup~": "backup~",
}


@pytest.mark.parametrize("given", ARGUMENTS)
def test_an_argument_has_its_home_folders_filled_in(home, given):
    assert user_argument(given) == ARGUMENTS[given].replace("HOME", str(home))


def test_only_the_start_of_a_path_is_the_home_folder(home):
    assert user_path("~/a/~/b") == home / "a" / "~" / "b" and user_name("dir:a~") == "dir:a~"
    assert user_name("~/a") == str(home / "a") and user_name("hf-hub:me/x") == "hf-hub:me/x"


@pytest.mark.processes
def test_a_home_folder_is_filled_in_by_one_function_alone():
    package = Path(ganzoo.__file__).parent
    users = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("expanduser", "home")
    ]
    assert users == ["system/paths.py"]


PATHS = ["./x", "~/x", "/x", "../x", "runs/x/student", "x/", "C:\\x", ".\\x", "D:/x", "x.pkl", "X.ZIP"]


@pytest.mark.parametrize("name", [*PATHS, "there/x"])
def test_a_name_that_can_only_be_a_path_is_one(home, name):
    Path("there").mkdir()
    assert is_path(name)


@pytest.mark.parametrize("name", ["mobilestylegan_ffhq", "me/my-gan", "stylegan2"])
def test_a_name_that_could_be_something_else_is_no_path(home, name):
    assert not is_path(name)


@pytest.mark.parametrize("name", [name for name in PATHS if "\\" not in name])
def test_a_missing_path_is_told_as_one_and_not_by_a_list_of_models(home, name):
    for opened in (ganzoo.create, config_of, open_runtime):
        with pytest.raises((ValueError, OSError), match="does not exist") as error:
            opened(name)
        assert "Choose from" not in str(error.value) and "mobilestylegan" not in str(error.value)


def test_a_missing_path_says_what_is_there_instead(home):
    Path("runs/first/student").mkdir(parents=True)
    Path("runs/note.txt").touch()
    assert missing("runs/frist/student") == (
        "runs/frist/student does not exist: there is no frist in runs, which holds first, note.txt. "
        "Did you mean runs/first?"
    )
    assert missing("x") == "x does not exist: there is no x in the current folder, which holds runs."
    assert missing("runs/note.txt/a") == "runs/note.txt/a does not exist: runs/note.txt is no folder."
    assert missing("runs/first/student/a").endswith("which is empty.")


def test_a_name_of_an_owner_and_a_name_could_be_on_the_hub(home):
    with pytest.raises(ValueError, match=r"does not exist here.*'hf-hub:me/my-gan'"):
        ganzoo.create("me/my-gan")
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        ganzoo.load("nothing")


MISSING = {
    "generate": ["generate", "./nothing"],
    "info": ["info", "runs/x/student"],
    "verify": ["verify", "../here/nothing"],
    "export": ["export", "./nothing", "--to=torch"],
    "bench": ["bench", "./nothing"],
    "bench a file": ["bench", "model.onnx"],
    "compare": ["compare", "./a", "./b"],
    "card": ["card", "./nothing"],
    "push": ["push", "./nothing", "me/x"],
    "results": ["results", "./nothing"],
    "convert": ["convert", "nothing.pkl", "out"],
    "data": ["data", "prepare", "nothing", "a.zip", "--resolution=8"],
    "eval": ["eval", "./nothing", "--real=./nowhere"],
    "eval a zip": ["eval", "nothing.zip", "--metrics=is"],
    "distill": ["distill", "teacher=runs/typo", "resolution=8"],
}


@pytest.mark.parametrize("command", MISSING)
def test_every_command_tells_a_missing_path(run, home, command):
    Path("runs").mkdir()
    result = run(*MISSING[command])
    assert_one_line(result, "does not exist")
    assert "Choose from" not in result[2]
