"""Many images in one call are made a few at a time, and are the same images."""

import sys
from pathlib import Path

import pytest
import torch
from helpers import assert_same_image, seeded, tiny, tiny_config, trained
from processes import Started

from ganzoo.generators import generator as module
from ganzoo.generators.deploy import deploy
from ganzoo.generators.quick import quicken


@pytest.fixture
def three_at_once(monkeypatch):
    """Room for three images of the networks here, whose widest level is 8 x 16 x 16 or 16 x 8 x 8."""
    monkeypatch.setattr(module, "PIECE_BYTES", 4 * 5 * 8 * 16 * 16 * 3)


def sizes_of(network):
    sizes = []
    network.synthesis.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    return sizes


FORMS = {
    "trained": lambda g: g,
    "deployed": deploy,
    "in fp32 by quicken": lambda g: quicken(deploy(g), "fp32"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "noise", ["const", "none", "one stream", "a stream a sample", "tensors", "one for all"]
)
def test_images_in_pieces_are_those_of_one_pass(form, noise, three_at_once):
    network = FORMS[form](trained(tiny("pixel")))
    z = network.sample_z(7)
    kind, given = (noise, None) if noise in ("const", "none") else ("random", None)
    if noise in ("tensors", "one for all"):
        kind = [
            torch.randn(7 if noise == "tensors" else 1, 1, *size) for size in network.synthesis.noise_sizes
        ]

    def source():
        return {"one stream": lambda: torch.Generator().manual_seed(3)}.get(
            noise, lambda: seeded(*range(7))
        )()

    given = source if kind == "random" else lambda: None
    expected = network.synthesis(network.mapping(z), kind, given()).image
    sizes = sizes_of(network)
    assert_same_image(network(z, noise=kind, generator=given()), expected)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize("network", ["pixel", "wavelet"])
def test_gradients_flow_through_pieces(network, three_at_once):
    generator = trained(tiny(network))
    z = generator.sample_z(8).requires_grad_(True)
    generator(z).square().sum().backward()
    assert (z.grad.abs().sum(dim=1) > 0).all()


def test_what_one_pass_refuses_is_refused_in_pieces(three_at_once):
    generator = trained(tiny("pixel"))
    z, sizes = generator.sample_z(10), generator.synthesis.noise_sizes
    with pytest.raises(ValueError, match=r"noise\[0\] has shape"):
        generator(z, noise=[torch.zeros(7, 1, *size) for size in sizes])
    with pytest.raises(ValueError, match="One generator a sample: 10"):
        generator(z, noise="random", generator=seeded(*range(12)))
    with pytest.raises(ValueError, match="needs generator="):
        generator(z, noise="random")


def test_no_image_and_few_images_take_one_pass(three_at_once):
    generator = trained(tiny("pixel"))
    sizes = sizes_of(generator)
    assert (
        generator(generator.sample_z(0)).shape == (0, 3, 16, 16)
        and generator(generator.sample_z(3)).shape[0] == 3
    )
    assert sizes == [0, 3]


def test_more_channels_and_a_higher_resolution_make_fewer_images_at_once():
    at_once = [
        trained(tiny_config(resolution=r, channel_base=2**14, channel_max=c)).images_at_once
        for r, c in ((16, 8), (16, 16), (32, 16))
    ]
    assert at_once == [52428, 26214, 6553]


def test_an_exported_call_takes_its_batch_whole(three_at_once):
    generator = trained(tiny("pixel")).requires_grad_(False)
    z = generator.sample_z(4)
    program = torch.export.export(
        generator, (z,), dynamic_shapes={"z": {0: torch.export.Dim("n", min=1, max=64)}}
    )
    assert_same_image(program.module()(generator.sample_z(9)), generator(generator.sample_z(9)))


def _peak():
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


def print_peaks():
    torch.set_num_threads(1)
    module.PIECE_BYTES = 20_000_000
    network = trained(tiny("pixel", resolution=64))
    with torch.inference_mode():
        z = network.sample_z(400)
        network(z[:10])
        before = _peak()
        network(z)
        pieces = _peak() - before
        network.synthesis(network.mapping(z))
        print(pieces, _peak() - before, flush=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_pieces_take_a_fraction_of_the_memory(tmp_path):
    status, out, err = Started(tmp_path, print_peaks).finish(120)
    assert status == 0, err
    pieces, whole = map(float, out.split())
    assert pieces < 80 < 150 < whole  # MB; the images alone are 20, and twice that as they are put together
