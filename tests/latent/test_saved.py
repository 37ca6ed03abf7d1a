"""Files of w: what is written comes back, for every generator that shares the mapping network."""

import numpy as np
import pytest
import torch
from helpers import tiny, trained

from ganzoo.generators.deploy import deploy
from ganzoo.generators.quick import quicken
from ganzoo.latent.saved import fingerprint, load_w, same_mapping, save_w


@pytest.fixture(scope="module")
def generator():
    return trained(tiny("wavelet"))


@pytest.fixture
def w(generator):
    return generator.mapping(generator.sample_z(3)).detach()


def test_saved_w_come_back_with_their_noise_and_facts(tmp_path, generator, w):
    noise = generator.synthesis(w[:1]).noise
    save_w(tmp_path / "w.safetensors", w, generator, noise=noise, facts={"seeds": "0-2"})
    back = load_w(tmp_path / "w.safetensors", generator)
    assert torch.equal(back.w, w) and back.facts["seeds"] == "0-2"
    assert all(torch.equal(a, b) for a, b in zip(back.noise, noise, strict=True))


@pytest.mark.parametrize("form", [deploy, lambda g: quicken(deploy(g), "bf16")], ids=["deployed", "bf16"])
def test_saved_w_go_with_every_form_of_a_generator(tmp_path, generator, w, form):
    save_w(tmp_path / "w.safetensors", w, generator)
    assert torch.equal(load_w(tmp_path / "w.safetensors", form(generator)).w, w)


def test_w_of_another_mapping_network_are_refused(tmp_path, generator, w):
    save_w(tmp_path / "w.safetensors", w, generator)
    other = trained(tiny("wavelet"), seed=1)
    with pytest.raises(ValueError, match=r"another model.*--other-mapping"):
        load_w(tmp_path / "w.safetensors", other)
    assert torch.equal(load_w(tmp_path / "w.safetensors", other, other_mapping=True).w, w)


def test_a_mapping_network_in_8_bits_is_the_same_and_another_is_not(generator):
    own = fingerprint(generator)
    largest = max(map(abs, own))
    assert same_mapping([x + 0.04 * largest for x in own], generator)
    assert not same_mapping([x + 0.2 * largest for x in own], generator)


def test_a_smaller_generator_takes_the_first_rows(tmp_path, generator, w):
    small = trained(tiny("wavelet", resolution=8))
    save_w(tmp_path / "w.safetensors", w * torch.rand(w.shape[1], 1), generator)
    back = load_w(tmp_path / "w.safetensors", small, other_mapping=True)
    assert back.w.shape[1] == small.num_ws < generator.num_ws


def test_a_larger_generator_takes_w_whose_rows_are_equal_and_no_others(tmp_path, generator, w):
    small = trained(tiny("wavelet", resolution=8))
    few = w[:, : small.num_ws]
    save_w(tmp_path / "same.safetensors", few, small)
    assert load_w(tmp_path / "same.safetensors", generator, other_mapping=True).w.shape == w.shape
    save_w(tmp_path / "rows.safetensors", few + torch.arange(small.num_ws)[:, None], small)
    with pytest.raises(ValueError, match="of a smaller image"):
        load_w(tmp_path / "rows.safetensors", generator, other_mapping=True)


def test_the_files_of_other_projectors_are_read(tmp_path, generator, w):
    np.savez(tmp_path / "projected_w.npz", w=w.numpy())
    assert torch.equal(load_w(tmp_path / "projected_w.npz", generator).w, w)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"v": np.zeros((1, 6, 8))}, "holds no array w"),
        ({"w": np.zeros((1, 6, 9))}, r"takes \[N, 6, 8\]"),
        ({"w": np.full((1, 6, 8), np.nan)}, "not finite"),
        ({"w": np.array([{}], dtype=object)}, "cannot be read"),
    ],
)
def test_what_is_no_w_is_refused(tmp_path, generator, arrays, told):
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(ValueError, match=told):
        load_w(tmp_path / "w.npz", generator)


def test_a_file_of_a_projector_that_was_cut_off_is_refused(tmp_path, generator, w):
    whole = tmp_path / "whole.npz"
    np.savez(whole, w=w.numpy())
    for file, data in {"cut": whole.read_bytes()[:-80], "text": b"w"}.items():
        (tmp_path / f"{file}.npz").write_bytes(data)
        with pytest.raises(ValueError, match="cannot be read"):
            load_w(tmp_path / f"{file}.npz", generator)
    np.save(tmp_path / "w.npy", w.numpy())
    (tmp_path / "w.npy").rename(tmp_path / "alone.npz")
    with pytest.raises(ValueError, match="cannot be read"):
        load_w(tmp_path / "alone.npz", generator)


def test_a_model_is_no_file_of_w(tmp_path, generator, w):
    from ganzoo.models.weights import save

    save(generator, tmp_path)
    with pytest.raises(ValueError, match="holds no w"):
        load_w(tmp_path / "model.safetensors", generator)
    with pytest.raises(FileNotFoundError):
        load_w(tmp_path / "none.safetensors", generator)
