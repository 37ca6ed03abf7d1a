"""The commands and Python of README.md and docs/, in their order, but for sizes: tiny models, short runs.

Every `sh` and `python` block is run, unless a comment in front of it says why not. Sweeps are composed and
not trained.
"""

import importlib.util
import re
import shlex
import shutil

import numpy as np
import pytest
import torch
from docs_helpers import PAGES, ROOT, RUN, Block, blocks
from helpers import tiny, trained
from huggingface_hub import HfApi
from PIL import Image
from torch import Tensor, nn

import ganzoo
from ganzoo.blocks import CONVS
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.keymap import flatten
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.generators.config import GENERATORS
from ganzoo.latent.directions import Direction, Directions, write_directions
from ganzoo.latent.saved import fingerprint

GOLDEN = ROOT / "tests" / "golden"
CHECKPOINTS = {
    "my-stylegan2.pkl": "nvidia_pkl/ada_uncond_skip_32.pkl",
    "my-stylegan3.pkl": "stylegan3/sg3_r_16.pkl",
    "biggan-run": "biggan/aj_biggan_32",
    "mapping.ckpt": "mobilestylegan/msg_32_mapping.ckpt",
    "synthesis.ckpt": "mobilestylegan/msg_32_synthesis.ckpt",
    "100000.pt": "rosinality/ros_train_32.pt",
    "faces.pkl": "nvidia_pkl/ada_cond_skip_32.pkl",
    "train_step-6.model": "stylegan1/sg1_ros_train.model",
}
TEACHER, STUDENT, PHOTOS, FIGURES = "teacher", "runs/first/student", "photos-256.zip", "figures.jsonl"
ENCODER = "runs/encoder"
BEFORE = {  # what a page takes from the pages before it
    "distill.md": [TEACHER],
    "measure.md": [TEACHER, STUDENT],
    "compare.md": [TEACHER, STUDENT, FIGURES],
    "share.md": [TEACHER, STUDENT, FIGURES],
    "python.md": [TEACHER, STUDENT],
    "encoder.md": [ENCODER],
    "demo.md": [TEACHER],
}
SMALLER = {
    r"^bench mobilestylegan_ffhq (?=.*--submit)": "bench mobilestylegan_ffhq_64_lite --rounds 1 --no-memory ",
    r"\bmobilestylegan_ffhq_64 num_ws=18\b": "tiny side=16",
    r"\bmobilestylegan_ffhq\b": "tiny",
    r"\bseeds 0-7": "seeds 0-1",
    r"--num \d+": "--num 4 --resamples 2",
    r"--resolution \d+": "--resolution 16",
    r"--resolutions (\S+)(.*)": "--resolutions 8,16 --rounds 1 --no-memory --runtime torch",
    r"--latents \d+": "--latents 1 --rounds 1 --no-memory",
    r"\bresolution=\d+": "resolution=16",
    r"\bchannels=\[[\d,]+\]": "channels=[8,8]",
    r"\b(kimg|batch_size)=\S+": "",
    r"^compare ": "compare --runs 1 ",
    # ONNX takes ten times as long to write, and has a page of its own.
    r"^export (runs/\S+|mobilestylegan_lorelei_64) --to onnx": r"export \1 --to openvino",
    r"^directions ": "directions --num 2 --samples 50 ",
    r"steps \d+": "steps 2",
    r"^film (.*)--seconds \d+": r"film \1--seconds 0.2 --runtime torch",
    r"^export mobilestylegan_lorelei_64\b": "export tiny",  # which is generated from as it is
    r"--tag faces": "--tag ganzoo",  # a tag of this card
}
SHORT = ["device=cpu", "kimg=0.004", "batch_size=2", "loss.feature_l1.weight=0"]
SHORT += ["held_out={num: 2, metrics: [l1], best: l1}"]
SHORT_TRAIN = ["device=cpu", "kimg=0.004", "batch_size=4", "quality={num: 4, metrics: [fd]}", "z_dim=8"]
SHORT_ENCODER = ["device=cpu", "kimg=0.004", "batch_size=2", "cache={images: 16, folder: images}", "pixels=4"]
SHORT_ENCODER += ["grids=[2]", "hidden=4", "held_out={num: 2, features: other}"]
SHORT_TRAIN += ["w_dim=8", "channel_max=8", "discriminator_channel_max=8", "cache.folder=decoded"]


def commands(block):
    """Commands of ganzoo in a shell block, smaller, as lists of words.

    Raises:
        ValueError: for a line that is no command of ganzoo and installs nothing.
    """
    for line in block.lines():
        if re.match(r"pip install ", line) or line == "pytest":
            continue
        found = re.fullmatch(r"(?:torchrun .*?-- )?ganzoo (.*)", line)
        if found is None:
            raise ValueError(f"A line that nobody runs: {line!r}.")
        command = found[1]
        for pattern, smaller in SMALLER.items():
            command = re.sub(pattern, smaller, command)
        words = shlex.split(command)
        if words[0] in ("distill", "train"):
            short = SHORT if words[0] == "distill" else SHORT_TRAIN
            short = SHORT_ENCODER if "task=encoder" in words else short
            words += [setting for setting in short if f"{setting.partition('=')[0]}=" not in command]
            words += ["training=debug"] if words[0] == "distill" and "training=" not in command else []
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

    def maps(self, pixels: Tensor) -> list[Tensor]:
        return [self.pool((pixels - self.mean) / self.std)]


def photos(folder):
    """Six images, as the reader's own."""
    folder.mkdir()
    random = np.random.RandomState(0)
    for i in range(6):
        image = Image.fromarray(random.randint(256, size=(16, 16, 3), dtype=np.uint8))
        image.save(folder / f"{i}.png")


@pytest.fixture
def place(hub, run, tmp_path, monkeypatch):
    """The reader's folder: downloads, photos, and a tiny model instead of the one of 1024 x 1024."""
    for name, golden in CHECKPOINTS.items():
        copy = shutil.copytree if (GOLDEN / golden).is_dir() else shutil.copyfile
        copy(GOLDEN / golden, tmp_path / name)
    averaged = tensors_of("rosinality/ros_train_32.pt", "g_ema")
    torch.save({"state_dict": {"ema": averaged, "model": averaged}}, tmp_path / "run.pt")
    torch.save(tensors_of("nvidia_pkl/ada_uncond_skip_32.pkl", "G_ema"), tmp_path / "state.pt")
    photos(tmp_path / "photos")
    generator = trained(tiny("wavelet"))
    ganzoo.save(generator, tmp_path / "tiny")
    turn = Direction("turn", torch.eye(8)[0], 1.0)
    write_directions(tmp_path / "tiny", Directions((turn,), fingerprint(generator)))
    modules = (
        "projection.distance",
        "features.networks",
        "metrics.evaluation",
        "compare.side_by_side",
        "training.adversarial_run",
        "training.encoder_run",
        "projection.encoder",
    )
    for module in modules:
        monkeypatch.setattr(f"ganzoo.{module}.load_features", lambda name, cache_dir=None: Colours())
    monkeypatch.chdir(tmp_path)
    return tmp_path


MAKE = {
    TEACHER: ["convert my-stylegan2.pkl teacher"],
    STUDENT: [f"distill teacher=teacher training=debug resolution=16 out=runs/first {shlex.join(SHORT)}"],
    ENCODER: [f"train task=encoder teacher=tiny side=16 out=runs/encoder {shlex.join(SHORT_ENCODER)}"],
    FIGURES: ["eval runs/first/student --teacher teacher --num 4 --metrics l1 --out figures.jsonl"],
}


def run_python(code, names):
    """Run a block with the names of the blocks before it, smaller."""
    code = code.replace("mobilestylegan_ffhq_encoder", "runs/encoder")
    code = code.replace('"mobilestylegan_ffhq"', '"tiny"').replace("=256", "=16").replace("num=500", "num=4")
    code = code.replace("range(500)", "range(500), batch_size=100")
    exec(re.sub(r"steps=\d+", "steps=2", code), names)


@pytest.fixture
def registered():
    """What a page's blocks register is forgotten again."""
    yield
    for registry, name in ((CONVS, "dilated"), (GENERATORS, "blot")):
        if name in registry.names():
            registry.unregister(name)


@pytest.mark.docs
@pytest.mark.usefixtures("operators_of_onnx_are_read_once")
@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_commands_and_python_of_a_page_work_in_their_order(page, place, run, registered):
    todo = [b for b in blocks(page.read_text()) if b.language in RUN and b.reason is None]
    for name in BEFORE.get(page.name, ()):
        for command in MAKE[name]:
            assert run(*shlex.split(command))[0] == 0, command
    if page.name == "measure.md":
        pytest.importorskip("torch_fidelity")
    names = {}
    for block in todo:
        if block.language == "python":
            if "runtimes" not in block.text or importlib.util.find_spec("openvino"):
                run_python(block.text, names)
            continue
        for words in commands(block):
            if words[0] in ("export", "bench") and not importlib.util.find_spec("onnxruntime"):
                continue
            status, out, err = run(*words)
            assert status == 0, f"ganzoo {shlex.join(words)}\n{out}{err}"
            if (
                words[0] == "push" and "--dry-run" in words
            ):  # "then without --dry-run"; the tag is set on the Hub's page
                assert run(*[word for word in words if word != "--dry-run"])[0] == 0
                HfApi().create_tag("me/my-gan", tag="v1")
    if page.name == "README.md":
        assert names["images"].shape == (4, 3, 16, 16)
        assert Image.open(place / "face.png").size == (16, 16) and ganzoo.load("my-model").resolution == 16
    if page.name == "share.md":
        card = (place / "runs/first/student/README.md").read_text()
        assert "## Measured" in card and "samples.jpg" in card
    if page.name == "train.md":
        assert len(list((place / "dots").iterdir())) == 200
        assert ganzoo.load("runs/dots/generator").resolution == 32 and (place / "phone").is_dir()


def test_a_command_that_a_page_gains_is_run():
    text = "pip install . && ganzoo generate mobilestylegan_ffhq --seeds 0-7   # 8\n"
    text += "torchrun -- ganzoo distill teacher=t \\\n    resolution=256 kimg=20\n"
    first, second = commands(Block("sh", text, None))
    assert first == ["generate", "tiny", "--seeds", "0-1"]
    assert second[:3] == ["distill", "teacher=t", "resolution=16"] and "kimg=0.004" in second
    with pytest.raises(ValueError, match="nobody runs: 'make faces'"):
        list(commands(Block("sh", "make faces\n", None)))
