"""PyTorch in half precision and compiled: the same images as far as the precision goes."""

import math
from functools import partial

import pytest
import torch
from covering import thinned
from helpers import assert_same_image, tiny, trained

import ganzoo
from ganzoo.generators.quick import DTYPES, quicken


def generator(network="wavelet"):
    return trained(tiny(network))


def styles(of, n=2):
    return torch.randn(n, of.num_ws, of.w_dim, generator=torch.Generator().manual_seed(1))


def psnr(got, expected):
    span = (expected.max() - expected.min()).item()
    return 20 * math.log10(span / (got - expected).square().mean().sqrt().item())


@pytest.mark.parametrize("network", ["pixel", "wavelet"])
@pytest.mark.parametrize(("precision", "least"), [("bf16", 35), ("fp16", 55)])
def test_half_precision_gives_nearly_the_same_image(network, precision, least):
    trained_one = generator(network)
    quick = quicken(ganzoo.deploy(trained_one), precision)
    assert {p.dtype for p in quick.synthesis.parameters()} == {DTYPES[precision]}
    w = styles(trained_one)
    for noise in ("const", "none", [torch.randn(1, 1, *size) for size in quick.synthesis.noise_sizes]):
        expected = trained_one.synthesis(w, noise).image
        got = quick.synthesis(w, noise)
        assert got.image.dtype == torch.float32 and got.levels == []
        assert least <= psnr(got.image, expected) < least + 40


@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_it_takes_and_gives_noise_like_any_generator(noise):
    trained_one = generator()
    quick = quicken(ganzoo.deploy(trained_one))
    w = styles(trained_one)
    expected = trained_one.synthesis(w, noise, torch.Generator().manual_seed(3))
    got = quick.synthesis(w, noise, torch.Generator().manual_seed(3))
    assert_same_image(got.image, expected.image)
    assert all(torch.equal(a, b) for a, b in zip(got.noise, expected.noise, strict=True))


def test_it_is_called_like_any_generator():
    trained_one = generator()
    quick = quicken(ganzoo.deploy(trained_one), "fp16")
    z = trained_one.sample_z(2, seed=1)
    assert torch.equal(quick.mapping(z), ganzoo.deploy(trained_one).mapping(z))
    assert psnr(quick(z, truncation_psi=0.5), trained_one(z, truncation_psi=0.5)) > 55
    assert not quick(z.requires_grad_()).requires_grad
    with pytest.raises(ValueError, match="w has shape"):
        quick.synthesis(torch.zeros(1, 2, 8))


@pytest.mark.parametrize("backend", thinned(["aot_eager", "inductor"], ["aot_eager"]))
def test_a_compiled_network_gives_the_same_images(backend, monkeypatch):
    """The default compiler's kernels take a compiler of C++ half a minute: that is slow."""
    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    trained_one = generator()
    quick = quicken(ganzoo.deploy(trained_one), compiled=True)
    for n in (1, 2):
        w = styles(trained_one, n)
        first = quick.synthesis(w).image
        kept = first.clone()
        assert_same_image(first, trained_one.synthesis(w).image)
        quick.synthesis(-w)
        assert torch.equal(first, kept)


def test_a_compiler_that_does_not_work_is_told(monkeypatch):
    def broken(run, **_):
        def fail(*_):
            raise TypeError("\nno compiler\nat all")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    quick = quicken(ganzoo.deploy(generator()), compiled=True)
    with pytest.raises(OSError, match=r"torch\.compile does not work here: no compiler$"):
        quick.synthesis(styles(quick))


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="fp32, bf16, fp16; got 'int8'"):
        quicken(ganzoo.deploy(generator()), "int8")
