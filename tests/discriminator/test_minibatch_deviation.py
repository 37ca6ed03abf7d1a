"""The deviation over groups of a batch, which joins the features of a discriminator."""

import pytest
import torch
from discriminator_helpers import discriminator, make_images

from ganzoo.blocks.discriminator import MinibatchDeviation


def deviation(x, group_size, num_channels=1):
    """What is added to the features `[N, C, H, W]`: one number a sample and channel."""
    out = MinibatchDeviation(group_size, num_channels)(x)
    assert out.shape == (len(x), x.shape[1] + num_channels, *x.shape[2:])
    assert torch.equal(out[:, : x.shape[1]], x)
    added = out[:, x.shape[1] :]
    assert torch.equal(added, added[..., :1, :1].expand_as(added))
    return added[:, :, 0, 0]


@pytest.fixture
def x():
    """Features of six samples, each further from zero than the one before."""
    random = torch.Generator().manual_seed(0)
    return torch.randn(6, 4, 4, 4, generator=random) * torch.arange(1, 7)[:, None, None, None]


def by_hand(samples):
    """Mean over features of the deviation over samples."""
    variance = samples.var(dim=0, unbiased=False)
    return (variance + 1e-8).sqrt().mean()


def test_a_sample_shares_its_group_with_those_at_a_distance_of_the_number_of_groups(x):
    added = deviation(x, 2)[:, 0]  # three groups: 0 and 3, 1 and 4, 2 and 5
    for i in range(6):
        torch.testing.assert_close(added[i], by_hand(x[[i % 3, i % 3 + 3]]))


def test_swapping_members_of_a_group_changes_nothing(x):
    swapped = x[[3, 1, 2, 0, 4, 5]]
    torch.testing.assert_close(deviation(swapped, 2), deviation(x, 2))


def test_swapping_members_of_two_groups_changes_these_groups_alone(x):
    swapped = x[[1, 0, 2, 3, 4, 5]]  # the groups are now 1 and 3, 0 and 4, 2 and 5
    before, after = deviation(x, 2)[:, 0], deviation(swapped, 2)[:, 0]
    assert (before - after).abs()[[0, 1, 3, 4]].min() > 1e-3
    torch.testing.assert_close(before[[2, 5]], after[[2, 5]])


def test_no_group_size_means_the_whole_batch(x):
    torch.testing.assert_close(deviation(x, None)[:, 0], by_hand(x).expand(6))


def test_a_group_larger_than_the_batch_is_the_batch(x):
    assert torch.equal(deviation(x, 9), deviation(x, None))


def test_a_group_of_one_has_no_deviation(x):
    torch.testing.assert_close(deviation(x, 1), torch.full((6, 1), 1e-4))


def test_every_added_channel_is_of_its_own_part_of_the_features(x):
    added = deviation(x, 3, num_channels=2)
    parts = [deviation(part, 3)[:, 0] for part in x.chunk(2, dim=1)]
    torch.testing.assert_close(added, torch.stack(parts, dim=1))


def test_no_channels_leave_the_features_as_they_are(x):
    assert torch.equal(MinibatchDeviation(4, 0)(x), x)


@pytest.mark.parametrize("group_size", [4, 5])
def test_a_batch_that_groups_do_not_fill_is_refused(x, group_size):
    with pytest.raises(ValueError, match=f"groups of {group_size}: a batch of 6 cannot be divided"):
        deviation(x, group_size)


def test_a_logit_depends_on_the_samples_of_its_group_alone():
    network = discriminator(mbstd_group_size=2)
    (images,) = make_images(network)
    changed = images.clone()
    changed[3] += 1  # of the group of sample 1
    before, after = network(images), network(changed)
    assert (before - after).abs()[1] > 1e-6
    torch.testing.assert_close(before[[0, 2]], after[[0, 2]])


def test_the_default_compares_four_samples():
    network = discriminator()
    assert network.config.discriminator["mbstd_group_size"] == 4
    with pytest.raises(ValueError, match="a batch of 6 cannot be divided"):
        network(*make_images(network, n=6))
    for n in (1, 2, 3, 8):
        assert network(*make_images(network, n=n)).shape == (n, 1)


def test_an_empty_batch_gives_no_logits():
    network = discriminator()
    assert network(torch.zeros(0, 3, 16, 16)).shape == (0, 1)
