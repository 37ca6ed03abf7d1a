"""Options of other projects' scripts get the line with ours; so do caches that cannot be written."""

import pytest
from cli_helpers import assert_one_line

import ganzoo
from ganzoo.models.sources import SourceError, writable_cache
from ganzoo.runtimes import load as open_runtime
from ganzoo.training.compose import plan

HABITS = {
    "NVIDIA's truncation": (["generate", "x", "--trunc=0.7"], ["--trunc is", "--psi (Truncation"]),
    "another spelling": (["compare", "x", "y", "--truncation_psi", "0.7"], ["--psi"]),
    "truncation of sets": (["eval", "x", "--truncation-psi=1"], ["--psi"]),
    "NVIDIA's folder": (["generate", "x", "--outdir=out"], ["--out (Folder"]),
    "a folder for exports": (["export", "x", "--output-dir", "out"], ["--out (Folder"]),
    "a folder for a conversion": (["convert", "a.pkl", "--outdir=x"], ["ganzoo convert … OUT"]),
    "NVIDIA's --dest": (["data", "prepare", "photos", "--dest=a.zip"], ["ganzoo prepare … OUT"]),
    "NVIDIA's --source": (["data", "prepare", "--source=photos"], ["first argument"]),
    "NVIDIA's network": (["generate", "--network=a.pkl"], ["ganzoo generate MODEL"]),
    "rosinality's --ckpt": (["generate", "--ckpt", "a.pt"], ["ganzoo generate MODEL"]),
    "timm's --checkpoint": (["export", "--checkpoint", "a"], ["ganzoo export MODEL"]),
    "a network of a conversion": (["convert", "--network=a.pkl"], ["first argument"]),
    "NVIDIA's noise": (["generate", "x", "--noise-mode=const"], ["--noise (const"]),
    "NVIDIA's class": (["generate", "x", "--class=3"], ["--label"]),
    "style mixing's rows": (["generate", "x", "--rows=1,2"], ["--seeds"]),
    "style mixing's columns": (["compare", "x", "y", "--cols=1,2"], ["--seeds"]),
    "rosinality's images": (["generate", "x", "--pics", "8"], ["--seeds 0-7"]),
    "rosinality's samples": (["generate", "x", "--sample=8"], ["--seeds 0-7"]),
    "one seed": (["generate", "x", "--seed=8"], ["--seeds"]),
    "a batch": (["generate", "x", "--batch=8"], ["--batch-size"]),
    "a batch size": (["export", "x", "--batch-size=8"], ["--batch ("]),
    "NVIDIA's data": (["eval", "x", "--data=photos"], ["--real"]),
    "a size": (["generate", "x", "--resolution=256"], ["a matter of the model: ganzoo list"]),
    "a size of an export": (["export", "x", "--size", "256"], ["a matter of the model: ganzoo list"]),
    "a grid's columns": (["mix", "x", "--col-seeds=1"], ["--columns"]),
    "a grid's layers": (["mix", "x", "--styles=0-6"], ["--layers"]),
    "rosinality's degree": (["edit", "x", "--degree=5"], ["--strength"]),
    "InterFaceGAN's boundary": (["edit", "x", "--boundary_path=age.npy"], ["--direction"]),
    "SeFa's layers": (["directions", "x", "--layer_idx=0-1"], ["--rows"]),
    "a run's folder": (["distill", "--outdir=runs/a"], ["out=FOLDER"]),
    "a run's teacher": (["distill", "--network", "a.pkl"], ["teacher=MODEL"]),
    "a run's data": (["distill", "--data=a.zip"], ["teacher=MODEL"]),
    "a run's length": (["distill", "--kimg=100"], ["kimg=NUMBER"]),
    "NVIDIA's gamma": (["distill", "--gamma=10"], ["loss.r1.weight=NUMBER"]),
    "NVIDIA's gpus": (["distill", "--gpus=8"], ["torchrun"]),
    "NVIDIA's snap": (["distill", "--snap=50"], ["checkpoint_kimg=NUMBER"]),
    "timm's learning rate": (["distill", "--lr=0.1"], ["optimizer.lr=NUMBER"]),
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_habit_gets_the_line_with_ours(run, habit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, parts = HABITS[habit]
    assert_one_line(run(*arguments), "is no option. Here it is", *parts)


def test_an_option_that_nobody_knows_stays_unknown(run):
    assert_one_line(run("generate", "x", "--frobnicate=1"), "No such option: --frobnicate")


def test_an_option_of_ours_in_the_wrong_command_is_no_habit(run):
    assert_one_line(run("list", "--psi=1"), "No such option: --psi")


@pytest.mark.parametrize("key", ["teacher", "out", "cache.folder"])
def test_a_comma_without_m_suggests_both_quotes_and_m(run, key):
    result = run("distill", f"{key}=a,b")
    assert_one_line(result, f"{key}=a,b is several values", "add -m", f"""write "{key}='a,b'".""")


def test_the_suggested_quotes_are_understood(model_folder, tmp_path):
    (tmp_path / "a,b").symlink_to(model_folder)
    told = f"teacher='{tmp_path}/a,b'"
    data = plan("mobilestylegan", [told, "resolution=32", "channels=[8,8,8]"]).jobs[0].data
    assert data["teacher"] == f"{tmp_path}/a,b"


def test_other_settings_of_several_values_still_name_brackets(run):
    assert_one_line(run("distill", "resolution=64,128"), "add -m; a list takes brackets")


@pytest.fixture
def unwritable(tmp_path):
    """A place where no folder can be made, for root neither."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "cache"


def test_a_cache_that_cannot_be_written_names_the_option(unwritable):
    with pytest.raises(SourceError, match=r"cache cannot be written: .*: --cache-dir, in Python cache_dir"):
        writable_cache(unwritable)


@pytest.mark.parametrize(("runtime", "package"), [("openvino", "openvino"), ("onnxruntime", "onnxruntime")])
def test_an_engine_over_such_a_cache_names_the_option(run, unwritable, tmp_path, runtime, package):
    pytest.importorskip(package)
    where = [f"--cache-dir={unwritable}", f"--out={tmp_path / 'out'}", "--seeds=0"]
    status, _, err = run("generate", "mobilestylegan_ffhq_64_lite", f"--runtime={runtime}", *where)
    assert status == 2 and err.count("ganzoo: ") == 1 and "--cache-dir" in err and "Traceback" not in err
    with pytest.raises(OSError, match="--cache-dir"):
        open_runtime("mobilestylegan_ffhq_64_lite", runtime, cache_dir=unwritable)


def test_weights_over_such_a_cache_name_the_option(unwritable):
    with pytest.raises(OSError, match="--cache-dir"):
        ganzoo.create("mobilestylegan_ffhq", cache_dir=unwritable)


def test_features_over_such_a_cache_name_the_option(unwritable):
    pytest.importorskip("timm")
    from ganzoo.features.networks import load_features

    with pytest.raises(OSError, match="--cache-dir"):
        load_features("efficientnet_lite0", cache_dir=unwritable)
