import os
import signal
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image
from processes import started

from ganzoo.cli import main
from ganzoo.data import ImageSet


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
    """Three images, one of them wide, and a file that is none."""
    folder = tmp_path / "src"
    folder.mkdir()
    for i, size in enumerate([(16, 16), (16, 16), (20, 16)]):
        Image.new("RGB", size, (i, 50, 90)).save(folder / f"{i}.png")
    (folder / "bad.jpg").write_bytes(b"<html>")
    return folder


def test_it_writes_the_set_and_tells_what_it_found(run, source, tmp_path):
    status, out, err = run(source, tmp_path / "new" / "set.zip", "--resolution", 8, "--workers", 1)
    images = ImageSet(tmp_path / "new" / "set.zip")
    assert (status, err) == (0, "")
    words = " ".join(out.split())
    assert "written 3" in words and "of these, not square 1" in words and "skipped: corrupt 1" in words
    assert images.sha256 in words and "bad.jpg: it is no image" in words
    assert words.endswith(f"The set is in {tmp_path / 'new' / 'set.zip'}.")
    assert {images.read(i).size for i in range(3)} == {(8, 8)}


def test_the_options_reach_the_set(run, source, tmp_path):
    out = tmp_path / "set.zip"
    options = ["--resolution=32", "--channels=1", "--upscale", "--crop=none", "--labels=none", "--workers=2"]
    assert run(source, out, *options)[0] == 0
    assert ImageSet(out, channels=1).read(0).size == (32, 32)


def test_many_skipped_images_do_not_fill_the_screen(run, source, tmp_path):
    for i in range(20):
        (source / f"bad{i}.jpg").write_bytes(b"nonsense")
    (source / "worse.svg").write_bytes(b"<svg>")
    _, out, _ = run(source, tmp_path / "set.zip", "--resolution", 8, "--workers", 1)
    assert out.count("it is no image") == 9 and out.count("worse.svg: it is SVG") == 1
    assert "and 12 more: ganzoo.json in the zip lists them all" in out


def odd_set(folder):
    """Fourteen files such as people have."""
    folder.mkdir()
    deep = np.linspace(0, 4095, 256).astype(np.uint16).reshape(16, 16)
    shown = [Image.new("RGB", (16, 16), (20 * i, 90, 50)) for i in range(9)]
    for name, (image, kind) in {
        "a.jfif": (shown[0], "JPEG"),
        "b.JPE": (shown[1], "JPEG"),
        "c.ppm": (shown[2], "PPM"),
        "d.jp2": (shown[3], "JPEG2000"),
        "e": (shown[4], "PNG"),
        "f.TIF": (shown[5].convert("CMYK"), "TIFF"),
        "g.png": (Image.fromarray(deep), "PNG"),
        "h.bmp": (shown[2], "BMP"),  # shows the same as c.ppm
        "i.gif": (Image.new("RGB", (4, 4)), "GIF"),
    }.items():
        image.save(folder / name, kind)
    (folder / "k.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    (folder / "l.jpg").write_bytes(b"<html><body>404</body></html>")
    (folder / "notes.txt").write_text("Taken in May.")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "Thumbs.db").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(64))
    return folder


@pytest.mark.skipif(find_spec("pillow_heif") is not None, reason="reads HEIC")
def test_an_odd_set_is_accounted_for(run, tmp_path):
    status, out, _ = run(odd_set(tmp_path / "odd"), tmp_path / "set.zip", "--resolution=8", "--workers=1")
    words = " ".join(out.split())
    for told in (
        "written 7", "of these, cmyk 1", "of these, 16-bit 1", "of these, dark 16-bit 1",
        "skipped: unsupported 1", "skipped: corrupt 1", "skipped: too small 1", "skipped: duplicate 1",
        "not images, left out 3", "labels none: there is no dataset.json",
        "h.bmp: it shows the same as c.ppm", "i.gif: 4 x 4 is smaller than 8",
        "k.HEIC: it is HEIC, which needs a package: pip install pillow-heif",
        "l.jpg: it is no image but a web page", "Not images: .DS_Store, Thumbs.db, notes.txt.",
        "nearly black: 1. The largest value is 4095, of 65535.",
        "If they hold 12 bits, prepare them with --white 4095.",
    ):  # fmt: skip
        assert told in words, told
    assert status == 0


def test_twelve_bits_are_bright_with_white(run, tmp_path):
    source, out = odd_set(tmp_path / "odd"), tmp_path / "set.zip"
    _, told, _ = run(source, out, "--resolution=8", "--workers=1", "--white=4095")
    assert "dark" not in told and max(ImageSet(out).read(6).getextrema()[0]) > 240


def test_classes_are_printed_with_numbers_names_and_counts(run, tmp_path):
    for i, name in enumerate(("dogs", "cats", "dogs")):
        (tmp_path / "src" / "animals" / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "src" / "animals" / name / f"{i}.png")
    _, out, _ = run(tmp_path / "src", tmp_path / "a.zip", "--resolution=8", "--labels=folders", "--workers=1")
    words = " ".join(out.split())
    assert "labels folders" in words and "class 0 cats 1 class 1 dogs 2" in words
    _, out, _ = run(tmp_path / "a.zip", tmp_path / "b.zip", "--resolution=8", "--workers=1")
    words = " ".join(out.split())
    assert "labels of dataset.json class 0 cats 1 class 1 dogs 2" in words and "not images" not in words


def test_names_of_no_known_writing_are_told(run, source, tmp_path):
    (source / os.fsdecode(b"\xff.png")).write_bytes(b"")
    status, out, _ = run(source, tmp_path / "set.zip", "--resolution", 8, "--workers", 1)
    assert status == 0 and r"\udcff.png" in out


MISTAKES = {
    "no source": (["{tmp}/nowhere", "{tmp}/o.zip", "--resolution=8"], ["does not exist"]),
    "an empty folder": (["{tmp}/empty", "{tmp}/o.zip", "--resolution=8"], ["holds no image", "JPEG"]),
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
    "a zip that is none": (["{src}/bad.jpg", "{tmp}/o.zip", "--resolution=8"], ["nor a zip of images"]),
    "no zip to write": (["{src}", "{tmp}/o", "--resolution=8"], ["ends in .zip"]),
    "a zip that exists": (["{src}", "{tmp}/there.zip", "--resolution=8"], ["exists", "--overwrite"]),
    "all too small": (
        ["{src}", "{tmp}/o.zip", "--resolution=64", "--workers=1"],
        ["None of the 4", "3 too small"],
    ),
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


@pytest.mark.processes
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(run, tmp_path):
    source, out = tmp_path / "src", tmp_path / "set.zip"
    source.mkdir()
    for i in range(20):
        Image.effect_noise((600, 600), 50 + i).convert("RGB").save(source / f"{i:03d}.bmp")
    for i in range(20, 150):
        (source / f"{i:03d}.bmp").symlink_to(source / f"{i % 20:03d}.bmp")
    words = ["data", "prepare", source, out, "--resolution=128", "--workers=2"]
    with started(tmp_path / "said", main, *words) as process:
        images = tmp_path / "set.zip.partial" / "images.zip"
        deadline = time.monotonic() + 60
        while not (images.exists() and images.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        status, _, err = process.finish()
    assert status == 130
    assert "of 150 images are done; the same command goes on" in err
    assert err.count("\n") == 1 and not out.exists()
    status, told, err = run(source, out, "--resolution=128", "--workers=1")  # of any number, the same bytes
    assert (status, err) == (0, "") and "Continuing a stopped run: " in told
    assert len(ImageSet(out)) == 20
