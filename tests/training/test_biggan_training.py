"""A BigGAN learns from images through the loop of all others: turns, train mode, standing statistics."""

import copy
import json
import signal

import pytest
import torch
from adversarial_helpers import settings_of, task_of, write_pictures
from resume_helpers import die_after_step, last_tensors, without_time
from training_helpers import forked, lines
from typer.testing import CliRunner

import ganzoo
from ganzoo.cli import app
from ganzoo.generators.standing import followers, with_standing_statistics
from ganzoo.models.factory import build
from ganzoo.ops.spectral import SpectralLayer
from ganzoo.training.adversarial import DISCRIMINATOR, GENERATOR
from ganzoo.training.announce_adversarial import _seconds
from ganzoo.training.compose import plan
from ganzoo.training.ema import EMA
from ganzoo.training.loop import Trainer
from ganzoo.training.run import train
from ganzoo.training.settings import EMASettings
from ganzoo.training.task import Phase

BIGGAN = {
    "generator": {
        "generator": "biggan",
        "resolution": 16,
        "channels": [8, 8, 8],
        "z_dim": 6,
        "label_dim": 3,
        "attention": [1],
        "mapping": {"name": "classes", "embed_dim": 4},
    },
    "discriminator": {"name": "biggan", "attention": [0]},
    "game": {"kind": "hinge"},
    "penalty": {"r1": 0.0},
    "path_length": {"weight": 0.0},
    "style_mixing": 0.0,
    "discriminator_steps": 2,
    "standing": 3,
    "augment": {"name": "diffaugment"},
}
FLAT = [f"{key}={value}" for key, value in BIGGAN["generator"].items() if key not in ("generator", "mapping")]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("set") / "images", side=16, classes=3)


@pytest.fixture
def settings(data):
    def find(out="unused", **changes):
        cache = {"folder": str(data.with_name("decoded"))}
        return settings_of(data, out, **{**BIGGAN, "cache": cache, **changes})

    return find


@pytest.fixture
def task(settings):
    return task_of(settings())


def trainer_of(task, folder):
    state = type("Alone", (), {"num_processes": 1, "process_index": 0, "device": torch.device("cpu")})()
    return Trainer(task, task.settings, state, folder)


# Turns of the discriminator


def test_every_turn_sees_the_next_images_of_the_set_and_none_twice(settings, data):
    task = task_of(settings(discriminator_steps=3))
    batches = [task.batch(range(first, first + 4)) for first in (0, 4)]
    turns = [turn for batch in batches for turn in (batch, *batch.more)]
    assert sorted(p for turn in turns for p in turn.positions) == list(range(24))
    for turn in turns:
        assert torch.equal(turn.real, task.data.images(turn.positions))
        assert torch.equal(turn.label, task.data.labels(turn.positions))


def test_a_step_is_one_turn_of_the_generator_and_several_of_the_discriminator(task):
    assert task.phases(0.0) == [
        Phase(GENERATOR, (GENERATOR,)),
        Phase(DISCRIMINATOR, (DISCRIMINATOR,)),
        Phase(DISCRIMINATOR, (DISCRIMINATOR,), turn=1),
    ]


def test_every_turn_judges_images_of_latents_and_classes_of_its_own(task):
    batch, judged = task.batch(range(4)), []
    task.discriminator.register_forward_pre_hook(lambda module, inputs: judged.append(inputs[0].detach()))
    for phase in task.phases(0.0):
        task.loss(phase, batch, 0.0)
    assert len(judged) == 5  # the generator's images; then in both turns its images, and real ones
    assert len({image.sum().item() for images in judged for image in images}) == 20
    assert not torch.equal(batch.drawn[DISCRIMINATOR].latents.z, batch.more[0].drawn[DISCRIMINATOR].latents.z)


# Train mode and its statistics


def test_what_learns_is_in_train_mode_and_the_average_is_not(task, tmp_path):
    trainer = trainer_of(task, tmp_path)
    assert task.generator.training and task.discriminator.training and not trainer.ema.module.training


def test_a_step_moves_statistics_and_power_vectors_and_weights(task, tmp_path):
    with torch.no_grad():
        for name, parameter in (p for m in task.modules.values() for p in m.named_parameters()):
            if name.endswith(".gamma"):  # 0 at first, and what is behind it does not learn
                parameter.fill_(0.5)
    before = {name: copy.deepcopy(module.state_dict()) for name, module in task.modules.items()}
    trainer_of(task, tmp_path)._step()
    for name, module in task.modules.items():
        still = {key for key, x in module.state_dict().items() if torch.equal(x, before[name][key])}
        assert still == {key for key, x in before[name].items() if key.endswith(".u") and x.numel() == 1}


def test_measuring_the_speed_changes_nothing(task):
    before = {name: copy.deepcopy(module.state_dict()) for name, module in task.modules.items()}
    assert _seconds(task, 4) > 0
    for name, module in task.modules.items():
        for key, tensor in module.state_dict().items():
            assert torch.equal(tensor, before[name][key]), key
        assert all(p.grad is None for p in module.parameters())


def test_standing_statistics_are_means_over_batches_and_the_average_keeps_its_own(task):
    generator = task.generator.eval()
    before = copy.deepcopy(generator.state_dict())
    found = task.settled(generator)
    assert all(torch.equal(x, before[key]) for key, x in generator.state_dict().items())
    first, *_ = followers(found)
    means, variances = [], []
    for start in (0, 4, 8):
        latents = task._drawn(range(start, start + 4), 3).latents
        x = generator.train().synthesis.levels[0](
            *_inputs(generator, generator.mapping(latents.z, latents.label))
        )
        means.append(x.mean(dim=(0, 2, 3)))
        variances.append(x.var(dim=(0, 2, 3)))
    torch.testing.assert_close(first.mean, torch.stack(means).mean(0), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(first.variance, torch.stack(variances).mean(0), rtol=1e-3, atol=1e-5)
    assert not found.training and {block.momentum for block in followers(found)} == {0.1}


def _inputs(generator, w):
    synthesis = generator.synthesis
    return w[:, 0, synthesis.input_columns], synthesis._rows(w)


def test_a_generator_without_statistics_is_not_copied():
    generator = build(settings_of("unused").generator)
    assert with_standing_statistics(generator, []) is generator


def test_images_of_the_settled_average_do_not_depend_on_their_batch(task):
    found = task.settled(task.generator)
    z, label = found.sample_z(4), torch.eye(3)[[0, 1, 2, 0]]
    torch.testing.assert_close(found(z[2:3], label[2:3]), found(z, label)[2:3])


@pytest.mark.parametrize(("buffers", "share"), [("copy", 1.0), ("average", 0.5)])
def test_buffers_are_copied_or_averaged(buffers, share):
    first, second = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    second.running_mean.fill_(2.0)
    second.num_batches_tracked.fill_(7)
    average = EMA(first, EMASettings(half_life_kimg=0.004, ramp_up=None, buffers=buffers))
    average.update(second, batch_size=4, kimg=1.0)
    torch.testing.assert_close(average.module.running_mean, torch.full([3], 2.0 * share))
    assert average.module.num_batches_tracked == 7


# Whole runs


@pytest.mark.usefixtures("tiny_features")
def test_a_killed_run_goes_on_to_the_same_bits(settings, tmp_path):
    own = {
        "kimg": 0.016,
        "checkpoint_kimg": 0.008,
        "log_kimg": 0.004,
        "eval_every": 0.012,
        "sample_kimg": 0.012,
        "quality": {"num": 8, "features": "tiny"},
        "ema": {"half_life_kimg": 0.01, "ramp_up": None, "buffers": "average"},
    }
    whole = train(settings(tmp_path / "whole", **own))
    cut = settings(tmp_path / "cut", **own)

    def work():
        die_after_step(4)()
        train(cut)

    assert forked(work) == [-signal.SIGKILL]
    train(cut)
    found, wanted = last_tensors(tmp_path / "cut"), last_tensors(whole)
    assert found.keys() == wanted.keys()
    assert [name for name, value in found.items() if not torch.equal(value, wanted[name])] == []
    for name in ("log.jsonl", "figures.jsonl"):
        logs = [[without_time(x) for x in lines(run / name)] for run in (tmp_path / "cut", whole)]
        assert logs[0] == logs[1]
    states = [ganzoo.load(run / "generator").state_dict() for run in (tmp_path / "cut", whole)]
    assert all(torch.equal(x, states[1][key]) for key, x in states[0].items())


@pytest.mark.usefixtures("tiny_features")
def test_the_preset_trains_a_small_one_by_the_command(data, tmp_path):
    short = ["kimg=0.008", "batch_size=4", "device=cpu", "quality.num=4", "quality.features=tiny"]
    short += ["mapping.embed_dim=4", f"cache.folder={tmp_path}/decoded"]
    command = ["train", "biggan_32", "training=biggan", f"data={data}", f"out={tmp_path}/run", *FLAT, *short]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    generator = ganzoo.load(tmp_path / "run" / "generator")
    assert generator.config.architecture == "biggan" and generator.label_dim == 3
    average = {n.removeprefix("ema/"): x for n, x in last_tensors(tmp_path / "run").items()}
    for name, tensor in generator.state_dict().items():  # statistics are its own, weights the average's
        if tensor.shape != (1,):  # which no step of the power method moves
            assert torch.equal(tensor, average[name]) != name.endswith((".mean", ".variance", ".u")), name
    discriminator = ganzoo.load(tmp_path / "run" / "discriminator")
    assert any(isinstance(module, SpectralLayer) for module in discriminator.modules())
    told = json.loads((tmp_path / "run" / "result.json").read_text())["settings"]
    assert told["game"]["kind"] == "hinge" and told["discriminator_steps"] == 2
    assert told["optimizer"]["betas"] == [0.0, 0.999] and told["penalty"]["r1"] == 0


def test_settings_that_follow_from_the_images_leave_out_what_it_lacks(data):
    [job] = plan("biggan_32", [f"data={data}", *FLAT, "mapping.embed_dim=4"], task="adversarial").jobs
    own = job.settings.generator
    assert own.channels == (8, 8, 8) and own.mapping["name"] == "classes" and job.settings.automatic


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"discriminator_steps": 0}, "discriminator_steps is at least 1; got 0"),
        ({"orthogonal": -1.0}, "orthogonal is not negative; got -1.0"),
        ({"standing": -1}, "standing is not negative; got -1"),
        ({"ema": {"buffers": "keep"}}, "ema.buffers: 'keep'"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bf16", "accumulate": 2},
        {"path_length": {"weight": 1.0, "interval": 1}, "penalty": {"r1": 1.0, "interval": 1}},
        {"orthogonal": 1e-4, "style_mixing": 0.9, "game": {"kind": "hinge", "top_k": 0.5}},
    ],
    ids=["bf16", "penalties", "orthogonal"],
)
def test_it_learns_with_what_other_networks_learn_with(settings, tmp_path, changes):
    task = task_of(settings(**changes))
    terms = trainer_of(task, tmp_path)._step()
    assert all(term.isfinite() for term in terms.values())
    assert ("orthogonal" in terms) == ("orthogonal" in changes)
    assert ("path_length" in terms) == ("r1" in terms) == ("path_length" in changes)
