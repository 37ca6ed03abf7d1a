"""A StyleGAN learns from images against its own discriminator, teaches a student, and is one."""

import pytest
from adversarial_helpers import task_of, write_pictures
from helpers import tiny, trained
from typer.testing import CliRunner

import ganzoo
from ganzoo.cli import app
from ganzoo.training.compose import plan

SIZES = ["channel_base=128", "channel_max=8", "z_dim=6", "w_dim=6", "discriminator_channel_max=8"]
RUN = ["kimg=0.008", "batch_size=4", "loss.feature_l1.weight=0", "loss.gan.weight=0", "device=cpu"]
RUN += ["held_out.num=4", "held_out.metrics=[l1]", "held_out.best=l1", "cache.images=0", "init_head=0"]
CASES = {
    "its own": ["resolution=8"],
    "wavelets": ["resolution=16", "upsampler=idwt", "conv=depthwise", "output=wavelet"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("images") / "data", side=16)


@pytest.mark.parametrize("case", ["its own", pytest.param("wavelets", marks=pytest.mark.slow)])
def test_all_parameters_get_gradients_of_finite_losses(data, case):
    told = [f"data={data}", "training=stylegan", *SIZES, *CASES[case]]
    [job] = plan("stylegan", told, task="adversarial").jobs
    settings = job.settings
    assert settings.discriminator["name"] == "stylegan" and settings.penalty.interval == 1
    assert settings.generator.head["name"] == "single" and settings.path_length.weight == 0
    task = task_of(settings)
    batch = task.batch(range(4))
    for phase in task.phases(0.0):
        loss, terms = task.loss(phase, batch, 0.0)
        loss.backward()
        assert loss.isfinite() and all(term.isfinite().all() for term in terms.values())
    for module in task.modules.values():
        assert [name for name, p in module.named_parameters() if p.grad is None] == []


@pytest.mark.slow  # one of each is tried in the matrix of architectures
@pytest.mark.parametrize(
    ("teacher", "student"), [("stylegan", "mobilestylegan"), ("stylegan2", "stylegan_depthwise")]
)
def test_it_teaches_and_is_taught(teacher, student, tmp_path):
    ganzoo.save(trained(tiny(generator=teacher)), tmp_path / "teacher")
    folders = [f"teacher={tmp_path}/teacher", f"out={tmp_path}/run", f"cache.folder={tmp_path}/cache"]
    widths = ["channel_base=128", "channel_max=8"]
    result = CliRunner().invoke(app, ["distill", student, *folders, *widths, *RUN])
    assert result.exit_code == 0, result.output
    learnt = ganzoo.load(tmp_path / "run" / "student")
    assert learnt.config.family == student.partition("_")[0]
