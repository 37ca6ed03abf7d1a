"""The directions that come with the package: whose they are, and that they are told and licensed."""

import pytest
import torch

import ganzoo
from ganzoo.latent.directions import BUNDLED, SHIPPED, read_directions, shipped
from ganzoo.latent.editing import edit
from ganzoo.latent.look import Look

SETS = list(shipped())
NAMES = [f"{found.model}: {direction.name}" for found in SETS for direction in found]


def test_every_set_has_its_file_of_vectors_and_no_other_is_there():
    assert sorted(path.stem for path in SHIPPED.iterdir()) == sorted(path.stem for path in BUNDLED.iterdir())


def test_every_direction_has_a_name_of_its_own_and_tells_what_it_changes():
    assert len(NAMES) == len({*NAMES})
    for found in SETS:
        assert found.model in ganzoo.list_models()
        for direction in found:
            assert {"changes", "method", "origin", "license"} <= direction.facts.keys(), direction.name


@pytest.mark.parametrize("name", ["mobilestylegan_ffhq_64_lite"])  # which needs no network
def test_a_member_of_the_family_finds_and_moves_along_the_directions_of_its_teacher(name):
    generator = ganzoo.create(name)
    found = read_directions(name, generator)
    assert {"turn", "hair", "grown"} <= {*found.names}
    w = Look().w(generator, [1])
    with torch.inference_mode():
        left, right = (generator.draw(edit(w, found["turn"], strength)) for strength in (-2, 2))
    columns = [image.mean(dim=(0, 1, 2)) for image in (left, right)]  # a head that turns moves its outline
    assert (columns[0] - columns[1]).abs().max() > 0.2


def test_the_directions_of_a_published_model_are_listed_without_its_weights():
    assert read_directions("mobilestylegan_ffhq_256").names == read_directions("mobilestylegan_ffhq").names
