"""The networks of face-api: shards to tensors, layouts, and with the weights what the original gives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganzoo.faces.networks import NETWORKS, AgeAndGender, Identity, _same, load_face_network
from ganzoo.faces.weights import read_shard


def entry(name, shape, scale=None, low=0.0):
    coded = {"quantization": {"dtype": "uint8", "scale": scale, "min": low}} if scale else {}
    return {"name": name, "shape": shape, "dtype": "float32", **coded}


def test_bytes_of_a_shard_become_numbers_in_pytorchs_layout():
    plain = np.array([1.5, -2.0], np.float32)
    data = bytes(range(4)) + plain.tobytes() + bytes(range(12))
    found = read_shard(
        [entry("a/weights", [2, 2], 0.5, -1.0), entry("b", [2]), entry("c", [1, 2, 3, 2], 1)], data
    )
    assert found["a/weights"].tolist() == [[-1.0, 0.0], [-0.5, 0.5]]
    assert found["b"].tolist() == [1.5, -2.0]
    assert found["c"].shape == (2, 3, 1, 2) and found["c"][1, 0, 0, 1] == 7  # out 1, in 0, column 1


def test_filters_of_depthwise_convolutions_have_one_input():
    found = read_shard([entry("x/depthwise_filter", [3, 3, 4, 1], 1)], bytes(range(36)))
    assert found["x/depthwise_filter"].shape == (4, 1, 3, 3) and found["x/depthwise_filter"][1, 0, 0, 1] == 5


@pytest.mark.parametrize(
    "data, message",
    [(bytes(5), "5 bytes, and its manifest tells of 4"), (bytes(3), "3 bytes, and ends within a")],
)
def test_a_shard_of_another_length_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_shard([entry("a", [4], 1.0)], data)


def test_numbers_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="'uint16'"):
        read_shard(
            [{**entry("a", [4], 1.0), "quantization": {"dtype": "uint16", "scale": 1, "min": 0}}], bytes(8)
        )


def test_even_sides_are_padded_at_their_end_only_in_steps_of_two():
    x = torch.ones(1, 1, 4, 5)
    assert _same(x, 1).shape == (1, 1, 6, 7) and _same(x, 2).shape == (1, 1, 5, 7)
    assert torch.equal(_same(x, 2)[..., 1:6], F.pad(x, (0, 0, 0, 1)))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_take_crops_of_any_size(name):
    found = NETWORKS[name]()(torch.zeros(2, 3, 64, 64))
    found = found[1] if isinstance(found, tuple) else found
    assert found.shape[0] == 2 and found.isfinite().all()


def test_crops_are_clamped_and_centered_on_the_training_mean():
    network = AgeAndGender()
    mean = network.mean / 127.5 - 1
    assert network.prepared(mean.expand(1, 3, 112, 112)).abs().max() < 1e-6
    assert torch.equal(
        network.prepared(torch.full((1, 3, 112, 112), 7.0)), network.prepared(torch.ones(1, 3, 112, 112))
    )


def test_what_halves_the_size_keeps_what_its_means_have():
    block = Identity().conv64_down
    torch.nn.init.zeros_(block.conv2.scale["weights"])  # nothing beside the means
    x = torch.rand(1, 32, 9, 8, generator=torch.Generator().manual_seed(0))
    found = block(x)
    assert torch.allclose(found[:, :32], F.avg_pool2d(x, 2)) and not found[:, 32:].any()


def test_an_unknown_network_gets_a_near_match():
    with pytest.raises(ValueError, match="Did you mean 'age_gender'"):
        load_face_network("age_gendr")


def waves(side):
    y, x, c = torch.meshgrid(*(torch.arange(float(n)) for n in (side, side, 3)), indexing="ij")
    return torch.sin(0.13 * x + 0.07 * y * (c + 1) + c).permute(2, 0, 1)[None]


# what face-api 1.7.15 gives in Node with the CPU backend of TensorFlow.js for 127.5 * (1 + waves)
@pytest.mark.network
def test_the_networks_give_what_face_api_gives():
    years, gender = load_face_network("age_gender")(waves(112))
    assert years.item() == pytest.approx(17.538246, abs=1e-3)
    assert gender.softmax(dim=1)[0, 0].item() == pytest.approx(0.754417, abs=1e-5)
    sad = load_face_network("face_expression")(waves(112)).softmax(dim=1)[0, 2]
    assert sad.item() == pytest.approx(0.999888, abs=1e-5)
    points = load_face_network("face_landmark_68")(waves(112))[0, :2]
    assert torch.allclose(points, torch.tensor([[0.378485, 0.530875], [0.444941, 0.626649]]), atol=1e-5)
    identity = load_face_network("face_recognition")(waves(150))[0, :4]
    assert torch.allclose(identity, torch.tensor([-0.053745, 0.135216, 0.000324, -0.065581]), atol=2e-5)
