"""Scores and descriptors: which way they go, and the crops they are made of."""

import pytest
import torch

from ganzoo.faces.crops import _cut, face_crops, parts
from ganzoo.faces.networks import Landmarks
from ganzoo.faces.scores import _glasses, _pose


def landmarks():
    """A face that looks straight ahead, `[1, 68, 2]`, in sides of the image."""
    points = torch.full((68, 2), 0.5)
    points[36:42], points[42:48] = torch.tensor([0.4, 0.45]), torch.tensor([0.6, 0.45])
    points[30] = torch.tensor([0.5, 0.57])
    points[48:68] = torch.tensor([0.5, 0.69])
    return points[None]


class Fixed(torch.nn.Module):
    """A stand-in that finds the same landmarks in every crop."""

    def forward(self, crops):
        return landmarks().expand(len(crops), -1, -1)


def test_yaw_grows_with_the_nose_to_the_right_and_pitch_with_the_nose_down():
    straight, turned, lowered = landmarks(), landmarks(), landmarks()
    turned[:, 30, 0] += 0.05
    lowered[:, 30, 1] += 0.03
    assert _pose(straight)["yaw"].item() == pytest.approx(0, abs=1e-6)
    assert _pose(turned)["yaw"].item() == pytest.approx(0.25, abs=1e-5)
    assert _pose(straight)["pitch"].item() == pytest.approx(0.5, abs=1e-5)
    assert _pose(lowered)["pitch"].item() == pytest.approx(0.625, abs=1e-5)


def test_pose_does_not_change_with_the_tilt_of_the_head():
    points = landmarks()
    points[:, 30, 0] += 0.05
    angle = torch.tensor(0.3)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    for name, value in _pose((points - 0.5) @ turn.T + 0.5).items():
        assert torch.allclose(value, _pose(points)[name], atol=1e-5)


def test_an_open_mouth_has_a_gap():
    points = landmarks()
    points[:, 65:68, 1] += 0.04
    assert _pose(points)["mouth_open"].item() == pytest.approx(0.2, abs=1e-5)


def test_dark_lines_across_bridge_and_cheeks_are_glasses():
    bare = torch.full((1, 3, 256, 256), 0.3)
    rims = bare.clone()
    rims[:, :, 108:112] = rims[:, :, 128:132] = -0.8
    assert _glasses(rims, landmarks()) > _glasses(bare, landmarks()) + 2


def test_a_crop_shows_its_box_in_the_middle_and_black_beside_it():
    images = torch.ones(1, 3, 64, 64)
    found = _cut(images, torch.tensor([[0.25, 0.0, 0.5, 0.5]]), 32)
    assert (
        (found[:, :, :, 8:24] == 1).all()
        and (found[:, :, :, :8] == -1).all()
        and (found[:, :, :, 24:] == -1).all()
    )


def test_landmarks_come_in_sides_of_the_whole_image():
    found = face_crops(torch.zeros(2, 3, 64, 64), Fixed(), 32)
    low, high = found.points.amin(dim=1), found.points.amax(dim=1)
    assert found.images.shape == (2, 3, 32, 32) and (low > 0).all() and (high < 1).all()


def test_crops_carry_gradients_back_to_the_images():
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    face_crops(images, Fixed(), 32).images.sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0


def test_images_of_any_number_of_channels_are_taken_and_oblong_ones_are_not():
    assert face_crops(torch.zeros(1, 1, 32, 32), Fixed()).images.shape == (1, 3, 150, 150)
    with pytest.raises(ValueError, match=r"\[N, C, H, H\]; got \[1, 3, 32, 16\]"):
        face_crops(torch.zeros(1, 3, 32, 16), Landmarks())


def test_no_images_are_one_empty_batch():
    assert [len(part) for part in parts(torch.zeros(0, 3, 8, 8), 4)] == [0]
    assert [len(part) for part in parts(torch.zeros(9, 3, 8, 8), 4)] == [4, 4, 1]
