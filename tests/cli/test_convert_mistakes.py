"""`ganzoo convert` where it cannot work: one line, status 2, and every file as it was."""

import itertools
import os
import pickle  # noqa: TID251 - to write a hostile file, never to read one
import shutil
from pathlib import Path

import pytest
from cli_helpers import assert_one_line
from covering import thinned
from ir_fixtures import published

import ganzoo
from ganzoo.models.weights import save_file, weights_digest

GOLDEN = Path(__file__).parents[1] / "golden"
NVIDIA = GOLDEN / "nvidia_pkl" / "ada_uncond_skip_32.pkl"
HALVES = [GOLDEN / "mobilestylegan" / f"msg_32_{half}.ckpt" for half in ("mapping", "synthesis")]
CONVERTED = GOLDEN / "rosinality" / "ros_convert_64_cm1.pt"


class Call:
    """Pickles as a call of `os.system`, which leaves a file behind."""

    def __reduce__(self):
        return os.system, ("touch ganzoo-was-here",)


# Files that are no checkpoint, with what is said about them.
FILES = {
    "a text file": (b"Dear model,\nhow are you?\n" * 20, []),
    "a safetensors file": (bytes([64, 0, 0, 0, 0, 0, 0, 0]) + b'{"w":{"dtype":"F32"', ["no whole"]),
    "a web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", ["web page"]),
    "a web page without doctype": (b"<html><body>Too many downloads</body></html>", ["web page"]),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ["Git LFS pointer"]),
    "an empty file": (b"", ["empty"]),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n" + bytes(64), ["HDF5"]),
    "a compressed file": (b"\x1f\x8b\x08" + bytes(64), ["compressed"]),
    "half a file": (NVIDIA.read_bytes()[:50_000], []),
    "a damaged head": (b"\xff" + NVIDIA.read_bytes()[1:], []),
    "another pickle": (pickle.dumps({"weights": [1, 2, 3]}), ["no network", "weights"]),
    "a pickle that calls os.system": (pickle.dumps(Call()), ["system"]),
    "a network with a call beside it": (pickle.dumps({"G_ema": 1, "evil": Call()}), ["system"]),
    "escape codes": (pickle.dumps({"\x1b[2J\x1b]0;owned\x07": 1}), []),
}  # fmt: skip
# Arguments, with what is said about them; OUT stands for the folder that must not appear.
ARGUMENTS = {
    "no such file": (["nowhere.pkl", "OUT"], ["nowhere.pkl", "does not exist"]),
    "one of two files does not exist": ([HALVES[0], "nowhere.ckpt", "OUT"], ["nowhere.ckpt"]),
    "a folder without IR files": (["empty", "OUT"], ["MappingNetwork.xml"]),
    "a folder with some of the IR files": (["partial", "OUT"], ["lacks SynthesisNetwork.bin"]),
    "a folder that is a model already": (["model", "OUT"], ["a model of ganzoo already"]),
    "a folder beside a file": (["empty", NVIDIA, "OUT"], ["empty"]),
    "half a pair": ([HALVES[0], "OUT"], ["half", "both files"]),
    "the other half": ([HALVES[1], "OUT"], ["half", "both files"]),
    "the same half twice": ([HALVES[0], HALVES[0], "OUT"], ["one file of its mapping and one"]),
    "two files that are no pair": ([NVIDIA, HALVES[0], "OUT"], ["teacher"]),
    "three files": ([NVIDIA, NVIDIA, NVIDIA, "OUT"], ["got 3"]),
    "a part that the file lacks": ([CONVERTED, "OUT", "--part=discriminator"], ["generator_ema"]),
    "a part of other files": ([NVIDIA, "OUT", "--part=student"], ["no student", "discriminator"]),
    "an unknown part": ([NVIDIA, "OUT", "--part=discriminater"], ["Did you mean 'discriminator'"]),
    "an unknown part of a folder": (["ir", "OUT", "--part=studnt"], ["Did you mean 'student'"]),
    "a teacher in random-face's files": (["ir", "OUT", "--part=teacher"], ["no teacher"]),
    "an empty part": ([NVIDIA, "OUT", "--part="], ["''"]),
    "a license of two words": ([NVIDIA, "OUT", "--license", "my own"], ["--license", "apache-2.0"]),
    "a license that writes YAML": ([NVIDIA, "OUT", "--license", "mit\ntags: [x]"], ["--license"]),
    "an empty license": ([NVIDIA, "OUT", "--license="], ["--license"]),
    "an unknown option": ([NVIDIA, "OUT", "--overwite"], ["--overwrite"]),
    "OUT is a file": ([NVIDIA, "file"], ["'file'"]),
    "OUT lies below a file": ([NVIDIA, "file/OUT"], ["file"]),
    "a name too long": ([NVIDIA, "a" * 300], ["aaa"]),
    "no arguments": ([], ["ganzoo convert FILE OUT"]),
    "one argument": ([NVIDIA], ["ganzoo convert FILE OUT"]),
    "an empty folder name": ([NVIDIA, ""], ["ganzoo convert FILE OUT"]),
}  # fmt: skip


def contents(folder):
    """Everything below a folder, with its bytes."""
    return {p.relative_to(folder): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture
def place(tmp_path, monkeypatch, model_folder):
    """The working folder, with some files and folders in it."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    shutil.copytree(model_folder, tmp_path / "model")
    for name, data in published()[1].items():
        for folder in ("ir", "partial"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(data)
    (tmp_path / "partial" / "SynthesisNetwork.bin").unlink()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_checkpoint_is_refused(run, tmp_path, monkeypatch, case):
    data, parts = FILES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.pkl").write_bytes(data)
    result = run("convert", "in.pkl", "OUT")
    assert_one_line(result, "in.pkl", *parts)
    assert result[2].strip().isprintable() and len(result[2]) < 1000
    assert contents(tmp_path) == {Path("in.pkl"): data}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_a_mistake_gets_one_line_and_changes_nothing(run, place, case):
    arguments, parts = ARGUMENTS[case]
    before = contents(place)
    assert_one_line(run("convert", *arguments), *parts)
    assert contents(place) == before


def test_a_model_is_not_replaced_unasked(run, place):
    before = contents(place)
    assert_one_line(run("convert", NVIDIA, "model"), "model holds", "config.json", "--overwrite")
    assert contents(place) == before


@pytest.mark.parametrize("name", ["README.md", "config.json", "golden.safetensors", "model.safetensors"])
def test_any_one_of_its_files_keeps_a_folder(run, tmp_path, name):
    (tmp_path / name).write_text("mine")
    assert_one_line(run("convert", NVIDIA, tmp_path), name, "--overwrite")
    assert contents(tmp_path) == {Path(name): b"mine"}


@pytest.mark.parametrize("source", ["nowhere.pkl", HALVES[0]], ids=str)
def test_a_mistake_with_overwrite_leaves_the_old_model(run, place, source):
    before = contents(place)
    assert_one_line(run("convert", source, "model", "--overwrite"))
    assert contents(place) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(run, place):
    Path("empty").chmod(0o500)
    try:
        assert_one_line(run("convert", NVIDIA, "empty/new"), "cannot be written")
    finally:
        Path("empty").chmod(0o700)


def test_a_folder_that_may_not_be_written_is_told_to_anyone(run, place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    before = contents(place)
    assert_one_line(run("convert", NVIDIA, "empty/new"), "OUT", "cannot be written")
    assert contents(place) == before


# Failures while writing


def fail(*_, **__):
    raise OSError(28, "No space left on device")


def interrupt(*_, **__):
    raise KeyboardInterrupt


def assert_failed(result, status):
    assert result[0] == status
    assert result[2].startswith("ganzoo: ") and result[2].count("\n") == 1 and "Traceback" not in result[2]


STOPS = {fail: 2, interrupt: 130}


@pytest.mark.parametrize(
    "case", thinned(itertools.product(["new", "model"], STOPS), [("new", fail), ("model", interrupt)])
)
def test_a_write_that_stops_leaves_everything_as_it_was(run, place, monkeypatch, case):
    out, stop = case
    before = contents(place)
    monkeypatch.setattr("ganzoo.models.weights.save_file", stop)
    assert_failed(run("convert", NVIDIA, out, "--overwrite"), STOPS[stop])
    assert contents(place) == before


@pytest.mark.parametrize(
    "case", thinned(itertools.product(["new", "model"], [1, 2, 3]), [("model", 1), ("new", 2), ("model", 3)])
)
def test_ctrl_c_between_the_files_leaves_what_was_there_or_the_whole_new_model(run, place, monkeypatch, case):
    out, nth = case
    before, moves = contents(place), []

    def stopping(move):
        def stop_or_move(source, target, **options):
            if Path(target).absolute().is_relative_to(place / out):
                moves.append(target)
                if len(moves) == nth:
                    raise KeyboardInterrupt
            return move(source, target, **options)

        return stop_or_move

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, stopping(getattr(os, name)))
    status, _, _ = run("convert", NVIDIA, out, "--overwrite")
    monkeypatch.undo()
    if contents(place) != before:
        expected = ganzoo.convert(NVIDIA)
        assert weights_digest(ganzoo.load(place / out)) == weights_digest(expected)
    assert moves and status == (130 if len(moves) >= nth else 0)
    assert [p.name for p in place.iterdir() if p.name.startswith(".")] == []


def test_what_was_written_is_read_back(run, tmp_path, monkeypatch):
    def other(tensors, path, metadata):
        save_file({name: tensor + 1 for name, tensor in tensors.items()}, path, metadata=metadata)

    monkeypatch.setattr("ganzoo.models.weights.save_file", other)
    result = run("convert", NVIDIA, tmp_path / "new")
    assert_failed(result, 2)
    assert "differs from what was read" in result[2] and contents(tmp_path) == {}
