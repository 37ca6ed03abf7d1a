"""The blocks of StyleGAN (2019) are what the paper's formulas say."""

import pytest
import torch
import torch.nn.functional as F
from block_helpers import IN, OUT, W_DIM, demodulation, randomized

from ganzoo.blocks import CONVS, DISCRIMINATORS, HEADS, MAPPINGS, UPSAMPLERS, AdaINLayer, NoiseInjection
from ganzoo.blocks.progressive import AveragedConvLayer

BLUR = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16
W = torch.randn(2, W_DIM, generator=torch.Generator().manual_seed(1))


def features(channels=IN, side=6):
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0))


def plain_conv(name, in_channels=IN, out_channels=OUT, demodulated="none", **options):
    """A convolution without modulation."""
    return CONVS.build(
        {"name": name, **options},
        in_channels=in_channels,
        out_channels=out_channels,
        w_dim=0,
        demodulation=demodulation(demodulated, in_channels),
    )


def plain_upsampler(name, conv="full", **options):
    def make_conv(in_channels, out_channels):
        return plain_conv(conv, in_channels, out_channels)

    return UPSAMPLERS.build(
        {"name": name, **options}, in_channels=IN, out_channels=OUT, w_dim=0, make_conv=make_conv
    )


def blurred(x):
    return F.conv2d(x, BLUR.expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])


# Convolutions and upsamplers without modulation


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", CONVS.names())
def test_a_convolution_without_modulation_reads_no_w(name, transposed):
    block, x = randomized(plain_conv(name)), features()
    expected = block.convolve(x, block.weights(), transposed=transposed) * block.scale
    torch.testing.assert_close(block(x, W, transposed=transposed), expected)
    assert torch.equal(block(x, W), block(x, W + 1)) and not block.style_weights()


@pytest.mark.parametrize("demodulated", ["none", "static", "style"])
@pytest.mark.parametrize("name", CONVS.names())
def test_the_folded_form_of_a_convolution_without_modulation_gives_the_same(name, demodulated):
    block, x = randomized(plain_conv(name, demodulated=demodulated)), features()
    with torch.no_grad():
        expected = block(x, W)
        torch.testing.assert_close(block.folded()(x, W), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("conv", CONVS.names())
def test_the_nearest_upsampler_repeats_pixels_convolves_and_blurs(conv, kernel_size):
    def make_conv(in_channels, out_channels):
        return plain_conv(conv, in_channels, out_channels, kernel_size=kernel_size)

    block = randomized(
        UPSAMPLERS.build("nearest", in_channels=IN, out_channels=OUT, w_dim=0, make_conv=make_conv)
    )
    x = features()
    repeated = F.interpolate(x, scale_factor=2)
    turned = tuple(weight.flip(2, 3) for weight in block.conv.weights())
    expected = blurred(block.conv.convolve(repeated, turned, transposed=False) * block.conv.scale)
    torch.testing.assert_close(block(x, W), expected, atol=1e-5, rtol=1e-5)


def test_a_bias_in_front_of_the_blur_is_dimmed_at_the_border():
    block, x = plain_upsampler("nearest", bias=True), features()
    without = block(x, W)
    assert block.is_biased and not plain_upsampler("nearest").is_biased
    torch.nn.init.ones_(block.bias)
    added = (block(x, W) - without)[0, 0]
    torch.testing.assert_close(added, blurred(torch.ones(1, 1, 12, 12))[0, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", UPSAMPLERS.names())
def test_the_folded_form_of_an_upsampler_without_modulation_gives_the_same(name):
    options = {"bias": True} if name == "nearest" else {}
    block, x = randomized(plain_upsampler(name, **options)), features()
    with torch.no_grad():
        expected = block(x, W)
        assert torch.equal(expected, block(x, W + 1))
        torch.testing.assert_close(block.folded()(x, W), expected, atol=1e-5, rtol=1e-5)


def test_details_of_sub_bands_start_at_a_quarter_without_modulation_too():
    assert plain_upsampler("idwt").modulation(W).tolist() == [[1.0] * 2 + [0.25] * 6]


@pytest.mark.parametrize("name", HEADS.names())
def test_a_head_without_modulation_reads_no_w(name):
    head = HEADS.build(name, channels=(8, 6), w_dim=0, img_channels=3, output="pixel", clamp=None)
    image, found = None, []
    for w in (W, W + 1):
        image = None
        for level, x in enumerate((features(8, 4), features(6, 8))):
            image, _ = head(level, x, w, image)
        found.append(image)
    assert torch.equal(*found) and not head.style_weights()


# Layers


def test_noise_has_a_strength_a_channel():
    block = NoiseInjection((4, 4), channels=3)
    with torch.no_grad():
        block.strength.copy_(torch.tensor([0.0, 1.0, 2.0])[:, None, None])
    added = block(torch.zeros(1, 3, 4, 4), block.const)
    torch.testing.assert_close(added, torch.cat([block.const * i for i in range(3)], dim=1))


def test_a_layer_is_the_formula_of_the_paper():
    conv = randomized(plain_conv("full"))
    layer = randomized(AdaINLayer(conv, OUT, (6, 6), w_dim=W_DIM, eps=1e-3))
    x, noise = features(), torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    y = conv(x, W) + layer.noise.strength * noise + layer.bias[:, None, None]
    y = F.leaky_relu(y, 0.2) * 2**0.5
    y = F.instance_norm(y, eps=1e-3)
    factor, shift = layer.adain.style(W)[:, :, None, None].chunk(2, dim=1)
    torch.testing.assert_close(layer(x, W, noise), y * factor + shift, atol=1e-5, rtol=1e-5)


def test_styles_start_at_one_and_zero():
    layer = AdaINLayer(None, 3, (4, 4), w_dim=W_DIM)
    assert layer.adain.style.bias.tolist() == [1, 1, 1, 0, 0, 0]


# The mapping network with labels


def test_label_and_latent_are_normalised_as_one():
    block = randomized(
        MAPPINGS.build({"name": "joined", "depth": 1}, z_dim=3, w_dim=4, num_ws=2, label_dim=2)
    )
    z, label = torch.randn(2, 3, generator=torch.Generator().manual_seed(3)), torch.eye(2)
    x = torch.cat([z, label @ block.embed], dim=1)
    x = x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)
    expected = F.leaky_relu(block.layers[0](x), 0.2) * 2**0.5
    torch.testing.assert_close(block(z, label), expected[:, None].expand(-1, 2, -1))


def test_without_labels_it_is_the_plain_mapping_network():
    context = {"z_dim": 3, "w_dim": 4, "num_ws": 2, "label_dim": 0}
    joined, plain = (MAPPINGS.build({"name": name, "depth": 2}, **context) for name in ("joined", "mlp"))
    plain.load_state_dict(joined.state_dict())
    z = torch.randn(2, 3, generator=torch.Generator().manual_seed(3))
    assert torch.equal(joined(z), plain(z))


# The discriminator


def test_a_level_of_the_discriminator_blurs_convolves_and_averages():
    layer, x = AveragedConvLayer(IN, OUT, activation="linear", taps=(1.0, 2.0, 1.0)), features(side=8)
    expected = F.avg_pool2d(F.conv2d(blurred(x), layer.weight * layer.scale, padding=1), 2)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def judge(label_dim=0, **options):
    context = {"resolution": 16, "channels": (4, 6, 8), "img_channels": 3, "label_dim": label_dim}
    return DISCRIMINATORS.build({"name": "stylegan", **options}, **context)


@pytest.mark.parametrize("widening", ["first", "second"])
def test_the_width_changes_in_the_convolution_that_is_named(widening):
    layers = judge(widening=widening).levels["2"]
    assert [tuple(layer.weight.shape[:2]) for layer in layers] == (
        [(6, 8), (6, 6)] if widening == "first" else [(8, 8), (6, 8)]
    )


def test_a_level_that_fades_in_is_mixed_with_a_smaller_image():
    whole, fading = judge(), judge(alpha=0.25)
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    mixed = fading.hidden(images, 1)
    fading.alpha = 1.0
    below = fading.from_image["1"](F.avg_pool2d(images, 2))
    torch.testing.assert_close(mixed, 0.25 * fading.hidden(images, 1) + 0.75 * below)
    assert set(whole.from_image) == {"2"}
    with pytest.raises(ValueError, match=r"discriminator\.alpha is 0 to 1; got -1"):
        judge(alpha=-1.0)


def test_a_label_chooses_its_logit():
    network = judge(label_dim=3)
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    every = network(images)
    assert every.shape == (3, 3)
    assert torch.equal(network(images, torch.eye(3))[:, 0], every.diagonal())
