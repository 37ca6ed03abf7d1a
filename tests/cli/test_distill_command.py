"""`ganzoo distill`: what a run is told, sweeps, mistakes. The trainer itself is tested elsewhere."""

import importlib.util
import json
import logging
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import torch
from cli_helpers import assert_one_line
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import getbase
from omegaconf import OmegaConf

import ganzoo.train
import ganzoo.training.run
from ganzoo.blocks import CONVS
from ganzoo.blocks.conv import FullConv
from ganzoo.interruption import Interrupted
from ganzoo.paths import DATA
from ganzoo.recipes import compose, list_recipes
from ganzoo.train import plan
from ganzoo.training.jobs import SETTINGS
from ganzoo.training.settings import STUDENT_KEYS, RunSettings

# Of no quality, in two steps, without a feature network.
TINY = ("training=debug", "device=cpu", "kimg=0.004", "batch_size=2", "loss.feature_l1.weight=0")
TINY += ("held_out={num: 2, metrics: [l1], best: l1}",)

PRESET = (
    "Preset cpu (PyTorch finds no GPU here): images of the teacher made once, no discriminator. "
    "training=gpu or training=distillation chooses another.\n"
)


@pytest.fixture
def teacher(model_folder):
    return f"teacher={model_folder}"


@pytest.fixture
def told(monkeypatch, tmp_path):
    """A trainer that keeps what it is told, and writes a result; the command runs in an empty folder."""
    calls = []

    def distill(data):
        calls.append(dict(data))
        folder = Path(data["out"])
        folder.mkdir(parents=True, exist_ok=True)
        figures = {"l1": {"value": 0.1 * len(calls), "uncertainty": 0.01}}
        result = {
            "name": data["name"], "recipe": data["recipe"], "kimg": 1.0, "seconds": 60.0, "parameters": 1000,
            "macs": 2000 * len(calls), "figures": figures, "settings": {}, "definitions": {},
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(result))
        return folder

    monkeypatch.setattr(ganzoo.training.run, "distill", distill)
    monkeypatch.chdir(tmp_path)
    return calls


def student(data):
    return {key: value for key, value in data.items() if key in STUDENT_KEYS}


def distilled(run, told, *arguments):
    """What the trainer was told by a command that went well."""
    status, _, err = run("distill", *arguments)
    named = any(argument.startswith("training=") for argument in arguments)
    assert status == 0 and err == ("" if named else PRESET)
    return told[-1]


# One run


def test_a_run_is_told_the_recipe_and_the_training_settings(run, told, teacher):
    data = distilled(run, told, "mobilestylegan_full", teacher, "training=distillation")
    shipped = OmegaConf.to_container(OmegaConf.load(DATA / "recipes" / "training" / "distillation.yaml"))
    assert student(data) == {**compose("mobilestylegan_full"), "resolution": 32}
    own = {k: v for k, v in shipped.items() if k not in ("defaults", "teacher", "out", "name")}
    assert {key: data[key] for key in own} == own
    assert data["discriminator"] == {"name": "residual"} and data["augment"] == {"name": "diffaugment"}
    assert data["teacher"] == teacher.removeprefix("teacher=") and data["recipe"] == "mobilestylegan_full"


def test_without_a_recipe_the_student_is_mobilestylegan(run, told, teacher):
    assert student(distilled(run, told, teacher)) == {**compose("mobilestylegan"), "resolution": 32}


def test_settings_of_the_command_line_come_last(run, told, teacher):
    changes = ["training=debug", "conv=full", "conv.kernel_size=1", "augment=none", "kimg=7"]
    data = distilled(run, told, "mobilestylegan", teacher, *changes)
    assert data["conv"] == {"name": "full", "kernel_size": 1} and data["augment"] == {"name": "none"}
    assert (data["kimg"], data["batch_size"], data["resolution"], data["channel_max"]) == (7, 4, 32, 32)


def test_a_block_of_the_command_line_wins_over_that_of_an_ablation(run, told, teacher):
    assert (
        distilled(run, told, "mobilestylegan_full", teacher, "conv=depthwise")["conv"]["name"] == "depthwise"
    )


def test_numbers_are_numbers_and_names_are_names(run, told, teacher):
    data = distilled(run, told, teacher, "optimizer.lr=5e-4", "loss.gan.weight=0", "name=1e3", "out=a=b")
    assert data["optimizer"]["lr"] == 5e-4 and data["loss"]["gan"]["weight"] == 0
    assert data["loss"]["gan"]["warmup_kimg"] == 0.0  # a setting leaves its neighbours as they are
    assert (data["name"], data["out"]) == ("1e3", "a=b")


def test_channels_take_the_place_of_channel_base_and_channel_max(run, told, teacher):
    data = distilled(run, told, teacher, "resolution=32", "channels=[256,192,128]")
    assert data["channels"] == [256, 192, 128] and not {"channel_base", "channel_max"} & set(data)
    data = distilled(run, told, teacher, "resolution=32", "channel_max=64")
    assert data["channel_max"] == 64 and "channels" not in data


def test_a_run_is_named_after_what_was_changed(run, told, teacher):
    assert distilled(run, told, teacher, "kimg=5", "log_kimg=1")["out"] == "runs/mobilestylegan-32"
    data = distilled(run, told, teacher, "resolution=256", "conv=full", "optimizer.lr=1e-3", "training=debug")
    assert data["name"] == "mobilestylegan-256+conv-full+optimizer.lr-0.001+debug"
    assert data["out"] == f"runs/{data['name']}"


def test_the_student_is_as_large_as_its_teacher_unless_a_size_is_given(run, told, teacher):
    assert distilled(run, told, teacher)["resolution"] == 32
    assert distilled(run, told, "stylegan2", teacher)["resolution"] == 32
    assert distilled(run, told, teacher, "resolution=16")["resolution"] == 16
    assert distilled(run, told, teacher, "training=debug")["resolution"] == 32  # the preset's own
    [one, other] = plan("mobilestylegan", [teacher, "resolution=16,32"], sweep=True).jobs
    assert (one.data["resolution"], other.data["resolution"]) == (16, 32)


def test_the_preset_is_that_of_the_machine_or_the_one_that_is_named(run, told, teacher):
    data = distilled(run, told, teacher)
    assert data["loss"]["gan"]["weight"] == 0 and data["cache"]["pictures"] == 8192 and data["kimg"] == 120
    assert (data["optimizer"]["lr"], data["optimizer"]["betas"]) == (2e-2, [0.9, 0.99])
    assert data == {**distilled(run, told, teacher, "training=cpu"), "out": data["out"], "name": data["name"]}
    data = distilled(run, told, teacher, "training=gpu", "kimg=3")
    assert (data["loss"]["gan"]["weight"], data["precision"], data["kimg"]) == (0.5, "bf16", 3)


def test_images_that_would_not_fit_are_fewer_unless_they_are_asked_for(run, told, teacher):
    data = distilled(run, told, teacher, "cache.limit_gib=0.02")
    assert data["cache"]["pictures"] == 2048  # of 6 KiB each
    assert distilled(run, told, teacher, "cache.limit_gib=0.02", "cache.pictures=9")["cache"]["pictures"] == 9


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_here_is_an_error(run, told, teacher, device):
    if torch.accelerator.is_available():
        pytest.skip("there is one")
    assert_one_line(
        run("distill", teacher, f"device={device}"), f"device={device}: PyTorch finds no cuda here"
    )
    assert_one_line(run("distill", teacher, "device=gpu"), "Unknown device: 'gpu'")
    assert not told


def kept(run, told, *arguments):
    """What the trainer is told in a folder that holds a run."""
    status, _, err = run("distill", *arguments, "out=here")
    assert (status, err) == (0, "Settings that are not given are those of the run in here.\n")
    return told[-1]


def test_settings_of_the_folders_run_win_over_a_preset(run, told, teacher):
    first = distilled(run, told, teacher, "training=distillation", "resolution=16", "kimg=7", "out=here")
    own = {key: value for key, value in first.items() if key in SETTINGS - set(STUDENT_KEYS)}
    settings = RunSettings.from_dict(own, ganzoo.GeneratorConfig.from_dict(student(first))).to_dict()
    # As older versions wrote it.
    settings["loss"]["perceptual"] = settings["loss"].pop("feature_l1")
    settings["held_out"] |= {"metrics": ["l1", "lpips"], "best": "lpips"}
    Path("here/settings.json").write_text(json.dumps(settings))
    data = kept(run, told, teacher)
    assert (data["resolution"], data["kimg"], data["loss"], data["optimizer"]) == (
        16, 7, first["loss"], first["optimizer"],
    )  # fmt: skip
    assert data["held_out"]["metrics"] == ["l1", "perceptual"] and data["cache"]["pictures"] == 0
    data = kept(run, told, teacher, "kimg=9", "optimizer.lr=1e-3", "augment=none", "resolution=32")
    assert (data["kimg"], data["augment"], data["resolution"]) == (9, {"name": "none"}, 32)
    assert data["optimizer"] == {**first["optimizer"], "lr": 1e-3}


def test_a_damaged_record_of_settings_is_left_to_the_trainer(run, told, teacher):
    Path("here").mkdir()
    Path("here/settings.json").write_text("[1]")
    assert distilled(run, told, teacher, "out=here")["kimg"] == 120


def test_the_folder_of_a_teacher_may_end_with_a_slash(run, told, teacher):
    assert distilled(run, told, f"{teacher}/")["teacher"] == distilled(run, told, teacher)["teacher"]


def test_a_block_of_another_package_needs_no_card(run, told, teacher):
    class MyConv(FullConv):
        """A block without a title card."""

    CONVS.register("mine")(MyConv)
    try:
        data = distilled(run, told, teacher, "conv=mine", "conv.kernel_size=1")
    finally:
        CONVS._classes.pop("mine")
    assert data["conv"] == {"name": "mine", "kernel_size": 1}


def test_recipes_are_found_whatever_the_path_of_the_installation(told, teacher, monkeypatch, tmp_path):
    odd = tmp_path / "it's, a ${odd} [place]"
    odd.mkdir()
    for name in ("recipes", "registry"):
        (odd / name).symlink_to(DATA / name)
        monkeypatch.setattr(ganzoo.train, name.upper(), odd / name)
    [job] = plan("mobilestylegan", [teacher, "conv=full"]).jobs
    assert job.data["conv"] == {"name": "full"}


def test_printed_settings_are_those_of_the_run(run, told, teacher):
    settings = ["mobilestylegan_full", teacher, "optimizer.lr=1e-3"]
    status, out, err = run("distill", *settings, "--print")
    assert (status, err, told) == (0, "", [])
    assert not list(Path().iterdir())
    assert OmegaConf.to_container(OmegaConf.create(out)) == distilled(run, told, *settings)


def test_settings_are_printed_without_a_teacher_too(run, told):
    status, out, _ = run("distill", "--cfg")
    assert status == 0 and "teacher: ???" in out


def test_the_help_names_every_setting_and_block(run):
    status, out, err = run("distill", "--help")
    assert (status, err) == (0, "")
    shipped = OmegaConf.load(DATA / "recipes" / "training" / "distillation.yaml")
    for key in set(shipped) - {"defaults"}:
        assert f"  {key}=" in out or f"  {key}." in out
    assert "optimizer.lr=0.0005" in out and "thousands of pictures to learn from" in out
    assert "conv=" in out and "depthwise, full" in out and "ganzoo distill -m" in out


def test_the_help_does_not_wait_for_torch_or_hydra():
    code = (
        "import sys; sys.argv = ['ganzoo', 'distill', '--help']\n"
        "from ganzoo.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'hydra'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


# Mistakes


MISTAKES = {
    "a typo in the recipe": (["mobilstylegan"], ["Did you mean 'mobilestylegan'?", "stylegan2_wavelet"]),
    "no teacher": (["mobilestylegan"], ["teacher is missing", "ganzoo convert"]),
    "a teacher that is not there": (["teacher=mobilestylegan_fhq"], ["Did you mean 'mobilestylegan_ffhq'?"]),
    "a teacher without weights": (["teacher=stylegan2"], ["is a recipe"]),
    "an unknown setting": (["TEACHER", "kimgs=1"], ["Did you mean 'kimg'?"]),
    "a setting of the optimiser": (["TEACHER", "lr=1"], ["Did you mean optimizer.lr or discr"]),
    "an unknown setting within another": (["TEACHER", "optimizer.lrr=1"], ["of optimizer: 'lrr'"]),
    "an unknown block": (["TEACHER", "conv=ful"], ["Unknown conv: 'ful'. Did you mean 'full'?"]),
    "an unknown discriminator": (["TEACHER", "discriminator=resid"], ["Did you mean 'residual'?"]),
    "an option that a block lacks": (["TEACHER", "conv.kernel=1"], ["Did you mean 'kernel_size'?"]),
    "an unknown training": (["TEACHER", "training=debgu"], ["Did you mean 'debug'?"]),
    "a block as a mapping": (["TEACHER", "conv={a: 1}"], ["Unknown conv"]),
    "a value of the wrong kind": (["TEACHER", "kimg=much"], ["kimg", "'much'"]),
    "a number for several settings": (["TEACHER", "loss.gan=3"], ["loss.gan.weight"]),
    "an impossible size": (["TEACHER", "resolution=200"], ["power of two", "200"]),
    "widths twice": (["TEACHER", "channels=[8,8]", "channel_max=8"], ["not both"]),
    "no value": (["TEACHER", "conv"], ["'conv' is no setting", "key=value"]),
    "a bracket too few": (["TEACHER", "channels=[1,2"], ["Cannot read 'channels=[1,2'"]),
    "a removal": (["TEACHER", "~clip=1"], ["'~clip=1' is no setting"]),
    "a package": (["TEACHER", "conv@foo=full"], ["write conv="]),
    "an interpolation of nothing": (["TEACHER", "seed=${foo}"], ["foo"]),
    "a setting twice": (["TEACHER", "seed=1", "seed=2"], ["seed is given twice"]),
    "values without -m": (["TEACHER", "conv=full,depthwise"], ["add -m"]),
    "recipes without -m": (["mobile*", "TEACHER"], ["7 recipes", "add -m"]),
    "a launcher without -m": (["TEACHER", "launcher=ray"], ["add -m"]),
    "an unknown launcher": (["-m", "TEACHER", "launcher=rey"], ["Did you mean 'ray'?"]),
    "a setting that the launcher lacks": (["-m", "TEACHER", "hydra.launcher.gpus=1"], ["launcher: 'gpus'"]),
    "Hydra's own business": (["TEACHER", "hydra.run.dir=x"], ["hydra.run.dir"]),
    "one bad job of many": (["-m", "TEACHER", "resolution=64,100"], ["mobilestylegan-100: ", "power of two"]),
    "one bad block of many": (["-m", "TEACHER", "conv=full,ful"], ["Did you mean 'full'?"]),
    "one name for many": (["-m", "TEACHER", "seed=0,1", "name=x"], ["no name="]),
    "an interval": (["-m", "TEACHER", "seed=interval(0,1)"], ["seed=value,value"]),
    "an unknown option": (["--teacher", "x"], ["--teacher"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line_and_trains_nothing(run, told, teacher, case):
    arguments, parts = MISTAKES[case]
    given = [teacher if argument == "TEACHER" else argument for argument in arguments]
    assert_one_line(run("distill", *given), *parts)
    assert not told and not list(Path().iterdir())


def test_a_teacher_that_is_taken_for_a_recipe_is_told_apart(run, told, model_folder):
    assert_one_line(run("distill", model_folder), f"teacher={model_folder}")


@pytest.mark.parametrize(("launcher", "extra"), [("ray", "ray"), ("slurm", "slurm")])
def test_a_launcher_that_is_not_installed_names_its_extra(run, told, teacher, launcher, extra):
    if importlib.util.find_spec("hydra_plugins") is not None:
        pytest.skip("the launchers are installed")
    assert_one_line(run("distill", "-m", teacher, f"launcher={launcher}"), f'"ganzoo-torch[{extra}]"')
    assert not told


# Sweeps


def test_a_sweep_trains_every_combination_in_a_folder_of_its_own(run, told, teacher):
    values = ["conv=full,depthwise", "upsampler=idwt,conv_transpose", "kimg=3"]
    status, out, err = run("distill", "-m", teacher, *values)
    assert (status, err) == (0, PRESET)  # once for all of them
    expected = [f"conv-{c}+upsampler-{u}" for c in ("full", "depthwise") for u in ("idwt", "conv_transpose")]
    assert [data["name"] for data in told] == expected
    folder = Path("runs/sweep-mobilestylegan-32+conv+upsampler")
    assert [data["out"] for data in told] == [str(folder / name) for name in expected]
    assert [(d["conv"]["name"], d["upsampler"]["name"], d["kimg"]) for d in told] == [
        (conv, upsampler, 3) for conv in ("full", "depthwise") for upsampler in ("idwt", "conv_transpose")
    ]
    assert "Job 4 of 4: conv-depthwise+upsampler-conv_transpose" in out
    assert {path.name for path in folder.iterdir()} == {*expected, "table.csv", "table.md", "plot.svg"}


def test_a_sweep_over_recipes_takes_lists_and_wildcards(run, told, teacher):
    run("distill", "-m", "mobilestylegan_[fs]*,stylegan2", teacher, "conv=full", "out=here")
    names = ["mobilestylegan_full", "mobilestylegan_single", "mobilestylegan_skip", "mobilestylegan_style"]
    assert [data["recipe"] for data in told] == [*names, "stylegan2"]
    assert [data["out"] for data in told] == [f"here/{name}" for name in [*names, "stylegan2"]]
    assert [data["conv"]["name"] for data in told] == ["full"] * 5
    assert told[1]["head"]["name"] == "single" and told[-1]["output"] == "pixel"


def test_a_wildcard_of_all_recipes_is_all_recipes(teacher):
    assert [job.data["recipe"] for job in plan("*", [teacher], sweep=True).jobs] == list_recipes()


def test_hydras_ranges_and_wildcards_are_values_too(teacher):
    jobs = plan("mobilestylegan", [teacher, "seed=range(3)", "conv=glob(*)"], sweep=True).jobs
    assert [(j.data["seed"], j.data["conv"]["name"]) for j in jobs] == [
        (seed, conv) for seed in range(3) for conv in ("depthwise", "full")
    ]


def test_the_same_value_twice_is_one_job_and_no_two_jobs_share_a_folder(teacher):
    def names(*settings):
        jobs = plan("mobilestylegan", [teacher, *settings], sweep=True).jobs
        assert len({job.data["out"].lower() for job in jobs}) == len(jobs)
        return [job.name for job in jobs]

    assert names("optimizer.lr=1e-3,0.001,2e-3") == ["optimizer.lr-0.001", "optimizer.lr-0.002"]
    assert names("cache.folder='a/b','a b','A/b'") == [
        "cache.folder-a_b", "cache.folder-a_b-2", "cache.folder-A_b-3",
    ]  # fmt: skip


def test_a_sweep_runs_in_a_folder_of_any_name(run, told, teacher):
    odd = "it's, a ${odd} [place]=x"
    assert distilled(run, told, "-m", teacher, f"out={odd}")["out"] == f"{odd}/mobilestylegan"
    assert (Path(odd) / "table.md").is_file()


def test_a_sweep_may_hold_a_single_job(run, told, teacher):
    assert distilled(run, told, "-m", teacher)["out"] == "runs/sweep-mobilestylegan-32/mobilestylegan"


def test_a_job_that_fails_does_not_keep_the_others_from_running(run, told, teacher, monkeypatch):
    trained = ganzoo.training.run.distill

    def fails(data):
        if data["seed"] == 1:
            raise ValueError("NaN\nin the loss")
        if data["seed"] == 2:
            raise RuntimeError("out of memory")
        return trained(data)

    monkeypatch.setattr(ganzoo.training.run, "distill", fails)
    status, out, err = run("distill", "-m", teacher, "seed=0,1,2,3", "out=here")
    assert status == 2 and [data["seed"] for data in told] == [0, 3]
    *traceback, last = err.splitlines()
    assert last == ("ganzoo: 2 of 4 jobs failed. seed-1: NaN in the loss seed-2: RuntimeError: out of memory")
    assert 'raise RuntimeError("out of memory")' in "".join(traceback)  # nobody foresaw this one
    assert "2 runs: table.md" in out and "seed-3" in Path("here/table.md").read_text()


def test_an_interruption_ends_the_sweep_at_once(run, told, teacher, monkeypatch):
    def interrupted(data):
        told.append(data)
        raise Interrupted("Interrupted: a checkpoint is saved.")

    monkeypatch.setattr(ganzoo.training.run, "distill", interrupted)
    status, _, err = run("distill", "-m", teacher, "seed=0,1,2", "out=here")
    assert (status, len(told)) == (130, 1)
    assert err == f"{PRESET}ganzoo: Interrupted: a checkpoint is saved. The sweep is in here.\n"


def test_a_sweep_leaves_nothing_of_hydra_behind(run, told, teacher):
    root = logging.getLogger()
    before = (getbase(), Path.cwd(), root.level, list(root.handlers))
    GlobalHydra.instance().clear()
    assert run("distill", "-m", teacher, "seed=0,1", "out=here")[0] == 0
    assert not GlobalHydra.instance().is_initialized() and not HydraConfig.initialized()
    assert (getbase(), Path.cwd(), root.level, list(root.handlers)) == before
    assert {path.name for path in Path().iterdir()} == {"here"}
    files = {path.name for path in Path("here").rglob("*") if path.is_file()}
    assert files == {"result.json", "table.csv", "table.md", "plot.svg"}


def test_what_a_launcher_carries_to_another_process_is_plain(teacher):
    jobs = plan("mobilestylegan", [teacher, "seed=0,1"], sweep=True).jobs
    carried = bytes(ForkingPickler.dumps((ganzoo.train._work, jobs)))
    assert b"torch" not in carried and len(carried) < 20_000


def test_results_writes_the_tables_again(run, told, teacher):
    run("distill", "-m", teacher, "seed=0,1", "out=here")
    for name in ("table.md", "table.csv", "plot.svg"):
        Path("here", name).unlink()
    Path("here/seed-2").mkdir()
    Path("here/seed-2/settings.json").write_text("{}")
    status, out, err = run("results", "here", "--figure", "l1")
    assert (status, err) == (0, "")
    assert out == (
        "Note: seed-2 is left out: it is not finished.\n"
        "2 runs: table.md, table.csv and plot.svg (l1) are in here.\n"
    )
    assert Path("here/plot.svg").is_file()
    assert_one_line(run("results", "here", "--figure", "l2"), "Unknown figure: 'l2'")
    assert_one_line(run("results", "nowhere"), "nowhere does not exist")


@pytest.mark.parametrize("option", ["-m", "--multirun", "--print", "--cfg"])
def test_options_are_frozen(run, option):
    assert option in run("distill", "--help")[1]  # scripts rely on it


# With the real trainer


def test_a_sweep_trains_and_goes_on_where_it_was_cut_off(run, teacher, tmp_path, monkeypatch):
    pytest.importorskip("accelerate")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    command = [
        "distill",
        "-m",
        "mobilestylegan,mobilestylegan_full",
        teacher,
        *TINY,
        f"out={tmp_path / 'runs'}",
    ]
    command.append(f"cache.folder={tmp_path / 'cache'}")
    assert run(*command)[0] == 0
    folders = [tmp_path / "runs" / name for name in ("mobilestylegan", "mobilestylegan_full")]
    dates = [(folder / "result.json").stat().st_mtime_ns for folder in folders]
    (folders[1] / "result.json").unlink()
    assert run(*command)[0] == 0
    again = [(folder / "result.json").stat().st_mtime_ns for folder in folders]
    assert again[0] == dates[0] and again[1] != dates[1]
    table = (tmp_path / "runs" / "table.md").read_text()
    assert "mobilestylegan_full" in table and "l1 (↓)" in table
    assert ganzoo.load(folders[1] / "student").config.conv["name"] == "full"
