"""Small discriminators and what they judge."""

import torch
from covering import crossed

from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig

ARCHITECTURES = ["resnet", "skip", "orig"]
LABELS = [0, 3]
DEVIATIONS = [  # of the minibatch: size of a group, images of deviation
    {"mbstd_group_size": 2, "mbstd_num_channels": 1},
    {"mbstd_group_size": None, "mbstd_num_channels": 2},
    {"mbstd_group_size": 1, "mbstd_num_channels": 1},
    {"mbstd_num_channels": 0},
]
NETWORKS = crossed(ARCHITECTURES, LABELS, range(len(DEVIATIONS)))  # any two meet always
_FIELDS = ("resolution", "channels", "label_dim", "img_channels")


def config(**settings):
    """A config of 16 x 16; what is no field of it is an option of the block."""
    given = {key: settings.pop(key) for key in _FIELDS if key in settings}
    options = {"mapping_depth": 1, **settings}
    return DiscriminatorConfig.from_dict(
        {
            "resolution": 16,
            "channels": [8, 12, 6],
            **given,
            "discriminator": {"name": "residual", **options},
        }
    )


def discriminator(**settings):
    """A discriminator with no parameter left at 0."""
    torch.manual_seed(0)
    network = Discriminator(config(**settings))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter += 0.3 * torch.randn(parameter.shape)
    return network


def make_images(network, n=4):
    """Images, and labels where the network takes them."""
    random = torch.Generator().manual_seed(1)
    shape = [n, network.img_channels, network.resolution, network.resolution]
    images = torch.randn(shape, generator=random)
    if not network.label_dim:
        return (images,)
    return images, torch.eye(network.label_dim)[torch.arange(n) % network.label_dim]
