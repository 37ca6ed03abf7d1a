"""Tiny teachers, students and runs, in this process and in others."""

import json
import multiprocessing
import os
import re
import signal
import socket
import time
from types import SimpleNamespace

import torch
from accelerate import PartialState
from helpers import tiny_config, trained
from torch import nn

import ganzoo
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.generators.config import GeneratorConfig
from ganzoo.training.distillation import DistillationTask
from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.loading import networks, with_mapping_of
from ganzoo.training.teacher import Teacher

Process = multiprocessing.get_context("fork").Process
ALONE = SimpleNamespace(
    num_processes=1,
    process_index=0,
    is_main_process=True,
    device=torch.device("cpu"),
    wait_for_everyone=lambda: None,
)
OFF = {"weight": 0.0}
STUDENT = {
    "resolution": 16,
    "channels": [8, 8],
    "output": "wavelet",
    "upsampler": "idwt",
    "conv": "depthwise",
    "demodulation": "static",
    "head": "aux",
    "activation_gain": 1.0,
    "z_dim": 8,
    "w_dim": 8,
    "mapping": {"name": "mlp", "depth": 1},
}
RUN = {
    "batch_size": 4,
    "kimg": 0.032,
    "log_kimg": 0.004,
    "sample_kimg": 100.0,
    "checkpoint_kimg": 0.016,
    "eval_every": 0.0,
    "device": "cpu",
    "loss": {"feature_l1": OFF, "r1": {"interval": 3}},
    "optimizer": {"warmup_kimg": 0.008},
    "discriminator_optimizer": {"warmup_kimg": 0.0, "schedule": "constant"},
    "discriminator_channel_max": 8,
    "ema": {"half_life_kimg": 0.01, "ramp_up": None},
    "held_out": {"num": 3, "metrics": ["l1", "psnr"], "best": "l1"},
}
TINY_SIDE, TINY_DIM = 32, 6


class TinyFeatures(FeatureNetwork):
    """Two random convolutions with maps of two stages."""

    def __init__(self, name="tiny"):
        super().__init__(FeatureInfo(name, "0" * 64, TINY_DIM, TINY_SIDE, (127.5,) * 3, (127.5,) * 3))
        gaussian = torch.Generator().manual_seed(0)
        self.convs = nn.ModuleList([nn.Conv2d(3, 5, 3, stride=2), nn.Conv2d(5, TINY_DIM, 3, stride=2)])
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=gaussian))
        self.eval().requires_grad_(False)

    def maps(self, pixels):
        found = [(pixels - self.mean) / self.std]
        for conv in self.convs:
            found.append(conv(found[-1]).relu())
        return found[1:]

    def forward(self, pixels):
        features = self.maps(pixels)[-1].mean(dim=(2, 3))
        return features, features


def student_config(**changes):
    data = {**STUDENT, **changes}
    if "channels" in changes or not {"resolution", "output"} & changes.keys():
        return GeneratorConfig.from_dict(data)
    levels = data["resolution"].bit_length() - (2 if data["output"] == "pixel" else 3)
    return GeneratorConfig.from_dict({**data, "channels": [8] * levels})


def run_settings(student=None, **changes):
    """Settings of a tiny run; mappings are merged into those of `RUN`."""
    data = {"teacher": "tiny", "out": "out", **merged(RUN, changes)}
    return DistillationSettings.from_dict({**data, "student": student or student_config()})


def merged(base, changes):
    found = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict) and "name" not in value
        found[key] = merged(found[key], value) if both else value
    return found


def make_teacher(**changes):
    """A StyleGAN2 of 16 x 16 with random weights, none of them 0."""
    return trained(tiny_config(**{"channels": (8, 8, 8), **changes}), seed=1)


def make_task(settings, generator=None, network=None, cache=None):
    """The task of a run, built as a run builds it, with the images of a tiny teacher."""
    generator = make_teacher() if generator is None else generator
    if settings.inherit_mapping:
        settings = with_mapping_of(generator.config, settings)
    teacher = Teacher(generator, settings)
    student, discriminator = networks(settings, teacher, ALONE.device)
    return DistillationTask(
        settings, teacher, None if cache is None else cache(teacher), student, discriminator, network
    )


def forked(work, processes=1, timeout=60):
    """Exit codes of processes that call `work`, all at once: forked, so that none of them has to import.

    Two or more find each other as those of torchrun do.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = [Process(target=_child, args=(work, i, processes, port)) for i in range(processes)]
    for process in group:
        process.start()
    deadline = time.monotonic() + timeout
    while any(p.is_alive() for p in group) and time.monotonic() < deadline:
        time.sleep(0.01)
        if any(p.exitcode for p in group):  # torchrun ends the others, too
            deadline = min(deadline, time.monotonic() + 5)
    for process in group:
        process.kill()
        process.join()
    return [process.exitcode for process in group]


def _child(work, rank, processes, port):
    PartialState._reset_state()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    if processes > 1:
        facts = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        facts |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
        os.environ.update({key: str(value) for key, value in facts.items()})
    work()


def remembered(work, key_of=lambda *arguments: arguments):
    """A function that counts once for the same settings, whatever their folders, seed, length and intervals.

    key_of: Gives of the arguments what the result depends on.
    """
    known = {}

    def find(*arguments):
        key = re.sub(
            r"'[^']*/[^']*'|\b(\w*kimg|eval_every|seed|num)=[\d.e-]+", "''", repr(key_of(*arguments))
        )
        if key not in known:
            known[key] = work(*arguments)
        return known[key]

    return find


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def save_teacher(folder, **changes):
    ganzoo.save(make_teacher(**changes), folder)
    return folder


def run_data(source, out, **changes):
    """Settings of a run, whose images of the teacher lie beside it."""
    base = {**STUDENT, **RUN, "teacher": str(source), "out": str(out)}
    return merged({**base, "cache": {"folder": str(source.parent / "images")}}, changes)


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


def settings_of(folder):
    return DistillationSettings.from_dict(json.loads((folder / "settings.json").read_text()))
