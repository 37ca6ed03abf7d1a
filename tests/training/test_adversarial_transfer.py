"""Adversarial training that begins with a trained network: what both take over, and from where."""

import json

import pytest
import torch
from adversarial_helpers import settings_of, write_pictures
from training_helpers import ALONE

import ganzoo
from ganzoo.models.factory import build
from ganzoo.training.adversarial_run import AdversarialRun
from ganzoo.training.run import train
from ganzoo.training.warm_start import copy_matching

pytestmark = pytest.mark.usefixtures("tiny_features")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def settings(root):
    """Settings of a tiny run on the same images."""
    data = write_pictures(root / "images")
    cache = {"folder": str(root / "decoded")}

    def find(out, **changes):
        return settings_of(data, out, cache=cache, **{"kimg": 0.008, **changes})

    return find


@pytest.fixture(scope="module")
def finished(settings, root):
    """The folder of a run that others begin with."""
    return train(settings(root / "first", seed=7))


def same(network, other):
    states = network.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(value, states[1][name]) for name, value in states[0].items()
    )


@pytest.mark.parametrize("name", ["{}", "{}/generator", "dir:{}/generator/", "{}/checkpoints/../generator"])
def test_both_networks_begin_as_those_of_a_run(settings, finished, tmp_path, name):
    task = AdversarialRun.load(settings(tmp_path / "run", init=name.format(finished)), ALONE)
    assert same(task.generator, ganzoo.load(finished / "generator"))
    assert same(task.discriminator, ganzoo.load(finished / "discriminator"))
    assert any("The discriminator from" in line and ", 0 new." in line for line in task.start.lines())


def test_a_model_without_a_discriminator_begins_with_a_new_one(settings, finished, tmp_path):
    ganzoo.save(ganzoo.load(finished / "generator"), tmp_path / "model")
    own = settings(tmp_path / "run", init=str(tmp_path / "model"))
    task = AdversarialRun.load(own, ALONE)
    assert same(task.generator, ganzoo.load(finished / "generator"))
    assert same(task.discriminator, build(own.discriminator_config(), seed=own.seed + 1))
    assert task.start.judge is None and "discriminator" not in task.start.record()


def test_a_discriminator_is_named_where_it_lies_elsewhere(settings, finished, tmp_path):
    ganzoo.save(ganzoo.load(finished / "generator"), tmp_path / "model")
    own = {"init": str(tmp_path / "model"), "init_discriminator": str(finished / "discriminator")}
    task = AdversarialRun.load(settings(tmp_path / "run", **own), ALONE)
    assert same(task.discriminator, ganzoo.load(finished / "discriminator"))
    with pytest.raises(ValueError, match=r"init_discriminator=.*generator is a generator: give what"):
        own["init_discriminator"] = str(finished / "generator")
        AdversarialRun.load(settings(tmp_path / "run", **own), ALONE)


def test_a_larger_discriminator_takes_the_levels_that_it_shares(settings, finished):
    small = ganzoo.load(finished / "discriminator")
    config = {**small.config.to_dict(), "resolution": 16, "channels": [8, 8, 8]}
    large = build(type(small.config).from_dict(config), seed=5)
    before = {name: value.clone() for name, value in large.state_dict().items()}
    copied, new = copy_matching(large, small)
    theirs, own = small.state_dict(), large.state_dict()
    shared = {name for name in own if name in theirs and own[name].shape == theirs[name].shape}
    assert (copied, new) == (len(shared), len(own) - len(shared)) and 0 < len(shared) < len(own)
    assert all(torch.equal(own[name], (theirs if name in shared else before)[name]) for name in own)
    assert "network.levels.1.conv0.weight" in shared and "network.out.weight" in shared


def test_what_was_begun_with_is_told_recorded_and_on_the_card(settings, finished, tmp_path, capsys):
    changes = {"init": str(finished), "freeze": ["mapping"], "freeze_discriminator": 2}
    folder = train(settings(tmp_path / "run", **changes))
    told = capsys.readouterr().err
    assert f"Warm start from {finished}: " in told and ", 0 new." in told and "Frozen: mapping." in told
    result = json.loads((folder / "result.json").read_text())
    assert result["init"]["source"] == str(finished) and result["init"]["discriminator"]["new"] == 0
    assert f"Began with `{finished}`, weights sha256 `{result['init']['sha256']}`" in (
        (folder / "generator" / "README.md").read_text()
    )
    before, after = ganzoo.load(finished), ganzoo.load(folder)
    first, last = dict(before.named_parameters()), dict(after.named_parameters())
    still = {name for name in first if torch.equal(first[name], last[name])}
    assert still == {name for name in first if name.startswith("mapping")}
    judged = [ganzoo.load(run / "discriminator").state_dict() for run in (finished, folder)]
    kept = {name for name in judged[0] if torch.equal(judged[0][name], judged[1][name])}
    assert {"network.from_image.1.weight", "network.levels.1.conv0.weight"} <= kept
    assert "network.levels.1.conv1.weight" not in kept and "network.out.weight" not in kept


def test_a_run_that_goes_on_does_not_begin_again(settings, finished, tmp_path):
    train(settings(tmp_path / "run", init=str(finished), kimg=0.008, checkpoint_kimg=0.004))
    own = settings(tmp_path / "run", init=str(finished), kimg=0.012)
    task = AdversarialRun.load(own, ALONE)
    assert task.start is None
    folder = train(own)
    assert json.loads((folder / "result.json").read_text())["init"]["source"] == str(finished)
