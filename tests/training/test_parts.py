"""Parts of a network: which parameters a name means, what is frozen, and what learns at a rate of its own."""

import re

import pytest
import torch
from helpers import tiny
from toy import Toy, toy_trainer, weights

from ganzoo.generators.empty import empty
from ganzoo.models.factory import build
from ganzoo.training.parts import factors, freeze, groups, parameters_of, summary


@pytest.fixture(scope="module")
def network():
    return empty(tiny())


def names(module, part):
    return set(parameters_of(module, part, "freeze"))


def test_a_part_is_a_module_with_all_that_is_in_it(network):
    own = {name for name, _ in network.named_parameters()}
    assert names(network, "synthesis.levels.1") == {n for n in own if n.startswith("synthesis.levels.1.")}
    assert names(network, "mapping") | names(network, "synthesis") == own
    assert names(network, "synthesis.levels.0.const") == {"synthesis.levels.0.const"}


def test_a_part_is_a_whole_name_and_not_its_beginning():
    module = torch.nn.ModuleDict({"levels": torch.nn.Linear(1, 1), "levels1": torch.nn.Linear(1, 1)})
    assert names(module, "levels") == {"levels.weight", "levels.bias"}


def test_wildcards_name_several_parts(network):
    low = names(network, "synthesis.levels.0") | names(network, "synthesis.levels.1")
    assert names(network, "synthesis.levels.[01]") == low
    assert {name.split(".")[-1] for name in names(network, "*.bias")} == {"bias"}


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("synthesis.level.0", "Unknown part: 'synthesis.level.0'. Did you mean 'synthesis.levels.0'?"),
        ("synthesis.levels.0.cov", "Did you mean 'synthesis.levels.0.conv'?"),
        ("synthesis.levels.9*", "Choose from: mapping, mapping.layers, mapping.layers.0, synthesis, "),
        ("synthesis.levels.0.conv.noise.const", "Unknown part"),
        ("", "Unknown part: ''"),
    ],
)
def test_an_unknown_part_is_refused_with_a_near_match_and_those_there_are(network, part, told):
    with pytest.raises(ValueError, match=re.escape(told)) as error:
        parameters_of(network, part, "freeze")
    assert str(error.value).startswith("freeze: ") and len(str(error.value)) < 400


def test_frozen_parts_do_not_learn_and_others_do():
    network = build(tiny())
    freeze(network, ["mapping", "synthesis.levels.0"])
    still = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert still == names(network, "mapping") | names(network, "synthesis.levels.0")


def test_something_is_left_to_learn():
    with pytest.raises(ValueError, match=r"freeze=\['\*'\] leaves nothing to learn"):
        freeze(build(tiny()), ["*"])


def test_the_most_specific_part_has_the_say_in_any_order(network):
    given = [("*", 0.5), ("synthesis.levels", 0.1), ("synthesis.levels.?", 0.2), ("synthesis.levels.1", 0.3)]
    for scales in (dict(given), dict(reversed(given))):
        found = factors(network, scales)
        assert found["mapping.layers.0.weight"] == found["synthesis.head.to_image.0.bias"] == 0.5
        assert found["synthesis.levels.0.const"] == 0.2
        assert {found[name] for name in names(network, "synthesis.levels.1")} == {0.3}


def test_groups_hold_every_parameter_that_learns_once():
    network = build(tiny())
    freeze(network, ["mapping"])
    found = groups(network, {"synthesis.levels": 0.1, "synthesis.levels.1": 0.3})
    assert [group["lr_scale"] for group in found] == [0.1, 0.3, 1.0]
    held = [id(p) for group in found for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in network.synthesis.parameters())


def test_parts_are_summed_up_by_the_largest_that_hold_nothing_else():
    of = ["a.0.x", "a.0.y", "a.1.x", "b.x", "c"]
    assert summary(["a.0.x", "a.0.y"], of) == ["a.0"]
    assert summary(["a.0.x", "a.0.y", "a.1.x", "c"], of) == ["a", "c"]
    assert summary(["a.0.y", "b.x"], of) == ["a.0.y", "b"]
    assert summary([], of) == []


# In the loop

RATES = {"warmup_kimg": 0.008, "lr": 0.05, "final": 0.1}


def trainer_with(folder, scales, parts=(), **changes):
    task = Toy()
    freeze(task.modules["student"], parts) if parts else None
    task.lr_scales = {"student": scales}
    return toy_trainer(folder, task, **{"optimizer": RATES, **changes})


def test_a_part_learns_at_its_factor_from_the_first_step_of_the_warm_up_to_the_end(tmp_path):
    """Eight steps, two of them to warm up: the factor holds at the lowest rates as well."""
    plain, scaled = trainer_with(tmp_path, {}), trainer_with(tmp_path, {"0": 0.1})
    [group] = plain.optimizers["student"].param_groups
    slow, others = scaled.optimizers["student"].param_groups
    rates = []
    for step in range(9):
        for trainer in (plain, scaled):
            trainer.schedules["student"].step_update(step)
        rates.append(group["lr"])
        assert others["lr"] == group["lr"] and slow["lr"] == pytest.approx(0.1 * group["lr"], rel=1e-12)
    assert rates[0] == pytest.approx(0.05 / 3) and rates[2] == 0.05 and rates[-1] == pytest.approx(0.005)


def test_a_factor_scales_the_first_update(tmp_path):
    moved = []
    for scales in ({}, {"0": 0.25}):
        trainer = trainer_with(tmp_path, scales)
        before = weights(trainer.task.modules["student"])
        trainer._step()
        after = weights(trainer.task.modules["student"])
        moved.append({name: after[name] - before[name] for name in before})
    for name, change in moved[0].items():
        expected = change * (0.25 if name.startswith("0.") else 1.0)
        torch.testing.assert_close(moved[1][name], expected, atol=1e-7, rtol=1e-3)
        assert change.abs().min() > 0


def test_what_is_frozen_keeps_its_bits_and_takes_no_state(tmp_path):
    trainer = trainer_with(tmp_path, {}, ["0"])
    before = weights(trainer.task.modules["student"])
    for _ in range(3):
        trainer._step()
    after, average = weights(trainer.task.modules["student"]), weights(trainer.ema.module)
    for name, value in before.items():
        still = name.startswith("0.")
        assert torch.equal(after[name], value) == still and torch.equal(average[name], value) == still
    held = {id(p) for p in trainer.optimizers["student"].state}
    assert held == {id(p) for p in trainer.task.modules["student"][2].parameters()}


def test_groups_go_on_to_the_same_bits(tmp_path):
    scales = {"0": 0.1, "2.bias": 3.0}
    whole, first = trainer_with(tmp_path / "a", scales), trainer_with(tmp_path / "b", scales)
    for _ in range(8):
        whole._step()
    for _ in range(3):
        first._step()
    first.save()
    second = trainer_with(tmp_path / "b", scales)
    assert second.resume() and second.step == 3
    for _ in range(5):
        second._step()
    tensors, expected = second._tensors(), whole._tensors()
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in tensors.items())


def test_a_task_names_the_setting_of_an_unknown_part(tmp_path):
    with pytest.raises(ValueError, match=r"lr_scale: Unknown part: 'head'\. Choose from: 0, 0\.bias"):
        trainer_with(tmp_path, {"head": 0.1})
