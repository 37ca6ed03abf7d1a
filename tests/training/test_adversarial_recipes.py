"""Generators of the zoo learn from images: every recipe's, all of each."""

import pytest
from adversarial_helpers import settings_of, task_of, write_pictures

from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.recipes import compose
from ganzoo.training.compose import plan

SIZES = {"resolution": 8, "channel_base": 2**14, "channel_max": 8, "z_dim": 6, "w_dim": 6}
RECIPES = (
    "mobilestylegan_single",
    "mobilestylegan_skip",
    "stylegan2",
    "stylegan2_depthwise",
    "stylegan2_wavelet",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("images") / "data")


@pytest.mark.parametrize("recipe", RECIPES)
def test_all_parameters_get_gradients_of_finite_losses(data, recipe):
    config = GeneratorConfig.from_dict(compose(recipe, {**SIZES, "mapping": {"depth": 1}}))
    task = task_of(settings_of(data, generator=config.to_dict()))
    batch = task.batch(range(4))
    for phase in task.phases(0.0):
        loss, terms = task.loss(phase, batch, 0.0)
        loss.backward()
        assert loss.isfinite() and all(term.isfinite().all() for term in terms.values())
    for module in task.modules.values():
        assert [name for name, p in module.named_parameters() if p.grad is None] == []


def test_a_head_that_would_learn_at_its_last_level_alone_is_left_out(data):
    told = [f"data={data}", "resolution=8", "channel_max=8", "discriminator_channel_max=8"]
    [job] = plan("mobilestylegan", told, task="adversarial").jobs
    assert job.settings.generator.head["name"] == "single"
    [job] = plan("mobilestylegan", [*told, "head=aux"], task="adversarial").jobs
    assert job.settings.generator.head["name"] == "aux"
