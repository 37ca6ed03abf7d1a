"""Losses of single terms, phases and trainers of a distillation."""

from training_helpers import ALONE, OFF

from ganzoo.training.loop import Trainer

ALL_OFF = {
    **dict.fromkeys(["pixel_l1", "pixel_l2", "subband_l1", "subband_l2", "feature_l1", "perceptual"], OFF),
    **dict.fromkeys(["relation", "mmd", "offset_relation", "teacher_features", "hidden_l1", "gan"], OFF),
}
PIXEL_L1 = {**ALL_OFF, "pixel_l1": {"weight": 1.0}}
NUMBERS = [0, 1, 2, 3]


def only(**terms):
    """A loss of these terms alone."""
    return {**ALL_OFF, **{name: {"weight": weight} for name, weight in terms.items()}}


def phase_of(task, name, kimg=0.0):
    [found] = [phase for phase in task.phases(kimg) if phase.name == name]
    return found


def student_loss(task, kimg=0.0, numbers=NUMBERS):
    batch = task.batch(numbers)
    loss, terms = task.loss(phase_of(task, "student"), batch, kimg)
    return loss, terms, batch


def trainer_of(task, tmp_path):
    return Trainer(task, task.settings, ALONE, tmp_path / "checkpoints")
