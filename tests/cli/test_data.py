import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import interruptible
from PIL import Image

from ganzoo.cli import main
from ganzoo.data import PictureSet

GANZOO = [sys.executable, "-c", "from ganzoo.cli import main; main()"]


@pytest.fixture
def run(monkeypatch, capsys):
    """Call `ganzoo data prepare` in this process: status, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ganzoo", "data", "prepare", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call


@pytest.fixture
def source(tmp_path):
    """Three pictures, one of them wide, and a file that is none."""
    folder = tmp_path / "src"
    folder.mkdir()
    for i, size in enumerate([(16, 16), (16, 16), (20, 16)]):
        Image.new("RGB", size, (i, 50, 90)).save(folder / f"{i}.png")
    (folder / "bad.jpg").write_bytes(b"<html>")
    return folder


def test_it_writes_the_set_and_tells_what_it_found(run, source, tmp_path):
    status, out, err = run(source, tmp_path / "new" / "set.zip", "--resolution", 8, "--workers", 1)
    pictures = PictureSet(tmp_path / "new" / "set.zip")
    assert (status, err) == (0, "")
    words = " ".join(out.split())
    assert "written 3" in words and "of these, not square 1" in words and "skipped: corrupt 1" in words
    assert pictures.sha256 in words and "bad.jpg: it is no picture" in words
    assert words.endswith(f"The set is in {tmp_path / 'new' / 'set.zip'}.")
    assert {pictures.read(i).size for i in range(3)} == {(8, 8)}


def test_the_options_reach_the_set(run, source, tmp_path):
    out = tmp_path / "set.zip"
    options = ["--resolution=32", "--channels=1", "--upscale", "--crop=none", "--labels=none", "--workers=2"]
    assert run(source, out, *options)[0] == 0
    assert PictureSet(out, channels=1).read(0).size == (32, 32)


def test_many_skipped_pictures_do_not_fill_the_screen(run, source, tmp_path):
    for i in range(20):
        (source / f"bad{i}.jpg").write_bytes(b"")
    _, out, _ = run(source, tmp_path / "set.zip", "--resolution", 8, "--workers", 1)
    assert out.count("it is no picture") == 10
    assert "and 11 more: ganzoo.json in the zip lists them all" in out


def test_names_of_no_known_writing_are_told(run, source, tmp_path):
    (source / os.fsdecode(b"\xff.png")).write_bytes(b"")
    status, out, _ = run(source, tmp_path / "set.zip", "--resolution", 8, "--workers", 1)
    assert status == 0 and r"\udcff.png" in out


MISTAKES = {
    "no source": (["{tmp}/nowhere", "{tmp}/o.zip", "--resolution=8"], ["neither a folder nor a zip"]),
    "an empty folder": (["{tmp}/empty", "{tmp}/o.zip", "--resolution=8"], ["holds no picture", ".webp"]),
    "no resolution": (["{src}", "{tmp}/o.zip"], ["--resolution"]),
    "two sides": (["{src}", "{tmp}/o.zip", "--resolution=512x320"], ["'512x320'", "images are square"]),
    "two sides, as a list": (["{src}", "{tmp}/o.zip", "--resolution=[512,320]"], ["images are square"]),
    "an odd resolution": (["{src}", "{tmp}/o.zip", "--resolution=100"], ["power of two", "100"]),
    "an unknown crop": (
        ["{src}", "{tmp}/o.zip", "--resolution=8", "--crop=top"],
        ["center or none", "'top'"],
    ),
    "two channels": (
        ["{src}", "{tmp}/o.zip", "--resolution=8", "--channels=2"],
        ["1 (greyscale), 3 (RGB) or 4"],
    ),
    "unknown labels": (["{src}", "{tmp}/o.zip", "--resolution=8", "--labels=x"], ["keep, folders or none"]),
    "no class folders": (["{src}", "{tmp}/o.zip", "--resolution=8", "--labels=folders"], ["in no folder"]),
    "no workers": (["{src}", "{tmp}/o.zip", "--resolution=8", "--workers=0"], ["workers"]),
    "no pixels": (["{src}", "{tmp}/o.zip", "--resolution=8", "--max-pixels=0"], ["max_pixels is 1 to"]),
    "a zip that is none": (["{src}/bad.jpg", "{tmp}/o.zip", "--resolution=8"], ["nor a zip of pictures"]),
    "no zip to write": (["{src}", "{tmp}/o", "--resolution=8"], ["ends in .zip"]),
    "a zip that exists": (["{src}", "{tmp}/there.zip", "--resolution=8"], ["exists", "--overwrite"]),
    "all too small": (["{src}", "{tmp}/o.zip", "--resolution=64"], ["None of the 4", "3 too small"]),
    "a file for a folder": (["{src}", "{src}/0.png/o.zip", "--resolution=8"], ["no writable folder"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(run, source, tmp_path, mistake):
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.zip").write_bytes(b"mine")
    arguments, parts = MISTAKES[mistake]
    status, out, err = run(*[argument.format(tmp=tmp_path, src=source) for argument in arguments])
    assert (status, out) == (2, "")
    assert err.startswith("ganzoo: ") and err.count("\n") == 1 and "Traceback" not in err
    for part in parts:
        assert part in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "src", "there.zip"]


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path):
    source, out = tmp_path / "src", tmp_path / "set.zip"
    source.mkdir()
    for i in range(20):
        Image.effect_noise((600, 600), 50 + i).convert("RGB").save(source / f"{i:03d}.bmp")
    for i in range(20, 300):
        (source / f"{i:03d}.bmp").symlink_to(source / f"{i % 20:03d}.bmp")
    command = [*GANZOO, "data", "prepare", str(source), str(out), "--resolution=128", "--workers=2"]
    with interruptible(command) as process:
        pictures = tmp_path / "set.zip.partial" / "pictures.zip"
        deadline = time.monotonic() + 60
        while not (pictures.exists() and pictures.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "of 300 pictures are done; the same command goes on" in err
    assert err.count("\n") == 1 and not out.exists()
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Continuing a stopped run: " in ended.stdout and ended.stderr == ""
    assert len(PictureSet(out)) == 20
