"""Converted networks are saved, loaded, deployed and trained against like any other; no tensor is lost."""

import re
from collections import Counter
from functools import cache
from tempfile import TemporaryDirectory

import pytest
import torch
import torch.nn.functional as F
from covering import thinned
from golden_helpers import NETWORKS as ALL
from helpers import assert_same_image

import ganzoo
from ganzoo.converters import conversion
from ganzoo.converters.folders import open_folder
from ganzoo.converters.keymap import ESTIMATED, flatten

# One of each file and part: what is assumed of it, such as how far it has grown, changes its images alone.
NETWORKS = list({(network.paths, network.part): network for network in reversed(ALL)}.values())
DISCRIMINATORS = [network for network in NETWORKS if network.part == "discriminator"]
GENERATORS = [network for network in NETWORKS if network.part != "discriminator"]
HALVES = "state_dict."  # of MobileStyleGAN's files; the others' networks have a place of their own
# What is read and becomes a setting: filters, and how far a StyleGAN has grown.
SETTING = r".*(resample_filter|\.kernel|\.idwt\.g[01]_(col|row)|\blod|progression\.\d+\.conv2\.0\.weight)"
SETTING += r"|generator\.progression\.(5\.conv1\.1|\d+\.conv1\.2)\.weight"
MAPPING_HALF, SYNTHESIS_HALF = "mapping_net.", "synthesis_net."

# Raw weights are laid out like the average beside them, and two files have what others have.
AVERAGED = {network.paths for network in NETWORKS if network.part == "generator_ema"}
ALIKE = ("ada_uncond_skip_32.pkl", "sg3_r_16.pkl")
DISTINCT = [
    network
    for network in NETWORKS
    if not (network.part == "generator" and network.paths in AVERAGED) and network.paths[0].name not in ALIKE
]
# One of each architecture and file layout.
TEACHERS = ("ada_cond_skip_32", "ada_resnet_32", "sg3_t_cond_32", "ros_train_32", "msg_32_dis", "sg1_")

each_network = pytest.mark.parametrize("network", thinned(NETWORKS, DISTINCT), ids=str)
each_generator = pytest.mark.parametrize("network", thinned(GENERATORS, DISTINCT), ids=str)
each_discriminator = pytest.mark.parametrize("network", thinned(DISCRIMINATORS, DISTINCT), ids=str)


@cache
def source(network):
    return network.account()


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def label(module, n=2):
    """Labels that are not one-hot, for a conditional network."""
    return random(n, module.label_dim) if module.label_dim else None


@cache
def reloaded(network):
    with TemporaryDirectory() as folder:
        ganzoo.save(source(network).module, folder)
        return ganzoo.load(folder)


@each_network
def test_a_converted_network_is_an_eval_float32_module_that_can_be_trained(network):
    module = source(network).module
    assert not any(m.training for m in module.modules())
    assert all(p.requires_grad and p.dtype == torch.float32 for p in module.parameters())
    assert all(t.device.type == "cpu" and not t.is_inference() for t in module.state_dict().values())


@each_network
def test_a_network_comes_back_with_its_config_and_every_bit(network):
    module, again = source(network).module, reloaded(network)
    assert type(again) is type(module) and again.config == module.config
    expected = module.state_dict()
    assert list(again.state_dict()) == list(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state_dict().items())


@each_generator
@torch.no_grad()
def test_a_generator_that_comes_back_gives_the_same_bits(network):
    G, again = source(network).module, reloaded(network)
    z, c = G.sample_z(2, seed=1), label(G)
    w = G.mapping(z, c, truncation_psi=0.7, truncation_cutoff=3)
    assert torch.equal(again.mapping(z, c, truncation_psi=0.7, truncation_cutoff=3), w)
    expected, got = G.synthesis(w), again.synthesis(w)
    assert torch.equal(got.image, expected.image)
    for name in ("levels", "noise"):
        for a, b in zip(getattr(got, name), getattr(expected, name), strict=True):
            assert torch.equal(a, b)


@each_discriminator
@torch.no_grad()
def test_a_discriminator_that_comes_back_gives_the_same_bits(network):
    D = source(network).module
    images = random(4, D.img_channels, D.resolution, D.resolution)
    assert torch.equal(reloaded(network)(images, label(D, 4)), D(images, label(D, 4)))


@each_generator
@torch.no_grad()
def test_the_deploy_form_gives_the_same_image(network):
    G = source(network).module
    z, c, deployed = G.sample_z(2, seed=1), label(G), ganzoo.deploy(G)
    for noise in ("const", "none"):
        expected = G(z, c, truncation_psi=0.7, noise=noise)
        assert_same_image(deployed(z, c, truncation_psi=0.7, noise=noise), expected)


@each_generator
def test_gradients_reach_the_latent_through_a_frozen_generator(network):
    G = network.convert().requires_grad_(False)
    z = G.sample_z(2, seed=1).requires_grad_()
    c = None if (c := label(G)) is None else c.requires_grad_()
    G(z, c).square().mean().backward()
    for given in [z] if c is None else [z, c]:
        assert given.grad.isfinite().all() and given.grad.ne(0).all()
    assert all(p.grad is None for p in G.parameters())


@each_discriminator
def test_gradients_reach_the_images_twice_through_a_frozen_discriminator(network):
    D = network.convert().requires_grad_(False)
    images = random(4, D.img_channels, D.resolution, D.resolution).requires_grad_()
    [grad] = torch.autograd.grad(D(images, label(D, 4)).sum(), images, create_graph=True)
    assert grad.ne(0).any()
    grad.square().sum().backward()
    assert images.grad.isfinite().all() and images.grad.ne(0).any()


# Those whose mapping network has rows for any number of layers: a part of z for each row is BigGAN's own.
@pytest.mark.parametrize(
    "network",
    thinned(
        [n for n in GENERATORS if "biggan" not in str(n.paths[0])],
        [n for n in DISTINCT if n.paths[0].name.startswith(TEACHERS)],
    ),
    ids=str,
)
def test_a_student_learns_from_a_converted_teacher(network):
    teacher = network.convert().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student = ganzoo.create(
        "mobilestylegan",
        resolution=teacher.resolution,
        channels=[16] * (teacher.resolution.bit_length() - 3),
        z_dim=teacher.z_dim,
        w_dim=teacher.w_dim,
        label_dim=teacher.label_dim,
        mapping=teacher.config.mapping,
    )
    student.mapping.load_state_dict(teacher.mapping.state_dict())
    student.mapping.requires_grad_(False)
    w = teacher.mapping(teacher.sample_z(4, seed=1), label(teacher, 4))
    target = teacher.synthesis(w)
    own, noise = w[:, student.config.rows_of(teacher.config)], student.synthesis.borrowed(target.noise)
    optimizer = torch.optim.SGD(student.synthesis.parameters(), lr=1e-2)
    losses = []
    for _ in range(3):
        loss = F.mse_loss(student.synthesis(own, noise).image, target.image)
        optimizer.zero_grad()
        loss.backward()
        # With random weights images and gradients are of any size.
        torch.nn.utils.clip_grad_norm_(student.synthesis.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2] >= 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def names_in_file(network):
    """Names of all tensors of the source; a pair is accounted for as one state dict."""
    folder = open_folder(network.paths[0], conversion._open) if network.paths[0].is_dir() else None
    contents = [folder.contents] if folder else [conversion.open_checkpoint(path) for path in network.paths]
    if len(contents) == 1:
        return [name for name, _ in flatten(contents[0])]
    prefixed = zip((MAPPING_HALF, SYNTHESIS_HALF), contents, strict=True)
    return [f"state_dict.{prefix}{name}" for prefix, half in prefixed for name in half["ckpt"]]


@each_network
def test_every_tensor_of_a_file_is_used_or_dropped_once(network):
    found = source(network)
    prefix = HALVES if network.paths[0].suffix == ".ckpt" else f"{found.key}."
    names = names_in_file(network)
    everything = set(names)
    own = [name if name in everything else f"{prefix}{name}" for name in [*found.used, *found.dropped]]
    assert Counter(own) == Counter(names)


@each_network
def test_every_tensor_of_a_converted_network_is_from_the_file_or_made(network):
    found = source(network)
    state = found.module.state_dict()
    assert set(found.made) <= set(state)
    used = [name for name in found.used if not re.fullmatch(SETTING, name)]
    assert len(used) + len(found.made) == len(state)


@each_network
def test_only_what_a_format_lacks_is_made(network):
    found = source(network)
    noise = {n for n in found.module.state_dict() if n.endswith(".noise.const")}
    suffix = network.paths[0].suffix
    expected = noise if suffix in (".ckpt", ".model") else set()
    if network in GENERATORS and suffix == ".model":
        expected = {*expected, "synthesis.levels.0.input.bias"}
    has_mean = suffix in (".pkl", ".pth") or "distiller" in str(network) or "convert" in str(network)
    if network in GENERATORS and not has_mean:
        expected = {*expected, "mapping.w_avg"}
        no_mean = "zeros: truncation moves z, not w"  # of a BigGAN
        assert found.made["mapping.w_avg"] == (no_mean if network.paths[0].is_dir() else ESTIMATED)
    assert set(found.made) == expected


@each_network
def test_a_dropped_tensor_has_its_reason(network):
    found = source(network)
    assert all(found.dropped.values())
    named = {m[1] for reason in found.dropped.values() if (m := re.search(r"--part (\w+)", reason))}
    assert named == set(found.parts) - {found.part}
