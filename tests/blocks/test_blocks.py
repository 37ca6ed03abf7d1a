"""What every registered block of a kind must do; a new one joins by being registered."""

import itertools
import json

import pytest
import torch
from block_helpers import (
    HEAD_CHANNELS,
    IN,
    OUT,
    W_DIM,
    assert_batch_independent,
    conv,
    demodulation,
    example,
    head,
    randomized,
    run_head,
    upsampler,
)
from torch import nn

from ganzoo.blocks import (
    CONVS,
    DEMODULATIONS,
    HEADS,
    KINDS,
    UPSAMPLERS,
    NoiseInjection,
    StyledLayer,
)

OUTPUTS = ("pixel", "wavelet")
BLOCKS = [(kind, name) for kind, registry in KINDS.items() for name in registry.names()]


# Every kind


@pytest.mark.parametrize(("kind", "name"), BLOCKS)
def test_the_options_of_a_block_can_be_written_as_json(kind, name):
    assert json.dumps(KINDS[kind].complete(name))


@pytest.mark.parametrize(("kind", "name"), BLOCKS)
def test_a_block_says_what_it_is(kind, name):
    assert KINDS[kind].get(name).__doc__


@pytest.mark.parametrize(("kind", "name"), BLOCKS)
def test_a_block_builds_without_memory(kind, name):
    with torch.device("meta"):
        block = example(kind, name)
    assert all(tensor.is_meta for tensor in block.state_dict().values())


@pytest.mark.parametrize(("kind", "name"), BLOCKS)
def test_the_weights_of_a_block_depend_on_the_generator_alone(kind, name):
    blocks = [example(kind, name) for _ in range(2)]
    for block in blocks:
        random = torch.Generator().manual_seed(3)
        for module in block.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters(generator=random)
    a, b = (block.state_dict() for block in blocks)
    assert all(torch.equal(a[key], b[key]) for key in a)


# Demodulations


@pytest.mark.parametrize("name", DEMODULATIONS.names())
def test_a_demodulation_gives_positive_factors_for_the_output_channels_or_none(name):
    factors = demodulation(name)(torch.rand(OUT, IN), torch.randn(3, IN))
    if factors is not None:
        assert factors.shape in ((3, OUT), (1, OUT))
        assert torch.isfinite(factors).all() and (factors > 0).all()


@pytest.mark.parametrize("name", DEMODULATIONS.names())
def test_a_demodulation_of_no_energy_is_finite(name):
    factors = demodulation(name)(torch.zeros(OUT, IN), torch.zeros(1, IN))
    assert factors is None or torch.isfinite(factors).all()


def test_style_demodulation_is_equation_three():
    energy, style = torch.rand(OUT, IN), torch.randn(2, IN)
    expected = 1 / (style[:, None].square() * energy[None]).sum(dim=2).sqrt()
    torch.testing.assert_close(demodulation("style")(energy, style), expected)


def test_static_demodulation_puts_its_vector_in_the_place_of_the_style():
    block = randomized(demodulation("static"))
    energy = torch.rand(OUT, IN)
    expected = demodulation("style")(energy, block.style_inv.detach()[None])
    torch.testing.assert_close(block(energy, torch.randn(2, IN)), expected)


def test_no_demodulation_scales_nothing():
    assert demodulation("none")(torch.rand(OUT, IN), torch.randn(2, IN)) is None


# Convolutions

CONV_CASES = list(itertools.product(CONVS.names(), DEMODULATIONS.names()))


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("name", CONVS.names())
def test_a_convolution_keeps_the_size(name, kernel_size):
    block = conv(name, kernel_size=kernel_size)
    assert block(torch.randn(2, IN, 8, 6), torch.randn(2, W_DIM)).shape == (2, OUT, 8, 6)


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("name", CONVS.names())
def test_a_transposed_convolution_gives_its_full_result(name, kernel_size):
    out = conv(name, kernel_size=kernel_size)(
        torch.randn(2, IN, 4, 5), torch.randn(2, W_DIM), transposed=True
    )
    assert out.shape == (2, OUT, 8 + kernel_size - 2, 10 + kernel_size - 2)


@pytest.mark.parametrize(("name", "demodulated"), CONV_CASES)
def test_a_convolution_takes_every_sample_by_itself(name, demodulated):
    block = randomized(conv(name, demodulated))
    assert_batch_independent(block, torch.randn(3, IN, 4, 4), torch.randn(3, W_DIM))


@pytest.mark.parametrize("name", CONVS.names())
def test_the_energy_of_a_convolution_is_that_of_its_impulse_response(name):
    block = conv(name)
    impulses = torch.zeros(IN, IN, 3, 3)
    impulses[torch.arange(IN), torch.arange(IN), 1, 1] = 1
    response = block.convolve(impulses, block.weights(), transposed=False)  # [in, out, 3, 3]
    torch.testing.assert_close(block.energy(), response.square().sum(dim=(2, 3)).t())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", CONVS.names())
def test_a_convolution_is_modulated_by_its_style(name, transposed):
    block, x, w = conv(name, "none"), torch.randn(2, IN, 4, 4), torch.randn(2, W_DIM)
    style = block.modulation(w)
    scaled = x * style[:, :, None, None]
    expected = block.convolve(scaled, block.weights(), transposed=transposed) * block.scale
    torch.testing.assert_close(block(x, w, transposed=transposed), expected)


@pytest.mark.parametrize("name", CONVS.names())
def test_style_demodulation_restores_unit_variance(name):
    block = conv(name, in_channels=64, out_channels=64)
    out = block(torch.randn(4, 64, 16, 16), 5 * torch.randn(4, W_DIM))[..., 1:-1, 1:-1]
    assert out.std().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", CONVS.names())
def test_static_demodulation_starts_with_unit_variance_for_styles_of_one(name):
    block = conv(name, "static", in_channels=64, out_channels=64)
    out = block(torch.randn(4, 64, 16, 16), torch.zeros(4, W_DIM))[..., 1:-1, 1:-1]
    assert out.std().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("kernel_size", [0, 2, 9, -1])
@pytest.mark.parametrize("name", CONVS.names())
def test_a_kernel_size_that_is_even_or_too_large_is_refused(name, kernel_size):
    with pytest.raises(ValueError, match="kernel_size"):
        conv(name, kernel_size=kernel_size)


# Upsamplers

UPSAMPLER_CASES = list(itertools.product(UPSAMPLERS.names(), CONVS.names()))


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize(("name", "conv_name"), UPSAMPLER_CASES)
def test_an_upsampler_doubles_the_size(name, conv_name, kernel_size):
    block = upsampler(name, conv_name, kernel_size=kernel_size)
    assert block(torch.randn(2, IN, 4, 3), torch.randn(2, W_DIM)).shape == (2, OUT, 8, 6)


@pytest.mark.parametrize(("name", "conv_name"), UPSAMPLER_CASES)
def test_an_upsampler_takes_every_sample_by_itself(name, conv_name):
    block = randomized(upsampler(name, conv_name))
    assert_batch_independent(block, torch.randn(3, IN, 4, 4), torch.randn(3, W_DIM))


@pytest.mark.parametrize("taps", [[1.0], [1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 3.0, 3.0, 1.0], [1.0] * 7])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_a_transposed_convolution_doubles_the_size_with_any_blur(taps, kernel_size):
    block = upsampler({"name": "conv_transpose", "taps": taps}, "full", kernel_size=kernel_size)
    assert block(torch.randn(1, IN, 4, 4), torch.randn(1, W_DIM)).shape == (1, OUT, 8, 8)


def test_the_idwt_upsampler_starts_with_weak_details():
    random = torch.Generator().manual_seed(0)
    block = UPSAMPLERS.build(
        "idwt",
        in_channels=64,
        out_channels=4,
        w_dim=W_DIM,
        make_conv=lambda below, out: conv("full", in_channels=below, out_channels=out),
    )
    factors = block.modulation(torch.randn(64, W_DIM, generator=random))
    ratio = factors[:, 16:].square().mean() / factors[:, :16].square().mean()
    assert 0.2 < ratio.sqrt() < 0.3


@pytest.mark.parametrize("channels", [1, 6, 9])
def test_the_idwt_upsampler_refuses_channels_that_are_no_multiple_of_four(channels):
    with pytest.raises(ValueError, match=f"got {channels}"):
        UPSAMPLERS.build("idwt", in_channels=channels, out_channels=4, w_dim=W_DIM, make_conv=conv)


# Heads

HEAD_CASES = list(itertools.product(HEADS.names(), OUTPUTS))


@pytest.mark.parametrize(("name", "output"), HEAD_CASES)
def test_a_head_ends_with_a_image(name, output):
    image, _ = run_head(randomized(head(name, output)), torch.randn(2, W_DIM))
    side = 16 if output == "pixel" else 32
    assert image.shape == (2, 3, side, side)


@pytest.mark.parametrize(("name", "output"), HEAD_CASES)
def test_a_head_predicts_at_the_levels_that_it_names_the_last_among_them(name, output):
    block = head(name, output)
    _, predictions = run_head(block, torch.randn(2, W_DIM))
    channels = 3 if output == "pixel" else 12
    predicting = [level for level, prediction in enumerate(predictions) if prediction is not None]
    assert predicting == block.predicting_levels()
    assert predicting[-1] == len(HEAD_CHANNELS) - 1
    for level in predicting:
        assert predictions[level].shape == (2, channels, 4 * 2**level, 4 * 2**level)


@pytest.mark.parametrize(("name", "output"), HEAD_CASES)
def test_a_head_clamps_its_predictions(name, output):
    _, predictions = run_head(randomized(head(name, output, clamp=0.25)), torch.randn(2, W_DIM))
    assert max(p.abs().max() for p in predictions if p is not None) == 0.25


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_image_of_a_skip_head_is_the_sum_of_its_upsampled_predictions(output):
    block = randomized(head("skip", output))
    image, predictions = run_head(block, torch.randn(2, W_DIM))
    expected = block.pixels(predictions[0])
    for prediction in predictions[1:]:
        expected = block.upsample(expected) + block.pixels(prediction)
    torch.testing.assert_close(image, expected)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", ["aux", "single"])
def test_the_image_of_an_aux_or_single_head_is_its_last_prediction(name, output):
    block = randomized(head(name, output))
    image, predictions = run_head(block, torch.randn(2, W_DIM))
    assert torch.equal(image, block.pixels(predictions[-1]))


@pytest.mark.parametrize("name", HEADS.names())
def test_a_head_of_sub_bands_starts_with_weak_details(name):
    random = torch.Generator().manual_seed(0)
    network = head(name, "wavelet")
    for level in network.predicting_levels():
        x = torch.randn(32, HEAD_CHANNELS[level], 4, 4, generator=random)
        _, prediction = network(level, x, torch.randn(32, W_DIM, generator=random), None)
        assert 0.05 < prediction[:, 3:].std() / prediction[:, :3].std() < 0.2


def test_a_single_head_is_the_last_of_an_aux_head():
    aux, single = randomized(head("aux")), head("single")
    single.load_state_dict({k: v for k, v in aux.state_dict().items() if k.startswith("to_image.2.")})
    x, w = torch.randn(2, HEAD_CHANNELS[2], 16, 16), torch.randn(2, W_DIM)
    assert torch.equal(single(2, x, w, None)[0], aux(2, x, w, None)[0])


# Noise and the styled layer


def test_noise_is_scaled_by_its_strength_which_starts_at_zero():
    noise = NoiseInjection((4, 4))
    x, image = torch.randn(2, 3, 4, 4), torch.randn(1, 1, 4, 4)
    assert torch.equal(noise(x, image), x)
    nn.init.constant_(noise.strength, 0.5)
    torch.testing.assert_close(noise(x, image), x + 0.5 * image)


def test_the_constant_noise_of_a_layer_is_saved():
    assert NoiseInjection((4, 4)).state_dict()["const"].shape == (1, 1, 4, 4)


def test_a_styled_layer_adds_noise_and_bias_before_its_activation_and_clamps_after_it():
    layer = StyledLayer(conv("full"), OUT, (4, 4), activation="lrelu", gain=2.0, clamp=1.5)
    randomized(layer)
    x, w, noise = torch.randn(2, IN, 4, 4), torch.randn(2, W_DIM), torch.randn(2, 1, 4, 4)
    inside = layer.conv(x, w) + layer.noise.strength * noise + layer.bias[:, None, None]
    expected = (2 * nn.functional.leaky_relu(inside, 0.2)).clamp(-1.5, 1.5)
    torch.testing.assert_close(layer(x, w, noise), expected)
