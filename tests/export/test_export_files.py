"""Exported files give PyTorch's results in their own engines."""

import itertools
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from covering import thinned
from export_helpers import ENGINES, close, numpy_of, small, written
from helpers import NETWORKS
from processes import started

from ganzoo.export import check
from ganzoo.export.exporting import export
from ganzoo.export.graphs import Options, graphs
from ganzoo.export.manifest import read_manifest
from ganzoo.export.onnx import quantize
from ganzoo.export.openvino import load
from ganzoo.export.targets import Session, target
from ganzoo.models.factory import build
from ganzoo.system.files import sha256

FREE = [("onnx", "pixel"), ("openvino", "wavelet")]


def session(folder, engine, graph="synthesis", precision="fp32"):
    suffix = "" if precision == "fp32" else f"_{precision}"
    return target(engine).open_file(folder / f"{graph}{suffix}{target(engine).SUFFIX}")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_gives_the_image_of_the_trained_generator(engine, exported, generator):
    z = generator.sample_z(1, seed=9)
    w = session(exported, engine, "mapping")(numpy_of(z, torch.tensor([0.6])))
    close(w, generator.mapping(z, truncation_psi=0.6))
    rows = torch.randn(1, generator.num_ws, generator.w_dim)  # W+: a style a layer
    close(session(exported, engine)(numpy_of(rows)), generator.synthesis(rows).image)


# PyTorch's with a free batch are among the rows of test_export_product.py.
@pytest.mark.parametrize("case", thinned([*itertools.product(ENGINES, NETWORKS)], FREE), ids=str)
def test_a_free_batch_takes_any_number_of_images_and_their_noise(case, tmp_path):
    engine, network = case
    generator = small(network, resolution=8)
    written(generator, tmp_path, [engine], parts="together", noise="given", batch=None)
    for n in (1, 3):
        z = generator.sample_z(n)
        noise = [torch.randn(n, 1, *size) for size in generator.synthesis.noise_sizes]
        got = session(tmp_path, engine, "generator")(numpy_of(z, torch.tensor([0.8]), *noise))
        close(got, generator(z, truncation_psi=0.8, noise=noise))


# In ONNX, labels and one style are in a row of test_export_product.py.
@pytest.mark.parametrize("engine", thinned(["onnx", "openvino"], ["openvino"]))
def test_labels_one_style_and_a_fixed_batch(engine, tmp_path):
    generator = small("pixel", resolution=8, label_dim=3)
    written(generator, tmp_path, [engine], space="w", noise="none", batch=2)
    z, label = generator.sample_z(2), torch.eye(3)[:2]
    w = session(tmp_path, engine, "mapping")(numpy_of(z, label, torch.ones(1)))
    expected = generator.mapping(z, label)
    close(w, expected[:, 0])
    close(session(tmp_path, engine)([w]), generator.synthesis(expected, noise="none").image)


def converted_unwatched():
    """Convert a network as outside of CI; any process that reports it is a copy of this one."""
    os.environ.pop("CI", None)
    copies = []
    sys.addaudithook(lambda event, _: copies.append(event) if event == "os.fork" else None)
    [graph, _] = graphs(small(resolution=8), Options(), target("openvino").FORM)
    target("openvino").write(graph, Path("mapping.xml"), "fp32")
    assert Path("mapping.xml").exists() and not copies and "CI" not in os.environ

    from openvino_telemetry import Telemetry

    assert not Telemetry().consent


@pytest.mark.processes
def test_openvino_may_not_report_what_it_converts(tmp_path, monkeypatch):
    """Whether it may is settled as it is loaded, and as it first converts: so a process of its own does."""
    monkeypatch.chdir(tmp_path)
    with started(tmp_path, converted_unwatched) as process:
        assert process.finish() == (0, "", "")


FEWER = [("onnx", "fp16"), ("onnx", "int8"), ("openvino", "fp16"), ("openvino", "int8")]


# The other two, with a free batch, are in test_export_product.py.
@pytest.mark.parametrize("case", thinned(FEWER, [("onnx", "int8"), ("openvino", "fp16")]), ids="-".join)
def test_weights_of_fewer_bits_make_smaller_files(case, tmp_path):
    """Of a generator whose weights take most of a file."""
    engine, precision = case
    least, share = {"fp16": (60, 0.65), "int8": (30, 0.5)}[precision]
    generator = small("pixel", resolution=8, channel_max=64)
    [full] = written(generator, tmp_path / "full", [engine], parts="together", verify=False)
    [item] = written(generator, tmp_path / "fewer", [engine], parts="together", precision=precision)
    assert item.bytes < share * full.bytes
    assert least < item.errors.psnr < 110  # and they are fewer bits indeed


def test_quantized_rows_are_within_half_a_step():
    values = np.random.default_rng(0).normal(size=(4, 3, 3)).astype(np.float32)
    values[1] = 0
    whole, scale = quantize(values)
    assert whole.dtype == np.int8 and np.abs(whole).max() == 127
    assert (np.abs(whole * scale - values) <= scale / 2 + 1e-7).all()


def test_the_manifest_says_what_the_files_take_and_are(exported, generator):
    manifest = read_manifest(exported)
    assert manifest["config"] == generator.config.to_dict()
    assert manifest["options"] == {"parts": "apart", "space": "w+", "noise": "const", "batch": 1}
    assert {"torch", "onnx", "onnxruntime", "openvino", "opset"} <= manifest["versions"].keys()
    entries = {(e["target"], e["graph"]): e for e in manifest["files"]}
    assert entries.keys() == {(t, g) for t in ENGINES for g in ("mapping", "synthesis")}
    entry = entries["openvino", "synthesis"]
    assert entry["inputs"] == [
        {"name": "w", "dtype": "float32", "shape": [1, 6, 8], "values": "as the mapping network gives"}
    ]
    assert entry["output"]["shape"] == [1, 3, 16, 16]
    assert entry["files"].keys() == {"synthesis.xml", "synthesis.bin"}
    for name, facts in entry["files"].items():
        assert facts["sha256"] == sha256(exported / name)
    assert entry["errors"]["psnr_definition"].startswith("dB, of the mean squared error of all numbers")
    assert entry["errors"]["latents"] == 4 and 0 < entry["errors"]["rms"] <= entry["errors"]["maximum"] < 1e-4


def test_names_of_the_inputs_are_in_the_files(exported):
    openvino = load()

    model = openvino.Core().read_model(exported / "mapping.xml")
    assert [port.any_name for port in model.inputs] == ["z", "truncation_psi"]
    assert model.outputs[0].any_name == "w"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_session_knows_the_shapes_of_its_inputs(engine, exported):
    assert session(exported, engine, "mapping").shapes == ((1, 8), (1,))


@pytest.mark.parametrize("network", ["pixel", "wavelet"])
@pytest.mark.parametrize("seed", [0, 5])
def test_random_weights_are_refused(network, seed, tmp_path):
    with pytest.raises(ValueError, match="random weights"):
        written(build(small(network).config, seed), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_file_that_gives_other_images_is_not_written(generator, tmp_path, monkeypatch):
    module = target("openvino")

    def open_wrong(path, precision="fp32", threads=None):
        run = open_file(path, precision, threads)
        return Session(lambda inputs: run(inputs) + 0.01, run.shapes)

    open_file = module.open_file
    monkeypatch.setattr(module, "open_file", open_wrong)
    with pytest.raises(ValueError, match=r"does not give PyTorch's results: PSNR .* 60 for fp32"):
        written(generator, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_result_that_is_no_number_is_not_written():
    with pytest.raises(ValueError, match="PSNR nan"):
        check.refuse_errors("x", check.Errors(1, 0.0, 0.0, float("nan"), 0.0, 1.0), "fp32")


def test_another_precision_joins_the_manifest(generator, exported, tmp_path):
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    for precision in ("fp16", "fp32"):  # the last time, files are replaced
        written(generator, tmp_path, precision=precision, verify=False)
    files = read_manifest(tmp_path)["files"]
    found = [(e["graph"], e["precision"]) for e in files if e["target"] == "openvino"]
    assert sorted(found) == [(g, p) for g in ("mapping", "synthesis") for p in ("fp16", "fp32")]


def test_constant_noise_is_not_spread_over_the_channels(tmp_path):
    generator = small(resolution=64, channel_max=32)
    [_, item] = written(generator, tmp_path, verify=False)
    kept = sum(t.numel() for name, t in generator.synthesis.state_dict().items() if "head" not in name)
    assert item.bytes < 1.5 * 4 * kept + 200_000  # of the .xml


def test_files_of_another_model_are_left_alone(generator, exported, tmp_path):
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="another model"):
        written(small("pixel"), tmp_path)
    with pytest.raises(ValueError, match="other options"):
        written(generator, tmp_path, noise="none")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": "both"}, "apart, together"),
        ({"space": "z"}, "w\\+, w"),
        ({"noise": "loud"}, "const, given, none"),
        ({"batch": 0}, "1 to 256"),
    ],
)
def test_unknown_options_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        Options(**options)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_file_is_told(engine, exported, tmp_path):
    path = tmp_path / f"synthesis{target(engine).SUFFIX}"
    path.write_bytes((exported / path.name).read_bytes()[:100])
    with pytest.raises(ValueError, match=str(path)):
        target(engine).open_file(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("w_avg"),
        lambda m: m.update(schema_version=2),
        lambda m: m["options"].update(batch="many"),
        lambda m: m["files"][0].update(files={"../x": {}}),
        lambda m: m.update(config={"resolution": 3}),
    ],
)
def test_a_manifest_of_another_kind_is_refused(change, exported, tmp_path):
    manifest = json.loads((exported / "manifest.json").read_text())
    change(manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_no_target_is_an_error(generator, tmp_path):
    with pytest.raises(ValueError, match="needs a target"):
        export(generator, [], tmp_path, name="small")
