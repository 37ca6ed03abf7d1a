"""`ganzoo bench` measures what it says, and writes it down."""

import json
import re
import time
from pathlib import Path

import pytest
import torch
from helpers import assert_one_line

import ganzoo
from ganzoo.bench import BenchRequest, measure
from ganzoo.bench.measure import Row, ratios
from ganzoo.bench.report import columns, plot, table, text_table
from ganzoo.bench.subjects import Opened, Subject, label, open_subject


def row(name="a", seconds=(1.0, 2.0, 3.0), **settings):
    values = {
        "subject": {}, "label": name, "resolution": 16, "batch": 1, "p50": 2.0, "p90": 3.0,
        "images_per_second": 0.5, "bytes": 1_500_000, "start_seconds": 4.0, "peak_bytes": 2_000_000_000,
        "import_bytes": 1, "parameters": 1000, "macs": 2_000_000, "psnr": 50.04, "latents": 3,
        "seconds": seconds,
    }  # fmt: skip
    return Row(**{**values, **settings})


def test_bench_prints_a_table_and_writes_it_with_the_machine(run, exported, tmp_path):
    other = exported / "synthesis.onnx"
    settings = ["--runtime=openvino", "--vs", other, "--rounds=3", "--no-memory", "--out", tmp_path]
    status, out, _ = run("bench", exported, *settings)
    assert status == 0 and "times as long as synthesis.onnx, fp32" in out
    written = (tmp_path / "table.md").read_text().replace("|", " ").replace("---", "")
    assert written.split() == out.splitlines()[0].split() + " ".join(out.splitlines()[1:3]).split()
    assert "|" not in out and re.search(r"load of the machine before: \d+\.\d\.", out)
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    data = json.loads((tmp_path / "bench.json").read_text())
    assert data["rounds"] == 3 and data["hardware"] and data["versions"]["torch"] and data["threads"] >= 1
    ours, other = data["rows"]
    assert ours["resolution"] == other["resolution"] == 16 and len(ours["seconds"]) == 3
    assert ours["bytes"] == sum(path.stat().st_size for path in exported.glob("*.[xb][mi][ln]"))
    assert other["bytes"] == (exported / "synthesis.onnx").stat().st_size
    assert ours["p50"] <= ours["p90"] and ours["macs"] > 0 and other["macs"] is None
    [ratio] = data["ratios"]
    assert ratio["to"] == "synthesis.onnx, fp32" and ratio["p10"] <= ratio["ratio"] <= ratio["p90"]


@pytest.mark.processes
def test_memory_and_start_up_are_those_of_a_process_of_its_own(run, exported, tmp_path):
    status, out, _ = run("bench", exported / "synthesis.onnx", "--rounds=1", "--out", tmp_path)
    assert status == 0 and "peak" in out
    [row] = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert 0 < row["import_bytes"] <= row["peak_bytes"] and row["start_seconds"] > 0


def test_a_recipe_is_measured_at_every_resolution(run):
    status, out, _ = run(
        "bench", "mobilestylegan", "--runtime=torch", "--resolutions=8,16", "--rounds=1", "--no-memory"
    )
    assert status == 0 and "mobilestylegan 8, torch" in out and "  16  " in out and "peak" not in out


def test_python_measures_in_one_call_what_the_command_does(folder, tmp_path):
    request = BenchRequest(
        str(folder), vs=[str(folder)], runtimes=["torch"], precisions=["fp32"], batches=[1, 2], rounds=2,
        threads=1, latents=1, memory=False, out=str(tmp_path),
    )  # fmt: skip
    told = []
    threads = torch.get_num_threads()
    found = ganzoo.bench.bench(request, report=told.append)
    assert [row.batch for row in found.rows] == [1, 2, 1, 2] and len(found.ratios) == 4
    assert all(len(row.seconds) == 2 and row.peak_bytes is None for row in found.rows)
    assert "2 of 2 rounds" in told and found.threads == 1 and torch.get_num_threads() == threads
    data = json.loads((tmp_path / "bench.json").read_text())
    assert data["hardware"] == found.origin.hardware and data["rows"][0] == {
        **found.rows[0].to_dict(), "seconds": list(found.rows[0].seconds),
    }  # fmt: skip
    assert data["definitions"]["psnr"].startswith("dB, range 2, unclipped")


@pytest.mark.parametrize(
    ("runtime", "precision", "least", "most"), [("openvino", "fp32", 80, 200), ("torch", "bf16", 35, 75)]
)
def test_exactness_is_measured_against_pytorch(folder, runtime, precision, least, most, tmp_path):
    [measured] = measure.measure(
        [Subject(str(folder), runtime, precision)], work=tmp_path, rounds=1, latents=2, processes=False,
    )  # fmt: skip
    assert measured.latents == 2 and least < measured.psnr < most and measured.peak_bytes is None


def test_subjects_take_turns(monkeypatch, tmp_path):
    order = []

    def opened(subject, **_):
        return Opened(lambda: order.append(subject.name), 1, None, 0, None)

    monkeypatch.setattr(measure, "open_subject", opened)
    measure.measure([Subject("a", "torch"), Subject("b", "torch")], work=tmp_path, rounds=2, processes=False)
    assert order == ["a", "b"] * (2 + measure.WARM_UP)


def test_times_are_those_of_the_rounds_that_count(monkeypatch, tmp_path):
    waits = iter([0.1] * measure.WARM_UP + [0.0, 0.0, 0.02])
    monkeypatch.setattr(
        measure, "open_subject", lambda *_, **__: Opened(lambda: time.sleep(next(waits)), 4, None, 0, None)
    )
    [found] = measure.measure([Subject("a", "torch")], work=tmp_path, rounds=3, processes=False)
    assert found.p50 < 0.02 <= found.p90 < 0.1
    assert found.images_per_second == 4 / found.p50


def test_ratios_are_medians_of_the_rounds_a_image():
    [found] = ratios([row("a", (4.0, 8.0, 24.0), batch=2), row("b", (2.0, 2.0, 4.0), batch=4)], 1)
    assert (found["of"], found["to"], found["ratio"]) == ("a", "b", 8.0)


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_a_terminals_table_fits_and_holds_every_figure(width):
    rows = [row("mobilestylegan_ffhq, openvino, fp32"), row("b", psnr=None)]
    shown = text_table(rows, width)
    assert max(map(len, shown.splitlines())) <= width and "|" not in shown
    for name, cells in columns(rows).items():
        assert name in shown and all(cell in shown for cell in cells)


def test_a_table_leaves_out_what_was_not_measured():
    [head, _, line] = table([row()]).splitlines()
    assert line == "| a | 16 | 2.00 s | 3.00 s | 0.5 | 4.00 s | 2.00 GB | 1.5 MB | 1 k | 2 M | 50.0 dB |"
    assert "PSNR" in head
    assert "| 1.00 GB |" in table([row(bytes=999_600_000)])
    assert "PSNR" not in table([row(psnr=None)])


def test_bars_are_as_long_as_the_times():
    svg = plot([row(), row("b", p50=1.0, p90=1.5)], "Title")
    assert 'width="554.7"' in svg and 'width="277.3"' in svg and ">b<" in svg


def test_labels_are_short(tmp_path):
    assert label(Subject("x", "torch", "bf16", 4)) == "x, torch, bf16, batch 4"
    assert label(Subject(str(tmp_path), "torch")) == f"{Path(tmp_path).name}, torch, fp32"
    assert label(Subject("a/b.onnx", "torch")) == "a/b.onnx, fp32"


def test_a_fixed_batch_of_a_file_is_its_own(tmp_path):
    from export_helpers import small, written

    written(small("pixel", resolution=8), tmp_path, ["openvino"], batch=3, verify=False)
    opened = open_subject(Subject(str(tmp_path / "synthesis.xml"), "torch"), threads=1, work=tmp_path)
    assert opened.batch == 3 and opened.resolution == 8


MISTAKES = {
    "an unknown runtime": (["--runtime", "tensorrt"], ["openvino", "tensorrt"]),
    "an unknown precision": (["--precision", "int4"], ["int8", "int4"]),
    "a batch that is no number": (["--batch", "1,x"], ["--batch", "'x'"]),
    "a resolution of a model": (["--resolutions", "64"], ["recipes"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line(run, case, folder):
    arguments, parts = MISTAKES[case]
    assert_one_line(run("bench", folder, *arguments), *parts)


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".pt2"])
def test_a_corrupt_file_is_told(run, suffix, exported, tmp_path):
    path = tmp_path / f"synthesis{suffix}"
    assert_one_line(run("bench", path), str(path), "does not exist")
    path.write_bytes((exported / path.name).read_bytes()[:200])
    assert_one_line(run("bench", path), str(path))


def test_an_unknown_name_and_a_folder_that_cannot_be_written_are_told(run, tmp_path):
    assert_one_line(run("bench", "mobilestylgan"), "mobilestylegan")
    (tmp_path / "file").write_text("")
    assert_one_line(run("bench", "mobilestylegan", "--out", tmp_path / "file" / "x"), "--out")
