"""What was taken for weights is called what it is, wherever weights are read."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from helpers import tiny_config

import ganzoo
from ganzoo.models.entries import WheelSource
from ganzoo.models.factory import build
from ganzoo.models.golden import GOLDEN_FILE, check_golden
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, stored_digest, weights_digest
from ganzoo.system.kinds import kind_of, read_tensors
from ganzoo.training.checkpoint import load_checkpoint, save_checkpoint

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html><html><body>Sign in</body></html>"


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.safetensors"))
    return file.getvalue()


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.safetensors", b"")
    return file.getvalue()


NO_WEIGHTS = {
    "a pointer": (POINTER, "a Git LFS pointer instead of the file itself: git lfs pull gets it"),
    "a page": (PAGE, "a web page instead of the file itself: get it again"),
    "a page in capitals": (b"<HTML><HEAD><TITLE>404", "a web page instead of the file itself: get it again"),
    "nothing": (b"", "an empty file: get it again"),
    "a tar": (tarred(), "an archive (tar): unpack it first"),
    "a gz": (gzip.compress(b"abc"), "a compressed file (gzip): unpack it first"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(40), "an image"),
}
OTHER_WEIGHTS = {
    "a zip": (zipped(), "a zip file, as torch.save writes them: ganzoo convert makes a model of it"),
    "a pickle": (b"\x80\x04}.", "a pickle: ganzoo convert makes a model of it"),
    "a text": (b'{"error": "Not found"}\n', "a text file"),
    "five bytes": (b"\x05\x01\x00\x00\x00", "cut off after 5 bytes: get it again"),
}
ALL = {**NO_WEIGHTS, **OTHER_WEIGHTS}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    torch.manual_seed(0)
    ganzoo.save(build(tiny_config()), folder, golden=True)
    return folder


@pytest.fixture
def model(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.mark.parametrize("kind", ALL)
def test_what_is_no_safetensors_file_is_called_what_it_is(kind, model):
    data, words = ALL[kind]
    path = model / WEIGHTS_FILE
    path.write_bytes(data)
    for read in (lambda: ganzoo.load(model), lambda: stored_digest(path), lambda: read_tensors(path)):
        with pytest.raises(ValueError) as caught:
            read()
        assert str(caught.value).startswith(f"{path} is not a whole safetensors file: it is {words}")
        assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_half_of_a_download_says_how_much_is_there(share, model):
    path = model / WEIGHTS_FILE
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=f"cut off after {int(share * len(data))} of {len(data)} bytes"):
        ganzoo.load(model)
    path.write_bytes(data[:100])
    with pytest.raises(ValueError, match="it is cut off after 100 bytes, in its header"):
        ganzoo.load(model)


@pytest.mark.parametrize("kind", ["a pointer", "nothing"])
def test_so_is_what_lies_in_the_place_of_golden_images_or_a_config(kind, model):
    data, words = ALL[kind]
    (model / GOLDEN_FILE).write_bytes(data)
    generator = ganzoo.load(model)
    with pytest.raises(ValueError) as caught:
        check_golden(generator, model / GOLDEN_FILE, weights_digest(generator))
    assert words in str(caught.value)
    (model / CONFIG_FILE).write_bytes(data)
    with pytest.raises(ValueError) as caught:
        ganzoo.load(model)
    assert f"is not valid JSON: it is {words}" in str(caught.value)


@pytest.mark.parametrize("kind", ["a page", "a gz"])
def test_so_is_what_lies_in_the_place_of_a_training_checkpoint(kind, tmp_path):
    data, words = ALL[kind]
    path = save_checkpoint(tmp_path, 1, {"a": torch.zeros(2)}, {"b": 1}, keep=1)
    assert load_checkpoint(path)[0]["a"].tolist() == [0, 0]
    (path / "state.safetensors").write_bytes(data)
    with pytest.raises(ValueError) as caught:
        load_checkpoint(path)
    assert words in str(caught.value) and "is damaged" in str(caught.value)


@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_so_is_the_source_of_a_conversion(kind, tmp_path):
    data, words = NO_WEIGHTS[kind]
    path = tmp_path / "a.pt"
    path.write_bytes(data)
    what, _, advice = words.partition(": ")
    with pytest.raises(ValueError) as caught:
        ganzoo.convert(path)
    assert str(caught.value).startswith(f"{path}: This is {what}, and no checkpoint")
    assert advice in str(caught.value)


@pytest.mark.parametrize("kind", ["a pointer", "a page"])
def test_so_are_statistics_and_sets_of_images(kind, tmp_path):
    from ganzoo.data.reading import ImageSet
    from ganzoo.metrics.saved import SavedStatistics

    data, words = ALL[kind]
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError) as caught:
        SavedStatistics(tmp_path / "a.npz")
    assert f"is {words}" in str(caught.value)
    with pytest.raises(ValueError) as caught:
        ImageSet(tmp_path / "a.npz")
    assert f"it is {words}" in str(caught.value)


@pytest.mark.parametrize("kind", ["a pointer", "nothing"])
def test_so_is_an_exported_file(kind, tmp_path):
    from ganzoo.export.manifest import check_files

    data, words = ALL[kind]
    (tmp_path / "a.onnx").write_bytes(data)
    entry = {"files": {"a.onnx": {"sha256": "0" * 64, "bytes": 5}}}
    with pytest.raises(ValueError) as caught:
        check_files(tmp_path, entry)
    assert f"it is {words}" in str(caught.value)


@pytest.mark.parametrize("kind", ["a pointer", "a page"])
def test_so_is_a_file_of_an_installed_source(kind, tmp_path):
    from ganzoo.models import sources

    data, words = ALL[kind]
    (tmp_path / "a.bin").write_bytes(data)
    source = WheelSource(
        distribution="d", version="1", sha256="0" * 64, bytes=1, format="openvino",
        files={"a.bin": hashlib.sha256(b"other").hexdigest()},
    )  # fmt: skip
    with pytest.raises(sources.SourceError) as caught:
        sources._checked_files(source, tmp_path)
    assert words.partition(":")[0] in str(caught.value)


def test_a_header_that_lies_is_no_crash(tmp_path):
    path = tmp_path / "a"
    for header in ({"a": {"data_offsets": "x"}}, {"a": 1}, [1], {"a": {"data_offsets": [0, "b"]}}):
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(ValueError, match="is not a whole safetensors file"):
            read_tensors(path)
    assert kind_of(tmp_path / "none") is None and kind_of(tmp_path) is None
