"""docs/phones.md names files, inputs and results as an export does."""

import re
from pathlib import Path

import pytest
from export_helpers import small, written

from ganzoo.export.manifest import read_manifest
from ganzoo.export.targets import target

PAGE = (Path(__file__).parents[2] / "docs/phones.md").read_text()
PHONES = ("executorch", "litert", "coreml")
NUMBERS = ("z_dim", "w_dim", "num_ws", "img_channels", "resolution")


@pytest.fixture(scope="module")
def generator():
    """A network in which each number of a shape tells what it is."""
    return small(z_dim=5, w_dim=7)


@pytest.fixture(scope="module")
def manifest(generator, tmp_path_factory):
    """Of a tiny export; its entries are the same for every target."""
    folder = tmp_path_factory.mktemp("tiny")
    written(generator, folder, verify=False)
    return read_manifest(folder)


def rows(entry, generator):
    """The page's lines for a file, with the names of the numbers in its shapes."""
    names = {getattr(generator, name): name for name in NUMBERS} | {1: "1"}
    assert len(names) == 6
    for kind, port in [*(("input", i) for i in entry["inputs"]), ("result", entry["output"])]:
        shape = ", ".join(names[size] for size in port["shape"])
        yield f"| {entry['graph']} | {kind} | `{port['name']}` | `[{shape}]` | {port['values']} |"


def test_the_table_of_inputs_is_the_manifests(manifest, generator):
    expected = [row for entry in manifest["files"] for row in rows(entry, generator)]
    assert [line for line in PAGE.splitlines() if re.match(r"\| (mapping|synthesis) \|", line)] == expected


def test_the_code_opens_files_that_an_export_writes():
    named = set(re.findall(r"\b(?:mapping|synthesis)_?\w*\.(?:pte|tflite|mlpackage)\b", PAGE))
    expected = {f"{graph}_fp16{target(name).SUFFIX}" for graph in ("mapping", "synthesis") for name in PHONES}
    assert named == expected


def test_core_ml_is_asked_for_the_manifests_names(manifest):
    code = next(block for block in re.findall(r"```swift\n(.*?)```", PAGE, re.DOTALL) if "MLModel" in block)
    asked = re.findall(r'\[?"(\w+)": \w+[,\]]|featureValue\(for: "(\w+)"\)', code)
    mapping, synthesis = manifest["files"]
    expected = [
        *(i["name"] for i in mapping["inputs"]), mapping["output"]["name"],
        *(i["name"] for i in synthesis["inputs"]), synthesis["output"]["name"],
    ]  # fmt: skip
    assert [one or other for one, other in asked] == expected


def test_the_numbers_of_the_code_are_those_of_the_faces():
    assert set(re.findall(r"\[1, (\d+)\]|longArrayOf\(1, (\d+)\)", PAGE)) == {("512", ""), ("", "512")}
