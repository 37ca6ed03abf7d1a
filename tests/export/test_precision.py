"""`precision="auto"`: the fastest here that still gives the images, measured once."""

import json
import math
import shutil

import pytest
import torch
from helpers import assert_one_line

from ganzoo import runtimes
from ganzoo.export import precision
from ganzoo.export.precision import Choice, Timed
from ganzoo.models.reference import reference
from ganzoo.runtimes import Setup, choose_precision
from ganzoo.system import provenance


def choice(seconds, psnr, least=40.0):
    return Choice((Timed("fp32", 1.0, None), Timed("bf16", seconds, psnr)), "a processor", least)


@pytest.mark.parametrize(
    ("seconds", "psnr", "least", "expected"),
    [
        (0.5, 47.3, 40.0, "bf16"),
        (1.2, 52.0, 40.0, "fp32"),  # slower, as without AMX
        (0.97, 52.0, 40.0, "fp32"),  # within the noise of a measurement
        (0.5, 39.9, 40.0, "fp32"),  # other images
        (0.5, 47.3, 50.0, "fp32"),
        (0.5, math.nan, 40.0, "fp32"),
        (0.5, None, 40.0, "fp32"),  # the engine computes in fp32 all the same
    ],
)
def test_the_fastest_is_taken_if_it_is_exact_enough(seconds, psnr, least, expected):
    assert choice(seconds, psnr, least).precision == expected


def test_the_choice_is_told_in_one_line_with_its_figures():
    told = "Precision auto: bf16. fp32 1000 ms, bf16 500 ms at 47.3 dB (at least 40 dB; a processor)."
    assert choice(0.5, 47.3).told == told
    assert "bf16 500 ms, computed in fp32 here" in choice(0.5, None).told
    assert "fp32, the only one" in Choice((Timed("fp32", 0.0, None),), "a processor").told


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def unmeasured(filled_cache):
    """A cache with OpenVINO's files and no measurement."""
    shutil.rmtree(filled_cache / "precisions", ignore_errors=True)
    return filled_cache


def kept(cache):
    [path] = (cache / "precisions").iterdir()
    return path


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_auto_is_measured_once_and_kept(folder, runtime, unmeasured, monkeypatch):
    told = []
    setup = Setup(runtime, threads=1)
    first = choose_precision(reference(str(folder), unmeasured), setup, report=told.append)
    assert [t.precision for t in first.timed] == ["fp32", "bf16"] and any(
        "bf16, once" in line for line in told
    )
    bf16 = first.timed[1].psnr
    assert bf16 is None or 35 < bf16 < 90
    monkeypatch.setattr(precision, "_measured", None)
    assert choose_precision(reference(str(folder), unmeasured), setup) == first
    assert kept(unmeasured).suffix == ".json"


def test_load_computes_in_what_was_measured_fastest(folder, cache):
    place = {"threads": 1, "cache_dir": cache}
    runtimes.load(str(folder), "torch", "auto", **place)
    for seconds, dtype in ((0.5, torch.bfloat16), (2.0, torch.float32)):
        timed = [{"precision": "fp32", "seconds": 1.0, "psnr": None}]
        timed.append({"precision": "bf16", "seconds": seconds, "psnr": 47.0})
        kept(cache).write_text(json.dumps(timed))
        generator = runtimes.load(str(folder), "torch", "auto", **place)
        assert next(generator.synthesis.parameters()).dtype == dtype
    strict = choose_precision(reference(str(folder), cache), Setup("torch", threads=1), least_psnr=48.0)
    assert strict.precision == "fp32"


@pytest.mark.parametrize("text", ["", "[]", '[{"precision": "fp32"}]', '{"a": 1}', "\x00"])
def test_a_damaged_measurement_is_made_anew(text, folder, cache):
    setup = Setup("torch", threads=1)
    choose_precision(reference(str(folder), cache), setup)
    kept(cache).write_text(text)
    choose_precision(reference(str(folder), cache), setup)
    assert [entry["precision"] for entry in json.loads(kept(cache).read_text())] == ["fp32", "bf16"]


def test_another_number_of_threads_or_another_processor_is_measured_for_itself(folder, cache, monkeypatch):
    choose_precision(reference(str(folder), cache), Setup("torch", threads=1))
    choose_precision(reference(str(folder), cache), Setup("torch", threads=2))
    monkeypatch.setattr(provenance, "processor", lambda: "another processor")
    choose_precision(reference(str(folder), cache), Setup("torch", threads=2))
    assert len(list((cache / "precisions").iterdir())) == 3


def test_a_cache_that_cannot_be_written_is_done_without(folder, cache):
    cache.mkdir()
    (cache / "precisions").write_text("a file")
    found = choose_precision(reference(str(folder), cache), Setup("torch", threads=1))
    assert len(found.timed) == 2


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_exported_files_of_one_precision_need_no_measurement(exported, runtime, monkeypatch):
    monkeypatch.setattr(precision, "_measured", None)
    assert choose_precision(reference(str(exported)), Setup(runtime)).precision == "fp32"


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_generate_tells_the_precision_that_it_takes(run, folder, runtime, tmp_path):
    arguments = ["--precision=auto", f"--runtime={runtime}", "--seeds=1", "--out", tmp_path]
    status, out, _ = run("generate", folder, *arguments)
    first, last = out.splitlines()
    assert status == 0 and first.startswith("Precision auto: ")
    assert last.endswith(f"{first.removeprefix('Precision auto: ')[:4]}).")


def test_bench_measures_the_precision_that_auto_takes_and_names_the_processor(run, folder, tmp_path):
    settings = ["--runtime=torch", "--precision=fp32,auto", "--rounds=1", "--no-memory", "--out", tmp_path]
    status, out, _ = run("bench", folder, *settings)
    assert status == 0 and out.startswith("Precision auto: ")
    data = json.loads((tmp_path / "bench.json").read_text())
    assert 1 <= len(data["rows"]) <= 2 and data["hardware"].startswith(provenance.processor())
    assert data["hardware"] in out


MISTAKES = {
    "a recipe": (["bench", "mobilestylegan"], "needs a model"),
    "a file": (["bench", "x.onnx"], "needs a model"),
    "an unknown runtime": (["bench", "mobilestylegan_ffhq_64_lite", "--runtime=tensorrt"], "tensorrt"),
    "an unknown model": (["generate", "mobilestylegan_ffh"], "mobilestylegan_ffhq"),
    "an export": (["export", "mobilestylegan_ffhq_64_lite", "--to=onnx"], "auto"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_auto_where_there_is_nothing_to_measure_is_one_line(run, case, tmp_path):
    arguments, words = MISTAKES[case]
    assert_one_line(run(*arguments, "--precision=auto", "--out", tmp_path / "out"), words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: AMD EPYC\nflags\t\t: fpu avx2\n", "AMD EPYC (AVX2)"),
        ("model name\t: Xeon\nflags\t: avx2 avx512f avx512_bf16 amx_bf16\n", "Xeon (AMX and AVX-512 BF16)"),
        ("model name\t: Xeon\nflags\t: avx2 avx512f\n", "Xeon (AVX-512)"),
        ("model name\t: Old\nflags\t: sse2\n", "Old"),
    ],
)
def test_a_processor_is_named_with_what_decides_its_speed(text, expected, monkeypatch):
    monkeypatch.setattr(provenance.Path, "read_text", lambda path, **_: text)
    assert provenance.processor() == expected
