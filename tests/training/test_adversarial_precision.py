"""Adversarial training in bfloat16: every phase computes, and leads where float32 does."""

import pytest
import torch
from adversarial_helpers import settings_of, task_of, write_pictures

from ganzoo.training.adversarial import DISCRIMINATOR, GENERATOR, PATH_LENGTH, PENALTY


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    """Of each phase in both precisions, as one vector."""
    data = write_pictures(tmp_path_factory.mktemp("set") / "data")
    found = {}
    for precision in ("fp32", "bf16"):
        task = task_of(settings_of(data, precision=precision))
        batch = task.batch(range(4))
        for phase in task.phases(1.0):
            loss, _ = task.loss(phase, batch, 1.0)
            loss.backward()
            module = task.modules[phase.modules[0]]
            rows = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
            module.zero_grad(set_to_none=True)
            found[phase.name, precision] = torch.cat(rows)
    return found


@pytest.mark.parametrize("phase", [GENERATOR, PATH_LENGTH, DISCRIMINATOR, PENALTY])
def test_a_phase_in_bfloat16_has_the_gradients_of_float32_about(gradients, phase):
    got, expected = gradients[phase, "bf16"], gradients[phase, "fp32"]
    assert got.dtype == torch.float32 and expected.norm() > 0
    assert (got - expected).norm() < 0.1 * expected.norm()
