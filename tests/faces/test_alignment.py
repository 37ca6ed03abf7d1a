"""FFHQ's crop of a face, and what is said where there is no one face."""

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.faces import alignment
from ganzoo.faces.alignment import FaceError, aligned, crop_square, cropped, one_face
from ganzoo.faces.mtcnn import Face, Mtcnn

POINTS = torch.tensor([[40.0, 50.0], [80.0, 50.0], [60.0, 70.0], [45.0, 90.0], [75.0, 90.0]])


def smooth(width, height):
    """An image whose red grows to the right and whose green grows downwards."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x, y, 0 * x], axis=2).astype(np.uint8))


def turned(points, degrees):
    angle = torch.tensor(degrees).deg2rad()
    c, s = angle.cos(), angle.sin()
    center = points.mean(dim=0)
    return (points - center) @ torch.stack([torch.stack([c, s]), torch.stack([-s, c])]) + center


def test_the_square_lies_around_eyes_and_mouth_and_is_as_wide_as_the_eyes_ask():
    square = crop_square(POINTS)
    assert torch.allclose(square.mean(dim=0), torch.tensor([60.0, 50 + 0.118 * 40]).double())
    assert torch.allclose(square[3] - square[0], torch.tensor([2 * 0.99 * 80, 0]).double())
    assert torch.allclose(square[1] - square[0], torch.tensor([0, 2 * 0.99 * 80]).double())


def test_a_long_face_makes_the_square_larger():
    long = POINTS.clone()
    long[3:, 1] += 30
    assert torch.allclose(
        (crop_square(long)[3] - crop_square(long)[0]).norm(), torch.tensor(2 * 0.99 * 126.0).double()
    )


def test_the_square_turns_with_the_face():
    straight, tilted = crop_square(POINTS), crop_square(turned(POINTS, 20.0))
    edge = tilted[3] - tilted[0]
    assert torch.rad2deg(torch.atan2(edge[1], edge[0])).item() == pytest.approx(20, abs=1e-4)
    assert edge.norm().item() == pytest.approx((straight[3] - straight[0]).norm().item(), rel=1e-5)


@pytest.mark.parametrize("side", [50, 100, 300])
def test_a_crop_shows_what_lies_in_the_square(side):
    square = torch.tensor([[60.0, 70], [60, 170], [160, 170], [160, 70]])
    found = np.asarray(cropped(smooth(250, 250), square, side)).astype(float)
    assert found.shape == (side, side, 3)
    at = (np.arange(side) + 0.5) / side * 100  # in pixels, whose centers are at a half
    inner = slice(side // 10, -side // 10)
    assert np.abs(found[:, :, 0] - (60 + at - 0.5))[inner, inner].max() <= 1
    assert np.abs(found[:, :, 1] - (70 + at - 0.5)[:, None])[inner, inner].max() <= 1


def test_a_turned_crop_is_upright():
    image = smooth(250, 250)
    square = crop_square(turned(POINTS + 60, 90.0))
    found = np.asarray(cropped(image, square, 64)).astype(float)
    assert found[32, 8, 1] + 20 < found[32, 56, 1]  # what grew downwards grows to the right


def test_a_rim_beyond_the_image_mirrors_it_and_fades_to_its_median():
    image = Image.fromarray(np.full((200, 200, 3), 90, np.uint8))
    image.paste((200, 10, 10), (0, 0, 30, 200))
    square = torch.tensor([[-100.0, 0], [-100, 200], [100, 200], [100, 0]])
    found = np.asarray(cropped(image, square, 200)).astype(int)
    assert np.abs(found[100, 150:] - 90).max() <= 2  # the image itself
    assert np.abs(found[100, 0] - 90).max() <= 12  # the end of the rim
    assert found[100, 95, 0] > 120  # the mirrored stripe, just beyond the edge


def test_large_images_are_shrunk_without_aliasing():
    noisy = Image.fromarray((np.indices((800, 800)).sum(axis=0) % 2 * 255).astype(np.uint8)).convert("RGB")
    square = torch.tensor([[100.0, 100], [100, 700], [700, 700], [700, 100]])
    found = np.asarray(cropped(noisy, square, 50)).astype(int)
    assert np.abs(found - 127).max() <= 8


def test_a_tiny_face_is_refused():
    with pytest.raises(FaceError, match="crop has 20 pixels a side, and at least 48"):
        cropped(smooth(100, 100), torch.tensor([[0.0, 0], [0, 20], [20, 20], [20, 0]]), 64)


def face(side, x=0.0):
    return Face((x, 0.0, x + side, side), POINTS, 0.99)


@pytest.fixture
def found(monkeypatch):
    """The faces that the detector finds, to be filled by the test."""
    faces = []
    monkeypatch.setattr(alignment, "find_faces", lambda image, network: list(faces))
    return faces


def test_no_face_is_one_line_that_says_what_to_do(found):
    with pytest.raises(FaceError, match=r"^No face was found in the image of 100 x 90\. .*--no-align\.$"):
        aligned(smooth(100, 90), 64)


def test_two_faces_are_counted(found):
    found += [face(80), face(50, 90.0)]
    with pytest.raises(FaceError, match=r"^2 faces were found .*crop it to one of them"):
        aligned(smooth(200, 100), 64)


def test_a_small_face_in_the_background_does_not_count(found):
    found += [face(80), face(30, 90.0)]
    assert one_face(smooth(200, 100)) is found[0]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "I;16"])
def test_images_of_any_mode_become_rgb(found, mode):
    found.append(face(80))
    image = Image.new("I;16", (250, 250)) if mode == "I;16" else smooth(250, 250).convert(mode)
    assert aligned(image, 64).mode == "RGB"


def test_a_tiny_image_holds_no_face():
    with pytest.raises(FaceError, match="5 x 5"):
        aligned(Image.new("L", (5, 5)), 64, Mtcnn())
