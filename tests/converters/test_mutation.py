"""No tensor of a golden file can change without a golden comparison or the conversion failing.

So each of them goes to its own place, with its own scale, and the comparisons cover it. Of tensors that
differ in their level alone, one runs always, of another level in every network, and of a network of each
layout; all, with `-m slow`.
"""

import re
from functools import cache

import numpy as np
import pytest
import torch
from golden_helpers import NETWORKS
from helpers import assert_golden

from ganzoo.converters import conversion, keymap
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.keymap import Tensors, flatten

# One network of each layout that a reader knows, and of each architecture in it; the others are slow.
ENOUGH = {
    "ada_cond_skip_32.pkl-generator_ema", "ada_resnet_32.pkl-generator", "ada_resnet_32.pkl-discriminator",
    "sg3_t_cond_32.pkl-generator_ema", "ros_train_32.pt-generator_ema", "ros_train_32.pt-discriminator",
    "msg_32_distiller.ckpt-student", "msg_32_distiller.ckpt-discriminator", "msg_32_mapping.ckpt-teacher",
    "sg1_gf_train_32.pth-discriminator", "sg1_ros_train.model-generator_ema-step-2-alpha-0.3",
    "aj_biggan_32-generator",
}  # fmt: skip
MUTATED = [
    pytest.param(network, every, id=f"{network}-{'all' if every else 'one'}", marks=marks)
    for network in NETWORKS
    for every in (False, True)
    for rare in [every or str(network) not in ENOUGH]
    for marks in [[network.recorded, *([pytest.mark.slow] if rare else [])]]
]
# The originals recorded one image of a generator that is not averaged, without truncation. Its mean style
# is compared with the file's below.
UNSEEN = {"img_G_const": {"mapping.w_avg"}, "img_G": {"mapping.w_avg"}}

# Demodulation takes the scale of these away: they are noticed by their proportions.
DEMODULATED = (
    r"(synthesis\.(b\d+\.conv[01]|L\d+_\d+_\d+)|((synthesis_net|student)\.)?(conv1|convs\.\d+|layers\.\d+\.conv[12])\.conv)"
    r"\.(weight(_dw|_permute)?|style_inv)"
)
SPECTRAL = r"(.+\.)?(weight|weight_orig|u0)"  # so does a spectral norm, and the length of its first vector
VECTORS = (
    "u0",
    "weight_u",
    "weight_v",
)  # of power iteration: near its end a tenth changes too little, another start all
LOGGED = r"(.+\.)?sv0"

# Tensors that an original never reads: filters of layers that do not resample, and marks of the device.
# NVIDIA's layers all have a filter. Read are those of a generator's upsampling layers (conv0, skip), of a
# discriminator's downsampling layers (conv1, skip), and, of a block, where images are summed over levels.
FILTER = r"\.resample_filter"
OF_NO_LAYER = rf"(synthesis\.)?b4({FILTER}|\.conv1?{FILTER})|.*\.(torgb|fromrgb){FILTER}"
SKIP_GENERATOR = rf"{OF_NO_LAYER}|synthesis\.b\d+\.conv1{FILTER}"
RESNET_GENERATOR = rf"{SKIP_GENERATOR}|synthesis\.b\d+{FILTER}"
SKIP_DISCRIMINATOR = rf"{OF_NO_LAYER}|b\d+\.conv0{FILTER}"
RESNET_DISCRIMINATOR = rf"{SKIP_DISCRIMINATOR}|b\d+{FILTER}"


def unread(network):
    """A pattern of the names of what the original never reads."""
    if network.paths[0].is_dir():
        return LOGGED
    if network.paths[0].suffix == ".pkl":
        resnet = network.paths[0].name.startswith("ada_resnet")  # whose discriminator is of the other kind
        if network.part == "discriminator":
            return SKIP_DISCRIMINATOR if resnet else RESNET_DISCRIMINATOR
        return RESNET_GENERATOR if resnet else SKIP_GENERATOR
    if network.paths[0].suffix == ".model":
        return r".*\.weight_flip"
    if "lod" in network.assume:
        return r"(synthesis\.)?lod"
    return {"teacher": r"synthesis_net\.upsample\.kernel", "student": r"student\.device_info"}.get(
        network.part, "none"
    )


@pytest.fixture
def quick(monkeypatch):
    """Folders are read once, too; mean styles that no golden array shows are estimated from few latents."""
    monkeypatch.setattr(conversion, "open_folder", cache(conversion.open_folder))
    monkeypatch.setattr(keymap, "W_AVG_SAMPLES", 10)


@pytest.fixture
def mutate(monkeypatch):
    """Has the tensor of a name read as 10 % more than the file holds, or every item 10 % off either way.

    `signs` gathers those of one number of whose vector only the direction counts, twice: 1 is as good as -1.
    """
    take = Tensors.take

    def mutate(name, *, either_way=False):
        def changed(self, wanted, shape=None):
            array = take(self, wanted, shape)
            if wanted != name:
                return array
            if name.endswith(VECTORS) and array.size == 1:
                mutate.signs.add(name)
            if either_way and name.endswith(VECTORS):
                return np.float32(np.arange(array.size).reshape(array.shape) == 0)
            signs = np.random.RandomState(0).choice([-1, 1], array.shape) if either_way else 1
            return np.float32(array + 0.1 * signs * (array if array.any() else 1))

        monkeypatch.setattr(Tensors, "take", changed)

    mutate.signs = set()
    return mutate


def is_noticed(network):
    """Whether the conversion or one of the comparisons fails."""
    try:
        module = network.account().module
    except ValueError:
        return True
    for name, output in network.outputs.items():
        try:
            assert_golden(output(module, network.arrays), network.arrays[name])
        except AssertionError:
            return True
    return False


def one_of_a_kind(names, turn):
    """Of the names that differ in the number of a level or layer alone, one each.

    Upsampling and other layers of rosinality's differ in whether their number is even.
    """
    kinds = {}
    for name in names:
        parity = re.sub(r"(?<=convs\.)\d+", lambda number: "odd" if int(number[0]) % 2 else "even", name)
        kinds.setdefault(re.sub(r"(?<![a-z])\d+|(?<=\bb)\d+|(?<=\bfc)\d+", "N", parity), []).append(name)
    return [kind[turn % len(kind)] for kind in kinds.values()]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("network", "every"), MUTATED)
@torch.no_grad()
def test_a_tensor_that_changes_by_a_tenth_is_noticed(network, every, mutate):
    assert not is_noticed(network)
    scalable, survived = set(), set()
    used = network.account().used
    tested = [*used] if every else one_of_a_kind(used, NETWORKS.index(network))
    for name in tested:
        mutate(name)
        if is_noticed(network):
            continue
        scalable.add(name)
        mutate(name, either_way=True)
        if not is_noticed(network):
            survived.add(name)
    unseen = {name for output in network.outputs for name in UNSEEN.get(output, ()) if name in used}
    unseen |= {name for name in tested if re.fullmatch(network.unseen, name)} | mutate.signs
    assert survived == unseen
    scaled = SPECTRAL if network.paths[0].is_dir() else DEMODULATED
    assert all(re.fullmatch(scaled, name) for name in scalable - unseen)


UNAVERAGED = [n for n in NETWORKS if {"img_G_const", "img_G"} & {*n.outputs} and n.paths[0].suffix == ".pkl"]


@pytest.mark.parametrize("network", UNAVERAGED, ids=str)
def test_what_no_golden_array_shows_is_the_files(network):
    [record] = [open_checkpoint(path)["G"] for path in network.paths]
    mean = dict(flatten(record))["mapping.w_avg"].array()
    assert mean.any() and np.array_equal(network.convert().mapping.w_avg, mean)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_only_what_the_original_never_reads_is_dropped(network, quick):
    found = network.account()
    elsewhere = (
        "another network of the file",
        "no part of a network",
        "of a level that the image does not show",
    )
    dropped = {name for name, reason in found.dropped.items() if not reason.startswith(elsewhere)}
    names = {*found.used, *dropped}
    assert dropped == {name for name in names if re.fullmatch(unread(network), name)}
