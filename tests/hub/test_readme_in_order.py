"""The commands of README.md, in its order, as they stand there but for sizes: tiny models, short runs.

What is taken from the text is every indented line that begins with `ganzoo`, or has it behind `&&` or `--`.
Lines with an ellipsis are no commands; sweeps are composed and not trained.
"""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny, trained
from huggingface_hub import HfApi
from PIL import Image
from torch import Tensor, nn

import ganzoo
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.keymap import flatten
from ganzoo.features.networks import FeatureInfo, FeatureNetwork

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
CHECKPOINTS = {
    "my-stylegan2.pkl": "nvidia_pkl/ada_uncond_skip_32.pkl",
    "mapping.ckpt": "mobilestylegan/msg_32_mapping.ckpt",
    "synthesis.ckpt": "mobilestylegan/msg_32_synthesis.ckpt",
    "100000.pt": "rosinality/ros_train_32.pt",
    "faces.pkl": "nvidia_pkl/ada_cond_skip_32.pkl",
}
SMALLER = {
    r"\bmobilestylegan_ffhq\b": "tiny",
    r"\bseeds 0-7": "seeds 0-1",
    r"--num \d+": "--num 4 --resamples 2",
    r"--resolution \d+": "--resolution 16",
    r"--latents \d+": "--latents 1 --rounds 1 --no-memory",
    r"\bresolution=\d+": "resolution=16",
    r"\bchannels=\[[\d,]+\]": "channels=[8,8]",
    r"\bcache\.images=\d+": "cache.images=4",
    r"\b(kimg|batch_size)=\S+": "",
    r"\bprecision=bf16": "precision=fp32",
    r"--tag faces": "--tag ganzoo",  # a tag of this card
}
SHORT = ["device=cpu", "kimg=0.004", "batch_size=2", "loss.feature_l1.weight=0"]
SHORT += ["held_out={num: 2, metrics: [l1], best: l1}"]


def commands(text):
    """Commands of ganzoo in the indented lines of a README, smaller, as lists of words."""
    for number, line in enumerate(re.sub(r" \\\n +", " ", text).splitlines()):
        found = re.match(r"    (?:.*(?:&&|--) )?ganzoo (.*)", line)
        if found is None or "…" in line:
            continue
        command = found[1]
        for pattern, smaller in SMALLER.items():
            command = re.sub(pattern, smaller, command)
        words = shlex.split(command, comments=True)
        if words[0] == "distill":
            words += [setting for setting in SHORT if f"{setting.partition('=')[0]}=" not in command]
            words += [] if "training=" in command else ["training=debug"]
            words += [] if "out=" in command else [f"out=run-{number}"]  # smaller ones are alike
            words += ["--print"] if "-m" in words else []
        yield words


def tensors_of(golden, key):
    """The state dict of a network in a golden file."""
    network = open_checkpoint(GOLDEN / golden)[key]
    return {name: torch.from_numpy(ref.array().copy()) for name, ref in flatten(network)}


class Colours(FeatureNetwork):
    """The mean colours of the four quarters, where a network would be downloaded."""

    def __init__(self):
        super().__init__(FeatureInfo("colours", "colours", 12, 8, (127.5,) * 3, (127.5,) * 3))
        self.pool = nn.AdaptiveAvgPool2d(2)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.pool((pixels - self.mean) / self.std).flatten(1)
        return features, features[:, :4]


@pytest.fixture
def place(hub, tmp_path, monkeypatch):
    """The reader's folder: downloads, photos, and a tiny model in the place of the one of 1024 x 1024."""
    for name, golden in CHECKPOINTS.items():
        shutil.copyfile(GOLDEN / golden, tmp_path / name)
    averaged = tensors_of("rosinality/ros_train_32.pt", "g_ema")
    torch.save({"state_dict": {"ema": averaged, "model": averaged}}, tmp_path / "run.pt")
    torch.save(tensors_of("nvidia_pkl/ada_uncond_skip_32.pkl", "G_ema"), tmp_path / "state.pt")
    (tmp_path / "photos").mkdir()
    random = np.random.RandomState(0)
    for i in range(6):
        image = Image.fromarray(random.randint(256, size=(16, 16, 3), dtype=np.uint8))
        image.save(tmp_path / "photos" / f"{i}.png")
    ganzoo.save(trained(tiny("wavelet", resolution=32)), tmp_path / "tiny")
    monkeypatch.setattr("ganzoo.features.networks.load_features", lambda name, cache_dir=None: Colours())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_readme_work_in_their_order(place, run):
    pytest.importorskip("torch_fidelity")
    done = []
    for words in commands((ROOT / "README.md").read_text()):
        if words[0] in ("export", "bench") and not importlib.util.find_spec("onnxruntime"):
            continue
        status, out, err = run(*words)
        assert status == 0, f"ganzoo {shlex.join(words)}\n{out}{err}"
        done.append(words[0])
        if "--dry-run" in words:  # "then without --dry-run"; the tag is set on the Hub's page
            assert run(*[word for word in words if word != "--dry-run"])[0] == 0
            HfApi().create_tag("me/my-gan", tag="v1")
    assert {"generate", "convert", "distill", "data", "eval", "card", "push", "verify", "list"} <= {*done}
    card = (place / "runs/first/student/README.md").read_text()
    assert "## Measured" in card and "fd_colours" in card and "samples.jpg" in card


def test_a_command_that_the_readme_gains_is_run():
    text = "Text.\n\n    pip install . && ganzoo generate mobilestylegan_ffhq --seeds 0-7   # 8\n"
    text += "    torchrun -- ganzoo distill teacher=t \\\n        resolution=256 kimg=20\n"
    text += "    ganzoo distill -m …\n"
    first, second = commands(text)
    assert first == ["generate", "tiny", "--seeds", "0-1"]
    assert second[:3] == ["distill", "teacher=t", "resolution=16"] and "kimg=0.004" in second
