"""Checkpoints: whole or not there, and with everything that the next step depends on."""

import json
import os
import resource
import signal

import pytest
import torch
from covering import thinned
from timm.optim import get_optimizer_info, list_optimizers
from torch import nn
from toy import Toy, same, toy_trainer, weights
from training_helpers import forked

import ganzoo.training.checkpoint as module
from ganzoo.training.checkpoint import (
    checkpoints,
    load_checkpoint,
    load_optimizer,
    optimizer_tensors,
    save_checkpoint,
)
from ganzoo.training.loop import Events

TENSORS = {"a": torch.randn(3, 4), "b": torch.tensor(7), "c": torch.zeros(0)}


def save(folder, step, keep=2, tensors=TENSORS, **facts):
    return save_checkpoint(folder, step, tensors, {"step": step, **facts}, keep)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_loaded(tmp_path):
    path = save(tmp_path / "new" / "folder", 5, best=0.1)
    tensors, facts = load_checkpoint(path)
    assert same(tensors, TENSORS)
    assert facts == {"step": 5, "best": 0.1}


def test_any_layout_is_saved_by_its_values(tmp_path):
    images = torch.randn(2, 3, 4, 5)
    both = {"last": images.contiguous(memory_format=torch.channels_last), "view": images[:, 1:]}
    tensors, _ = load_checkpoint(save(tmp_path, 1, tensors=both))
    assert torch.equal(tensors["last"], images) and torch.equal(tensors["view"], images[:, 1:])


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_few_are_kept(tmp_path, keep):
    for step in (5, 10, 1000, 1500):
        save(tmp_path, step, keep)
    assert names(tmp_path) == ["000000005", "000000010", "000001000", "000001500"][-keep:]
    assert [path.name for path in checkpoints(tmp_path)] == names(tmp_path)


def test_the_same_step_can_be_saved_again(tmp_path):
    save(tmp_path, 5)
    path = save(tmp_path, 5, tensors={"a": torch.ones(1)})
    assert load_checkpoint(path)[0].keys() == {"a"} and names(tmp_path) == ["000000005"]


def test_what_others_left_in_the_folder_does_no_harm(tmp_path):
    (tmp_path / ".000000003").mkdir()
    (tmp_path / ".DS_Store").write_text("a file")
    (tmp_path / "notes").mkdir()
    save(tmp_path, 5)
    assert names(tmp_path) == [".DS_Store", "000000005", "notes"]
    assert [path.name for path in checkpoints(tmp_path)] == ["000000005"]


@pytest.mark.parametrize("moment", ["half of the tensors", "before the facts", "before the move"])
def test_a_run_that_is_killed_while_saving_keeps_the_checkpoint_before(tmp_path, monkeypatch, moment):
    save(tmp_path, 5)

    def work():
        def die(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)

        def half(tensors, path):
            path.write_bytes(b"half")
            die()

        broken = {"half of the tensors": "save_file", "before the facts": "json", "before the move": "_sync"}
        setattr(module, broken[moment], half if "half" in moment else die)
        if moment == "before the facts":
            module.json = type("Broken", (), {"dumps": staticmethod(die)})
        save(tmp_path, 10)

    assert forked(work) == [-signal.SIGKILL]
    assert [path.name for path in checkpoints(tmp_path)] == ["000000005"]
    assert load_checkpoint(tmp_path / "000000005")[1] == {"step": 5}
    save(tmp_path, 10)
    assert names(tmp_path) == ["000000005", "000000010"]


def test_a_full_disk_costs_nothing_that_was_there(tmp_path):
    save(tmp_path, 5)

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        with pytest.raises(
            OSError, match=r"000000010 could not be written \(.*\); the last one, .*05, is kept\.$"
        ):
            save(tmp_path, 10, tensors={"large": torch.zeros(10_000)})

    assert forked(work) == [0]
    assert names(tmp_path) == ["000000005"]


def test_a_disk_without_room_for_a_folder_is_told_in_the_same_way(tmp_path, monkeypatch):
    def fail(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    save(tmp_path, 5)
    monkeypatch.setattr(module.Path, "mkdir", fail)
    with pytest.raises(OSError, match=r"\(No space left on device\); the last one, .*, is kept\.$"):
        save(tmp_path, 10)


def test_the_first_checkpoint_that_cannot_be_written_says_that_there_is_none(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", fail)
    with pytest.raises(OSError, match=r"\(No space left on device\); there is none before it\.$"):
        save(tmp_path, 10)
    assert names(tmp_path) == []


DAMAGE = {
    "cut tensors": lambda path: (path / "state.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{"),
    "no tensors": lambda path: (path / "state.safetensors").unlink(),
    "cut facts": lambda path: (path / "state.json").write_text('{"step": 1'),
    "no facts": lambda path: (path / "state.json").unlink(),
    "other facts": lambda path: (path / "state.json").write_text("[5]"),
    "facts of no text": lambda path: (path / "state.json").write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_checkpoint_is_told_with_what_to_do(tmp_path, damage):
    path = save(tmp_path, 5)
    damage(path)
    with pytest.raises(ValueError) as error:
        load_checkpoint(path)
    assert f"The checkpoint {path} is damaged" in str(error.value)
    assert str(error.value).endswith("delete it, and the one before it is taken.")


# Resuming


def run_and_resume(folder, steps=3, **changes):
    """Trainers after twice as many steps, without and with an interruption."""
    whole, first, second = (toy_trainer(folder, **changes) for _ in range(3))
    for _ in range(steps):
        first._step()
    first.facts["best"] = 0.25
    first.save()
    assert second.resume()
    for _ in range(2 * steps):
        whole._step()
    for _ in range(steps):
        second._step()
    return whole, second


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"accumulate": 2},
        {"ema": {"half_life_kimg": 0.05, "ramp_up": 0.5}},
        {"optimizer": {"weight_decay": 0.1, "schedule": "constant", "warmup_kimg": 0.02}},
    ],
    ids=str,
)
def test_resuming_changes_no_bit(tmp_path, changes):
    whole, resumed = run_and_resume(tmp_path, **changes)
    assert (whole.step, resumed.facts) == (6, {"best": 0.25})
    assert same(whole._tensors(), resumed._tensors())


# Those that need what is not installed, or the loss in a function.
NOT_PLAIN = ("bnb", "fused", "adahessian", "kron")
# Their betas are three, or they take none.
OTHER_BETAS = {"adan": [0.98, 0.92, 0.99], "adanw": [0.98, 0.92, 0.99]}
OTHER_BETAS |= {f"c{name}": betas for name, betas in OTHER_BETAS.items()}
OPTIMIZERS = [name for name in list_optimizers() if not name.startswith(NOT_PLAIN)]


def kind_of_state(name):
    """What decides which tensors an optimiser keeps; its other options change what it does with them."""
    info = get_optimizer_info(name)
    return info.opt_class, info.has_momentum


# One of each class; cadafactor alone of its class keeps a mean of the gradients.
KINDS = {kind_of_state(name): name for name in reversed(OPTIMIZERS)}


@pytest.mark.parametrize("name", thinned(OPTIMIZERS, {*KINDS.values(), "cadafactor"}))
def test_every_optimiser_of_timm_resumes_to_the_bit(tmp_path, name):
    options = {"name": name, "lr": 0.01, **({"betas": OTHER_BETAS[name]} if name in OTHER_BETAS else {})}
    whole, resumed = run_and_resume(tmp_path, optimizer=options)
    assert same(whole._tensors(), resumed._tensors())
    assert not same(weights(whole.task.modules["student"]), weights(Toy().modules["student"]))


def test_an_optimisers_state_comes_back_in_its_parameters_layout():
    layer = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.randn(1, 4, 8, 8)).sum().backward()
    optimizer.step()
    tensors = {name: value.contiguous() for name, value in optimizer_tensors(optimizer).items()}
    again = torch.optim.Adam(layer.parameters())
    load_optimizer(again, tensors)
    assert again.state[layer.weight]["exp_avg"].stride() == layer.weight.stride()
    assert torch.equal(again.state[layer.weight]["exp_avg"], optimizer.state[layer.weight]["exp_avg"])


def test_an_optimiser_of_other_things_than_tensors_and_numbers_is_refused():
    layer = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    optimizer.state[layer.weight]["pair"] = [torch.ones(1), torch.ones(1)]
    with pytest.raises(ValueError, match="checkpoints cannot hold its 'pair'"):
        optimizer_tensors(optimizer)


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path):
    assert not toy_trainer(tmp_path).resume()
    assert not toy_trainer(tmp_path / "none").resume()


class Wider(Toy):
    def __init__(self):
        super().__init__()
        self.modules["discriminator"] = nn.Linear(2, 3)


class More(Toy):
    def __init__(self):
        super().__init__()
        self.modules["projections"] = nn.Linear(2, 3)


@pytest.mark.parametrize("kind", [Wider, More])
def test_a_checkpoint_of_other_modules_is_refused(tmp_path, kind):
    toy_trainer(tmp_path).save()
    with pytest.raises(ValueError, match=r"The checkpoint .*000000000 is of another run: "):
        toy_trainer(tmp_path, kind()).resume()


def test_a_checkpoint_of_another_optimiser_is_refused(tmp_path):
    trainer = toy_trainer(tmp_path)
    trainer._step()
    trainer.save()
    path = tmp_path / "000000001"
    tensors, facts = load_checkpoint(path)
    tensors["student.optimizer/99.step"] = torch.tensor(1.0)
    save_checkpoint(tmp_path, 1, tensors, facts, 2)
    with pytest.raises(ValueError, match=r"000000001 is of another run: .*other parameters"):
        toy_trainer(tmp_path).resume()


def test_facts_can_be_added_to_the_last_checkpoint(tmp_path):
    trainer = toy_trainer(tmp_path)
    trainer.run(Events())
    before = load_checkpoint(tmp_path / "000000008")
    trainer.facts["best"] = 0.5
    trainer.save_facts()
    after = load_checkpoint(tmp_path / "000000008")
    assert same(before[0], after[0]) and after[1] == {**before[1], "best": 0.5}
    assert json.loads((tmp_path / "000000004" / "state.json").read_text())["step"] == 4
