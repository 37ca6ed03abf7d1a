"""Targets with packages of their own: each runs where they are installed."""

import importlib.util
import sys

import numpy as np
import pytest
import torch
from export_helpers import close, numpy_of, small, written
from PIL import Image, ImageChops

from ganzoo import runtimes
from ganzoo.export import executorch
from ganzoo.export.graphs import Options, graphs
from ganzoo.export.manifest import read_manifest
from ganzoo.export.targets import target
from ganzoo.system.files import sha256, size


def needs(name):
    missing = [p for p in target(name).PACKAGES if importlib.util.find_spec(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


PHONES = pytest.mark.parametrize(
    "name",
    [pytest.param("executorch", marks=needs("executorch")), pytest.param("litert", marks=needs("litert"))],
)


@PHONES
@pytest.mark.parametrize("network", ["pixel", "wavelet"])
def test_a_phones_file_gives_the_same_image(name, network, tmp_path):
    generator = small(network)
    [_, item] = written(generator, tmp_path, [name], noise="given")
    assert item.errors.psnr > 60
    w = torch.randn(1, generator.num_ws, generator.w_dim)
    noise = [torch.randn(1, 1, *size) for size in generator.synthesis.noise_sizes]
    session = target(name).open_file(tmp_path / f"synthesis{target(name).SUFFIX}")
    image = session(numpy_of(w, *noise))
    session(numpy_of(-w, *noise))
    close(image, generator.synthesis(w, noise).image)
    assert session.shapes[0] == (1, generator.num_ws, generator.w_dim)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged"):
        target(name).open_file(damaged)


@needs("litert")
@pytest.mark.parametrize("precision", ["packed", "fp32"])
def test_a_file_taken_apart_for_a_page_gives_the_same_image(precision, tmp_path):
    generator = small(resolution=64)
    items = written(generator, tmp_path, ["web_litert"], precision=precision)
    assert all(item.errors.psnr > (100 if precision == "fp32" else 40) for item in items)


@pytest.mark.parametrize(
    "name",
    [
        "onnx",
        "torch",
        pytest.param("executorch", marks=needs("executorch")),
        pytest.param("litert", marks=needs("litert")),
    ],
)
def test_constant_noise_takes_no_more_room_than_it_has_numbers(name, tmp_path):
    """OpenVINO's is in test_export_files.py, with a bound of its own."""
    generator = small(resolution=64, channel_max=32)
    written(generator, tmp_path, [name], verify=False)
    size = sum(path.stat().st_size for path in tmp_path.glob("synthesis.*"))
    wanted = 4 * sum(tensor.numel() for tensor in generator.synthesis.state_dict().values())
    assert size < 1.5 * wanted + 600_000  # of the graph itself; C times the noise is 1.4 MB


@PHONES
def test_half_is_half_as_large_and_takes_and_gives_float32(name, tmp_path):
    generator = small(channel_base=2**11, channel_max=64, z_dim=256, w_dim=256)
    items = {p: written(generator, tmp_path, [name], precision=p, noise="given") for p in ("fp32", "fp16")}
    for whole, half in zip(items["fp32"], items["fp16"], strict=True):
        assert half.errors.psnr > 50
        weights = 4 * sum(p.numel() for p in getattr(generator, half.graph).parameters())
        assert whole.bytes - half.bytes > 0.4 * weights
    session = target(name).open_file(tmp_path / f"synthesis_fp16{target(name).SUFFIX}", threads=1)
    w = torch.randn(1, generator.num_ws, generator.w_dim)
    noise = [torch.randn(1, 1, *size) for size in generator.synthesis.noise_sizes]
    image = session(numpy_of(w, *noise))
    assert image.dtype == np.float32
    expected = generator.synthesis(w, noise).image
    close(image, expected, tolerance=1e-2)
    assert np.abs(image - expected.detach().numpy()).max() > 1e-6  # the numbers of half


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@PHONES
def test_a_phones_engine_is_called_like_the_generator(name, precision, folder, generator, tmp_path):
    engine = runtimes.load(str(folder), name, precision, threads=1, cache_dir=tmp_path)
    z, tolerance = generator.sample_z(3), {"fp32": 2e-5, "fp16": 1e-2}[precision]
    close(engine(z, truncation_psi=0.7), generator(z, truncation_psi=0.7), tolerance)
    expected = generator.synthesis(generator.mapping(z), "random", torch.Generator().manual_seed(3))
    got = engine.synthesis(engine.mapping(z), "random", torch.Generator().manual_seed(3))
    close(got.image, expected.image, tolerance)
    assert len(got.noise) == len(expected.noise)
    assert len({str(path.parent) for path in tmp_path.rglob(f"synthesis*{target(name).SUFFIX}")}) == 2
    assert runtimes.fastest() == "openvino"  # as before


@PHONES
def test_a_phones_runtime_draws_from_the_command_line(name, run, folder, tmp_path):
    run("generate", folder, "--seeds=3", "--out", tmp_path / "torch")
    status, out, error = run("generate", folder, "--seeds=3", "--runtime", name, "--out", tmp_path / name)
    version = target(name).versions()[{"litert": "ai-edge-litert"}.get(name, name)]
    assert status == 0 and f"{name} {version}, fp32)." in out and not error
    one, other = (Image.open(tmp_path / engine / "seed0003.png") for engine in ("torch", name))
    assert max(high for _, high in ImageChops.difference(one, other).getextrema()) <= 1


def test_files_that_exist_ask_only_for_what_runs_them(generator, tmp_path, monkeypatch):
    written(generator, tmp_path)
    for name in ("executorch", "ai_edge_litert", "litert_torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"litert needs ai_edge_litert\. .*pip install ai_edge_litert\."):
        runtimes.load(str(tmp_path), "litert")
    with pytest.raises(ImportError, match=r'executorch needs executorch.*"\.\[executorch\]"'):
        runtimes.load(str(tmp_path), "executorch")


def test_a_model_asks_for_what_writes_its_files(folder, monkeypatch):
    for name in ("ai_edge_litert", "litert_torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'needs litert_torch, ai_edge_litert\. .*"\.\[litert\]"'):
        runtimes.load(str(folder), "litert")


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_precision_that_phones_lack_is_told_first(runtime, folder):
    with pytest.raises(
        ValueError, match=rf"{runtime}: Unknown precision: 'int8'\. Choose from: fp16, fp32\."
    ):
        runtimes.load(str(folder), runtime, "int8")


@needs("coreml")
def test_a_core_ml_package_is_written_without_being_run(generator, tmp_path):
    written(generator, tmp_path, ["coreml"], precision="fp16")
    entry = read_manifest(tmp_path)["files"][1]
    [(name, facts)] = entry["files"].items()
    assert name == "synthesis_fp16.mlpackage" and facts["bytes"] > 1000


def test_phones_get_no_free_batch(generator, tmp_path):
    for name in ("executorch", "litert", "coreml"):
        with pytest.raises(ValueError, match="no free batch"):
            written(generator, tmp_path, [name], batch=None)


def test_the_form_for_phones_has_constant_weights_and_four_dimensions_at_most(generator):
    graph = graphs(generator, Options(), executorch.FORM)[1]
    program = torch.export.export(graph.module, graph.examples).run_decompositions({})
    executorch.replace_foreign(program)
    for node in program.graph.nodes:
        if node.op != "call_function" or "val" not in node.meta:
            continue
        assert node.meta["val"].ndim <= 4
        assert not {"select", "split", "expand"} & set(str(node.target).split("."))
        if node.target is torch.ops.aten.conv2d.default:
            assert not _depends(node.args[1], "w")
    close(program.module()(*graph.examples), graph.module(*graph.examples))


def _depends(node, name):
    """Whether a node is computed from an input."""
    return node.name == name or any(_depends(source, name) for source in node.all_input_nodes)


def test_a_folder_has_one_hash_of_all_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    before = sha256(tmp_path / "a")
    assert size(tmp_path / "a") == 5
    (tmp_path / "a" / "b").write_bytes(b"12346")
    assert sha256(tmp_path / "a") != before
