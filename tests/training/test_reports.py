"""The best checkpoint is the one whose figure is best, whatever the task is."""

import pytest
from toy import Toy, toy_trainer

from ganzoo.metrics.figures import Figure
from ganzoo.training.reports import Reports


class Measured(Toy):
    """Its figures are given; it keeps what it is asked to save."""

    def __init__(self, best, values):
        super().__init__()
        self.best, self.values, self.saved = best, iter(values), []

    def measure(self, averaged):
        value = next(self.values)
        return {"other": Figure(1 - value, None), f"{self.best}_net": Figure(value, None)}

    def figure_name(self, kind):
        return f"{kind}_net"

    def save(self, averaged, folder, recipe):
        self.saved.append((folder.name, recipe))


@pytest.mark.parametrize(
    ("best", "values", "kept", "saved"),
    [
        ("l1", [0.3, 0.1, 0.2], 0.1, 2),
        ("fd", [0.3, 0.3], 0.3, 1),
        ("psnr", [10.0, 30.0, 20.0], 30.0, 2),
    ],
)
def test_what_is_better_depends_on_the_figure(tmp_path, best, values, kept, saved):
    task = Measured(best, values)
    trainer = toy_trainer(tmp_path / "checkpoints", task)
    with Reports(trainer, tmp_path, "recipe", None) as reports:
        for step in range(len(values)):
            reports.measure(step / 1000)
    assert trainer.facts["best"] == kept and task.saved == [("best", "recipe")] * saved
    assert trainer.facts["best_kimg"] == values.index(kept) / 1000


def test_the_best_of_another_protocol_is_forgotten(tmp_path):
    task = Measured("l1", [0.1, 0.2, 0.15])
    trainer = toy_trainer(tmp_path / "checkpoints", task)
    with Reports(trainer, tmp_path, None, None) as reports:
        for protocol in ("500", "20", "20"):
            task.protocol = protocol
            reports.measure(0.0)
    assert trainer.facts["best"] == 0.15 and len(task.saved) == 3


def test_a_task_that_measures_and_draws_nothing_is_a_task(tmp_path):
    trainer = toy_trainer(tmp_path / "checkpoints", sample_kimg=0.016)
    with Reports(trainer, tmp_path, None, None) as reports:
        trainer.run(reports.events)
        reports.measure(trainer.kimg)
    assert reports.figures == {} and "best" not in trainer.facts
    assert {path.name for path in tmp_path.iterdir()} - {"tensorboard"} == {"checkpoints", "log.jsonl"}
