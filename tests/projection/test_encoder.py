"""The encoder: what it takes and gives, what refinement is, and the published one."""

import pytest
import torch
from helpers import tiny, trained
from torch import nn

import ganzoo
from ganzoo.features.networks import FeatureInfo, FeatureNetwork
from ganzoo.latent.saved import fingerprint
from ganzoo.models.packed import bundled_file
from ganzoo.models.recipes import read_yaml
from ganzoo.projection import encoder as module
from ganzoo.projection.encoder import (
    ENCODERS,
    Encoder,
    EncoderConfig,
    EncoderEntry,
    encoder_entry,
    list_encoders,
    load_encoder,
    save_encoder,
)
from ganzoo.system.images import shrink
from ganzoo.system.validation import from_mapping

TINY = {"features": "tiny", "widths": (5, 6), "grids": (2, 0), "side": 16, "pixels": 8, "hidden": 4}
PUBLISHED = "mobilestylegan_ffhq_encoder"


class Maps(FeatureNetwork):
    """Two random convolutions with maps of two stages."""

    def __init__(self):
        super().__init__(FeatureInfo("tiny", "0" * 64, 6, 16, (127.5,) * 3, (127.5,) * 3))
        self.convs = nn.ModuleList([nn.Conv2d(3, 5, 3, stride=2), nn.Conv2d(5, 6, 3, stride=2)])
        random = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=random))
        self.eval().requires_grad_(False)

    def maps(self, pixels):
        first = self.convs[0]((pixels - self.mean) / self.std).relu()
        return [first, self.convs[1](first).relu()]


def make(generator=None, **changes):
    """An encoder of random weights for a generator, or for the rows of the largest one."""
    rows = {"w_dim": generator.w_dim, "num_ws": generator.num_ws} if generator else {"w_dim": 8, "num_ws": 18}
    encoder = Encoder(EncoderConfig(**{**TINY, **rows, **changes}), Maps())
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(0.02 * torch.randn(parameter.shape, generator=random))
        if generator:
            encoder.w_avg.copy_(generator.mapping.w_avg)
            encoder.mapping.copy_(torch.tensor(fingerprint(generator)))
    return encoder.eval()


def images(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_every_member_of_a_family_gets_its_rows():
    encoder = make()
    w = encoder(images(2, 3, 16, 16))
    assert w.shape == (2, 18, 8) and torch.equal(w, w[:, :1].expand(-1, 18, -1))


def test_rows_of_a_group_are_the_same_and_groups_differ():
    w = make(groups=(0, 4, 8))(images(1, 3, 16, 16))[0]
    assert [len(torch.unique(w[a:b], dim=0)) for a, b in ((0, 4), (4, 8), (8, 18))] == [1, 1, 1]
    assert len(torch.unique(w, dim=0)) == 3


@pytest.mark.parametrize("side", [8, 32, 20])
def test_an_image_of_another_size_is_resized(side):
    encoder, given = make(), images(1, 3, side, side)
    torch.testing.assert_close(encoder(given), encoder(shrink(given, 16)))


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (1, 4, 16, 16), (3, 16, 16), (1, 3, 16, 8)], ids=str)
def test_what_is_no_square_color_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"takes square color images \[N, 3, H, H\] in -1\.\.1; got \["):
        make()(images(*shape))


def test_refinement_adds_the_difference_of_two_answers():
    generator = trained(tiny())
    encoder, given = make(generator), images(2, 3, 16, 16)
    with torch.no_grad():
        first = encoder(given)
        own = encoder(generator.synthesis(first).image)
        expected = first + first - own
        torch.testing.assert_close(encoder.refined(given, generator, 1), expected)
        torch.testing.assert_close(encoder.refined(given, generator, 0), first)


def test_a_generator_of_another_mapping_network_or_more_rows_is_refused():
    generator = trained(tiny())
    with pytest.raises(ValueError, match="another mapping network than this generator's: train one on it"):
        make(generator).refined(images(1, 3, 16, 16), trained(tiny(), seed=1))
    with pytest.raises(ValueError, match="gives 4 rows of w, and the generator takes 6"):
        make(generator, num_ws=4).refined(images(1, 3, 16, 16), generator)
    with pytest.raises(ValueError, match="rounds is 0 or more; got -1"):
        make(generator).refined(images(1, 3, 16, 16), generator, -1)


@pytest.fixture
def tiny_features(monkeypatch):
    monkeypatch.setattr(module, "load_features", lambda name, cache_dir=None: Maps())


def test_what_is_saved_is_loaded(tmp_path, tiny_features):
    encoder = make(groups=(0, 4))
    save_encoder(encoder, tmp_path / "mine")
    found = load_encoder(str(tmp_path / "mine"))
    assert found.config == encoder.config and not found.training
    assert all(torch.equal(x, encoder.state_dict()[name]) for name, x in found.state_dict().items())
    assert not [name for name in found.state_dict() if "convs" in name]  # the feature network's


def test_a_folder_of_something_else_is_told(tmp_path, tiny_features):
    ganzoo.save(trained(tiny()), tmp_path / "model")
    with pytest.raises(ValueError, match="holds no encoder, but a generator"):
        load_encoder(str(tmp_path / "model"))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_encoder(str(tmp_path / "none"))
    save_encoder(make(), tmp_path / "mine")
    config = tmp_path / "mine" / "config.json"
    config.write_text(config.read_text().replace('"hidden": 4', '"hidden": 5'))
    with pytest.raises(ValueError, match=r"does not fit its config.*inner\.weight"):
        load_encoder(str(tmp_path / "mine"))


def test_other_feature_maps_than_the_configs_are_refused():
    with pytest.raises(ValueError, match=r"tiny gives stages of \(5, 6\) channels, not \(5, 7\)"):
        Encoder(EncoderConfig(**{**TINY, "widths": (5, 7)}), Maps())(images(1, 3, 16, 16))


def test_an_unknown_encoder_is_told_with_the_nearest():
    with pytest.raises(ValueError, match=f"Unknown encoder: .* Did you mean '{PUBLISHED}'"):
        load_encoder("mobilestylegan_ffhq_encode")


@pytest.mark.parametrize("name", list_encoders())
def test_a_published_encoder_is_small_and_fits_its_models(name):
    entry = encoder_entry(name)
    assert entry.name == name and entry.source.bytes <= 4_000_000
    assert bundled_file(entry.source).stat().st_size == entry.source.bytes
    assert {*entry.models} <= {*ganzoo.list_models()}


def test_an_unknown_key_of_an_entry_is_an_error():
    data = {**read_yaml(ENCODERS / f"{PUBLISHED}.yaml"), "colour": "red"}
    with pytest.raises(ValueError, match="'colour'"):
        from_mapping(EncoderEntry, data, "an encoder's entry")


@pytest.mark.network
def test_the_published_encoder_finds_the_faces_of_the_smallest_member():
    generator = ganzoo.create("mobilestylegan_ffhq_64")
    encoder = load_encoder(PUBLISHED)
    with torch.inference_mode():
        z = generator.sample_z(list(range(5000, 5008)))
        targets = generator.synthesis(generator.mapping(z, truncation_psi=0.7)).image
        error = [
            (generator.synthesis(w).image - targets).square().mean()
            for w in (generator.mapping.w_avg.expand(8, 10, -1), encoder(targets)[:, :10])
        ]
    assert error[1] < 0.4 * error[0]  # 4 dB
