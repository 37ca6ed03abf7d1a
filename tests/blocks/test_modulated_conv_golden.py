from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import assert_golden
from torch import nn

from ganzoo.blocks import (
    ConvTransposeUpsampler,
    FullConv,
    NoDemodulation,
    NoiseInjection,
    StyleDemodulation,
)
from ganzoo.blocks.head import ToImage

FOLDER = Path(__file__).parents[1] / "golden" / "ops"
NVIDIA = {k: torch.from_numpy(v) for k, v in np.load(FOLDER / "nvidia_modulated_conv2d.npz").items()}
ROSINALITY = {k: torch.from_numpy(v) for k, v in np.load(FOLDER / "rosinality_modulated_conv2d.npz").items()}
IN, OUT, W_DIM = 5, 7, 6
# NVIDIA's case: kernel size, demodulation. The generator flips no weight and does not downsample: the cases
# `up2_flipTrue` and `down2` are left out.
NVIDIA_CASES = {
    "plain": (3, StyleDemodulation),
    "nodemod": (3, NoDemodulation),
    "k1_nodemod": (1, NoDemodulation),
    "up2": (3, StyleDemodulation),
    "up2_nodemod": (3, NoDemodulation),
}


class GivenStyles(nn.Module):
    """In the place of the affine layer that makes styles of w: NVIDIA's arrays are recorded behind it."""

    def __init__(self, styles):
        super().__init__()
        self.styles = styles

    def forward(self, w):
        return self.styles


def full_conv(in_channels=IN, out_channels=OUT, demodulation=StyleDemodulation, kernel_size=3):
    return FullConv(
        in_channels=in_channels,
        out_channels=out_channels,
        w_dim=W_DIM,
        demodulation=demodulation(in_channels=in_channels),
        kernel_size=kernel_size,
    )


def upsampler(conv):
    return ConvTransposeUpsampler(
        in_channels=IN, out_channels=OUT, w_dim=W_DIM, make_conv=lambda in_channels, out_channels: conv
    )


def load_rosinality(conv, case):
    names = ("weight", "modulation.weight", "modulation.bias")
    state = {name: ROSINALITY[f"{case}/{name}"] for name in names}
    conv.load_state_dict({**state, "weight": state["weight"][0]})


def nvidia_block(case):
    """A convolution or upsampler with NVIDIA's weights, which are used unscaled, and NVIDIA's styles."""
    kernel_size, demodulation = NVIDIA_CASES[case]
    conv = full_conv(demodulation=demodulation, kernel_size=kernel_size)
    conv.weight = nn.Parameter(NVIDIA["weight" if kernel_size == 3 else "weight1"] / conv.scale)
    conv.modulation = GivenStyles(NVIDIA["styles"])
    return upsampler(conv) if case.startswith("up2") else conv


def test_a_full_convolution_is_rosinalitys():
    conv = full_conv()
    load_rosinality(conv, "same")
    assert_golden(conv(ROSINALITY["x"], ROSINALITY["style"]), ROSINALITY["same/out"])


def test_a_transposed_convolution_with_its_blur_is_rosinalitys():
    conv = full_conv()
    load_rosinality(conv, "up")
    assert_golden(upsampler(conv)(ROSINALITY["x"], ROSINALITY["style"]), ROSINALITY["up/out"])


def test_the_convolution_of_a_head_is_rosinalitys():
    head = ToImage(IN, 3, W_DIM)
    load_rosinality(head.conv, "rgb")
    assert_golden(head(ROSINALITY["x"], ROSINALITY["style"]), ROSINALITY["rgb/out"])


@pytest.mark.parametrize("case", NVIDIA_CASES)
def test_modulated_convolution_is_nvidias(case):
    out = nvidia_block(case)(NVIDIA["x"], torch.zeros(2, W_DIM))
    assert_golden(out, NVIDIA[case])
    assert_golden(out, NVIDIA[f"{case}_unfused"])


@pytest.mark.parametrize("case", NVIDIA_CASES)
def test_noise_is_added_after_the_demodulation_as_nvidia_does(case):
    noise = NVIDIA[f"{case}_noise"]
    injection = NoiseInjection(noise.shape[-2:])
    nn.init.ones_(injection.strength)
    out = injection(nvidia_block(case)(NVIDIA["x"], torch.zeros(2, W_DIM)), noise)
    assert_golden(out, NVIDIA[f"{case}_with_noise"])
