"""A model of another package's architecture goes to the Hub and comes back."""

import pytest
import torch
from helpers import trained
from hub_helpers import NAME, make_images

import ganzoo
from ganzoo.cards.signature import signed

pytestmark = pytest.mark.usefixtures("second_architecture")


def test_it_gives_the_same_images_from_the_hub(hub, run, tmp_path, saved):
    generator = trained(ganzoo.create("waves").config)
    ganzoo.save(generator, tmp_path / "waves")
    card = (saved / "README.md").read_text()
    (tmp_path / "waves" / "README.md").write_text(signed(card))
    status, _, err = run("push", tmp_path / "waves", "me/tiny")
    assert (status, err) == (0, "")
    assert torch.equal(make_images(ganzoo.create(NAME)), make_images(generator))
