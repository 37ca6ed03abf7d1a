"""Losses and their gradients are those of the originals."""

import re

import pytest
import torch
from helpers import assert_golden
from loss_helpers import (
    MOBILESTYLEGAN,
    ROSINALITY,
    assert_gradient,
    assert_scalar,
    converted,
    golden,
    gradients,
)

from ganzoo.losses import logistic_discriminator, nonsaturating_generator, r1_penalty, reconstruction
from ganzoo.ops.wavelet import idwt

MSG = golden("losses/msg_32_losses.npz")
ROS = golden("losses/ros_train_32_train_losses.npz")
LEVELS = range(3)
GAMMA, R1_INTERVAL = 10, 16  # of MobileStyleGAN's distillation
# Not compared: a penalty on path lengths is not among the losses.
PATH_LENGTHS = {
    *("pl_noise", "pl_mean_in", "pl_penalty", "pl_mean_out", "pl_lengths", "grad_pl/conv1.conv.weight")
}


def named(arrays, prefix):
    return [name.removeprefix(prefix) for name in arrays if name.startswith(prefix)]


@pytest.fixture
def predictions():
    return [MSG[f"pred_freq_{level}"].clone().requires_grad_() for level in LEVELS]


@pytest.fixture
def images(predictions):
    return converted(MOBILESTYLEGAN, "student").synthesis.level_images(predictions)


def msg_discriminator():
    return converted(MOBILESTYLEGAN, "discriminator")


# MobileStyleGAN's distillation


def test_the_last_image_of_the_head_is_the_originals_image(images):
    assert_golden(images[-1], MSG["pred_img"])


@pytest.mark.parametrize("level", LEVELS)
def test_every_term_of_a_level_is_the_originals(level, images):
    terms = reconstruction([images[level]], MSG["gt_img"])
    assert list(terms) == ["pixel_l1", "pixel_l2", "subband_l1", "subband_l2"]
    for got, expected in zip(terms.values(), MSG[f"terms_level_{level}"], strict=True):
        assert_scalar(got, expected)


@pytest.mark.parametrize("level", LEVELS)
def test_the_target_of_a_level_is_the_originals(level):
    terms = reconstruction([idwt(MSG[f"gt_freq_{level}"])], MSG["gt_img"])
    assert max(terms.values()) < 1e-6


def test_the_sums_over_levels_are_the_originals(images):
    terms = reconstruction(images, MSG["gt_img"])
    for norm in "l1", "l2":
        assert_scalar(terms[f"pixel_{norm}"] + terms[f"subband_{norm}"], MSG[norm])


def test_the_whole_loss_and_its_gradients_are_the_originals(predictions, images):
    loss_g = nonsaturating_generator(msg_discriminator()(images[-1]))
    total = sum(reconstruction(images, MSG["gt_img"]).values()) + 0.5 * loss_g
    assert_scalar(loss_g, MSG["loss_g"])
    assert_scalar(total, MSG["loss_total"])
    for level, slope in enumerate(torch.autograd.grad(total, predictions)):
        assert_gradient(slope, MSG[f"grad_pred_freq_{level}"])


def test_the_loss_of_mobilestylegans_discriminator_is_the_originals():
    discriminator = msg_discriminator()
    real, fake = discriminator(MSG["gt_img"]), discriminator(MSG["pred_img"])
    assert_golden(real, MSG["d_logits_real"])
    assert_golden(fake, MSG["d_logits_fake"])
    loss = logistic_discriminator(real, fake)
    assert_scalar(loss, MSG["loss_d"])
    found = gradients(loss, discriminator)
    for name in named(MSG, "grad_loss_d/"):
        assert_gradient(found[name], MSG[f"grad_loss_d/{name}"])


def test_the_penalty_of_mobilestylegans_discriminator_is_the_originals():
    discriminator, images = msg_discriminator(), MSG["gt_img"].clone().requires_grad_()
    penalty = r1_penalty(discriminator(images), images)
    assert_scalar(penalty, MSG["r1_mean_grad_sq"])
    loss = GAMMA / 2 * penalty
    assert_scalar(loss, MSG["r1_loss"])
    assert_scalar(R1_INTERVAL * loss, MSG["r1_loss_times_interval"])
    found = gradients(loss, discriminator)
    for name in named(MSG, "grad_r1/"):
        assert_gradient(found[name], MSG[f"grad_r1/{name}"])


# rosinality's training


def test_the_losses_of_rosinalitys_training_are_the_originals():
    discriminator = converted(ROSINALITY, "discriminator")
    with torch.no_grad():
        fake = discriminator(converted(ROSINALITY, "generator_ema")(ROS["z"]))
        real = discriminator(golden("rosinality/ros_train_32_expected.npz")["d_images"])
    assert_scalar(nonsaturating_generator(fake), ROS["g_nonsaturating_loss"])
    assert_scalar(logistic_discriminator(real, fake), ROS["d_logistic_loss"])


def test_the_penalty_of_rosinalitys_training_is_the_originals():
    discriminator = converted(ROSINALITY, "discriminator")
    images = golden("rosinality/ros_train_32_expected.npz")["d_images"].clone().requires_grad_()
    penalty = r1_penalty(discriminator(images), images)
    assert_scalar(penalty, ROS["d_r1_loss"])
    found = gradients(penalty, discriminator)
    for name in named(ROS, "grad_r1/"):
        assert_gradient(found[name], ROS[f"grad_r1/{name}"])


def test_every_loss_of_the_golden_files_is_compared():
    kinds = {re.sub(r"(_\d)?(/.*)?$", "", name) for name in MSG}
    assert kinds == {
        *("gt_img", "pred_img", "pred_freq", "gt_freq", "grad_pred_freq", "terms_level", "l1", "l2"),
        *("loss_g", "loss_total", "d_logits_fake", "d_logits_real", "loss_d", "grad_loss_d"),
        *("r1_mean_grad_sq", "r1_loss", "r1_loss_times_interval", "grad_r1"),
    }
    kinds = {name.split("/")[0] for name in ROS if name not in PATH_LENGTHS}
    assert kinds == {"z", "d_logistic_loss", "g_nonsaturating_loss", "d_r1_loss", "grad_r1"}
