"""`ganzoo film`: films of a tiny model, and what it says of mistakes."""

import re
import signal
import time

import pytest
from cli_helpers import assert_one_line
from PIL import Image
from processes import started

import ganzoo
from ganzoo.cli import main
from ganzoo.films import Motion, frames, through_seeds
from ganzoo.films.writing import FilmWriter
from ganzoo.latent.look import Look


def test_a_film_has_the_frames_of_its_length(run, model_folder, tmp_path):
    out = tmp_path / "new" / "film.webp"
    command = ["film", model_folder, "--seeds=0-1", "--seconds=0.5", "--fps=12", "--runtime=torch"]
    status, told, _ = run(*command, "--out", out)
    assert status == 0 and told.startswith("6 frames of 32 x 32 in ") and "0.5 s" in told
    assert "frames a second (cpu" in told
    with Image.open(out) as film:
        assert film.n_frames == 6 and film.size == (32, 32)


def test_a_film_is_drawn_in_the_fastest_runtime_and_is_an_mp4(run):
    text = " ".join(run("film", "--help")[1].split())
    assert "film.mp4" in text and re.search(r"--runtime[^\[]*\[default: auto\]", text)
    options = (
        "--seeds --w --seconds --fps --out --space --curve --ease --no-loop --grid --psi --cutoff --centers "
        "--labels --noise --noise-seed --translate --rotate --runtime --precision --device "
        "--other-mapping --cache-dir"
    )
    assert [option for option in options.split() if option not in text] == []


def test_a_film_shows_the_frames_of_the_api(run, model_folder, tmp_path, monkeypatch):
    import ganzoo.films.writing

    written = []
    monkeypatch.setattr(ganzoo.films.writing.FilmWriter, "add", lambda self, image: written.append(image) or
                        setattr(self, "frames", self.frames + 1))  # fmt: skip
    run("film", model_folder, "--seeds=3-6", "--seconds=1", "--fps=3", "--no-loop", "--grid=2x1", "--space=w",
        "--curve=linear", "--psi=0.5:1", "--runtime=torch", "--out", tmp_path / "film.gif")  # fmt: skip
    model, motion = ganzoo.deploy(ganzoo.load(model_folder)), Motion(3, "linear", loop=False, psi=(0.5, 1.0))
    ways = [through_seeds(model, seeds, motion, space="w") for seeds in ([3, 5], [4, 6])]
    expected = [image.tobytes() for image in frames(model, ways, columns=2)]
    assert [image.tobytes() for image in written] == expected


def test_a_film_goes_through_saved_w(run, model_folder, tmp_path):
    run("generate", model_folder, "--seeds=2,5", "--save-w", "--out", tmp_path)
    command = ["film", model_folder, "--w", tmp_path / "w.safetensors", "--seconds=1", "--fps=4"]
    assert run(*command, "--runtime=torch", "--out", tmp_path / "film.gif")[0] == 0
    model = ganzoo.load(model_folder)
    with Image.open(tmp_path / "film.gif") as film:
        [still] = model.to_pil(model.draw(Look().w(model, [2])))
        difference = [abs(a - b) for a, b in zip(film.convert("RGB").tobytes(), still.tobytes(), strict=True)]
        assert film.n_frames == 4 and sum(difference) / len(difference) < 8


def test_a_second_ctrl_c_tells_of_the_film_that_there_is(run, model_folder, tmp_path, monkeypatch):
    add = FilmWriter.add

    def interrupted(self, image):
        if self.frames == 2:
            raise KeyboardInterrupt
        add(self, image)

    monkeypatch.setattr(FilmWriter, "add", interrupted)
    out = tmp_path / "film.gif"
    status, _, err = run("film", model_folder, "--seconds=1", "--fps=4", "--runtime=torch", "--out", out)
    assert status == 130 and f"2 of 4 frames are in {out}, which can be played" in err
    with Image.open(out) as film:
        assert film.n_frames == 2


def test_ctrl_c_leaves_a_film_that_can_be_played_and_says_how_many_frames(model_folder, tmp_path):
    out = tmp_path / "out" / "film.gif"
    words = ["film", model_folder, "--seconds=3600", "--runtime=torch", "--out", out]
    with started(tmp_path / "said", main, *words) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if any(path.stat().st_size > 20_000 for path in out.parent.glob("*")):
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        status, _, err = process.finish()
    assert status == 130 and err.count("\n") == 1
    assert "of 108000 frames of 32 x 32 are in" in err and "can be played" in err
    with Image.open(out) as film:
        assert film.n_frames == int(err.split()[2])
    assert [p.name for p in out.parent.iterdir()] == ["film.gif"]


MISTAKES = {
    "a suffix that is no film's": (["--out=film.avi"], ".mp4, .webm, .gif, .webp"),
    "too quick a GIF": (["--out=film.gif", "--fps=60"], "at most 50"),
    "no length": (["--seconds=0"], "--seconds is a length"),
    "an endless length": (["--seconds=inf"], "--seconds is a length"),
    "a grid without rows": (["--grid=2"], "such as 2x2"),
    "seeds that cannot be dealt out": (["--grid=2x2", "--seeds=0-6"], "7 stops"),
    "a psi of three numbers": (["--psi=1:2:3"], "such as 0.3:1"),
    "a class of letters": (["--labels=a"], "such as 0,3,5"),
    "a class of a model without": (["--labels=1"], "not conditional"),
    "an unknown curve": (["--curve=round"], "cubic, linear, spherical"),
    "an unknown ease": (["--ease=fast"], "linear, smooth"),
    "an unknown space": (["--space=x"], "w, z"),
    "an unknown noise": (["--noise=loud"], "changing"),
    "no such number of centers": (["--centers=0"], "1 to 4096"),
    "w and seeds": (["--w=w.safetensors", "--seeds=3"], "takes the place of --seeds"),
    "w that are not there": (["--w=w.safetensors"], "does not exist"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line_and_leaves_no_film(run, model_folder, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more, part = MISTAKES[case]
    out = [] if any(option.startswith("--out") for option in more) else ["--out=film.webp"]
    assert_one_line(run("film", model_folder, "--seconds=1", "--runtime=torch", *out, *more), part)
    assert not [*tmp_path.iterdir()]
