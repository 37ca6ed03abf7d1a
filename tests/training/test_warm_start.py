"""A student that begins with what another model has: what it takes over, what it tells, how it goes on."""

import json
import shutil

import pytest
import torch
from helpers import tiny, trained
from resume_helpers import last_tensors
from training_helpers import ALONE, make_teacher, merged, result_of, run_data

import ganzoo
from ganzoo.generators.config import generator_keys
from ganzoo.models.factory import build
from ganzoo.models.weights import weights_digest
from ganzoo.training.compose import plan
from ganzoo.training.distillation import DistillationTask
from ganzoo.training.loading import load
from ganzoo.training.run import distill
from ganzoo.training.tasks import read_settings

GOLDEN = "golden/nvidia_pkl/ada_uncond_skip_32.pkl"


def settings_for(source, student, out="none", **changes):
    """Settings of a run whose student has this config."""
    data = {key: value for key, value in run_data(source, out).items() if key not in generator_keys()}
    own = {"loss": {"gan": {"weight": 0.0}}, "init": "teacher"}
    return {**merged(merged(data, own), changes), **student.to_dict()}


def begun(source, student, **changes):
    """What a run works with as it begins."""
    return load(read_settings(settings_for(source, student, **changes)), ALONE)


def equal(network, other, names):
    own, theirs = network.state_dict(), other.state_dict()
    return all(torch.equal(own[name], theirs[name]) for name in names)


def half(config, **changes):
    """The config at half the resolution: its lowest levels."""
    data = {**config.to_dict(), "resolution": config.resolution // 2, **changes}
    return type(config).from_dict({**data, "channels": config.channels[:-1]})


@pytest.fixture(scope="module")
def converted(tmp_path_factory, request):
    """A StyleGAN2 of 32 x 32 that its original repository wrote, converted."""
    folder = tmp_path_factory.mktemp("converted") / "teacher"
    ganzoo.save(ganzoo.convert(request.config.rootpath / "tests" / GOLDEN), folder)
    return folder


def test_a_student_like_its_teacher_begins_as_its_teacher(tmp_path):
    """Its first step finds nothing to learn."""
    original = make_teacher(head={"name": "single"})  # with others, low levels learn images of their own
    ganzoo.save(original, tmp_path / "teacher")
    teacher = tmp_path / "teacher"
    found = begun(teacher, original.config, noise="random", style_mixing=0.5)
    task = DistillationTask(found.settings, found.teacher, None, found.student, None, None)
    [phase] = task.phases(0.0)
    loss, _ = task.loss(phase, task.batch([0, 1]), 0.0)
    cold = begun(teacher, original.config, init=None)
    assert found.start.new == found.start.narrowed == () and cold.start is None
    assert found.start.copied == tuple(original.state_dict())
    assert equal(found.student, original, original.state_dict())
    assert 0 <= loss < 1e-6 and not equal(cold.student, original, original.state_dict())


def test_a_student_of_half_the_size_has_its_teachers_features(converted):
    """Rows of w and noise agree at every level that both have, the head's row as well."""
    original = ganzoo.load(converted)
    student = begun(converted, half(original.config)).student
    w = original.mapping(original.sample_z(2))
    ours = list(student.synthesis.features(w[:, : student.num_ws]))
    theirs = list(original.synthesis.features(w))
    assert len(ours) == len(theirs) - 1 == 3
    for a, b in zip(ours, theirs, strict=False):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    predictions = student.synthesis(w[:, : student.num_ws]).levels, original.synthesis(w).levels
    for a, b in zip(*predictions, strict=False):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_what_it_learns_is_the_teachers_image_scaled_down_by_area(converted):
    found = begun(converted, half(ganzoo.load(converted).config))
    drawn = found.teacher.drawn([0, 1])
    image = found.teacher.original.synthesis(drawn.w, drawn.noise).image
    area = image.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(found.teacher.images(drawn.w, drawn.noise), area, rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_new_and_told(converted):
    """A wider last level, and another head."""
    own = ganzoo.load(converted).config
    wide = half(own, head={"name": "single"})
    wide = type(own).from_dict({**wide.to_dict(), "channels": (*wide.channels[:-1], 2 * wide.channels[-1])})
    found = begun(converted, wide)
    start, cold = found.start, build(found.student.config, seed=0)
    assert {*start.copied, *start.new} == found.student.state_dict().keys() and not start.narrowed
    assert equal(found.student, ganzoo.load(converted), start.copied)
    drawn = [name for name in start.new if name in dict(cold.named_parameters())]
    assert equal(found.student, cold, drawn) and len(drawn) > 5
    assert {"synthesis.head", "synthesis.levels.2.conv.conv"} <= set(start.new_parts)
    lines = start.lines()
    assert lines[0] == (
        f"Warm start from the teacher {converted}: {len(start.copied)} tensors copied, {len(start.new)} new."
    )
    assert lines[1:] == [
        f"New, with random weights: {', '.join(start.new_parts)}.",
        "Blocks that differ: head single, not skip.",
    ]


@pytest.mark.parametrize("kind", ["weights", pytest.param("response", marks=pytest.mark.slow), "saliency"])
def test_a_narrower_student_takes_chosen_channels_and_tells_so(converted, kind):
    original = ganzoo.load(converted)
    own = original.config
    narrow = type(own).from_dict({**own.to_dict(), "channels": [max(4, c // 2) for c in own.channels]})
    found = begun(converted, narrow, init_channels=kind)
    assert found.start.narrowed and not found.start.new
    assert found.start.lines()[0].endswith(
        f" {len(found.start.copied)} tensors copied, {len(found.start.narrowed)} narrowed, 0 new."
    )
    assert equal(found.student, original, found.start.copied)
    const, theirs = found.student.synthesis.levels[0].const, original.synthesis.levels[0].const
    assert all(any(torch.equal(channel, other) for other in theirs[0]) for channel in const[0])


def test_nothing_that_fits_is_a_warning(teacher, second_architecture):
    waves = second_architecture.WavesConfig(w_dim=5, depth=2)
    lines = begun(teacher, waves, inherit_mapping=False).start.lines()
    assert lines[0].endswith(": 0 tensors copied, 13 new.")
    assert lines[1] == "New, with random weights: mapping, synthesis."
    assert lines[-1] == f"Warning: nothing of the teacher {teacher} fits; the run starts with random weights."


def test_an_architecture_of_a_plug_in_begins_with_what_it_shares(tmp_path, second_architecture):
    config = second_architecture.WavesConfig
    original = trained(config())
    ganzoo.save(original, tmp_path / "waves")
    same = begun(tmp_path / "waves", config(resolution=8))
    assert same.start.new == () and equal(same.student, original, original.state_dict())
    narrow = begun(tmp_path / "waves", config(resolution=8, width=4))
    assert equal(narrow.student, original, narrow.start.copied)
    assert narrow.start.copied == ("mapping.w_avg", "mapping.layer.weight", "mapping.layer.bias",
                                   "synthesis.to_image.bias")  # fmt: skip
    assert narrow.start.new_parts == ("synthesis.styles", "synthesis.layers", "synthesis.to_image.weight")


def test_another_model_lends_all_but_the_mapping_network_and_the_noise(teacher, tmp_path):
    """A student maps as its teacher does and has its noise, whatever it begins with."""
    other = trained(ganzoo.load(teacher).config, seed=5)
    ganzoo.save(other, tmp_path / "other")
    found = begun(teacher, other.config, init=str(tmp_path / "other"))
    own, original = found.student.state_dict(), ganzoo.load(teacher)
    lent = [name for name in own if not name.startswith("mapping.") and not name.endswith("noise.const")]
    assert found.start.copied == tuple(lent) and found.start.new == ()
    assert equal(found.student, other, lent)
    assert equal(found.student, original, own.keys() - set(lent))
    assert (found.start.source, found.start.sha256) == (str(tmp_path / "other"), weights_digest(other))
    free = begun(teacher, other.config, init=str(tmp_path / "other"), inherit_mapping=False)
    assert {"mapping.layers.0.weight", "mapping.w_avg"} <= set(free.start.copied)
    assert equal(free.student, other, free.start.copied)


# A run


PARTS = {"freeze": ["synthesis.levels.0"], "lr_scale": {"synthesis": 0.1, "synthesis.head": 1.0}}


def run(source, out, **changes):
    return distill(settings_for(source, tiny(), out, **{**PARTS, **changes}))


@pytest.fixture(scope="module")
def short(teacher, tmp_path_factory):
    """The folder of a run of one step."""
    return run(teacher, tmp_path_factory.mktemp("short") / "run", kimg=0.004)


def test_a_run_tells_and_records_what_it_began_with(teacher, tmp_path, capsys):
    folder = run(teacher, tmp_path / "run", kimg=0.008)
    told = capsys.readouterr().err.splitlines()
    original = ganzoo.load(teacher)
    assert (
        f"Warm start from the teacher {teacher}: {len(original.state_dict())} tensors copied, 0 new." in told
    )
    [frozen] = [line for line in told if line.startswith("Frozen: ")]
    assert frozen.startswith("Frozen: synthesis.levels.0. ") and frozen.endswith(" parameters learn.")
    assert "Factors of the learning rate: 0.1 in synthesis, 1 in synthesis.head." in told
    assert result_of(folder)["init"] == {
        "source": f"the teacher {teacher}",
        "sha256": weights_digest(original),
        "copied": len(original.state_dict()),
        "narrowed": 0,
        "new": [],
        "blocks": [],
    }
    student = ganzoo.load(folder / "student")
    still = [name for name in student.state_dict() if name.startswith("synthesis.levels.0.")]
    assert equal(student, original, still) and len(still) > 4
    assert not equal(student, original, ["synthesis.levels.1.conv.conv.weight"])


def test_a_run_that_goes_on_needs_no_model_to_begin_with(teacher, tmp_path, capsys):
    """It does not start warm again: the checkpoint has the student."""
    ganzoo.save(trained(tiny(), seed=5), tmp_path / "other")
    own = {"init": str(tmp_path / "other"), "kimg": 0.016, "optimizer": {"schedule": "constant"}}
    whole = run(teacher, tmp_path / "whole", **own)
    run(teacher, tmp_path / "part", **{**own, "kimg": 0.008})
    shutil.rmtree(tmp_path / "other")
    capsys.readouterr()
    part = run(teacher, tmp_path / "part", **own)
    told = capsys.readouterr().err
    assert "Going on from 0.008 kimg." in told and "Warm start" not in told
    found, expected = last_tensors(part), last_tensors(whole)
    assert found.keys() == expected.keys()
    assert [name for name, value in found.items() if not torch.equal(value, expected[name])] == []
    assert result_of(part)["init"] == result_of(whole)["init"] and result_of(part)["init"]["copied"] > 9


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"init": None}, r"another init: teacher, not None"),
        ({"freeze": []}, r"another freeze: \['synthesis\.levels\.0'\], not \[\]"),
        ({"lr_scale": {"synthesis": 0.2}}, r"another lr_scale: synthesis is 0\.1, not 0\.2"),
    ],
)
def test_what_a_run_began_with_cannot_change(teacher, short, changes, told):
    with pytest.raises(ValueError, match=told):
        run(teacher, short, **changes)


def test_a_run_of_an_older_version_goes_on(teacher, short, tmp_path):
    """Its record says nothing of settings that came later."""
    shutil.copytree(short, tmp_path / "run")
    record = tmp_path / "run" / "settings.json"
    settings = json.loads(record.read_text())
    for name in ("init_levels", "standing"):
        del settings[name]
    record.write_text(json.dumps(settings))
    (tmp_path / "run" / "result.json").unlink()
    again = result_of(run(teacher, tmp_path / "run", kimg=0.004))
    assert again["figures"] == result_of(short)["figures"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"freeze": ["synthesis.level.1"]}, r"freeze: Unknown part: .* Did you mean 'synthesis\.levels\.1'"),
        ({"freeze": ["synthesis"]}, r"leaves nothing to learn"),
        ({"lr_scale": {"sythesis": 0.1}}, r"lr_scale: Unknown part: .* Did you mean 'synthesis'"),
        ({"lr_scale": {"synthesis": 0}}, r"lr_scale of synthesis is positive; freeze keeps a part .* got 0"),
        ({"init": "mobilestylegan"}, r"'mobilestylegan' is a recipe and has no weights"),
        ({"init_head": 8, "init": None}, r"init_head fits a head to features that are taken over"),
        ({"init_head": -1}, r"init_head is not negative; got -1"),
        (
            {"init_levels": 10, "init": None},
            r"init_levels fits the student to the teacher that its levels come",
        ),
        ({"init_levels": 10, "inherit_mapping": False}, r"init_levels needs the teacher's w"),
        ({"init_levels": 10, "demodulation": {"name": "style"}}, r"give demodulation=none, or init_levels=0"),
        ({"init_levels": 9}, r"init_levels is 0, or 10 or more; got 9"),
        ({"init_channels": "size"}, r"init_channels: 'size'\. Choose from: response, saliency, weights"),
        ({"init": "techer"}, r"techer"),
        ({"init": "./nowhere"}, r"nowhere"),
    ],
)
def test_a_mistake_is_told_before_a_folder_is_made(teacher, tmp_path, changes, told):
    with pytest.raises((ValueError, OSError), match=told):
        run(teacher, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_a_new_head_is_fitted_before_training_begins(teacher, tmp_path, capsys):
    """The first checkpoint's average begins with it, too."""
    small = {"resolution": 8, "channels": [8, 8], "head": {"name": "single"}}
    student = type(tiny()).from_dict({**tiny().to_dict(), **small})
    own = {"freeze": ["synthesis.levels"], "optimizer": {"lr": 1e-9}, "kimg": 0.004}
    found = {}
    for count in (0, 64):
        data = settings_for(teacher, student, tmp_path / f"{count}", **own, init_head=count)
        result = result_of(distill(data))
        found[count] = result["figures"]["psnr"]["value"]
    told = capsys.readouterr().err
    assert "Head fitted, mean error left: " in told and found[64] > found[0] + 1


def test_narrowed_levels_are_fitted_before_the_head(tmp_path, capsys):
    """Those that lack inputs; the first narrow layer reads all of them."""
    own = {"demodulation": {"name": "none"}, "head": {"name": "single"}}
    ganzoo.save(make_teacher(channels=[16, 16, 16], **own), tmp_path / "teacher")
    student = make_teacher(channels=[16, 8, 4], **own).config
    found = {}
    for count in (0, 100):
        changes = {"optimizer": {"lr": 1e-12}, "kimg": 0.004, "init_levels": count, "init_head": 8}
        out = distill(settings_for(tmp_path / "teacher", student, tmp_path / f"{count}", **changes))
        found[count] = ganzoo.load(out / "student").state_dict()
    told = capsys.readouterr().err.split("Levels fitted, share of the teacher's features left: ")
    assert len(told) == 2 and "Head fitted" in told[1]
    narrow, wide = (f"synthesis.levels.1.{part}.conv.weight" for part in ("conv", "upsample.conv"))
    assert (found[0][narrow] - found[100][narrow]).abs().max() > 1e-2
    assert torch.allclose(found[0][wide], found[100][wide], atol=1e-6)


def test_levels_as_wide_as_the_teachers_are_not_fitted(tmp_path, capsys):
    original = make_teacher(demodulation={"name": "none"})
    ganzoo.save(original, tmp_path / "teacher")
    changes = {"init_levels": 10, "kimg": 0.004}
    distill(settings_for(tmp_path / "teacher", original.config, tmp_path / "run", **changes))
    assert "No level is fitted: none that learns and was taken over reads fewer" in capsys.readouterr().err


def test_a_head_that_is_taken_over_is_not_fitted(teacher, tmp_path, capsys):
    run(teacher, tmp_path / "run", init_head=4, kimg=0.004)
    assert "No head is fitted: all of it was taken over." in capsys.readouterr().err


# The command line

LINE = ["kimg=0.008", "batch_size=4", "device=cpu", "training=distillation", "resolution=8", "channels=[8]"]
LINE += ["z_dim=8", "w_dim=8", "mapping.depth=1", "init=teacher", "freeze=[synthesis.levels.0.const]"]
LINE += ["lr_scale={synthesis.levels: 0.1, synthesis.levels.0: 0.2, mapping*: 2}"]


def test_parts_are_given_on_a_command_line_and_kept_by_the_folder(teacher, tmp_path):
    own = [f"teacher={teacher}", f"out={tmp_path / 'run'}"]
    [job] = plan("mobilestylegan", [*LINE, *own]).jobs
    settings = job.settings
    assert (settings.init, settings.freeze) == ("teacher", ("synthesis.levels.0.const",))
    assert settings.lr_scale == {"synthesis.levels": 0.1, "synthesis.levels.0": 0.2, "mapping*": 2.0}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").write_text(json.dumps(settings.to_dict()))
    [again] = plan("mobilestylegan", own).jobs
    assert (again.settings.init, again.settings.freeze) == (settings.init, settings.freeze)
    assert again.settings.lr_scale == settings.lr_scale


def test_a_sweep_compares_warm_starts_with_random_weights(teacher, tmp_path):
    line = [text for text in LINE if not text.startswith("init")]
    own = [f"teacher={teacher}", f"out={tmp_path}", "init=teacher,./other/,null"]
    jobs = plan("mobilestylegan", [*line, *own], sweep=True).jobs
    assert [job.settings.init for job in jobs] == ["teacher", "./other", None]
    assert [job.name for job in jobs] == ["init-teacher", "init-other", "init-null"]
