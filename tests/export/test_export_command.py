import os
import sys

import pytest
from helpers import assert_one_line

from ganzoo.system.extras import needed


def test_export_writes_files_and_says_how_exact_they_are(run, folder, tmp_path):
    status, out, _ = run("export", folder, "--to", "openvino", "torch", "--verify", "--out", tmp_path / "new")
    assert status == 0
    lines = out.splitlines()
    assert len(lines) == 5 and lines[0].startswith("openvino: mapping.bin, mapping.xml, ")
    assert all("max error" in line and "dB on 4 latents" in line for line in lines[:4])
    assert (tmp_path / "new" / "manifest.json").is_file() and (tmp_path / "new" / "synthesis.pt2").is_file()


@pytest.mark.parametrize("to", [["--to", "torch", "onx"], ["--to=torch", "--to=onx"], ["--to=torch,onx"]])
def test_a_list_of_targets_has_three_spellings(run, to, folder, tmp_path):
    assert_one_line(run("export", folder, *to, "--out", tmp_path / "out"), "target: 'onx'")


MISTAKES = {
    "an unknown target": (["--to", "onx"], ["Did you mean 'onnx'", "openvino"]),
    "no target": ([], ["--to"]),
    "an unknown precision": (["--to", "onnx", "--precision", "int4"], ["onnx", "int8"]),
    "a precision that the target lacks": (["--to", "torch", "--precision", "int8"], ["torch", "fp32"]),
    "unknown parts": (["--to", "onnx", "--parts", "all"], ["apart, together"]),
    "a batch that is no number": (["--to", "onnx", "--batch", "some"], ["--batch"]),
    "a batch too large": (["--to", "onnx", "--batch", "1000"], ["256"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line_and_writes_nothing(run, case, folder, tmp_path):
    arguments, parts = MISTAKES[case]
    assert_one_line(run("export", folder, *arguments, "--out", tmp_path / "out"), *parts)
    assert not list(tmp_path.iterdir())


def test_a_recipe_is_refused_for_it_has_no_weights(run, tmp_path):
    result = run("export", "mobilestylegan", "--to", "torch", "--out", tmp_path / "out")
    assert_one_line(result, "is a recipe and has no weights")


def test_a_missing_package_is_told_with_its_extra(run, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    result = run("export", folder, "--to", "onnx", "--out", tmp_path / "out")
    assert_one_line(result, "onnx needs onnxscript", 'pip install ".[onnx]"')


def test_a_broken_package_is_told_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[openvino\]"'):
        needed("openvino", "openvino")


def test_a_folder_that_cannot_be_written_is_told(run, folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    result = run("export", folder, "--to", "torch", "--out", tmp_path / "file" / "out")
    assert_one_line(result, "--out", "no writable folder")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    result = run("export", folder, "--to", "torch", "--out", tmp_path / "new" / "out")
    assert_one_line(result, "--out", "no writable folder")


def test_options_are_frozen(run):
    help_text = run("export", "--help")[1]
    options = [
        "--to",
        "--out",
        "--verify",
        "--parts",
        "--space",
        "--noise",
        "--batch",
        "--precision",
        "--opset",
    ]
    assert [o for o in [*options, "--latents", "--cache-dir"] if o not in help_text] == []
