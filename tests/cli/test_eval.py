import io
import json
import sys
import time

import numpy as np
import pytest
from cli_helpers import assert_one_line
from PIL import Image
from torch import Tensor, nn

import ganzoo
from ganzoo.cli import main
from ganzoo.features.networks import FeatureInfo, FeatureNetwork


class MeanColours(FeatureNetwork):
    """The colours of the four quarters, and which is the brightest."""

    def __init__(self, name="colours"):
        super().__init__(FeatureInfo(name, name * 2, 12, 8, (127.5,) * 3, (127.5,) * 3))
        self.pool = nn.AdaptiveAvgPool2d(2)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        return [self.pool((pixels - self.mean) / self.std) + 0.1]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.maps(pixels)[0].flatten(1)
        return features, features[:, :4]


@pytest.fixture(autouse=True)
def features(monkeypatch):
    def load(name, cache_dir=None):
        return MeanColours(name) if name.startswith("colours") else real(name, cache_dir=cache_dir)

    real = ganzoo.features.networks.load_features
    monkeypatch.setattr("ganzoo.metrics.evaluation.load_features", load)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    for name, n in (("fake", 20), ("real", 25)):
        (root / name).mkdir()
        random = np.random.RandomState(n)
        for i in range(n):
            pixels = random.randint(0, 255, (2, 2, 3)).astype(np.uint8)
            Image.fromarray(pixels).resize((16, 16)).save(root / name / f"{i:02d}.png")
    return root


@pytest.fixture
def evaluate(run, folders, tmp_path):
    """`ganzoo eval` with the features of this file, in a folder of images."""

    def call(*arguments):
        paths = [folders / a if a in ("fake", "real") else a for a in arguments]
        return run("eval", *paths, "--features=colours", "--resamples=2", "--cache-dir", tmp_path / "cache")

    return call


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_a_record_a_line(evaluate):
    status, out, err = evaluate("fake", "--real", "real", "--metrics=fd, kid,fd", "--json")
    assert (status, err) == (0, "")
    assert [r["metric"] for r in records(out)] == ["fd_colours", "kid_colours"]


def test_a_table_is_for_people_and_the_notes_go_to_stderr(evaluate):
    status, out, err = evaluate("fake", "--real", "real")
    assert status == 0 and "fd_colours" in out and "kid_colours" in out and "{" not in out
    assert "Note: 20 images: published figures take 50000." in err and "Note: subsets of 20" in err


def test_sets_of_different_sizes_are_told_apart(evaluate, model_folder, tmp_path):
    large = tmp_path / "large"
    large.mkdir()
    for i in range(5):
        Image.new("RGB", (32, 24), (50 * i, 9, 9)).save(large / f"{i}.png")
    for arguments, told in (
        (("fake", "--real", large), "16 x 16 against images of 32 x 24"),
        ((model_folder, "--num=4", "--real", "real"), "32 x 32 against images of 16 x 16"),
    ):
        status, _, err = evaluate(*arguments, "--metrics=fd")
        assert status == 0 and f"Note: images of {told}, both brought to 8 x 8" in err
    assert "against images" not in evaluate("fake", "--real", "real", "--metrics=fd")[2]


def test_a_student_smaller_than_its_teacher_is_told(evaluate, model_folder, tmp_path):
    config = {**ganzoo.load(model_folder).config.to_dict(), "resolution": 16}
    config["channels"] = config["channels"][:-1]
    ganzoo.save(ganzoo.models.factory.build(ganzoo.GeneratorConfig.from_dict(config)), tmp_path / "small")
    _, _, err = evaluate(tmp_path / "small", "--teacher", model_folder, "--num=2", "--metrics=l1")
    assert "Note: compared at 16 x 16: the teacher's images of 32 x 32 are scaled down." in err


def test_records_are_appended_and_compared_with(evaluate, tmp_path):
    out = tmp_path / "new" / "records.jsonl"
    assert evaluate("fake", "--real", "real", "--out", out)[0] == 0
    assert evaluate("fake", "--real", "real", "--metrics=fd", "--out", out)[0] == 0
    assert [r["metric"] for r in records(out.read_text())] == ["fd_colours", "kid_colours", "fd_colours"]
    status, text, _ = evaluate("fake", "--real", "real", "--metrics=fd", "--against", out)
    assert status == 0 and "before, +0 now" in text
    status, text, err = evaluate("fake", "--real", "real", "--metrics=fd", "--against", out, "--json")
    assert status == 0 and len(records(text)) == 1 and "before, +0 now" in err


def test_records_of_another_protocol_are_refused_with_the_field(evaluate, folders, tmp_path):
    out = tmp_path / "records.jsonl"
    evaluate("fake", "--real", "real", "--metrics=fd", "--out", out)
    status, _, err = evaluate("fake", "--real", "fake", "--metrics=fd", "--against", out)
    assert (
        status == 2 and "cannot be compared" in err and "real.sha256" in err and "num_real: 20 and 25" in err
    )


OF_IMAGES = ("fake", "--real", "real", "--metrics=fd")
OF_A_MODEL = ("model", "--real", "model", "--num=4", "--metrics=fd")
OF_PATHS = ("model", "--num=4", "--metrics=ppl")
OF_PAIRS = ("model", "--teacher", "model", "--num=2", "--metrics=perceptual,l1")


@pytest.mark.parametrize(
    ("common", "option", "part"),
    [
        (OF_IMAGES, "--metrics=kid", "no metric in common; there: fd_colours"),
        (OF_IMAGES, "--real=fake", "real.sha256"),
        (OF_A_MODEL, "--num=5", "num_fake: 5 and 4; num_real: 5 and 4"),
        pytest.param(
            OF_A_MODEL, "--seed=3", "sampling.first_seed: 3 and 1000000000.", marks=pytest.mark.slow
        ),
        (OF_A_MODEL, "--real-seed=3", "real.first_seed: 3 and 2000000000."),
        pytest.param(
            OF_A_MODEL, "--noise=none", "sampling.noise: 'none' and 'const'.", marks=pytest.mark.slow
        ),
        pytest.param(OF_A_MODEL, "--resolution=8", "sampling.resolution: 8 and 32.", marks=pytest.mark.slow),
        (OF_PATHS, "--psi=0.5", "sampling.truncation_psi: 0.5 and 1.0."),
        (OF_PAIRS, "--given=w", "sampling.given: 'w' and 'z'."),
    ],
)
def test_another_protocol_is_refused_before_anything_is_measured(
    evaluate, model_folder, folders, tmp_path, monkeypatch, common, option, part
):
    def stop(*_, **__):
        pytest.fail("It measures.")

    out = tmp_path / "records.jsonl"
    common = [model_folder if a == "model" else a for a in common]
    option = f"--real={folders / 'fake'}" if option == "--real=fake" else option
    assert evaluate(*common, "--out", out)[0] == 0
    for what in ("measuring.extract", "path_length.path_length", "pairs.pair_figures"):
        monkeypatch.setattr(f"ganzoo.metrics.{what}", stop)
    assert_one_line(evaluate(*common, option, "--against", out), part)


def test_truncation_is_part_of_the_protocol(evaluate, model_folder, tmp_path):
    out = tmp_path / "records.jsonl"
    common = (model_folder, "--num=6", "--real", "real", "--metrics=fd")
    assert evaluate(*common, "--out", out)[0] == 0
    status, _, err = evaluate(*common, "--psi=0.7", "--against", out)
    assert status == 2 and "sampling.truncation_psi: 0.7 and 1.0" in err
    assert evaluate(*common, "--eager", "--against", out)[0] == 0


def test_a_model_against_itself_with_other_latents(evaluate, model_folder):
    status, out, _ = evaluate(model_folder, "--real", model_folder, "--num=6", "--json", "--real-psi=0.5")
    fd, _ = records(out)
    assert status == 0 and fd["real"]["first_seed"] == 2 * fd["sampling"]["first_seed"] == 2_000_000_000
    assert fd["real"]["truncation_psi"] == 0.5 and fd["real"]["sha256"] == fd["fake"]["sha256"]


def test_statistics_take_the_place_of_images(evaluate, tmp_path):
    path = tmp_path / "real.npz"
    status, out, _ = evaluate("real", "--save", path)
    assert status == 0 and str(path) in out.replace("\n", "")
    [one] = records(evaluate("fake", "--real", path, "--json")[1])
    [other] = records(evaluate("fake", "--real", "real", "--metrics=fd", "--json")[1])
    assert one["value"] == pytest.approx(other["value"], rel=1e-9) and one["real"] == other["real"]
    assert_one_line(evaluate("fake", "--real", path, "--metrics=fd,kid"), "serve fd only")


def test_a_student_against_its_teacher(evaluate, model_folder):
    status, out, _ = evaluate(model_folder, "--teacher", model_folder, "--num=3", "--json", "--given=w")
    assert status == 0
    l1, psnr, perceptual = records(out)
    assert (l1["metric"], psnr["metric"], perceptual["metric"]) == ("l1", "psnr", "perceptual_colours")
    assert l1["value"] == perceptual["value"] == 0 and psnr["value"] > 100 and l1["sampling"]["given"] == "w"


def test_figures_without_features_do_not_load_any(run, model_folder):
    options = ("--metrics=l1", "--num=2", "--features=nonsense")
    assert run("eval", model_folder, "--teacher", model_folder, *options)[0] == 0


def test_a_name_in_brackets_is_no_markup(evaluate, folders, tmp_path, monkeypatch):
    (tmp_path / "[").mkdir()
    strange = tmp_path / "[" / "red] [bold]"
    strange.symlink_to(folders / "fake")
    watch(monkeypatch)
    assert evaluate(strange, "--real", "real")[0] == 0
    assert "[bold]" in sys.stderr.getvalue()


def watch(monkeypatch):
    """Let a person look at stderr, on a wide terminal, and leave time to do so."""
    forward = MeanColours.forward

    def slow(self, pixels):
        time.sleep(0.3)
        return forward(self, pixels)

    monkeypatch.setattr(MeanColours, "forward", slow)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERM", "xterm")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_to_people_only(evaluate, monkeypatch, folders, tmp_path):
    watch(monkeypatch)
    evaluate("fake", "--real", "real", "--json")
    assert "Features of" in sys.stderr.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    evaluate("fake", "--real", "real", "--json")
    assert sys.stderr.getvalue() == ""


def test_ctrl_c_ends_in_one_line(monkeypatch, capsys, folders):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ganzoo.metrics.measuring.extract", stop)
    fake = str(folders / "fake")
    monkeypatch.setattr(sys, "argv", ["ganzoo", "eval", fake, "--real", fake, "--features=colours"])
    with pytest.raises(SystemExit) as status:
        main()
    assert status.value.code == 130
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "the same command goes on" in err


MISTAKES = {
    "no real images": (["fake"], ["--real"]),
    "an unknown metric": (["fake", "--real=x", "--metrics=fd,kidd"], ["Did you mean 'kid'"]),
    "no metric": (["fake", "--real=x", "--metrics=,"], ["--metrics", "kid"]),
    "a teacher's metric without one": (["fake", "--metrics=psnr"], ["--teacher"]),
    "another metric with a teacher": (["x", "--teacher=x", "--metrics=fd"], ["l1, perceptual, psnr"]),
    "a teacher and real images": (["x", "--teacher=x", "--real=real"], ["--teacher or --real"]),
    "a teacher and statistics": (["x", "--teacher=x", "--save=x.npz"], ["--save"]),
    "a teacher and a resolution": (["x", "--teacher=x", "--resolution=8"], ["--resolution"]),
    "a psi for a teacher": (["x", "--teacher=x", "--real-psi=0.5"], ["--real-psi"]),
    "two sides": (["fake", "--real=x", "--resolution=512x320"], ["'512x320'", "images are square"]),
    "a seed for a teacher": (["x", "--teacher=x", "--real-seed=5"], ["--real-seed", "those of the student"]),
    "a seed for nothing": (["fake", "--metrics=is", "--real-seed=5"], ["--real-seed", "which is not given"]),
    "a student that is a folder of images": (["fake", "--teacher", "real"], ["models, not images"]),
    "one image": (["x", "--num=1"], ["--num"]),
    "a psi that is no number": (["fake", "--real=x", "--psi=nan"], ["--psi is a number"]),
    "a real psi that is no number": (["fake", "--real=x", "--real-psi=inf"], ["--real-psi is a number"]),
    "a device that computes nothing": (["fake", "--real=x", "--device=meta"], ["meta"]),
    "an unknown device": (["fake", "--real=x", "--device=abacus"], ["abacus"]),
    "a model that is not there": (["mobilestylegan_fhq", "--real", "real"], ["mobilestylegan_ffhq"]),
    "a real zip that is not there": (["fake", "--real=nowhere.zip"], ["nowhere.zip", "does not exist"]),
    "statistics that are not there": (["fake", "--real=nowhere.npz"], ["nowhere.npz does not exist"]),
    "records that are not there": (["fake", "--real=real", "--against=gone"], ["gone does not exist"]),
    "ppl of images": (["fake", "--metrics=ppl"], ["on a model"]),
    "statistics of another suffix": (["fake", "--save=x"], [".npz"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line_and_writes_nothing(evaluate, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, parts = MISTAKES[case]
    assert_one_line(evaluate(*arguments), *parts)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--seed=-1"], "4294967295"),
        (["--seed=4294967295"], "4294967295"),
        (["--noise=loud"], "--noise is const, random or none"),
        (["--real-noise=loud"], "--real-noise is const, random or none"),
        (["--resolution=64"], "1 to 32"),
        (["--metrics=ppl", "--noise=random"], "random"),
    ],
)
def test_a_mistake_about_a_model_gets_one_line(evaluate, model_folder, options, part):
    assert_one_line(evaluate(model_folder, "--real", "real", "--num=4", *options), part)


def test_bad_images_are_named_in_one_line(evaluate, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    assert_one_line(evaluate(folder, "--real", "real"), "holds no image")
    for i in range(4):
        Image.new("RGB", (16, 16)).save(folder / f"{i}.png")
    (folder / "2.png").write_bytes(b"\x89PNG")
    advice = f"ganzoo data prepare {folder} OUT.zip --resolution N leaves broken images out"
    assert_one_line(evaluate(folder, "--real", "real"), "2.png", advice)
    Image.new("RGB", (16, 12)).save(folder / "2.png")
    assert_one_line(evaluate(folder, "--real", "real"), "2.png has 16 x 12", "ganzoo data prepare")


def test_statistics_of_other_features_get_one_line(run, folders, tmp_path):
    path = tmp_path / "real.npz"
    options = ("--cache-dir", tmp_path)
    assert run("eval", folders / "real", "--save", path, "--features=colours2", *options)[0] == 0
    result = run("eval", folders / "fake", "--real", path, "--features=colours", *options)
    assert_one_line(result, "'colours2', not of 'colours'", "--features colours2")
    path.write_bytes(path.read_bytes()[:500])
    result = run("eval", folders / "fake", "--real", path, "--features=colours2", *options)
    assert_one_line(result, "holds no statistics")


def test_unknown_features_get_a_near_match(run, folders):
    result = run("eval", folders / "fake", "--real", folders / "real", "--features=efficientnet_lit0")
    assert_one_line(result, "Did you mean 'efficientnet_lite0'")


def test_too_few_images_are_a_note_and_a_warning_in_the_record(evaluate, tmp_path):
    for i in range(3):
        (tmp_path / "few").mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), (i, 9 * i, 80)).save(tmp_path / "few" / f"{i}.png")
    status, out, _ = evaluate(tmp_path / "few", "--real", "real", "--metrics=fd", "--json")
    assert status == 0
    assert "3 images do not fill 12 features" in records(out)[0]["warnings"][0]
    assert_one_line(evaluate(tmp_path / "few", "--real", "real", "--metrics=precision"), "needs 4 images")


@pytest.mark.parametrize("missing", ["accelerate", "torch_fidelity"])
def test_a_missing_extra_is_named(evaluate, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert_one_line(evaluate("fake", "--real", "real"), 'pip install ".[eval]"')


@pytest.mark.parametrize("option", ["--out", "--save"])
def test_a_place_that_cannot_be_written_is_told_before_anything_else(evaluate, tmp_path, option):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.npz", tmp_path / "folder.npz"):
        (tmp_path / "folder.npz").mkdir(exist_ok=True)
        assert_one_line(evaluate("fake", "--real=nowhere.zip", option, path), option, "cannot be written")


def test_options_of_eval_are_frozen(run):
    help_text = run("eval", "--help")[1]
    names = ["real", "teacher", "metrics", "features", "num", "seed", "real-seed", "psi", "real-psi", "noise"]
    names += [
        "real-noise",
        "resolution",
        "real-resolution",
        "given",
        "eager",
        "resamples",
        "device",
        "save",
        "out",
        "against",
    ]
    names += ["json", "cache-dir"]
    assert [name for name in names if f"--{name}" not in help_text] == []


def test_each_side_has_its_own_resolution(evaluate, model_folder):
    def sides(*options):
        models = (str(model_folder), "--real", str(model_folder))
        _, out, _ = evaluate(*models, "--num=4", "--metrics=fd", "--json", *options)
        [found] = records(out)
        return found["sampling"]["resolution"], found["real"]["resolution"]

    assert sides() == (32, 32)
    assert sides("--resolution=8") == (8, 32)
    assert sides("--real-resolution=8") == (32, 8)


def test_a_speed_is_printed_with_its_unit_and_machine(run):
    status, out, _ = run("info", "mobilestylegan_ffhq")
    told = "seconds of one image of 1024 x 1024 from w, median, deployed, PyTorch fp32"
    assert status == 0 and f"latency_torch: 0.265 ({told}; python tests/benchmarks/latency.py" in out
