"""Weights as the difference from a base: the file, and what comes back."""

import pytest
import torch
from safetensors import safe_open

from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.delta import OtherBase, Parts, base_of, parts_of, read_delta, write_delta
from ganzoo.models.factory import build, create
from ganzoo.models.packed import read_packed, write_packed
from ganzoo.models.weights import published_digest, weights_digest

TINY = {"resolution": 32, "channels": [72, 64, 68], "z_dim": 64, "w_dim": 64, "head": "single"}


@pytest.fixture
def base():
    return create("mobilestylegan", demodulation="none", **TINY)


@pytest.fixture
def member(base):
    """The two low levels of the base, of which the second was trained a little, and a head of its own."""
    config = {**base.config.to_dict(), "resolution": 16, "channels": [72, 64]}
    generator = build(GeneratorConfig.from_dict(config), seed=3)
    tensors, own, random = generator.state_dict(), base.state_dict(), torch.Generator().manual_seed(0)
    for name, tensor in tensors.items():
        if name in own and own[name].shape == tensor.shape:
            trained = name.startswith("synthesis.levels.1") and not name.endswith("const")
            change = torch.randn(tensor.shape, generator=random) if trained else torch.zeros(())
            tensors[name] = own[name] + 0.02 * change
    generator.load_state_dict(tensors)
    return generator


def written(member, base, path, **settings):
    write_delta(member, base, path, base_name="its_base", **settings)
    return path


def stored(path):
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@torch.inference_mode()
def error(a, b):
    z = a.sample_z(4)
    return ((a(z) - b(z)).square().mean() / a(z).var()).item()


def test_what_equals_the_base_comes_back_exactly_and_takes_no_space(member, base, tmp_path):
    path = written(member, base, tmp_path / "member.safetensors")
    found = read_delta(member.config, base, path).state_dict()
    names = {name.partition(":")[0] for name in stored(path)}
    for name, tensor in member.state_dict().items():
        unchanged = name.startswith(("mapping", "synthesis.levels.0")) or name.endswith("const")
        assert (name not in names) == unchanged, name
        assert not unchanged or torch.equal(found[name], tensor), name


def test_a_difference_comes_back_within_half_a_step_of_its_row(member, base, tmp_path):
    path = written(member, base, tmp_path / "member.safetensors")
    found, own = read_delta(member.config, base, path).state_dict(), base.state_dict()
    for name, tensor in member.state_dict().items():
        if name.startswith("synthesis.levels.1") and tensor.ndim > 1 and tensor[0].numel() >= 64:
            step = (tensor - own[name]).flatten(1).abs().amax(dim=1) / 127
            off = (found[name] - tensor).flatten(1).abs().amax(dim=1)
            assert bool((off <= step * 0.51 + 1e-6).all()), name


def test_differences_are_nearer_than_packed_weights_and_smaller(member, base, tmp_path):
    path = written(member, base, tmp_path / "member.safetensors")
    write_packed(member, tmp_path / "packed.safetensors")
    packed = read_packed(member.config, tmp_path / "packed.safetensors")
    assert error(member, read_delta(member.config, base, path)) < error(member, packed) / 2
    assert path.stat().st_size < (tmp_path / "packed.safetensors").stat().st_size


def test_where_a_file_would_be_too_large_differences_take_half_a_byte(member, base, tmp_path):
    whole = written(member, base, tmp_path / "whole.safetensors")
    half = written(member, base, tmp_path / "half.safetensors", max_bytes=0)
    between = (whole.stat().st_size + half.stat().st_size) // 2
    some = written(member, base, tmp_path / "some.safetensors", max_bytes=between)
    sizes = {path: path.stat().st_size for path in (whole, some, half)}
    assert sizes[half] < sizes[some] < sizes[whole]
    kinds = {
        tensor.dtype for name, tensor in stored(half).items() if name.endswith("modulation.weight:difference")
    }
    assert kinds == {torch.uint8}
    off = [error(member, read_delta(member.config, base, path)) for path in (whole, some, half)]
    assert max(off) < 1e-3


@pytest.mark.parametrize("max_bytes", [0, 10**9])
def test_the_same_file_gives_the_same_weights_in_any_number_of_threads(member, base, tmp_path, max_bytes):
    path = written(member, base, tmp_path / "member.safetensors", max_bytes=max_bytes)
    once = weights_digest(read_delta(member.config, base, path))
    torch.set_num_threads(2)
    try:
        assert weights_digest(read_delta(member.config, base, path)) == once
    finally:
        torch.set_num_threads(1)


def test_a_member_written_again_has_the_same_tensors_and_base(member, base, tmp_path):
    """The bytes may differ: the library writes the entries of the metadata in any order."""
    first, again = (written(member, base, tmp_path / name) for name in ("a.safetensors", "b.safetensors"))
    assert base_of(first) == base_of(again) and stored(first).keys() == stored(again).keys()
    assert all(torch.equal(tensor, stored(again)[name]) for name, tensor in stored(first).items())


def test_the_assembled_weights_are_not_those_in_memory_of_the_base(member, base, tmp_path):
    found = read_delta(member.config, base, written(member, base, tmp_path / "member.safetensors"))
    before = weights_digest(base)
    with torch.no_grad():
        for tensor in found.state_dict().values():
            tensor.add_(1)
    assert weights_digest(base) == before


def test_the_file_says_from_which_weights_it_differs(member, base, tmp_path):
    path = written(member, base, tmp_path / "member.safetensors")
    assert base_of(path) == ("its_base", published_digest(base))


def test_differences_are_not_added_to_other_weights(member, base, tmp_path):
    path = written(member, base, tmp_path / "member.safetensors")
    other = build(base.config, seed=9)
    with pytest.raises(OtherBase, match=r"holds differences from its_base with sha256 \w{12}…, not from"):
        read_delta(member.config, other, path)


def test_a_file_without_a_base_is_refused(member, base, tmp_path):
    write_packed(member, tmp_path / "packed.safetensors")
    with pytest.raises(ValueError, match="holds no differences from a base"):
        read_delta(member.config, base, tmp_path / "packed.safetensors")


@pytest.mark.parametrize("max_bytes", [0, 10**9])
@pytest.mark.parametrize("kept", [100, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(member, base, tmp_path, kept, max_bytes):
    path = written(member, base, tmp_path / "member.safetensors", max_bytes=max_bytes)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    with pytest.raises(ValueError, match="is not a whole safetensors file: it is cut off"):
        read_delta(member.config, base, path)


@pytest.mark.parametrize("max_bytes", [0, 10**9])
@pytest.mark.parametrize("changes", [{"channels": [72, 60]}, {"resolution": 32, "channels": [72, 64, 64]}])
def test_a_file_of_another_config_is_refused(member, base, tmp_path, changes, max_bytes):
    path = written(member, base, tmp_path / "member.safetensors", max_bytes=max_bytes)
    config = GeneratorConfig.from_dict({**member.config.to_dict(), **changes})
    with pytest.raises(ValueError, match="does not fit its config"):
        read_delta(config, base, path)


def test_the_parts_of_a_member_are_told_by_where_they_come_from(member, base, tmp_path):
    path = written(member, base, tmp_path / "member.safetensors")
    assert parts_of(member.config, path) == Parts(
        same=("mapping", "synthesis.levels.0"), changed=("synthesis.levels.1",), new=("synthesis.head",)
    )
