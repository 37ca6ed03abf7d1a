"""Ctrl-C and SIGTERM while a run goes on, and several processes that train together."""

import json
import math
import os
import signal
import threading

import pytest
import torch
from accelerate import PartialState
from safetensors.torch import load_file, save_file
from toy import Toy, recorded, same, toy_trainer
from training_helpers import forked

from ganzoo.system.interruption import StopRequest
from ganzoo.training.checkpoint import checkpoints
from ganzoo.training.loop import Events, TrainingError

# Stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_after_the_step_with_a_checkpoint_and_a_line_of_the_log(tmp_path, number):
    changes = {"sample_kimg": 0.012, "eval_every": 0.012, "checkpoint_kimg": 100.0, "log_kimg": 100.0}
    trainer = toy_trainer(tmp_path, **changes)
    lines, drawn = [], []
    events = Events(
        log=lambda kimg, terms, seconds: lines.append(kimg),
        sheet=drawn.append,
        measure=drawn.append,
        step=lambda images: os.kill(os.getpid(), number) if images == 12 else None,
    )
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(events)
    assert [path.name for path in checkpoints(tmp_path)] == ["000000003"] and lines == [0.012]
    assert drawn == []
    assert signal.getsignal(number) is before
    again = toy_trainer(tmp_path)
    assert again.resume() and again.step == 3


def test_a_signal_in_the_last_step_ends_the_run_well(tmp_path):
    trainer = toy_trainer(tmp_path)
    trainer.run(Events(step=lambda images: os.kill(os.getpid(), signal.SIGTERM) if images == 32 else None))
    assert trainer.step == 8


def test_the_second_interrupt_does_not_wait(tmp_path):
    trainer, steps = toy_trainer(tmp_path), []

    def impatient(images):
        steps.append(images)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trainer.run(Events(step=impatient))
    assert steps == [4] and checkpoints(tmp_path) == []


def test_a_second_sigterm_waits_like_the_first():
    with StopRequest() as stop:
        assert not stop.requested
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested


def test_a_handler_that_is_not_pythons_is_left_alone(monkeypatch):
    set_to = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: set_to.append(handler))
    with StopRequest():
        pass
    assert len(set_to) == 2 and None not in set_to


def test_a_thread_cannot_listen_and_does_not_try():
    found = []

    def work():
        with StopRequest() as stop:
            found.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


# Several processes


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}], ids=str)
def test_two_processes_learn_what_one_does(tmp_path, changes):
    def work():
        state = PartialState(cpu=True)
        torch.set_num_threads(1)
        task = Toy()
        trainer = toy_trainer(tmp_path / "two", task, state, log_kimg=0.008, **changes)
        told = recorded(trainer)
        (tmp_path / f"{state.process_index}.json").write_text(json.dumps([told, task.seen]))
        tensors = {name: value.contiguous() for name, value in trainer._tensors().items()}
        save_file(tensors, tmp_path / f"{state.process_index}.safetensors")

    assert forked(work, processes=2) == [0, 0]
    (told, seen), (also_told, also_seen) = (
        json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2)
    )
    tensors, others = (load_file(tmp_path / f"{i}.safetensors") for i in range(2))
    assert told == also_told and same(tensors, others)
    one = toy_trainer(tmp_path / "one", log_kimg=0.008, accumulate=2 * changes.get("accumulate", 1))
    alone = recorded(one)
    both = [part for pair in zip(seen, also_seen, strict=True) for part in pair]
    assert both == one.task.seen
    for item, expected in zip(told, alone, strict=True):
        assert tuple(item[:2]) == expected[:2]
        for terms, expected_terms in zip(item[2:], expected[2:], strict=True):
            assert terms == pytest.approx(expected_terms, rel=1e-5)
    for name, value in one._tensors().items():
        torch.testing.assert_close(tensors[name], value)


def test_one_process_that_is_asked_to_stop_stops_them_all(tmp_path):
    def work():
        state = PartialState(cpu=True)
        trainer = toy_trainer(tmp_path, None, state, checkpoint_kimg=100.0)

        def step(images):
            if images == 12 and state.process_index == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(KeyboardInterrupt):
            trainer.run(Events(step=step))
        assert trainer.step == 3

    assert forked(work, processes=2) == [0, 0]
    assert [path.name for path in checkpoints(tmp_path)] == ["000000003"]


def test_what_is_not_finite_in_one_process_stops_all_with_the_same_line(tmp_path):
    def work():
        state = PartialState(cpu=True)
        trainer = toy_trainer(tmp_path, Toy(broken={6: math.nan}), state)
        with pytest.raises(TrainingError, match="the loss near of phase student"):
            trainer.run(Events())

    assert forked(work, processes=2) == [0, 0]
