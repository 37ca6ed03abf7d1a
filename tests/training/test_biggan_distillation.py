"""A BigGAN teaches a depthwise student: classes, rows of w, statistics of batch norms."""

import json
import re

import pytest
import torch
from resume_helpers import last_tensors
from typer.testing import CliRunner

import ganzoo
from ganzoo.cli import app
from ganzoo.generators.standing import followers
from ganzoo.models.factory import create

SIZE = {"resolution": 16, "channels": [8, 8, 8], "z_dim": 6, "label_dim": 3, "attention": [1]}
MAPPING = {"embed_dim": 4}
SHORT = ["kimg=0.008", "batch_size=4", "checkpoint_kimg=0.004", "device=cpu", "cache.images=0"]
SHORT += ["held_out.num=4", "held_out.metrics=[l1,psnr]", "held_out.best=psnr", "loss.feature_l1.weight=0"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "model"
    generator = create("biggan_32", **SIZE, mapping=MAPPING)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, buffer in generator.named_buffers():
            if name.endswith((".mean", ".variance")):
                buffer.copy_(1 + 0.1 * torch.randn(buffer.shape, generator=random))
    ganzoo.save(generator, folder)
    return folder


def distilled(teacher, out, *changes, gan):
    """The run of a depthwise student."""
    own = [f"{key}={value}" for key, value in SIZE.items() if key != "label_dim"]
    own += ["separable=true", f"loss.gan.weight={gan}", f"cache.folder={out}-cache"]
    result = CliRunner().invoke(
        app, ["distill", "biggan_32", f"teacher={teacher}", f"out={out}", *own, *SHORT, *changes]
    )
    assert result.exit_code == 0, result.output
    return out


def test_a_depthwise_student_learns_the_teachers_classes_beside_a_discriminator(teacher, tmp_path):
    changes = ["discriminator=biggan", "loss.gan.kind=hinge", "loss.r1.weight=0"]
    out = distilled(teacher, tmp_path / "run", *changes, "discriminator_channel_max=8", gan=0.5)
    student, master = ganzoo.load(out / "student"), ganzoo.load(teacher)
    assert student.config.separable and student.label_dim == 3
    assert sum(p.numel() for p in student.parameters()) < sum(p.numel() for p in master.parameters())
    z, label = student.sample_z(3), torch.eye(3)
    torch.testing.assert_close(student.mapping(z, label), master.mapping(z, label))
    images = student(z[:1].expand(3, -1), label)
    assert not torch.allclose(images[0], images[1], atol=1e-4)
    assert all(block.mean.any() for block in followers(student))
    assert json.loads((out / "result.json").read_text())["figures"]["psnr"]["value"] > 0
    tensors = last_tensors(out)
    assert tensors["discriminator/network.embed.weight"].shape == (3, 8)
    assert torch.isfinite(tensors["discriminator/network.embed.u"]).all()


def test_a_student_of_another_z_is_refused(teacher, tmp_path):
    out, changes = tmp_path / "run", ["resolution=32", "channels=[8,8,8,8]", "z_dim=8", "label_dim=3"]
    changes += ["inherit_mapping=false", f"out={out}", "loss.gan.weight=0"]
    result = CliRunner().invoke(app, ["distill", "biggan_32", f"teacher={teacher}", *SHORT, *changes])
    assert isinstance(result.exception, ValueError)
    assert re.search("z_dim is 8, its teacher's 6", str(result.exception))
