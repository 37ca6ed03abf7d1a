"""Batches are made while the step before goes on, and nothing but the time depends on it."""

import os
import signal
import threading

import pytest
import torch
from toy import Toy, recorded, same, toy_trainer

from ganzoo.training.ahead import Ahead
from ganzoo.training.loop import Events

CPU = torch.device("cpu")


def test_the_next_one_is_made_while_the_caller_works():
    made, second = [], threading.Event()

    def make(step):
        made.append(step)
        if step == 1:
            second.set()
        return 10 * step

    with Ahead(make, 3, CPU) as ahead:
        assert ahead(0) == 0 and second.wait(10)
        assert [ahead(1), ahead(2)] == [10, 20]
    assert made == [0, 1, 2]


def test_it_begins_where_a_resumed_run_does_and_ends_with_the_last_step():
    made = []
    with Ahead(made.append, 5, CPU) as ahead:
        for step in (3, 4):
            ahead(step)
    assert made == [3, 4]


def test_what_goes_wrong_is_raised_at_its_own_step():
    def make(step):
        return 1 / (step - 1)

    with Ahead(make, 9, CPU) as ahead:
        assert ahead(0) == -1
        with pytest.raises(ZeroDivisionError):
            ahead(1)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


class Failing(Toy):
    """Its batches fail from the fifth step on."""

    def batch(self, positions):
        if positions[0] >= 16:
            raise OSError("the disk is gone")
        return super().batch(positions)


class Watched(Toy):
    """Keeps the threads that made its batches."""

    def batch(self, positions):
        self.threads = {*getattr(self, "threads", ()), threading.current_thread().name}
        return super().batch(positions)


def test_a_run_fetches_ahead_and_leaves_no_thread(tmp_path):
    task = Watched()
    toy_trainer(tmp_path, task).run(Events())
    assert task.threads == {"batches_0"} and threads() == []


def test_a_task_may_do_without(tmp_path):
    task = Watched()
    task.ahead = False
    toy_trainer(tmp_path, task).run(Events())
    assert task.threads == {threading.main_thread().name}


def test_bits_do_not_depend_on_it(tmp_path):
    trainers = []
    for ahead in (True, False):
        task = Toy()
        task.ahead = ahead
        trainers.append(toy_trainer(tmp_path / str(ahead), task))
    logs = [recorded(trainer) for trainer in trainers]
    assert logs[0] == logs[1] and same(trainers[0]._tensors(), trainers[1]._tensors())
    assert trainers[0].task.seen == trainers[1].task.seen


def test_an_error_in_a_batch_ends_the_run_and_its_thread(tmp_path):
    steps = []
    with pytest.raises(OSError, match="the disk is gone"):
        toy_trainer(tmp_path, Failing()).run(Events(step=steps.append))
    assert steps == [4, 8, 12, 16] and threads() == []


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_ends_its_thread(tmp_path, presses):
    def press(images):
        for _ in range(presses):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        toy_trainer(tmp_path).run(Events(step=press))
    assert threads() == []
