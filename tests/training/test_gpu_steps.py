"""Training on a GPU: the gradients of every phase, and the augmentation, are those of a CPU."""

from types import SimpleNamespace

import pytest
import torch
from adversarial_helpers import settings_of, task_of, write_pictures
from training_helpers import ALONE, make_teacher, run_settings

from ganzoo.blocks import AUGMENTS
from ganzoo.training.distillation import DistillationTask
from ganzoo.training.loading import networks, with_mapping_of
from ganzoo.training.teacher import Teacher

pytestmark = pytest.mark.gpu
OF_GRADIENTS = 1e-3  # of the largest one of a tensor
GPU = torch.device("cuda")


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """Convolutions in float32, whose factors a GPU rounds otherwise."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def adversarial(device, data):
    state = SimpleNamespace(**{**vars(ALONE), "device": device})
    settings = settings_of(data, ada={"fixed": 0.8}, augment={"name": "ada", "groups": "bgcfnc"})
    return task_of(settings, state=state)


def distillation(device, data):
    teacher = make_teacher().to(device)
    settings = with_mapping_of(teacher.config, run_settings())
    teacher = Teacher(teacher, settings)
    return DistillationTask(settings, teacher, None, *networks(settings, teacher, device), None)


def gradients(task):
    """Terms and gradients of every phase of a step, by names."""
    batch, found = task.batch(range(4)), {}
    for phase in task.phases(1.0):
        loss, terms = task.loss(phase, batch, 1.0)
        loss.backward()
        found |= {f"{phase.name}/{name}": term for name, term in terms.items()}
        for module in phase.modules:
            for name, parameter in task.modules[module].named_parameters():
                if parameter.grad is not None:
                    found[f"{phase.name}/{module}.{name}"] = parameter.grad.cpu().clone()
            task.modules[module].zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize("task", [adversarial, distillation])
def test_a_step_has_the_gradients_of_a_cpu(task, tmp_path):
    data = write_pictures(tmp_path / "data")
    expected, got = (gradients(task(device, data)) for device in (ALONE.device, GPU))
    assert got.keys() == expected.keys() and len(got) > 30
    for name, value in expected.items():
        close = OF_GRADIENTS * max(1e-6, value.abs().max().item())
        torch.testing.assert_close(got[name].cpu(), value, rtol=0, atol=close, msg=name)


def test_every_transform_gives_the_images_and_both_derivatives_of_a_cpu():
    random = torch.Generator().manual_seed(0)
    block = AUGMENTS.build({"name": "ada", "groups": "bgcfnc", "p": 1.0})
    images, directions = (torch.randn(6, 3, 16, 16, generator=random) for _ in range(2))
    drawn = torch.rand(6, block.numbers, generator=random)

    def found(device):
        block.to(device)
        x = images.to(device).requires_grad_()
        y = block(x, drawn.to(device))
        (first,) = torch.autograd.grad((y.sin() * directions.to(device)).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        return y.detach().cpu(), first.detach().cpu(), second.cpu()

    for got, expected in zip(found(GPU), found("cpu"), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 * expected.abs().max().item())
