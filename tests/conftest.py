"""Fixtures that several folders of tests share."""

from pathlib import Path

import pytest

import ganzoo


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved MobileStyleGAN of 32 x 32 with random weights."""
    folder = tmp_path_factory.mktemp("model")
    generator = ganzoo.create(
        "mobilestylegan", resolution=32, channels=[16, 16, 16], z_dim=16, w_dim=16, mapping={"depth": 1}
    )
    ganzoo.save(generator, folder)
    return folder
