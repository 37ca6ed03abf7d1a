"""Films as files: what is written is read back, and what goes wrong leaves no half of a file."""

import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from ganzoo.films import video
from ganzoo.films.writing import FilmWriter, film

try:
    FFMPEG = video.ffmpeg()
except ValueError:
    FFMPEG = None
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="needs the program ffmpeg")
ALL = [".gif", ".webp", *(pytest.param(s, marks=needs_ffmpeg) for s in video.SUFFIXES)]
KINDS = [*ALL[:3], pytest.param(".webm", marks=(needs_ffmpeg, pytest.mark.slow))]  # by ffmpeg as .mp4 is


def image(number, size=(24, 16), mode="RGB"):
    """A slope of colours that moves by a pixel a frame."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    bands = [4 * (x + number), 8 * y, 5 * (x + y), np.where(x < size[0] // 2, 0, 255)]
    pixels = np.stack(bands[: len(mode)], axis=-1).clip(0, 255).astype(np.uint8).squeeze()
    return Image.fromarray(pixels, mode=None)


def frames_of(path, mode="RGB"):
    """The frames of a film, as arrays."""
    if path.suffix in video.SUFFIXES:
        command = [FFMPEG, "-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        raw = subprocess.run(command, capture_output=True, check=True).stdout
        size = told(path)[0]
        return [*np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)]
    with Image.open(path) as opened:
        found = []
        for number in range(opened.n_frames):
            opened.seek(number)
            found.append(np.array(opened.convert(mode)))
        return found


def told(path):
    """What ffmpeg says of a film: its size, and the line about its pixels."""
    said = subprocess.run([FFMPEG, "-i", path], capture_output=True, text=True, check=False).stderr
    [line] = [line for line in said.splitlines() if "Video:" in line]
    [size] = [part.split()[0] for part in line.split(", ") if part[:1].isdigit() and "x" in part.split()[0]]
    return tuple(map(int, size.split("x"))), line


def psnr(got, expected):
    error = np.mean((np.asarray(got, dtype=float) - np.asarray(expected)) ** 2)
    return 10 * np.log10(255**2 / error)


@contextmanager
def full_disk(bytes_):
    """In the block, no file grows beyond a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", ALL)
def test_a_film_holds_its_frames_in_order(tmp_path, suffix):
    frames = [image(number) for number in range(7)]
    path = film(tmp_path / "new" / f"film{suffix}", iter(frames), 30)
    read = frames_of(path)
    assert len(read) == 7
    assert min(psnr(got, expected) for got, expected in zip(read, frames, strict=True)) > 30
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("suffix", "durations"), [(".gif", [30, 40, 30, 30]), (".webp", [33, 34, 33, 33])])
def test_frames_are_shown_so_long_that_the_film_keeps_its_pace(tmp_path, suffix, durations):
    with Image.open(film(tmp_path / f"film{suffix}", map(image, range(4)), 30)) as opened:
        found = []
        for number in range(opened.n_frames):
            opened.seek(number)
            opened.load()
            found.append(opened.info["duration"])
        assert found == durations and opened.info["loop"] == 0


@needs_ffmpeg
def test_an_odd_side_gets_one_more_pixel_in_mp4(tmp_path):
    frames = [image(number, (25, 17)) for number in range(3)]
    mp4, webm = (film(tmp_path / f"film{suffix}", frames, 24) for suffix in (".mp4", ".webm"))
    assert told(mp4)[0] == (26, 18) and told(webm)[0] == (25, 17)
    assert psnr(frames_of(mp4)[2][:17, :25], frames[2]) > 30
    assert "h264" in told(mp4)[1] and "yuv420p(tv, bt709" in told(mp4)[1] and "vp9" in told(webm)[1]


def test_alpha_stays_in_webp_and_is_laid_over_white_elsewhere(tmp_path):
    frames = [image(number, mode="RGBA") for number in range(2)]
    clear = frames_of(film(tmp_path / "film.webp", frames, 10), "RGBA")[1]
    assert clear[:, :12, 3].max() == 0 and clear[:, 12:, 3].min() == 255
    white = frames_of(film(tmp_path / "film.gif", frames, 10))[1]
    assert white[:, :12].min() == 255 and white[0, 23].max() < 255


def test_grey_frames_are_taken(tmp_path):
    frames = [image(number, mode="L") for number in range(2)]
    read = frames_of(film(tmp_path / "film.gif", frames, 10), "L")
    assert psnr(read[1], frames[1]) > 35


@pytest.mark.parametrize("suffix", KINDS)
def test_an_interrupted_film_can_be_played(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    with pytest.raises(KeyboardInterrupt), FilmWriter(path, 30, (24, 16)) as writer:
        for number in range(3):
            writer.add(image(number))
        raise KeyboardInterrupt
    assert writer.frames == len(frames_of(path)) == 3
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ALL)
def test_a_failure_leaves_the_film_that_was_there(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), FilmWriter(path, 30, (24, 16)) as writer:
        writer.add(image(0))
        raise ZeroDivisionError
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", KINDS)
def test_a_full_disk_is_told_in_one_line(tmp_path, suffix):
    frames = (Image.effect_noise((96, 96), 90) for _ in range(30))
    with full_disk(10_000), pytest.raises(OSError, match=f"film{suffix} cannot be written: ") as caught:
        film(tmp_path / f"film{suffix}", frames, 30)
    assert "\n" not in str(caught.value) and not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("name", "fps", "told_"),
    [
        ("film.avi", 30, r"ends in \.mp4, \.webm, \.gif, \.webp"),
        ("film", 30, "ends in"),
        ("film.gif", 60, "at most 50"),
        ("film.webp", 0, "more than 0"),
        ("film.webp", float("nan"), "more than 0"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path, name, fps, told_):
    with pytest.raises(ValueError, match=told_):
        FilmWriter(tmp_path / name, fps, (8, 8))


def test_a_film_needs_frames_of_one_size(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        film(tmp_path / "film.gif", [], 30)
    with pytest.raises(ValueError, match=r"are \(24, 16\); got one of \(16, 24\)"):
        film(tmp_path / "film.gif", [image(0), image(0, (16, 24))], 30)
    with pytest.raises(ValueError, match="1 to 16383 pixels"):
        FilmWriter(tmp_path / "film.webp", 30, (20_000, 8))
    assert not [*tmp_path.iterdir()]


def test_a_missing_ffmpeg_is_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, video.PACKAGE, None)
    with pytest.raises(ValueError, match=r"write a \.webp or \.gif\. .*\[film\]"):
        FilmWriter(tmp_path / "film.mp4", 30, (8, 8))
