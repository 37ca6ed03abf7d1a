import hashlib

import pytest
import torch

import ganzoo.models.packed
from ganzoo.generators.stylegan2.lean import without_auxiliary_heads
from ganzoo.models.entries import BundledSource
from ganzoo.models.factory import create
from ganzoo.models.packed import read_bundled, read_packed, write_packed

TINY = {"resolution": 16, "channels": [72, 64], "z_dim": 64, "w_dim": 64}


@pytest.fixture
def generator():
    return create("mobilestylegan", **TINY)


@pytest.fixture
def source(generator, tmp_path, monkeypatch):
    """A file in the place of those that come with the package."""
    monkeypatch.setattr(ganzoo.models.packed, "BUNDLED", tmp_path)
    write_packed(generator, tmp_path / "tiny.safetensors")
    data = (tmp_path / "tiny.safetensors").read_bytes()
    return BundledSource(file="tiny.safetensors", sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def is_matrix(tensor):
    return tensor.ndim >= 2 and tensor[0].numel() >= 64


def test_packed_weights_come_back_within_their_precision(generator, source):
    found = read_bundled(source, generator.config).state_dict()
    for name, value in generator.state_dict().items():
        assert found[name].dtype == torch.float32
        limit = value.abs() * 2**-10 + 1e-7
        if is_matrix(value):
            limit = (value.flatten(1).abs().amax(dim=1) / 254).view(-1, *[1] * (value.ndim - 1))
        assert bool(((found[name] - value).abs() <= limit * 1.01).all()), name


def test_packed_weights_give_nearly_the_same_images(generator, source):
    packed = read_bundled(source, generator.config)
    z = generator.sample_z(4)
    with torch.no_grad():
        expected = generator(z)
        error = (packed(z) - expected).square().mean() / expected.var()
    assert error < 3e-3


def test_a_packed_file_takes_a_byte_a_number_of_a_matrix_and_two_of_the_rest(generator, source):
    tensors = generator.state_dict().values()
    matrices = [tensor for tensor in tensors if is_matrix(tensor)]
    numbers, rows = sum(m.numel() for m in matrices), sum(len(m) for m in matrices)
    rest = sum(tensor.numel() for tensor in tensors) - numbers
    assert numbers > 10 * rest
    assert source.bytes < numbers + 2 * rest + 4 * rows + 150 * len(tensors) + 2000


def test_without_auxiliary_heads_the_images_are_the_same(generator):
    single = without_auxiliary_heads(generator)
    z = generator.sample_z(2)
    assert single.config.head["name"] == "single"
    assert set(single.state_dict()) < set(generator.state_dict())
    with torch.no_grad():
        assert torch.equal(single(z), generator(z))


@pytest.mark.parametrize("head", ["skip", "single"])
def test_a_head_that_has_none_is_left_alone(head):
    generator = create("mobilestylegan", head=head, **TINY)
    assert without_auxiliary_heads(generator) is generator


def test_a_changed_or_missing_file_is_refused(generator, source, tmp_path):
    path = tmp_path / source.file
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="is not the published file: install ganzoo again"):
        read_bundled(source, generator.config)
    path.unlink()
    with pytest.raises(ValueError, match="cannot be read: install ganzoo again"):
        read_bundled(source, generator.config)


def test_a_file_that_does_not_fit_its_config_is_refused(source, tmp_path):
    other = create("mobilestylegan", **{**TINY, "channels": [72, 60]}).config
    with pytest.raises(ValueError, match="does not fit its config"):
        read_packed(other, tmp_path / source.file)
