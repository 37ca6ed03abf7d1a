"""The phases of adversarial training: games, penalties, what is frozen, labels, channels, precision."""

import pytest
import torch
from adversarial_helpers import settings_of, task_of, write_pictures
from training_helpers import ALONE, TinyFeatures

from ganzoo.losses import hinge_discriminator, linear_generator, r1_penalty, top_k
from ganzoo.models.factory import build
from ganzoo.training.adversarial import DISCRIMINATOR, GENERATOR, PATH_LENGTH, PENALTY
from ganzoo.training.latents import mixed
from ganzoo.training.loop import Trainer
from ganzoo.training.parts import freeze, freeze_layers
from ganzoo.training.task import Phase

TINY_FEATURES = {"name": "projected", "features": "tiny", "maps": [5, 6], "size": 32, "width": 4}
PROJECTED = {"discriminator": TINY_FEATURES, "penalty": {"r1": 0.0}, "game": {"kind": "hinge"}}
PLAIN = {"augment": {"name": "none"}, "noise": "const"}


def tiny_task(tmp_path, classes=0, **changes):
    data = write_pictures(tmp_path / "data", classes=classes)
    return task_of(settings_of(data, **{**PLAIN, **({"label_dim": classes} if classes else {}), **changes}))


def trainer_of(task, tmp_path):
    return Trainer(task, task.settings, ALONE, tmp_path / "checkpoints")


def phase_of(task, name, batch, kimg=0.0):
    interval = {PATH_LENGTH: 2, PENALTY: 3}.get(name, 1)
    return task.loss(Phase(name, (), interval), batch, kimg)


def moved(module, before):
    return {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}


def weights(module):
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def images_of(task, batch, phase):
    """The generator's images of a phase, made from what was drawn for it."""
    drawn = batch.drawn[phase]
    w = task.generator.mapping(drawn.latents.z, drawn.latents.label)
    return task.generator.synthesis(mixed(task.generator, drawn.latents, w), drawn.noise).image


# Games


def test_top_k_keeps_the_most_convincing_images_and_at_least_one():
    logits = torch.tensor([[0.0], [3.0], [-1.0], [2.0]])
    assert top_k(logits, 0.5).flatten().tolist() == [3.0, 2.0]
    assert top_k(logits, 0.51).flatten().tolist() == [3.0, 2.0, 0.0]
    assert top_k(logits, 1e-9).flatten().tolist() == [3.0]
    assert torch.equal(top_k(logits, 1.0), logits)


def test_top_k_judges_images_by_the_mean_of_their_logits_and_takes_any_of_equal_ones():
    places = torch.tensor([[4.0, 0.0], [1.0, 1.0], [5.0, -5.0]])
    assert top_k(places, 0.3).tolist() == [[4.0, 0.0]]
    assert top_k(torch.ones(5, 2), 0.4).shape == (2, 2)


def test_the_share_of_top_k_falls_by_a_hundredth_with_every_pass_down_to_its_least(tmp_path, monkeypatch):
    task = tiny_task(tmp_path, game={"top_k": 0.5})
    shares = []
    monkeypatch.setattr(
        "ganzoo.training.adversarial.top_k", lambda fake, share: shares.append(share) or top_k(fake, share)
    )
    for passes in (0.0, 0.9, 1.0, 10.5, 69.0, 500.0):  # over twelve images
        phase_of(task, GENERATOR, task.batch(range(4)), kimg=0.012 * passes + 1e-9)
    assert shares == pytest.approx([1.0, 1.0, 0.99, 0.99**10, 0.5, 0.5], abs=2e-3)


def test_the_generator_learns_from_the_most_convincing_half_alone(tmp_path):
    task = tiny_task(tmp_path, game={"kind": "hinge", "top_k": 0.5})
    batch = task.batch(range(4))
    loss, _ = phase_of(task, GENERATOR, batch, kimg=10.0)
    logits = task.discriminator(images_of(task, batch, GENERATOR)).flatten()
    assert loss.item() == pytest.approx(-logits.sort(descending=True).values[:2].mean().item(), abs=1e-6)


def test_pairs_have_no_top_k():
    with pytest.raises(ValueError, match=r"game\.kind=relativistic plays with pairs, and has no top_k"):
        settings_of("data", game={"kind": "relativistic", "top_k": 0.5})


def test_the_hinge_is_played_for_by_both(tmp_path):
    task = tiny_task(tmp_path, game={"kind": "hinge"})
    batch = task.batch(range(4))
    loss, _ = phase_of(task, GENERATOR, batch)
    judged = task.discriminator
    assert loss.item() == pytest.approx(linear_generator(judged(images_of(task, batch, GENERATOR))).item())
    loss, _ = phase_of(task, DISCRIMINATOR, batch)
    expected = hinge_discriminator(judged(batch.real), judged(batch.fake))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_relativistic_game_is_about_pairs_with_both_penalties_at_every_step(tmp_path):
    """Equations 3 and 4 of Huang et al. 2024: softplus of differences, and gamma / 2 (R1 + R2)."""
    task = tiny_task(
        tmp_path,
        game={"kind": "relativistic"},
        penalty={"r1": 0.6, "r2": 0.4, "interval": 1},
        path_length={"weight": 0.0},
        style_mixing=0.0,
    )
    assert [phase.name for phase in task.phases(0.0)] == [GENERATOR, DISCRIMINATOR]
    batch, judge = task.batch(range(4)), task.discriminator
    loss, terms = phase_of(task, DISCRIMINATOR, batch)
    real, fake = (x.detach().clone().requires_grad_() for x in (batch.real, batch.fake))
    r1, r2 = r1_penalty(judge(real), real), r1_penalty(judge(fake), fake)
    expected = torch.nn.functional.softplus(judge(fake) - judge(real)).mean() + 0.3 * r1 + 0.2 * r2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert terms["r1"].item() == pytest.approx(r1.item(), rel=1e-5)
    assert terms["r2"].item() == pytest.approx(r2.item(), rel=1e-5)
    loss, _ = phase_of(task, GENERATOR, batch)
    made = judge(images_of(task, batch, GENERATOR))
    assert loss.item() == pytest.approx(
        torch.nn.functional.softplus(judge(batch.real) - made).mean().item(), rel=1e-5
    )


def test_r2_is_taken_of_the_images_that_the_discriminator_saw(tmp_path):
    task = tiny_task(tmp_path, penalty={"r1": 0.0, "r2": 2.0, "interval": 3})
    batch = task.batch(range(4))
    with pytest.raises(RuntimeError, match="comes before its penalty"):
        phase_of(task, PENALTY, batch)
    phase_of(task, DISCRIMINATOR, batch)
    loss, terms = phase_of(task, PENALTY, batch)
    assert "r1" not in terms and loss.item() == pytest.approx(3 * 0.5 * 2.0 * terms["r2"].item())


# Who learns


def test_each_phase_moves_its_own_network_and_no_other(tmp_path):
    task = tiny_task(tmp_path)
    trainer, batch = trainer_of(task, tmp_path), [task.batch(range(4))]
    for phase in task.phases(0.0):
        before = {name: weights(module) for name, module in task.modules.items()}
        trainer._update(phase, batch)
        changed = {name for name, module in task.modules.items() if moved(module, before[name])}
        assert changed == {*phase.modules}


def test_a_projected_discriminator_learns_and_its_network_does_not(tmp_path):
    task = tiny_task(tmp_path, **PROJECTED)
    task.discriminator.look_through(TinyFeatures())
    assert [phase.name for phase in task.phases(0.0)] == [GENERATOR, PATH_LENGTH, DISCRIMINATOR]
    seen, before = weights(task.discriminator.seen), weights(task.discriminator)
    generator = weights(task.generator)
    terms = trainer_of(task, tmp_path)._step()
    assert terms["generator"].isfinite() and terms["discriminator"] > 0
    assert moved(task.discriminator, before) == before.keys()
    assert moved(task.generator, generator) and not moved(task.discriminator.seen, seen)


ARCHITECTURES = ["resnet", "skip", "orig"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_are_counted_as_images_pass_them(tmp_path, architecture):
    discriminator = tiny_task(
        tmp_path, discriminator={"name": "residual", "architecture": architecture}
    ).discriminator
    passed = []
    for layer in discriminator.layers():
        layer.register_forward_hook(lambda module, given, made: passed.append(module))
    discriminator(torch.zeros(2, 3, 8, 8))
    names = {id(module): name for name, module in discriminator.named_modules()}
    found = [names[id(layer)] for layer in discriminator.layers()]
    around = [name for name in found if name.endswith("shortcut")]  # beside the convolutions, not after them
    assert [n for n in found if n not in around] == [
        names[id(m)] for m in passed if names[id(m)] not in around
    ]
    assert found[0] == "network.from_image.1" and found[-1] == "network.out"


def test_frozen_layers_stay_frozen_through_all_phases(tmp_path):
    settings = settings_of(write_pictures(tmp_path / "data"), **PLAIN)
    discriminator = build(settings.discriminator_config(), seed=1)
    freeze_layers(discriminator, 2)
    task = task_of(settings, discriminator=discriminator)
    before = weights(discriminator)
    trainer = trainer_of(task, tmp_path)
    for _ in range(4):  # past all intervals
        trainer._step()
    frozen = {
        name for name in before if name.startswith(("network.from_image.1.", "network.levels.1.conv0."))
    }
    assert len(frozen) == 4
    assert moved(discriminator, before) == before.keys() - frozen
    assert {name for name, p in discriminator.named_parameters() if not p.requires_grad} >= frozen


def test_a_layer_has_to_learn(tmp_path):
    discriminator = tiny_task(tmp_path).discriminator
    count = len(discriminator.layers())
    with pytest.raises(ValueError, match=f"=7: the discriminator has {count} layers, and one has to learn"):
        freeze_layers(discriminator, 7)


def test_a_frozen_mapping_keeps_its_weights_and_path_lengths_are_still_measured(tmp_path):
    settings = settings_of(write_pictures(tmp_path / "data"), style_mixing=0.0, **PLAIN)
    generator = build(settings.generator, seed=0)
    freeze(generator, ["mapping"])
    task = task_of(settings, generator)
    before = weights(generator)
    terms = trainer_of(task, tmp_path)._step()
    assert terms["path_length"] > 0 and task.path_mean > 0
    assert moved(generator, before) and not [n for n in moved(generator, before) if n.startswith("mapping")]


# What the generator is given


def test_rows_of_w_are_mixed_from_the_crossover_on_in_as_many_images_as_are_asked_for(tmp_path):
    task = tiny_task(tmp_path, style_mixing=0.9)
    batch = task.batch(range(200))
    w, mean, _ = task._w(batch, GENERATOR, 200)
    drawn = batch.drawn[GENERATOR].latents
    first, second = (task.generator.mapping(z) for z in (drawn.z, drawn.z2))
    crossed = (w != first).any(dim=2)
    assert 165 < crossed.any(dim=1).sum() < 195
    for row in range(200):
        start = int(drawn.crossover[row])
        assert not crossed[row, :start].any() and start > 0
        assert torch.equal(w[row, start:], second[row, start:])
    assert {int(x) for x in drawn.crossover if x < 100} == {*range(1, task.generator.num_ws)}
    torch.testing.assert_close(mean, first.mean(dim=(0, 1)))


def test_every_phase_makes_images_of_its_own(tmp_path):
    task = tiny_task(tmp_path)
    batch = task.batch(range(4))
    for name in (GENERATOR, PATH_LENGTH, DISCRIMINATOR):
        phase_of(task, name, batch)
    first = [batch.drawn[name].latents.z[0] for name in (GENERATOR, PATH_LENGTH, DISCRIMINATOR)]
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[1], first[2])
    assert len(batch.drawn[PATH_LENGTH].latents.z) == 2


def test_images_have_classes_as_often_as_the_set_has(tmp_path):
    task = tiny_task(tmp_path, classes=3)
    labels = task.data.labels_of(range(12))
    task.data.labels_of = lambda numbers: labels[[n % 12 for n in numbers]]
    batch = task.batch(range(400))
    drawn = task._drawn(batch.positions, 0).latents.label
    assert drawn.shape == (400, 3) and (drawn.sum(dim=1) == 1).all()
    assert (drawn.mean(dim=0) - 1 / 3).abs().max() < 0.1
    assert torch.equal(batch.label[:12].sum(dim=0), torch.tensor([4.0, 4.0, 4.0]))


def test_conditional_networks_hear_the_labels_of_their_images(tmp_path):
    task = tiny_task(tmp_path, classes=3, penalty={"r1": 1.0, "r2": 1.0, "interval": 3})
    heard, judged = [], task.discriminator.network.mapping.forward
    task.discriminator.network.mapping.forward = lambda label: heard.append(label) or judged(label)
    batch = task.batch(range(4))
    for name in (GENERATOR, PATH_LENGTH, DISCRIMINATOR, PENALTY):
        loss, _ = phase_of(task, name, batch)
        assert loss.isfinite()
    own, theirs = batch.drawn[GENERATOR].latents.label, batch.drawn[DISCRIMINATOR].latents.label
    assert all(
        torch.equal(a, b) for a, b in zip(heard, [own, theirs, batch.label, batch.label, theirs], strict=True)
    )


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_images_are_learnt(tmp_path, channels):
    task = tiny_task(tmp_path, img_channels=channels, augment={"name": "ada", "p": 1.0})
    assert task.batch(range(4)).real.shape == (4, channels, 8, 8)
    terms = trainer_of(task, tmp_path)._step()
    assert all(value.isfinite() for value in terms.values())


def test_bfloat16_learns_what_single_precision_does_but_for_rounding(tmp_path):
    found = {}
    for precision in ("fp32", "bf16"):
        task = tiny_task(tmp_path, precision=precision, penalty={"r1": 1.0, "r2": 1.0, "interval": 3})
        batch = task.batch(range(4))
        found[precision] = {}
        for name in (GENERATOR, PATH_LENGTH, DISCRIMINATOR, PENALTY):
            task.path_mean.fill_(0.0)
            loss, terms = phase_of(task, name, batch)
            loss.backward()
            assert loss.dtype == torch.float32
            found[precision] |= {key: value for key, value in terms.items() if value.numel() == 1}
        learning = [p.grad for module in task.modules.values() for p in module.parameters()]
        assert all(grad is not None and grad.isfinite().all() for grad in learning)
    for name, value in found["fp32"].items():
        tolerance = 0.1 * abs(value.item()) + 0.02
        assert found["bf16"][name].item() == pytest.approx(value.item(), abs=tolerance), name
    assert any(found["bf16"][name] != value for name, value in found["fp32"].items())


# What is augmented, and how strongly


def test_the_penalty_augments_real_images_as_the_discriminator_s_phase_did(tmp_path):
    task = tiny_task(tmp_path, augment={"name": "ada", "p": 0.8}, penalty={"r1": 1.0, "r2": 1.0})
    seen, augment = [], task.augment.forward
    task.augment.forward = lambda images, random: seen.append((images, random)) or augment(images, random)
    batch = task.batch(range(4))
    phase_of(task, DISCRIMINATOR, batch)
    phase_of(task, PENALTY, batch)
    (fake, of_fake), (real, of_real), (r1, of_r1), (r2, of_r2) = seen
    assert torch.equal(real, r1) and torch.equal(fake, r2)
    assert torch.equal(of_real, of_r1) and torch.equal(of_fake, of_r2) and not torch.equal(of_real, of_fake)


def test_the_strength_moves_by_the_mean_sign_of_whole_intervals(tmp_path):
    task = tiny_task(tmp_path, augment={"name": "ada"}, ada={"interval": 2, "kimg": 0.016, "target": 0.5})
    strengths = []
    for sign in (1.0, 0.5, 1.0, 0.0, 0.0, 0.0):
        task.after_step({"signs/real": torch.tensor(sign)}, 1.0)
        strengths.append(task.augment.p.item())
    # 4 images in each of 2 steps, of 16 from 0 to 1: half of them.
    assert strengths == pytest.approx([0.0, 0.5, 0.5, 0.5, 0.5, 0.0])


def test_a_fixed_strength_is_there_from_the_first_step_and_stays(tmp_path):
    task = tiny_task(tmp_path, augment={"name": "ada"}, ada={"fixed": 0.4, "interval": 1})
    assert task.augment.p.item() == pytest.approx(0.4)
    task.after_step({"signs/real": torch.tensor(1.0)}, 1.0)
    assert task.augment.p.item() == pytest.approx(0.4)


def test_the_mean_w_and_the_mean_path_length_follow_by_their_shares(tmp_path):
    task = tiny_task(tmp_path, w_avg_decay=0.9, path_length={"decay": 0.25})
    before = task.generator.mapping.w_avg.clone()
    w = torch.arange(6.0)
    task.after_step({"w/generator": w, "path_length/mean": torch.tensor(2.0)}, 1.0)
    torch.testing.assert_close(task.generator.mapping.w_avg, 0.9 * before + 0.1 * w)
    assert task.path_mean.item() == pytest.approx(0.5)


def test_the_state_of_another_augmentation_is_refused(tmp_path):
    task = tiny_task(tmp_path, augment={"name": "ada"})
    with pytest.raises(ValueError, match="its state holds path_mean, signs, not p, path_mean, signs"):
        task.load_state_dict(tiny_task(tmp_path).state_dict())
