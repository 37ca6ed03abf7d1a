"""A device means what it says."""

import pytest
import torch
from training_helpers import run_data

from ganzoo.training.devices import check_device, refuse_absent, start
from ganzoo.training.presets import preset
from ganzoo.training.run import distill


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:1", "mps", "xpu:0"])
def test_names_of_devices_are_taken(name):
    check_device(name)


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:", "cuda:-1", "cuda:a", "CUDA", ""])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=r"Unknown device: .*Choose from: auto, cpu, cuda, cuda:1, mps"):
        check_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_here_ends_in_one_line_before_anything_is_made(teacher, tmp_path, name):
    if torch.accelerator.is_available():
        pytest.skip("there is one")
    told = rf"device={name}: PyTorch finds no {name[:4].rstrip(':')} here, a CPU only\. Give device=auto"
    with pytest.raises(ValueError, match=told):
        distill(run_data(teacher, tmp_path / "run", device=name))
    assert not (tmp_path / "run").exists()


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **options: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)


def test_where_there_are_gpus_the_number_counts(two_gpus):
    for name in ("auto", "cpu", "cuda", "cuda:0", "cuda:1"):
        refuse_absent(name)
    with pytest.raises(ValueError, match=r"device=cuda:2: the last one here is cuda:1\."):
        refuse_absent("cuda:2")
    with pytest.raises(ValueError, match="device=mps: PyTorch finds no mps here, cuda and a CPU"):
        refuse_absent("mps")


def test_the_cpu_is_taken_beside_gpus(two_gpus):
    assert start("cpu").device == torch.device("cpu")


def test_the_preset_is_that_of_the_device(two_gpus):
    for device, name, why in (
        ("auto", "gpu", "PyTorch finds cuda here"),
        ("cpu", "cpu", "device=cpu"),
        ("cuda:1", "gpu", "device=cuda:1"),
    ):
        found, told = preset(device)
        assert found == name and f"Preset {name} ({why}): " in told and "training=distillation" in told


def test_jobs_that_run_elsewhere_are_taken_for_gpus():
    assert preset("auto", elsewhere=True)[0] == "gpu" and preset("cpu", elsewhere=True)[0] == "cpu"
