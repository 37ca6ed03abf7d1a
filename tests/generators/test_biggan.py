"""BigGAN and BigGAN-deep: their configs, sizes, forms, and what they export."""

from dataclasses import replace

import pytest
import torch
from covering import thinned
from helpers import assert_same_image, tiny_config

import ganzoo
from ganzoo.export.exporting import export
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.standing import with_standing_statistics
from ganzoo.models.cost import costs
from ganzoo.models.factory import build, config_of
from ganzoo.runtimes import load as load_runtime

SMALL = {"resolution": 16, "channels": [12, 8, 6], "label_dim": 3, "generator": "biggan", "z_dim": 6}
KINDS = {
    "plain": {"mapping": {"name": "classes", "embed_dim": 4}, "attention": [1, 2]},
    "deep": {
        "mapping": {"name": "classes", "embed_dim": 4, "spread": "whole"},
        "block": "bottleneck",
        "depth": 2,
        "attention": [0, 3],
    },
    "without embedding": {"mapping": {"name": "classes", "embed_dim": None, "spread": "first"}},
    "by truncation": {
        "mapping": {"name": "classes", "embed_dim": 6, "spread": "whole", "z_first": True, "with_psi": True},
        "norm": {"name": "by_truncation", "stats": 11},
        "layers": [[True, 16, 12], [False, 12, 8], [True, 8, 8], [False, 8, 6]],
        "channels": [16, 8, 6],
        "block": "bottleneck",
        "spectral": "stored",
        "rgb_channels": 6,
    },
    "separable": {"separable": True, "attention": [1], "spectral": "none"},
    "instance": {"norm": "instance", "activation": "lrelu"},
    "own w": {"mapping": {"name": "mlp", "depth": 1}, "w_dim": 5, "norm": "none"},
    "unconditional": {"label_dim": 0},
}


def small(kind, **settings):
    """A network of a kind with no parameter or statistic left at 0 or 1, where it would hide a fault."""
    generator = build(GeneratorConfig.from_dict({**SMALL, **KINDS[kind], **settings}))
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in generator.named_parameters():
            if name.endswith(("bias", "gain", "gamma")):
                tensor += 0.5 * torch.randn(tensor.shape, generator=random)
        for name, tensor in generator.named_buffers():
            if name.rpartition(".")[2].startswith(("mean", "variance")):
                tensor += 0.5 * torch.rand(tensor.shape, generator=random)
    return generator


def inputs(generator, n=2):
    label = torch.eye(3)[:n] if generator.label_dim else None
    return generator.sample_z(n), label


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_it_makes_images_of_its_size_that_depend_on_z_and_the_class(kind):
    generator = small(kind)
    z, label = inputs(generator)
    image = generator(z, label)
    assert image.shape == (2, 3, 16, 16) and image.abs().max() <= 1
    assert not torch.allclose(generator(z.flip(0), label), image)
    if label is not None:
        assert not torch.allclose(generator(z, label.flip(0)), image)


@every_kind
def test_the_deploy_form_gives_the_same_images_truncated_or_not(kind):
    generator = small(kind)
    deployed = ganzoo.deploy(generator)
    for psi in (1.0, 0.33):
        assert_same_image(deployed(*inputs(generator), psi), generator(*inputs(generator), psi))
    assert not [name for name in deployed.state_dict() if name.endswith((".u", ".v"))]


@every_kind
def test_it_comes_back_from_a_folder(kind, tmp_path):
    generator = small(kind)
    ganzoo.save(generator, tmp_path)
    loaded = ganzoo.load(tmp_path)
    assert loaded.config == generator.config
    assert torch.equal(loaded(*inputs(generator)), generator(*inputs(generator)))


@every_kind
def test_its_levels_features_are_as_wide_and_large_as_the_config_says(kind):
    generator = small(kind)
    w, config = generator.mapping(*inputs(generator)), generator.config
    found = [tuple(x.shape[1:]) for x in generator.synthesis.features(w)]
    assert found == [(c, s, s) for c, s in zip(config.level_channels, config.level_sides, strict=True)]
    assert len(config.row_sides) == config.num_ws == len(config.places) + 1


@every_kind
def test_the_matrices_of_a_row_make_gain_and_bias_of_it(kind):
    generator = small(kind)
    w = generator.mapping(*inputs(generator))
    blocks = [block for level in generator.synthesis.levels for block in level.blocks]
    norms = [(block.row, norm) for block in blocks for norm in block.norms()]
    found = generator.synthesis.style_weights_of_rows()
    assert [row for row, _ in found] == [row for row, _ in norms for _ in "gb"]
    for (row, norm), (_, a), (_, b) in zip(norms, found[::2], found[1::2], strict=True):
        gain, bias = norm.affine(w[:, row, generator.synthesis.condition_columns])
        torch.testing.assert_close(1 + w[:, row] @ a.T, gain, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(w[:, row] @ b.T, bias, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("operators_of_onnx_are_read_once")
@pytest.mark.parametrize(
    ("target", "runtime"),
    [pytest.param("onnx", "onnxruntime", marks=pytest.mark.slow), ("openvino", "openvino")],
)
def test_it_runs_in_an_engine_with_statistics_by_truncation(target, runtime, tmp_path):
    pytest.importorskip(runtime)
    shape = {"resolution": 8, "channels": [8, 4], "layers": [[False, 8, 8], [True, 8, 4]]}
    generator = small("by truncation", **shape)
    export(generator, [target], tmp_path, name="biggan")
    engine = load_runtime(str(tmp_path), runtime)
    for psi in (1.0, 0.3, 0.43, 0.0):
        expected = generator(*inputs(generator, 1), psi)
        torch.testing.assert_close(engine(*inputs(generator, 1), psi), expected, rtol=0, atol=1e-4)


def test_truncation_keeps_the_class():
    generator = small("plain")
    z, label = inputs(generator)
    assert_same_image(generator(z, label, 0.3), generator(0.3 * z, label))
    w = generator.mapping(z, label, 0.0)
    assert not torch.allclose(w[0], w[1])


def test_statistics_by_truncation_follow_psi():
    generator = small("by truncation")
    z, label = inputs(generator)
    w = generator.mapping(z, label, 0.5)
    same_statistics = generator.mapping(0.5 * z, label)
    assert torch.equal(w[:, :, :-1], same_statistics[:, :, :-1])
    assert not torch.allclose(generator.synthesis(w).image, generator.synthesis(same_statistics).image)


@pytest.mark.parametrize("kind", ["plain", "instance"])
def test_standing_statistics_are_the_means_over_batches_and_leave_the_generator_alone(kind):
    generator = small(kind)
    before = {name: x.clone() for name, x in generator.state_dict().items()}
    batches = [generator.mapping(generator.sample_z(4, seed), torch.eye(3)[[0, 1, 2, 0]]) for seed in (0, 4)]
    measured = with_standing_statistics(generator, batches)
    after = measured.state_dict()
    assert all(torch.equal(x, before[name]) for name, x in generator.state_dict().items())
    seen = [x.mean(dim=(0, 2, 3)) for w in batches for x in first_features(generator, w)]
    torch.testing.assert_close(
        after["synthesis.levels.1.blocks.0.norm1.mean"], sum(seen) / 2, atol=1e-4, rtol=1e-3
    )


def first_features(generator, w):
    yield next(iter(generator.synthesis.features(w)))


def test_in_train_mode_every_image_depends_on_its_batch():
    generator = small("plain")
    z, label = inputs(generator)
    alone = generator(z[:1], label[:1])
    assert_same_image(generator(z, label)[:1], alone)
    generator.train()
    assert not torch.allclose(generator(z, label)[:1], generator(z[:1], label[:1]), atol=1e-3)


def test_gradients_reach_all_parameters():
    generator = small("plain").train()
    generator(*inputs(generator)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in generator.parameters())


def test_chunks_of_other_rows_are_no_mapping_network_of_a_student():
    student = tiny_config(resolution=16, label_dim=3, z_dim=6)
    with pytest.raises(ValueError, match="Each of the 3 rows of w of a biggan is another"):
        student.with_mapping_of(small("plain").config)
    whole = student.with_mapping_of(small("deep").config)
    assert whole.mapping["name"] == "classes"
    generator = build(whole)
    assert generator(*inputs(generator)).shape == (2, 3, 16, 16)


# Each place in which a block computes is seen in both layouts.
@pytest.mark.parametrize("kind", thinned(KINDS, ["plain", "deep"]))
def test_it_is_counted_without_memory(kind):
    generator = small(kind)
    found = costs(generator.config)
    assert found["synthesis"].parameters == sum(p.numel() for p in generator.synthesis.parameters())
    assert found["deployed synthesis"].macs <= found["synthesis"].macs


# The published sizes


def parameters(config):
    return sum(p.numel() for p in empty(config).parameters())


DEEP_256 = [2048, 2048, 1024, 1024, 512, 256, 128]


@pytest.mark.parametrize(
    ("resolution", "channels", "count"),
    [
        (128, [2048, 2048, 1024, 512, 256, 128], 50_388_609),
        (256, DEEP_256, 55_880_833),
        (512, [*DEEP_256, 128], 56_163_905),
    ],
)
def test_biggan_deep_has_the_published_number_of_parameters(resolution, channels, count):
    config = replace(config_of("biggan_deep"), resolution=resolution, channels=channels)
    assert parameters(config) == count  # 50.4, 55.9 and 56.2 M


def test_the_recipes_have_the_papers_sizes():
    biggan, deep, tiny = map(config_of, ("biggan", "biggan_deep", "biggan_32"))
    assert biggan.channels == (1536, 1536, 768, 384, 192, 96)
    assert (biggan.num_ws, biggan.w_dim, biggan.row_sides[4]) == (6, 148, 64)
    assert (deep.num_ws, deep.w_dim, deep.row_sides[8]) == (11, 256, 64)
    assert parameters(biggan) == 70_433_988  # 70.4 M
    assert parameters(tiny) < 400_000


# Mistakes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": [8, 8]}, r"each twice as large, to the resolution, 16; got 2: \[8, 8\]"),
        ({"resolution": 24}, "to the resolution, 24"),
        ({"z_dim": 7}, "a multiple of that, such as 6; got 7"),
        ({"attention": [-1]}, "a number of blocks in attention is a whole number from 0 to 128; got -1"),
        ({"attention": [1, 1]}, "names every place once"),
        ({"activation": "rely"}, "Did you mean 'relu'"),
        ({"slope": 0.0}, "slope is positive"),
        ({"rgb_channels": 2}, "rgb_channels is a whole number from 3"),
        ({"w_dim": 11}, r"wide, not 11 \(w_dim\)"),
        ({"norm": "by_truncation"}, "give mapping.with_psi=true"),
        ({"block": "bottleneck", "channels": [8, 12, 6]}, "8 cannot become 12"),
        ({"layers": [[True, 12, 8], [True, 6, 6]]}, "takes 6 channels where 8 come"),
        ({"layers": [[True, 12, 8], [True, 8, 8]]}, "layers lead to the widths"),
        ({"layers": [[True, 12, 8]]}, "layers lead to the widths"),
        ({"label_dim": 0, "mapping": {"name": "classes", "spread": "first"}}, "need classes"),
        ({"spectral": "twice"}, "Unknown spectral"),
        ({"depth": 0}, "depth is a whole number from 1"),
    ],
)
def test_a_config_that_no_network_has_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build(GeneratorConfig.from_dict({**SMALL, **settings}))


def test_widths_may_be_given_as_base_and_maximum():
    config = ganzoo.create("biggan_32", channel_base=512, channel_max=32).config
    assert config.channels == (32, 32, 32, 16)
