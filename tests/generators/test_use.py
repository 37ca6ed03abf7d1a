"""What people do with a generator: edit styles, mix precisions, create inside modes of theirs."""

import pytest
import torch
from helpers import styled_layers
from torch import nn

import ganzoo
from ganzoo.blocks import CONVS, FullConv
from ganzoo.models.factory import create
from ganzoo.models.recipes import compose
from ganzoo.ops.activation import bias_act
from ganzoo.ops.resample import fir_filter, upfirdn2d

SMALL = {"resolution": 8, "channels": [8, 8], "z_dim": 8, "w_dim": 8, "mapping": {"depth": 1}}


def tiny() -> ganzoo.Generator:
    return create("mobilestylegan", **{**SMALL, "resolution": 16})


@pytest.mark.parametrize("psi", [1.0, 0.7])
def test_editing_a_row_of_w_leaves_the_other_rows_alone(psi):
    generator = tiny()
    w = generator.mapping(generator.sample_z(1), truncation_psi=psi).detach()
    before = w.clone()
    w[:, 2] += 1
    assert torch.equal(w[:, :2], before[:, :2]) and torch.equal(w[:, 3:], before[:, 3:])
    w[:, 0:2] += 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_truncation_works_under_autocast(dtype):
    generator = tiny()
    for network in (generator, ganzoo.deploy(generator)):
        with torch.autocast("cpu", dtype=dtype):
            image = network(generator.sample_z(2), truncation_psi=0.7)
        assert image.isfinite().all()


def test_a_cutoff_out_of_range_is_refused_at_any_psi():
    generator = tiny()
    with pytest.raises(ValueError, match="truncation_cutoff"):
        generator.mapping(generator.sample_z(1), truncation_psi=1.0, truncation_cutoff=99)


def test_a_generator_made_in_inference_mode_can_be_trained(tmp_path):
    with torch.inference_mode():
        generator = create("stylegan2", **SMALL)
        ganzoo.save(generator, tmp_path)
        loaded = ganzoo.load(tmp_path)
    for network in (generator, loaded):
        network(network.sample_z(1)).sum().backward()
        assert network.synthesis.levels[0].const.grad is not None


def test_random_noise_does_not_depend_on_the_default_dtype():
    generator = tiny()
    for layer in styled_layers(generator):
        nn.init.ones_(layer.noise.strength)
    z = generator.sample_z(1)

    def draw() -> torch.Tensor:
        return generator(z, noise="random", generator=torch.Generator().manual_seed(3))

    before = draw()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(draw(), before)
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_empty_batch_takes_no_random_generators():
    generator = tiny()
    assert generator(generator.sample_z(0), noise="random", generator=[]).shape[0] == 0


def test_noise_of_none_says_what_noise_is():
    generator = tiny()
    with pytest.raises(TypeError, match="const, random, none"):
        generator.synthesis(generator.mapping(generator.sample_z(1)), noise=None)


def test_a_path_object_is_a_folder_and_must_hold_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no model"):
        create(tmp_path)


class WithBuffer(FullConv):
    """A convolution with a buffer that `reset_parameters` does not fill."""

    def __init__(
        self, *, in_channels: int, out_channels: int, w_dim: int, demodulation: nn.Module, saved: bool = True
    ) -> None:
        super().__init__(
            in_channels=in_channels, out_channels=out_channels, w_dim=w_dim, demodulation=demodulation
        )
        self.register_buffer("mask", torch.ones(in_channels), persistent=saved)


@pytest.fixture
def with_buffer():
    CONVS.register("with_buffer")(WithBuffer)
    yield
    del CONVS._classes["with_buffer"]


@pytest.mark.usefixtures("with_buffer")
@pytest.mark.parametrize(("saved", "hint"), [(True, "reset_parameters"), (False, "device='cpu'")])
def test_a_buffer_that_nothing_fills_is_refused_by_name(saved, hint):
    with pytest.raises(TypeError, match=hint) as caught:
        create("stylegan2", conv={"name": "with_buffer", "saved": saved}, **SMALL)
    assert "mask" in str(caught.value)


def test_filters_whose_sum_is_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        fir_filter([1e39, 1.0])


def test_a_negative_gain_turns_the_sign_of_a_separable_filter():
    x = torch.randn(1, 2, 6, 6)
    assert torch.allclose(
        upfirdn2d(x, fir_filter([1, 2, 1]), gain=-2.0), -2 * upfirdn2d(x, fir_filter([1, 2, 1]))
    )


def test_an_unknown_activation_lists_what_there_is():
    with pytest.raises(ValueError, match="lrelu"):
        bias_act(torch.zeros(1, 1), activation="gelu")


def test_a_recipe_that_includes_itself_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("defaults: [b, _self_]\n")
    (tmp_path / "b.yaml").write_text("defaults: [a, _self_]\n")
    monkeypatch.setattr("ganzoo.models.recipes.RECIPES", tmp_path)
    with pytest.raises(ValueError, match="includes itself"):
        compose("a")


def test_a_generator_tells_what_it_is_in_one_line():
    generator = tiny()
    told = repr(generator)
    assert told.startswith(f"Generator({generator.config.family}, ") and told.endswith("trainable)")
    assert repr(ganzoo.deploy(generator)).endswith("deployed)") and "\n" not in told


def test_latents_are_of_the_generators_type():
    assert tiny().double().sample_z(2).dtype == torch.float64
