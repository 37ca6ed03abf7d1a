"""Generators to deploy, and the comparison of their images."""

import helpers
from helpers import MOBILE, assert_same_image, tiny_config

import ganzoo

NETWORKS = {
    "stylegan2": {},
    "mobilestylegan": MOBILE,
    "stylegan2 with idwt": {"upsampler": "idwt"},
    "mobilestylegan with skip": {**MOBILE, "head": "skip"},
    "mobilestylegan with residual": {**MOBILE, "shortcut": "residual"},
}


def trained(network="stylegan2", **settings):
    return helpers.trained(tiny_config(**{**NETWORKS[network], **settings}))


def assert_deploys(generator):
    deployed = ganzoo.deploy(generator)
    for n in (1, 3):
        z = generator.sample_z(n)
        assert_same_image(deployed(z), generator(z))
