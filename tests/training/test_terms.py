"""Terms of the literature in a distillation: each is its formula, and is refused where it means nothing."""

import pytest
import torch
import torch.nn.functional as F
from distillation_helpers import ALL_OFF, NUMBERS, only, phase_of, student_loss, trainer_of
from resume_helpers import changed
from training_helpers import OFF, TinyFeatures, make_task, make_teacher, run_settings, save_teacher

import ganzoo
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.losses import feature_maps, mmd, offset_relation
from ganzoo.models.factory import build
from ganzoo.models.recipes import RECIPES
from ganzoo.training.hidden_features import HiddenFeatures, load_hidden_features
from ganzoo.training.latents import Purpose, uniform
from ganzoo.training.offsets import Offsets
from ganzoo.training.run import distill

DIRECTIONS = {"weight": 30.0, "length": 5.0, "first_level": 0, "last_level": 1}


def small_discriminator(resolution=16, **changes):
    data = {"resolution": resolution, "channel_base": 64, "channel_max": 8, **changes}
    return build(DiscriminatorConfig.from_dict(data), seed=5)


# Statistics


def test_mmd_is_of_pooled_features():
    network = TinyFeatures()
    task = make_task(run_settings(loss=only(mmd=2.0)), network=network)
    loss, terms, batch = student_loss(task)
    assert terms.keys() >= {"mmd"} and "relation" not in terms
    pooled = [feature_maps(network, x, 16)[-1].mean(dim=(2, 3)) for x in (batch.fake, batch.target)]
    torch.testing.assert_close(terms["mmd"], mmd(*pooled))
    torch.testing.assert_close(loss.detach(), 2 * terms["mmd"])


# StyleKD's offset form


def offset_task(**changes):
    return make_task(run_settings(**{"loss": {**ALL_OFF, "offset_relation": DIRECTIONS}, **changes}))


@pytest.mark.parametrize("noise", ["const", "random"])
def test_moved_samples_resemble_the_others_as_the_teachers_do(noise):
    task = offset_task(noise=noise)
    loss, terms, batch = student_loss(task)
    moved = task.offsets.moved(batch.w, NUMBERS)
    expected = []
    ours = [
        task.student.synthesis.features(w[:, : task.student.num_ws], batch.noise) for w in (batch.w, moved)
    ]
    theirs = [task.teacher.original.synthesis.features(w, batch.noise) for w in (batch.w, moved)]
    for a, b, c, d in zip(*ours, *theirs, strict=False):
        expected.append(offset_relation(a, b, c, d))
    assert len(expected) == 2
    torch.testing.assert_close(terms["offset_relation"], torch.stack(expected).mean().detach())
    torch.testing.assert_close(loss.detach(), 30 * terms["offset_relation"])
    loss.backward()
    assert any(p.grad is not None and p.grad.any() for p in task.student.synthesis.parameters())


def test_w_moves_by_the_length_along_a_main_direction_of_w():
    task = offset_task()
    batch = task.batch(range(40))
    moved = task.offsets.moved(batch.w, range(40)) - batch.w
    assert torch.allclose(moved[:, 0].norm(dim=1), torch.tensor(5.0), atol=1e-4)
    assert torch.allclose(moved, moved[:, :1].expand_as(moved), atol=1e-5)
    w = task.teacher.w(task.teacher.latents(range(1024)))[:, 0]
    variances = [(w @ direction).var() for direction in task.offsets.directions]
    assert variances == sorted(variances, reverse=True)
    torch.testing.assert_close(variances[0], torch.linalg.eigvalsh(torch.cov(w.T))[-1], atol=1e-4, rtol=1e-3)
    along = (moved[:, 0] @ task.offsets.directions.T / 5).round()
    assert (along.abs().sum(dim=1) == 1).all() and len(along.abs().argmax(dim=1).unique()) > 1
    assert {-1.0, 1.0} <= set(along.flatten().tolist())


def test_a_sample_moves_alike_in_any_batch():
    task = offset_task()
    w = task.batch(NUMBERS).w
    assert torch.equal(task.offsets.moved(w, NUMBERS)[2:3], task.offsets.moved(w[2:3], [2]))


def test_without_the_teachers_mapping_w_cannot_be_moved():
    with pytest.raises(ValueError, match="give inherit_mapping=true"):
        run_settings(loss={**ALL_OFF, "offset_relation": DIRECTIONS}, inherit_mapping=False)


def test_a_level_that_the_student_lacks_is_named():
    task = offset_task()
    with pytest.raises(ValueError, match="first_level=2, but the student has 2 levels"):
        Offsets(task.teacher, type(task.offsets.term)(weight=1.0, first_level=2, last_level=3))


# Chen 2020


def test_hidden_features_are_of_the_teachers_discriminator():
    task = make_task(run_settings(loss=only(hidden_l1=3.0), teacher_discriminator="there"))
    discriminator = small_discriminator(32)
    task.hidden = HiddenFeatures(discriminator, 2)
    loss, terms, batch = student_loss(task)
    larger = [F.interpolate(x, size=(32, 32), mode="bilinear") for x in (batch.fake, batch.target)]
    seen = [discriminator.network.hidden(x, 2) for x in larger]
    torch.testing.assert_close(terms["hidden_l1"], (seen[0] - seen[1]).abs().mean())
    torch.testing.assert_close(loss.detach(), 3 * terms["hidden_l1"])
    loss.backward()
    assert task.student.synthesis.head.to_image["1"].bias.grad.any()
    assert all(p.grad is None for p in discriminator.parameters())


def test_a_run_reads_the_teachers_discriminator_from_its_folder(tmp_path):
    teacher = save_teacher(tmp_path / "teacher")
    ganzoo.save(small_discriminator(), tmp_path / "discriminator")
    loss = {"gan": OFF, "hidden_l1": {"weight": 1.0, "level": 1}, "teacher_features": OFF}
    changes = {"teacher_discriminator": str(tmp_path / "discriminator"), "loss": loss, "kimg": 0.008}
    folder = distill(changed(teacher, tmp_path / "run", **changes))
    assert '"hidden_l1"' in (folder / "log.jsonl").read_text()


@pytest.mark.parametrize(
    ("network", "level", "channels", "said"),
    [
        (make_teacher, 1, 3, "is a generator: give what `ganzoo convert --part discriminator` wrote"),
        (small_discriminator, 1, 1, "sees images of 3 channels, not of 1"),
        (small_discriminator, 3, 3, r"loss\.hidden_l1\.level=3, but .* has 2 levels"),
    ],
)
def test_a_discriminator_that_does_not_fit_is_one_line(tmp_path, network, level, channels, said):
    ganzoo.save(network(), tmp_path)
    with pytest.raises(ValueError, match=said):
        load_hidden_features(tmp_path, level, channels, torch.device("cpu"))


def test_without_the_teachers_discriminator_the_setting_is_named():
    with pytest.raises(ValueError, match="teacher_discriminator=FOLDER"):
        run_settings(loss=only(hidden_l1=1.0))


def test_the_triplet_is_the_discriminators():
    triplet = {"weight": 0.5, "level": 2, "margin": 0.25}
    task = make_task(run_settings(loss={"triplet": triplet, "r1": OFF}))
    plain = make_task(run_settings(loss={"r1": OFF}))
    _, terms, batch = student_loss(task)
    assert "triplet" not in terms
    loss, terms = task.loss(phase_of(task, "discriminator"), batch, 0.0)
    teachers, students = (task.discriminator.hidden(x, 2) for x in (batch.target, batch.fake))
    near, far = ((teachers.roll(1, 0) - x).abs().mean(dim=(1, 2, 3)) for x in (teachers, students))
    expected = F.relu(near - far + 0.25).mean()
    torch.testing.assert_close(terms["triplet"], expected.detach())
    without, _ = plain.loss(phase_of(plain, "discriminator"), batch, 0.0)
    torch.testing.assert_close(loss, without + 0.5 * expected)


PROJECTED = {"discriminator": {"name": "projected"}, "held_out": {"features": "tiny"}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": {"triplet": {"weight": 1.0}, "gan": OFF}}, r"there is none: give loss\.gan\.weight"),
        ({"loss": {"triplet": {"weight": 1.0, "level": 3}}}, "hidden features of 2 levels"),
        ({"loss": {"triplet": {"weight": 1.0}, "r1": OFF}, **PROJECTED}, "hidden features of 0 levels"),
        ({"loss": {"gan": {"kind": "wasserstein"}}}, r"penalty of its own: give loss\.r1\.weight=0"),
        ({"loss": {"gan": {"kind": "wasserstein"}, "r1": OFF}, **PROJECTED}, r"give loss\.gan\.kind=hinge"),
        ({"loss": {**ALL_OFF, "triplet": {"weight": 1.0}}}, "nothing to learn"),
        ({"loss": {"offset_relation": {"length": 0.0}}}, "length is positive"),
        ({"loss": {"offset_relation": {"first_level": 3, "last_level": 2}}}, "first_level"),
        ({"loss": {"hidden_l1": {"level": 0}}}, "level is at least 1"),
    ],
    ids=str,
)
def test_what_means_nothing_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        run_settings(**changes)


# Aguinaldo 2019


def wasserstein_task(**changes):
    gan = {"weight": 0.75, "kind": "wasserstein", "slope_penalty": 10.0}
    loss = {**ALL_OFF, "pixel_l2": {"weight": 0.25}, "gan": gan, "r1": OFF}
    return make_task(run_settings(loss=loss, augment="none", **changes))


def test_the_joint_loss_is_that_of_squares_and_of_a_critic():
    """Aguinaldo et al. 2019: alpha times the squared error, 1 - alpha times the critic's answer."""
    task = wasserstein_task()
    loss, terms, batch = student_loss(task)
    torch.testing.assert_close(terms["gan"], -task.discriminator(batch.fake).mean().detach())
    torch.testing.assert_close(loss.detach(), 0.25 * terms["pixel_l2"] + 0.75 * terms["gan"])


def test_the_critics_slope_is_held_between_the_teachers_and_the_students_images():
    task = wasserstein_task()
    _, _, batch = student_loss(task)
    loss, terms = task.loss(phase_of(task, "discriminator"), batch, 0.0)
    place = uniform(NUMBERS, seed=0, purpose=Purpose.MIXTURE, count=1)[:, :, None, None]
    between = (batch.target + place * (batch.fake - batch.target)).requires_grad_()
    (slope,) = torch.autograd.grad(task.discriminator(between).sum(), between)
    penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(terms["slope_penalty"], penalty, atol=1e-5, rtol=1e-4)
    difference = task.discriminator(batch.fake).mean() - task.discriminator(batch.target).mean()
    torch.testing.assert_close(loss, difference + 10 * terms["slope_penalty"], atol=1e-4, rtol=1e-4)
    loss.backward()
    assert not batch.fake.requires_grad and task.discriminator.network.out.weight.grad.any()


# All of them


def everything():
    weights = ("pixel_l1", "mmd", "offset_relation", "hidden_l1", "triplet")
    loss = {**{name: {"weight": 1.0} for name in weights}, "gan": {"kind": "wasserstein"}, "r1": OFF}
    loss["offset_relation"] = DIRECTIONS
    return loss


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16"}, {"accumulate": 2}], ids=str)
def test_a_step_with_all_of_them_moves_the_student_and_its_discriminator(tmp_path, changes):
    settings = run_settings(loss=everything(), teacher_discriminator="there", **changes)
    task = make_task(settings, network=TinyFeatures())
    task.hidden = HiddenFeatures(small_discriminator(), 2)
    before = {name: [p.clone() for p in m.parameters()] for name, m in task.modules.items()}
    terms = trainer_of(task, tmp_path)._step()
    assert {"mmd", "offset_relation", "hidden_l1", "triplet", "slope_penalty"} <= terms.keys()
    assert all(torch.isfinite(value) for value in terms.values())
    for name, module in task.modules.items():
        assert any(not torch.equal(p, q) for p, q in zip(module.parameters(), before[name], strict=True))


def test_the_recipe_says_which_paper_each_term_is_from():
    text = (RECIPES / "training" / "distillation.yaml").read_text()
    for paper in ("StyleKD", "NICKEL & DiME", "Chen 2020", "Aguinaldo 2019"):
        assert paper in text
