"""The mapping network of BigGAN: rows of a class and of parts of z."""

import pytest
import torch
from block_helpers import NUM_WS, assert_batch_independent, classes, randomized

from ganzoo.blocks import MAPPINGS

LABELS = torch.eye(3)


def z(block, n=2):
    return torch.randn(n, block.z_dim, generator=torch.Generator().manual_seed(1))


def test_a_row_is_the_embedded_class_and_its_own_chunk_of_z():
    block = randomized(classes(label_dim=3))
    w, latents = block(z(block), LABELS[:2]), z(block)
    assert torch.equal(w[:, :, :3], block.embed.weight[:2, None].expand(-1, NUM_WS, -1))
    assert torch.equal(w[:, :, 3:].flatten(1), latents)


@pytest.mark.parametrize("spread", ["first", "whole"])
def test_a_row_may_hold_all_of_z_before_the_class(spread):
    block = classes(label_dim=3, spread=spread, z_first=True)
    w, latents = block(z(block), LABELS[:2]), z(block)
    assert torch.equal(w, w[:, :1].expand_as(w))
    assert torch.equal(w[:, 0, : block.z_dim], latents)


def test_the_rows_of_biggan_deep_have_all_of_z_by_default():
    sizes = {"z_dim": 5, "num_ws": NUM_WS, "label_dim": 3}
    spec = MAPPINGS.complete("classes_whole")
    assert (spec["spread"], spec["z_first"]) == ("whole", True)
    block = MAPPINGS.build({"name": "classes_whole", "embed_dim": 4}, w_dim=9, **sizes)
    w = block(z(block), LABELS[:2])
    assert torch.equal(w[:, :, :5], z(block)[:, None].expand(-1, NUM_WS, -1))


def test_without_embedding_a_row_holds_the_label_itself():
    block = classes(label_dim=3, embed_dim=None)
    assert torch.equal(block(z(block), LABELS[1:])[:, 0, :3], LABELS[1:])
    assert not list(block.parameters())


def test_without_classes_a_row_is_its_chunk():
    block = classes()
    assert torch.equal(block(z(block)).flatten(1), z(block))


def test_a_mix_of_labels_is_a_mix_of_rows():
    block, mixed = randomized(classes(label_dim=3)), torch.tensor([[0.25, 0.75, 0.0]])
    pure = block(z(block, 1).expand(3, -1), LABELS)
    torch.testing.assert_close(block(z(block, 1), mixed)[0], 0.25 * pure[0] + 0.75 * pure[1])


@pytest.mark.parametrize("z_first", [False, True])
def test_truncation_scales_z_and_keeps_the_class(z_first):
    block = randomized(classes(label_dim=3, z_first=z_first))
    expected = block(0.4 * z(block), LABELS[:2])
    torch.testing.assert_close(block(z(block), LABELS[:2], 0.4), expected)


def test_the_last_column_is_the_truncation():
    block = classes(label_dim=3, with_psi=True)
    for psi in (0.0, 0.3, 1.0):
        assert torch.equal(block(z(block), LABELS[:2], psi)[:, :, -1], torch.full((2, NUM_WS), psi))
    cut = block(z(block), LABELS[:2], 0.5, 2)
    assert cut[0, :, -1].tolist() == [0.5, 0.5, 1.0, 1.0]


def test_a_sample_does_not_depend_on_the_others():
    block = classes()
    assert_batch_independent(block, z(block, 3))


def test_z_that_cannot_be_cut_is_refused_with_a_near_width():
    with pytest.raises(ValueError, match=r"a multiple of that, such as 8; got 7"):
        classes(z_dim=7)


def test_rows_of_another_width_are_refused():
    block = classes(label_dim=3)
    sizes = {"z_dim": block.z_dim, "num_ws": NUM_WS, "label_dim": 3}
    with pytest.raises(ValueError, match="7 wide, not 8"):
        type(block)(w_dim=8, embed_dim=3, **sizes)
