"""A run from its settings to a student: what lies in its folder, and what it refuses."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from training_helpers import (
    TinyFeatures,
    lines,
    make_teacher,
    merged,
    remembered,
    result_of,
    run_data,
    save_teacher,
    settings_of,
)

import ganzoo
from ganzoo.metrics.figures import Figure
from ganzoo.models.weights import weights_digest
from ganzoo.system.images import read_settings, to_images
from ganzoo.training import announce, distillation_run, loading, memory
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.run import distill
from ganzoo.training.teacher import Teacher

METRICS = ["psnr", "l1", "fd", "perceptual"]
ALL_FIGURES = {"num": 20, "metrics": METRICS, "best": "perceptual", "features": "tiny"}
WHOLE = {"held_out": ALL_FIGURES, "sample_kimg": 0.012, "eval_every": 0.012, "recipe": "some_recipe"}


@pytest.fixture(autouse=True, scope="module")
def tiny_features():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "load_features", TinyFeatures)
        patch.setattr(announce, "estimate_bytes", remembered(announce.estimate_bytes))
        yield


@pytest.fixture
def run(teacher, tmp_path):
    """Runs of two steps, or as changed, in one folder, and one cache of images for all tests."""

    def work(**changes):
        return distill(run_data(teacher, tmp_path / "run", **{"kimg": 0.008, **changes}))

    return work


@pytest.fixture(scope="module")
def finished(teacher, tmp_path_factory):
    """The folder of a run with everything."""
    return distill(run_data(teacher, tmp_path_factory.mktemp("runs") / "whole", **WHOLE))


def pairs(folder, student, numbers):
    """The teacher's images and a student's, of the run's numbers."""
    teacher = Teacher(make_teacher(), settings_of(folder))
    w = teacher.w(teacher.latents(numbers))
    noise = teacher.noise(w, numbers)
    with torch.no_grad():
        return teacher.images(w, noise), student.synthesis(w, noise).image


# What lies in the folder


def test_a_run_leaves_what_it_promises(finished):
    names = {path.name for path in finished.iterdir()} - {"tensorboard"}
    assert names == {
        *("settings.json", "log.jsonl", "figures.jsonl", "result.json"),
        *("samples", "checkpoints", "best", "student"),
    }
    assert {path.name for path in (finished / "student").iterdir()} == {
        *("config.json", "model.safetensors", "README.md")
    }


def test_the_student_is_the_average_of_the_last_checkpoint(finished):
    student = ganzoo.load(finished / "student")
    tensors = load_file(finished / "checkpoints" / "000000008" / "state.safetensors")
    average = {name.removeprefix("ema/"): value for name, value in tensors.items() if name.startswith("ema/")}
    assert average.keys() == student.state_dict().keys()
    assert all(torch.equal(value, average[name]) for name, value in student.state_dict().items())
    assert any(not torch.equal(value, tensors[f"student/{name}"]) for name, value in average.items())
    z = student.sample_z(2)
    theirs = make_teacher().mapping(z, truncation_psi=0.5)
    assert torch.equal(student.mapping(z, truncation_psi=0.5), theirs[:, : student.num_ws])


def test_figures_are_those_of_the_student_on_held_out_latents(finished):
    student = ganzoo.load(finished / "student")
    targets, images = pairs(finished, student, range(HELD_OUT, HELD_OUT + 20))
    a, b = (x.double().numpy() for x in (images, targets.half()))
    l1 = np.abs(a - b).mean(axis=(1, 2, 3))
    psnr = 10 * np.log10(4 / ((a - b) ** 2).mean(axis=(1, 2, 3)))
    found = result_of(finished)["figures"]
    for name, values in (("l1", l1), ("psnr", psnr)):
        assert found[name]["value"] == pytest.approx(values.mean(), rel=1e-5)
        assert found[name]["uncertainty"] == pytest.approx(values.std(ddof=1) / 20**0.5, rel=1e-4)
    assert list(found) == ["psnr", "l1", "fd_tiny", "perceptual_tiny"]
    assert found["perceptual_tiny"]["value"] > 0 and found["fd_tiny"]["uncertainty"] is None


def test_the_result_tells_everything(finished):
    result = result_of(finished)
    assert result["name"] == "whole" and result["recipe"] == "some_recipe"
    assert result["kimg"] == 0.032 and result["seconds"] > 0
    cost = ganzoo.models.cost.costs(ganzoo.load(finished / "student").config)["deployed synthesis"]
    assert (result["parameters"], result["macs"]) == (cost.parameters, cost.macs)
    assert result["held_out"] == 20 and "1 processes" in result["hardware"]
    assert result["settings"] == json.loads((finished / "settings.json").read_text())
    assert result["versions"]["torch"] == torch.__version__
    assert result["figures"]["l1"]["value"] == lines(finished / "figures.jsonl")[-1]["l1"]


def test_the_best_student_is_kept(finished):
    measured = lines(finished / "figures.jsonl")
    assert [line["kimg"] for line in measured] == [0.012, 0.024, 0.032]
    best = min(measured, key=lambda line: line["perceptual_tiny"])
    assert result_of(finished)["best"] == {
        "figure": "perceptual",
        "value": best["perceptual_tiny"],
        "kimg": best["kimg"],
    }
    student = ganzoo.load(finished / "best")
    targets, images = pairs(finished, student, range(HELD_OUT, HELD_OUT + 20))
    assert (images - targets.half().float()).abs().mean().item() == pytest.approx(best["l1"], rel=1e-5)


def test_sheets_show_teacher_and_student_side_by_side(finished):
    names = sorted(path.name for path in (finished / "samples").iterdir())
    assert names == ["000000012.png", "000000024.png", "000000032.png"]
    student = ganzoo.load(finished / "student")
    both = [to_images(x) for x in pairs(finished, student, range(HELD_OUT, HELD_OUT + 16))]
    path = finished / "samples" / names[-1]
    sheet = np.asarray(Image.open(path)).astype(int)
    assert sheet.shape == (4 * 20 + 4, 4 * 36 + 4, 3)
    for i in range(16):
        top, left = 4 + i // 4 * 20, 4 + i % 4 * 36
        for side, images in enumerate(both):
            shown = sheet[top : top + 16, left + 16 * side : left + 16 * side + 16]
            assert np.abs(shown - np.asarray(images[i])).max() <= 1
    told = read_settings(path)
    assert told["order"] == "teacher, student" and told["kimg"] == 0.032
    assert not np.array_equal(sheet, np.asarray(Image.open(path.with_name(names[0]))))


def test_the_log_has_every_term(finished):
    found = lines(finished / "log.jsonl")
    assert [line["kimg"] for line in found] == [round(0.004 * i, 6) for i in range(1, 9)]
    assert {"pixel_l1", "subband_l2", "gan", "total", "discriminator", "r1", "logits/real"} <= found[0].keys()
    assert {"gradient/student", "gradient/discriminator", "images_per_second", "waiting"} <= found[0].keys()
    assert ["r1" in line for line in found] == [True, False, False] * 2 + [True, False]


def tensorboard(folder):
    """Its events."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = module.EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    return events.Reload()


def test_tensorboard_gets_events(finished):
    events = tensorboard(finished)
    assert [event.step for event in events.Scalars("pixel_l1")] == list(range(4, 33, 4))
    assert [event.step for event in events.Scalars("held_out/perceptual_tiny")] == [12, 24, 32]
    assert [event.step for event in events.Images("teacher_student")] == [12, 24, 32]


def test_tensorboard_gets_the_events_of_a_resumed_run_once(run):
    run()
    folder = run(kimg=0.012)
    assert [event.step for event in tensorboard(folder).Scalars("pixel_l1")] == [4, 8, 12]
    assert [event.step for event in tensorboard(folder).Scalars("held_out/l1")] == [8, 12]


def test_the_card_tells_lineage_cost_and_distance(finished):
    card = (finished / "student" / "README.md").read_text()
    result = result_of(finished)
    assert weights_digest(make_teacher()) in card and f"`{result['teacher']}`" in card
    assert "`some_recipe`; 0.032 kimg in steps of 4" in card and "16 x 16 images" in card
    assert f"| deployed synthesis | {result['parameters']:,} | {result['macs']:,} |" in card
    for name, figure in result["figures"].items():
        assert f"| {name} | {figure['value']:.4g} |" in card


def test_a_student_with_a_mapping_of_its_own_has_its_mean_style(run):
    folder = run(inherit_mapping=False)
    mapping = ganzoo.load(folder / "student").mapping
    assert torch.equal(mapping.w_avg, mapping.estimate_w_avg()) and mapping.w_avg.any()
    best = ganzoo.load(folder / "best").mapping
    assert torch.equal(best.w_avg, best.estimate_w_avg())


def test_a_run_without_tensorboard_is_a_run(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    folder = run()
    assert (folder / "result.json").is_file() and not (folder / "tensorboard").exists()


def test_a_run_from_images_on_the_disk(run, teacher):
    folder = run(cache={"images": 6}, kimg=0.012)
    assert [line["kimg"] for line in lines(folder / "log.jsonl")][-1] == 0.012


def test_too_little_memory_is_told_with_what_to_do(run, capsys, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 1000)
    run()
    assert "0.0 GiB free: if it fails, give a smaller batch_size or accumulate=2" in capsys.readouterr().err


# The same command again


def untouched(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_returns_at_once(finished, teacher, monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("there is nothing left to do")

    monkeypatch.setattr(loading, "create", fail)
    before = untouched(finished)
    assert distill(run_data(teacher, finished, **WHOLE)) == finished
    assert untouched(finished) == before


def test_more_kimg_go_on(run, capsys):
    run()
    folder = run(kimg=0.012)
    assert "Going on from 0.008 kimg." in capsys.readouterr().err
    assert [line["kimg"] for line in lines(folder / "log.jsonl")] == [0.004, 0.008, 0.012]
    assert [line["kimg"] for line in lines(folder / "figures.jsonl")] == [0.008, 0.012]
    assert result_of(folder)["kimg"] == 0.012


def test_the_folder_of_an_older_version_goes_on(run, tmp_path):
    folder = run()
    for path in (folder / "settings.json", folder / "result.json"):
        data = json.loads(path.read_text())
        settings = data.get("settings", data)
        settings["loss"]["lpips"] = settings["loss"].pop("perceptual")
        settings["loss"]["perceptual"] = settings["loss"].pop("feature_l1")
        settings["held_out"] |= {"metrics": ["l1", "psnr", "lpips"], "best": "lpips"}
        path.write_text(json.dumps(data))
    found = result_of(run(kimg=0.012))
    assert found["kimg"] == 0.012 and {"feature_l1", "perceptual"} <= found["settings"]["loss"].keys()


def test_what_does_not_matter_to_what_was_learnt_may_change(run):
    run()
    run(
        kimg=0.016, log_kimg=0.008, sample_kimg=0.008, checkpoint_kimg=0.008, keep_checkpoints=1, accumulate=2
    )


OTHERS = {
    "seed": ({"seed": 3}, "seed: 0, not 3."),
    "loss": ({"loss": {"gan": {"weight": 0.25}}}, "loss: gan is {"),
    "student": ({"head": "single"}, "student: head is {'name': 'aux'}, not {'name': 'single'}."),
    "batch": ({"batch_size": 8}, "batch_size: 4, not 8."),
    "optimizer": ({"optimizer": {"lr": 1e-3}}, "optimizer: lr is 0.0005, not 0.001."),
    "clip": ({"clip": None}, "clip: 1.0, not None."),
}


@pytest.mark.parametrize(("changes", "told"), OTHERS.values(), ids=OTHERS.keys())
def test_the_folder_of_another_run_is_refused_with_what_differs(finished, teacher, changes, told):
    before = untouched(finished)
    with pytest.raises(ValueError) as error:
        distill(run_data(teacher, finished, **merged(WHOLE, changes)))
    assert f"{finished} holds a run with another {told}" in str(error.value)
    assert "Give another out=, or the settings of that run." in str(error.value)
    assert untouched(finished) == before


def test_a_folder_of_other_things_is_refused(run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=r"run is not empty and holds no run: give another out=\.$"):
        run()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '"text"'])
def test_damaged_settings_are_told(run, tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").write_text(text)
    with pytest.raises(ValueError, match=r"settings\.json is damaged: give another out=, or delete"):
        run()


@pytest.mark.parametrize("kimg", [0.008, 0.012], ids=["finished", "unfinished"])
def test_resume_never_refuses_a_folder_with_a_run(run, kimg):
    run(resume="never")
    with pytest.raises(ValueError, match="holds a run already: give another out=, or resume=auto"):
        run(kimg=kimg, resume="never")


def test_other_weights_of_the_teacher_are_refused(run, tmp_path):
    own = save_teacher(tmp_path / "own")
    run(teacher=str(own))
    changed = make_teacher()
    with torch.no_grad():
        changed.synthesis.levels[0].const[0, 0, 0, 0] += 1
    ganzoo.save(changed, own)
    with pytest.raises(ValueError, match=r"own has other weights than when the run in .* began"):
        run(teacher=str(own), kimg=0.012)


def test_other_held_out_figures_are_measured_without_learning_again(run):
    folder = run()
    before = (folder / "log.jsonl").read_text()
    run(held_out={"num": 5, "metrics": ["psnr"], "best": "psnr"})
    assert (folder / "log.jsonl").read_text() == before
    result = result_of(folder)
    assert list(result["figures"]) == ["psnr"] and result["held_out"] == 5
    assert result["best"] == {"figure": "psnr", "value": result["figures"]["psnr"]["value"], "kimg": 0.008}
    assert "On 5 held-out latents" in (folder / "student" / "README.md").read_text()


def test_the_best_of_the_last_measurement_outlasts_the_run(run, monkeypatch):
    figures = iter([Figure(value, 0.0) for value in (0.5, 0.1, 0.3)])
    monkeypatch.setattr(loading.HeldOut, "measure", lambda self, student: {"l1": next(figures)})
    folder = run(eval_every=0.004)
    assert result_of(folder)["best"] == {"figure": "l1", "value": 0.1, "kimg": 0.008}
    best = weights_digest(ganzoo.load(folder / "best"))
    run(kimg=0.012, eval_every=0.004)
    assert result_of(folder)["best"] == {"figure": "l1", "value": 0.1, "kimg": 0.008}
    assert weights_digest(ganzoo.load(folder / "best")) == best


def test_the_best_of_other_latents_is_no_longer_the_best(run, monkeypatch):
    values = iter([0.1, 0.5])
    monkeypatch.setattr(loading.HeldOut, "measure", lambda self, student: {"l1": Figure(next(values), 0.0)})
    run()
    folder = run(kimg=0.012, held_out={"num": 5})
    assert result_of(folder)["best"] == {"figure": "l1", "value": 0.5, "kimg": 0.012}


def test_a_run_that_ends_in_its_last_measurement_measures_again_and_tells_once(run, monkeypatch):
    def cut(*arguments, **options):
        raise OSError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(distillation_run, "student_card", cut)
        with pytest.raises(OSError, match="no more"):
            run()
    folder = run()
    assert [line["kimg"] for line in lines(folder / "figures.jsonl")] == [0.008]
    assert len(lines(folder / "log.jsonl")) == 2


# What is refused


def test_a_teacher_that_does_not_exist_is_told(run, tmp_path):
    with pytest.raises(ValueError, match="no-such-teacher"):
        run(teacher="no-such-teacher")
    assert not (tmp_path / "run").exists()


def test_a_recipe_is_no_teacher(run):
    with pytest.raises(ValueError, match="'stylegan2' is a recipe and has no weights"):
        run(teacher="stylegan2")


def test_accelerate_is_asked_for_with_the_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[train\]"'):
        run()


def test_fp16_is_for_gpus(run):
    with pytest.raises(ValueError, match="precision=fp16 is for GPUs"):
        run(precision="fp16")


def test_a_student_that_does_not_fit_is_refused_before_anything_is_made(run, tmp_path):
    with pytest.raises(ValueError, match="give label_dim=0"):
        run(label_dim=2)
    assert not (tmp_path / "run").exists()


def test_held_out_images_keep_the_limit(run):
    with pytest.raises(ValueError, match=r"cache\.limit_gib=1e-05: raise it, or give held_out\.num=6\.$"):
        run(held_out={"num": 20}, cache={"limit_gib": 1e-5})
