"""Targets with packages of their own: each runs where they are installed, in an environment of its own."""

import importlib.util

import pytest
import torch
from export_helpers import close, numpy_of, small, written

from ganzoo.export import executorch
from ganzoo.export.graphs import Options, graphs
from ganzoo.export.manifest import read_manifest
from ganzoo.export.targets import target
from ganzoo.system.files import sha256, size


def needs(name):
    missing = [p for p in target(name).PACKAGES if importlib.util.find_spec(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


@pytest.mark.parametrize(
    "name",
    [pytest.param("executorch", marks=needs("executorch")), pytest.param("litert", marks=needs("litert"))],
)
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


@pytest.mark.parametrize(
    "name",
    [
        "onnx",
        "openvino",
        "torch",
        pytest.param("executorch", marks=needs("executorch")),
        pytest.param("litert", marks=needs("litert")),
    ],
)
def test_constant_noise_takes_no_more_room_than_it_has_numbers(name, tmp_path):
    generator = small(resolution=128, channel_max=32)
    written(generator, tmp_path, [name], verify=False)
    size = sum(path.stat().st_size for path in tmp_path.glob("synthesis.*"))
    wanted = 4 * sum(tensor.numel() for tensor in generator.synthesis.state_dict().values())
    assert size < 1.5 * wanted + 600_000  # of the graph itself; of C times the noise, 1.5 MB


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
