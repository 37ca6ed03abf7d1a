"""MTCNN without its weights: boxes, crops and their order; with them, faces."""

import pytest
import torch
from PIL import Image

from ganzoo.faces.mtcnn import Mtcnn, _best, _crops, _squares, find_faces, load_mtcnn

BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40], [2, 2, 6, 6]])


def test_of_overlapping_boxes_the_best_stays():
    assert _best(BOXES, torch.tensor([0.8, 0.9, 0.5, 0.7]), 0.7).tolist() == [1, 3, 2]


def test_a_box_within_a_better_one_goes_where_the_smaller_counts():
    scores = torch.tensor([0.8, 0.9, 0.5, 0.7])
    assert _best(BOXES, scores, 0.7, of_smaller=True).tolist() == [1, 2]


def test_no_boxes_are_no_boxes():
    assert _best(BOXES[:0], torch.zeros(0), 0.7).shape == (0,)


def test_squares_keep_the_center_and_the_longer_side():
    assert _squares(torch.tensor([[0.0, 10, 10, 30]])).tolist() == [[-5, 10, 15, 30]]


def test_boxes_beyond_the_image_are_cut_or_left_out():
    pixels = torch.arange(3 * 40 * 40.0).view(3, 40, 40) / 20
    kept, crops = _crops(pixels, torch.tensor([[30.0, 30, 60, 60], [50, 50, 60, 60]]), 24)
    assert kept.tolist() == [[30, 30, 60, 60]] and crops.shape == (1, 3, 24, 24)
    assert crops.isfinite().all()


def test_nothing_is_found_in_an_even_image_whatever_the_weights():
    network = Mtcnn().eval()
    for part in (network.pnet, network.rnet, network.onet):
        torch.nn.init.constant_(part.heads[0].bias, 0.0)
        torch.nn.init.zeros_(part.heads[0].weight)  # one half each: not enough for a face
    assert find_faces(Image.new("RGB", (60, 60)), network) == []


@pytest.mark.parametrize("part, size", [("rnet", 24), ("onet", 48)])
def test_the_networks_take_crops_of_their_size(part, size):
    outputs = getattr(Mtcnn(), part)(torch.zeros(2, 3, size, size))
    assert [o.shape[1] for o in outputs] == ([2, 4] if part == "rnet" else [2, 4, 10])


@pytest.mark.network
def test_the_face_of_a_generated_image_is_where_the_crop_expects_it():
    import ganzoo
    from ganzoo.faces.alignment import aligned
    from ganzoo.system.images import to_images

    generator, network = ganzoo.create("mobilestylegan_ffhq_256"), load_mtcnn()
    [image] = to_images(generator(generator.sample_z(1, seed=0), truncation_psi=0.7))
    before, after = (find_faces(i, network)[0] for i in (image, aligned(image, 256, network)))
    assert before.score > 0.99
    assert (before.points[:2] - after.points[:2]).norm(dim=1).max() < 8
