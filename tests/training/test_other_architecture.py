"""An architecture of another package is distilled by the loop that knows only its seams."""

import pytest
from helpers import tiny, trained
from typer.testing import CliRunner

import ganzoo
from ganzoo.cli import app

pytestmark = pytest.mark.usefixtures("second_architecture")


def test_it_learns_from_a_teacher_of_another_architecture(tmp_path):
    ganzoo.save(trained(tiny(resolution=16)), tmp_path / "teacher")
    settings = ["kimg=0.008", "batch_size=4", "loss.feature_l1.weight=0", "loss.gan.weight=0", "device=cpu"]
    settings += ["held_out.num=4", "held_out.metrics=[l1]", "held_out.best=l1", "inherit_mapping=false"]
    settings += [
        "cache.images=0",
        f"cache.folder={tmp_path}/cache",
    ]  # else 8192 in the user's
    folders = [f"teacher={tmp_path}/teacher", f"out={tmp_path}/run"]
    result = CliRunner().invoke(app, ["distill", "waves", *folders, *settings])
    assert result.exit_code == 0, result.output
    student = ganzoo.load(tmp_path / "run" / "student")
    assert student.config.architecture == "waves"
