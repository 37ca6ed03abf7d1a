"""golden.safetensors: what it holds, and what it finds."""

import pytest
import torch
from helpers import styled_layers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import ganzoo
from ganzoo.models.golden import GOLDEN_FILE, check_golden, write_golden
from ganzoo.models.weights import record_golden, weights_digest

SIZES = {"resolution": 16, "channels": [8, 8, 8], "z_dim": 8, "w_dim": 8, "mapping": {"depth": 1}}


@pytest.fixture
def generator():
    generator = ganzoo.create("stylegan2", **SIZES)
    with torch.no_grad():
        for layer in styled_layers(generator):
            layer.noise.strength.fill_(0.3)
        generator.mapping.w_avg.normal_(generator=torch.Generator().manual_seed(0))
    return generator


@pytest.fixture
def path(generator, tmp_path):
    ganzoo.save(generator, tmp_path, golden=True)
    return tmp_path / GOLDEN_FILE


def check(generator, path, digest=None):
    return check_golden(generator, path, digest or weights_digest(ganzoo.load(path.parent)))


def rewrite(path, change):
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def test_a_saved_generator_gives_its_golden_images(path):
    assert check(ganzoo.load(path.parent), path) == 0


def test_it_holds_latent_style_seed_crops_and_statistics(generator, path):
    tensors = load_file(path)
    images = {f"{noise}.{part}" for noise in ("const", "random") for part in ("crops", "mean", "std")}
    assert tensors.keys() == {"z", "w", *images}
    with torch.inference_mode():
        image = generator(tensors["z"], truncation_psi=0.7)[0]
        random = generator.synthesis(tensors["w"], "random", torch.Generator().manual_seed(0)).image[0]
    assert torch.equal(tensors["const.crops"][1], image) and torch.equal(tensors["random.crops"][0], random)
    assert not torch.equal(image, random)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["noise_seed"] == "0" and file.metadata()["schema_version"] == "1"


def test_a_large_image_is_cropped(tmp_path):
    ganzoo.save(
        ganzoo.create("stylegan2", **{**SIZES, "resolution": 64, "channels": [4] * 5}), tmp_path, golden=True
    )
    assert load_file(tmp_path / GOLDEN_FILE)["const.crops"].shape == (2, 3, 32, 32)


@pytest.mark.parametrize(
    "part", ["mapping.w_avg", "synthesis.levels.0.const", "synthesis.levels.1.upsample.noise.const"]
)
def test_any_other_weight_shows_in_the_images(generator, path, part):
    with torch.no_grad():
        generator.state_dict()[part].add_(0.5)
    with pytest.raises(ValueError, match="other images than those recorded"):
        check(generator, path)


def test_a_network_of_nothing_but_nan_does_not_pass(generator, path):
    with torch.no_grad():
        generator.synthesis.levels[0].const.fill_(float("nan"))
    with pytest.raises(ValueError, match="other images"):
        check(generator, path)


def test_float_error_passes(generator, path):
    with torch.no_grad():
        generator.synthesis.levels[0].const.mul_(1 + 1e-4)
    assert 0 < check(generator, path) < 5e-3


def test_a_conditional_network_is_recorded_with_a_class(tmp_path):
    generator = ganzoo.create("stylegan2", **SIZES, label_dim=3)
    ganzoo.save(generator, tmp_path, golden=True)
    assert load_file(tmp_path / GOLDEN_FILE)["label"].tolist() == [[1, 0, 0]]
    assert check(ganzoo.load(tmp_path), tmp_path / GOLDEN_FILE) == 0


CHANGES = {
    "a tensor is missing": (lambda t, m: t.pop("w"), "golden file of this architecture"),
    "a tensor too many": (lambda t, m: t.update(x=torch.zeros(1)), "golden file of this architecture"),
    "an absurd shape": (lambda t, m: t.update(z=torch.zeros(1, 9)), "golden file of this architecture"),
    "whole numbers": (lambda t, m: t.update(z=t["z"].long()), "golden file of this architecture"),
    "another schema": (lambda t, m: m.update(schema_version="9"), "schema_version '9'"),
    "other weights": (lambda t, m: m.update(weights_sha256="0"), "made of other weights"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_file_that_cannot_prove_anything_is_told(generator, path, case):
    change, message = CHANGES[case]
    rewrite(path, change)
    with pytest.raises(ValueError, match=message):
        check(generator, path)


def test_a_damaged_file_is_told(generator, path):
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        check(generator, path)


def test_saving_something_else_over_it_leaves_no_stale_one(path):
    from ganzoo.generators.discriminator import DiscriminatorConfig
    from ganzoo.models.factory import build

    config = {"resolution": 8, "channel_base": 64, "channel_max": 8}
    ganzoo.save(build(DiscriminatorConfig.from_dict(config)), path.parent)
    assert not path.exists()
    with pytest.raises(TypeError, match="makes no images"):
        record_golden(path.parent)


def test_saving_records_no_images_unless_asked_and_leaves_no_stale_ones(generator, path):
    ganzoo.save(generator, path.parent)
    assert not path.exists()
    assert record_golden(path.parent) == path and check(generator, path) == 0


def test_a_card_in_a_models_folder_comes_with_its_golden_images(run, generator, tmp_path):
    ganzoo.save(generator, tmp_path / "model")
    told = ["--license=mit", "--lineage=Drawn from a seed."]
    assert run("card", tmp_path / "model", *told, "--out", tmp_path / "elsewhere")[0] == 0
    assert not list(tmp_path.rglob(GOLDEN_FILE))
    assert run("card", tmp_path / "model", *told, "--out", tmp_path / "model")[0] == 0
    assert check(generator, tmp_path / "model" / GOLDEN_FILE) == 0


def test_verify_proves_a_folder_by_its_images(run, path, generator):
    status, out, _ = run("verify", path.parent)
    assert status == 0 and f"images: those recorded in {path}" in out
    rewrite(path, lambda tensors, metadata: tensors["const.std"].add_(0.5))
    status, _, err = run("verify", path.parent)
    assert status == 1 and "other images than those recorded" in err and err.count("\n") == 1
    path.unlink()
    status, out, _ = run("verify", path.parent)
    assert status == 0 and "records none" in out


def test_the_recipe_is_kept_with_the_weights(generator, tmp_path):
    ganzoo.save(generator, tmp_path, recipe="stylegan2")
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert file.metadata()["recipe"] == "stylegan2" and len(file.metadata()["config_sha256"]) == 64


def test_writing_needs_no_global_random_state(generator, tmp_path):
    before = torch.random.get_rng_state()
    write_golden(generator, tmp_path / "a", "0")
    assert torch.equal(before, torch.random.get_rng_state())
