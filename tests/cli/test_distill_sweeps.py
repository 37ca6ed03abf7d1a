"""Sweeps of `ganzoo distill`: many jobs of one command line."""

import importlib.util
import logging
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
from cli_helpers import assert_one_line
from distill_helpers import PRESET, TINY, distilled
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import getbase

import ganzoo.training.compose
import ganzoo.training.run
from ganzoo.models.recipes import list_recipes
from ganzoo.system.interruption import Interrupted
from ganzoo.training.compose import plan


@pytest.mark.parametrize(("launcher", "extra"), [("ray", "ray"), ("slurm", "slurm")])
def test_a_launcher_that_is_not_installed_names_its_extra(run, told, teacher, launcher, extra):
    if importlib.util.find_spec("hydra_plugins") is not None:
        pytest.skip("the launchers are installed")
    assert_one_line(run("distill", "-m", teacher, f"launcher={launcher}"), f'".[{extra}]"')
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
    run("distill", "-m", "mobilestylegan_s[it]*,stylegan2", teacher, "conv=full", "out=here")
    names = ["mobilestylegan_single", "mobilestylegan_style"]
    assert [data["recipe"] for data in told] == [*names, "stylegan2"]
    assert [data["out"] for data in told] == [f"here/{name}" for name in [*names, "stylegan2"]]
    assert [data["conv"]["name"] for data in told] == ["full"] * 3
    assert told[0]["head"]["name"] == "single" and told[-1]["output"] == "pixel"


def test_a_wildcard_of_all_recipes_is_all_recipes(teacher):
    recipes = list_recipes()
    with pytest.raises(ValueError, match=rf"'\*' is {len(recipes)} recipes: {', '.join(recipes)}\. To train"):
        plan("*", [teacher])  # told in a moment; all of them as jobs take three seconds


def test_hydras_ranges_and_wildcards_are_values_too(teacher):
    jobs = plan("mobilestylegan", [teacher, "seed=range(2)", "conv=glob(*)"], sweep=True).jobs
    assert [(j.data["seed"], j.data["conv"]["name"]) for j in jobs] == [
        (seed, conv) for seed in range(2) for conv in ("depthwise", "full")
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
    trained = ganzoo.training.run.carry_out

    def fails(job):
        if job.data["seed"] == 1:
            raise ValueError("NaN\nin the loss")
        if job.data["seed"] == 2:
            raise RuntimeError("out of memory")
        return trained(job)

    monkeypatch.setattr(ganzoo.training.run, "carry_out", fails)
    status, out, err = run("distill", "-m", teacher, "seed=0,1,2,3", "out=here")
    assert status == 2 and [data["seed"] for data in told] == [0, 3]
    *traceback, last = err.splitlines()
    assert last == ("ganzoo: 2 of 4 jobs failed. seed-1: NaN in the loss seed-2: RuntimeError: out of memory")
    assert 'raise RuntimeError("out of memory")' in "".join(traceback)  # nobody foresaw this one
    assert "2 runs: table.md" in out and "seed-3" in Path("here/table.md").read_text()


def test_an_interruption_ends_the_sweep_at_once(run, told, teacher, monkeypatch):
    def interrupted(job):
        told.append(job)
        raise Interrupted("Interrupted: a checkpoint is saved.")

    monkeypatch.setattr(ganzoo.training.run, "carry_out", interrupted)
    status, _, err = run("distill", "-m", teacher, "seed=0,1", "out=here")
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
    carried = bytes(ForkingPickler.dumps((ganzoo.training.compose._work, jobs)))
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


def test_options_are_frozen(run):
    text = run("distill", "--help")[1]  # scripts rely on them
    assert [option for option in ("-m", "--multirun", "--print", "--cfg") if option not in text] == []


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
