"""Converted networks give what the original implementations gave."""

from functools import cache

import golden_stylegan
import golden_stylegan3
import pytest
import torch
from golden_helpers import GOLDEN, NETWORKS, load
from helpers import assert_golden

from ganzoo.converters.conversion import convert_with_account

OF_FOLDERS = sorted(GOLDEN.glob("biggan/*/expected.npz"))
EXPECTED = sorted([*GOLDEN.glob("*/*_expected.npz"), GOLDEN / "losses" / "msg_32_losses.npz", *OF_FOLDERS])
# Whose snapshots are converted, and used, in tests of their own.
ELSEWHERE = (GOLDEN / "training", GOLDEN / "projection")
FOUND = [path for kind in ("pkl", "pt", "pth", "model", "ckpt") for path in GOLDEN.glob(f"*/*.{kind}")]
CHECKPOINTS = [path for path in FOUND if path.parent not in ELSEWHERE] + [p.parent for p in OF_FOLDERS]
CASES = [
    pytest.param(network, name, id=f"{network}-{name}", marks=network.recorded)
    for network in NETWORKS
    for name in network.outputs
]
# What the originals were given. What they gave is compared, all of it.
GIVEN = {"z", "z2", "c", "d_c", "d_images", "ws_random", "w_plus", "truncation_cutoff", "inject_index"} | {
    f"noise_{i}" for i in range(9)
}
GIVEN |= golden_stylegan.GIVEN
GIVEN |= golden_stylegan3.GIVEN
GIVEN |= {"y", "d_y", "class_vector", "truncations"}
# What training takes, and the rows of a table: tests of their own.
TRAINING = {"hinge_d_real", "hinge_d_fake", "hinge_g", "ortho_grad_norms"}
TRAINING |= {"sn_weight_orig", "sn_u0", "sn_weight", "stat_index", "stat_coef"}
# Files in which arrays besides these are not compared.
EXCEPT = {
    "ros_train_32_expected.npz": {"truncation_latent"},  # given: the file has no mean style
}


@cache
def converted(network):
    return network.convert()


@pytest.mark.parametrize(("network", "name"), CASES)
def test_a_converted_network_gives_what_the_original_gave(network, name):
    with torch.no_grad():
        got = network.outputs[name](converted(network), network.arrays)
    assert_golden(got, network.arrays[name])


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_array_that_an_original_gave_is_compared(path):
    compared = {name for network in NETWORKS if network.expected == path for name in network.outputs}
    arrays = set(load(path))
    if path.parent.name == "losses":  # the rest are losses and their gradients, which no network gives
        arrays = {name for name in arrays if name.startswith("d_logits")}
    arrays -= TRAINING if path in OF_FOLDERS else set()
    assert arrays - GIVEN - EXCEPT.get(path.name, set()) == compared


def test_every_golden_checkpoint_is_converted():
    assert {path for network in NETWORKS for path in network.paths} == set(CHECKPOINTS)


@pytest.mark.parametrize("paths", dict.fromkeys(n.paths for n in NETWORKS), ids=lambda paths: paths[0].name)
def test_every_network_of_a_golden_file_is_compared(paths):
    compared = {network.part for network in NETWORKS if network.paths == paths}
    found = convert_with_account(paths, part=next(iter(compared))).parts
    assert sorted(found) == sorted(compared)


@pytest.mark.parametrize("network", [n for n in NETWORKS if n.paths[0].suffix == ".pkl"], ids=str)
def test_the_clamp_is_the_snapshots_though_no_golden_image_reaches_it(network):
    config = network.convert().config
    clamp = config.discriminator["clamp"] if network.part == "discriminator" else config.clamp
    assert clamp == (None if network.paths[0].name == "ada_cond_skip_32.pkl" else 256)
