"""Every target, parts, space, noise, batch, conditional or not: a file that gives PyTorch's images, or one
line that says why not.

Rows in which every pair of settings meets run always, in ONNX every setting; the whole product, with
`-m slow`.
"""

import importlib.util
import itertools

import pytest
from covering import covering, thinned
from export_helpers import ENGINES, small, written
from helpers import assert_one_line

from ganzoo.export.graphs import NOISES, PARTS, SPACES
from ganzoo.export.targets import TARGETS, target

INSTALLED = [name for name in TARGETS if all(map(importlib.util.find_spec, target(name).PACKAGES))]
SETTINGS = [PARTS, SPACES, NOISES, (1, 2, None), (0, 3), ("pixel", "wavelet")]
PRODUCT = [
    row for row in itertools.product(INSTALLED, *SETTINGS) if row[4] is not None or target(row[0]).FREE_BATCH
]


# ONNX, whose exporter takes three times as long as the others', in what neither the files of conftest.py nor
# those of a free batch in test_export_files.py are.
ALWAYS = [
    *covering([row for row in PRODUCT if row[0] in ENGINES and row[0] != "onnx"], 2),
    ("onnx", "apart", "w", "none", 2, 3, "pixel"),
]


def test_every_pair_of_settings_is_in_a_row_that_always_runs():
    free = {(name, None) for name in ENGINES if name != "onnx"}
    assert {(row[0], row[4]) for row in ALWAYS} >= free and len(ALWAYS) <= 12


@pytest.mark.parametrize("row", thinned(PRODUCT, ALWAYS), ids=str)
def test_every_combination_of_settings_gives_pytorchs_images(row, tmp_path):
    name, parts, space, noise, batch, label_dim, network = row
    generator = small(network, resolution=8, label_dim=label_dim)
    items = written(generator, tmp_path, [name], parts=parts, space=space, noise=noise, batch=batch)
    assert len(items) == (1 if parts == "together" else 2)
    for item in items:
        assert name == "coreml" or (item.errors.psnr > 90 and item.errors.latents >= 4)


# The other two, in a batch of one, are in test_export_files.py.
FEWER = thinned(
    itertools.product(["onnx", "openvino"], ["fp16", "int8"]), [("onnx", "fp16"), ("openvino", "int8")]
)


@pytest.mark.parametrize("case", FEWER, ids="-".join)
def test_weights_of_fewer_bits_take_a_free_batch(case, tmp_path):
    name, precision = case
    generator = small("pixel", resolution=8, channel_max=64)  # small tensors stay in float32
    [item] = written(generator, tmp_path, [name], precision=precision, parts="together", batch=None)
    assert 35 < item.errors.psnr < 110  # and they are fewer bits indeed


REFUSED = [
    (name, precision, batch)
    for name, precision, batch in itertools.product(TARGETS, ("fp32", "fp16", "int8"), ("1", "free"))
    if precision not in target(name).PRECISIONS or (batch == "free" and not target(name).FREE_BATCH)
]


@pytest.mark.parametrize(("name", "precision", "batch"), REFUSED)
def test_what_a_target_does_not_have_is_one_line(run, folder, name, precision, batch, tmp_path):
    settings = ["--to", name, "--precision", precision, "--batch", batch, "--out", tmp_path / "out"]
    why = "no free batch" if precision in target(name).PRECISIONS else f"precision: {precision!r}"
    assert_one_line(run("export", folder, *settings), name, why)
    assert not list(tmp_path.iterdir())


FAULTS = {
    "an exporter's own words, in colours and over several lines": (
        RuntimeError("\x1b[96mOperator aten::grid\x1b[0m is unknown.\nSee the guide."),
        "Operator aten::grid is unknown. Try",
    ),
    "an error without a word": (NotImplementedError(), "NotImplementedError. Try"),
    "a name that is missing inside of it": (KeyError("lowering"), "KeyError: 'lowering'. Try"),
    "no memory": (MemoryError(), "MemoryError. Try"),
}


@pytest.mark.parametrize("case", FAULTS)
@pytest.mark.parametrize("name", ENGINES)
def test_a_fault_inside_an_exporter_is_one_line_and_leaves_nothing(
    run, folder, case, name, tmp_path, monkeypatch
):
    error, words = FAULTS[case]

    def fail(graph, path, precision, **_):
        path.write_bytes(b"half")
        raise OSError("Failed to export: step 1 of 3") from error

    monkeypatch.setattr(target(name), "write", fail)
    out = tmp_path / "new" / "out"
    result = run("export", folder, "--to", name, "--batch=free", "--noise=given", "--out", out)
    assert_one_line(
        result, f"{name} cannot write mapping: {words} --batch 1, --noise const or another target."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ENGINES)
def test_a_fault_of_an_engine_that_runs_the_file_is_one_line(run, folder, name, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("LLVM ERROR")

    monkeypatch.setattr(target(name), "open_file", fail)
    (tmp_path / "kept").write_text("mine")
    result = run("export", folder, "--to", name, "--out", tmp_path)
    assert_one_line(result, f"{name} cannot run the mapping that it wrote: LLVM ERROR. Try another target.")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_fault_inside_an_exporter_is_one_line_for_generate_and_bench(
    run, folder, runtime, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise RuntimeError("no such operator")

    name = {"onnxruntime": "onnx"}.get(runtime, runtime)
    monkeypatch.setattr(target(name), "write", fail)
    for command in (["generate", folder, "--out", tmp_path], ["bench", "mobilestylegan", "--resolutions=8"]):
        result = run(*command, "--runtime", runtime)
        assert_one_line(result, f"{name} cannot write mapping: no such operator")


def opset_of(path):
    import onnx

    return [i.version for i in onnx.load(path).opset_import if not i.domain]


@pytest.mark.parametrize("opset", thinned([18, 21], [18]))  # 20 is the default
def test_an_opset_of_ones_own_gives_the_same_images_in_onnxruntime(run, folder, opset, tmp_path):
    settings = ["--parts=together", f"--opset={opset}", "--out", tmp_path]
    status, out, _ = run("export", folder, "--to=onnx", *settings)
    assert status == 0 and "PSNR" in out
    assert opset_of(tmp_path / "generator.onnx") == [opset]
    assert f'"opset": "{opset}"' in (tmp_path / "manifest.json").read_text()


def test_the_opset_is_20_by_default(exported):
    assert opset_of(exported / "synthesis.onnx") == [20]


OPSETS = {
    "too early": (["--to=onnx", "--opset=17"], ["--opset for onnx is 18 to 25; got 17"]),
    "too late": (["--to=onnx", "--opset=99"], ["18 to 25", "99"]),
    "negative": (["--to=onnx", "--opset=-1"], ["18 to 25", "-1"]),
    "of another target": (["--to=openvino", "--opset=20"], ["openvino has no opset", "--opset"]),
    "of one target of two": (["--to=onnx", "--to=torch", "--opset=20"], ["torch has no opset"]),
    "of a target that is not installed": (["--to=coreml", "--opset=20"], ["coreml has no opset"]),
    "no number": (["--to=onnx", "--opset=new"], ["--opset", "integer"]),
}


@pytest.mark.parametrize("case", OPSETS)
def test_an_opset_that_is_not_there_is_one_line(run, folder, case, tmp_path):
    arguments, words = OPSETS[case]
    assert_one_line(run("export", folder, *arguments, "--out", tmp_path / "out"), *words)
    assert not list(tmp_path.iterdir())


def test_an_exporter_that_gives_another_opset_is_told(run, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(target("onnx"), "OPSETS", range(13, 26))
    result = run("export", folder, "--to=onnx", "--opset=13", "--out", tmp_path / "out")
    assert_one_line(
        result, "onnx cannot write mapping: torch.onnx gives opset 18 in the place of 13. Try without"
    )
