import json

import pytest
from cli_helpers import assert_one_line
from helpers import tiny, trained

import ganzoo
from ganzoo.compare import measure
from ganzoo.metrics.record import Record


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of three models: two of the same latents, and a conditional one."""
    folder = tmp_path_factory.mktemp("models")
    for name, config in {"a": tiny(), "b": tiny("wavelet", resolution=32), "c": tiny(label_dim=3)}.items():
        ganzoo.save(trained(config), folder / name)
    return folder


@pytest.fixture
def compare(run, models, tmp_path):
    """`ganzoo compare` of two models on one seed, into a page of its own."""

    def call(*arguments, names=("a", "b"), out=tmp_path / "page.html"):
        names = [models / name for name in names]
        return run("compare", *names, "--seeds=0", "--runs=1", "--out", out, *arguments)

    return call


def test_compare_writes_one_page_and_says_how_large_it_is(compare, tmp_path):
    status, out, err = compare("--seeds", "0,3", "--psi", "0.5", out=tmp_path / "new" / "page.html")
    assert (status, err) == (0, "")
    assert "2 models, 2 seeds" in out and "page.html" in out and "MB" in out
    [page] = (tmp_path / "new").iterdir()
    html = page.read_text()
    assert "Seed 3" in html and "psi 0.5" in html and "ganzoo compare " in html


def test_compare_shows_the_records_of_a_file(compare, tmp_path):
    empty = dict.fromkeys(["uncertainty", "num_real", "features", "resizer", "sampling", "real"])
    said = {"command": "ganzoo eval", "date": "2026-01-02", "hardware": "one core", "versions": {}}
    record = Record(metric="fd_x", value=12.5, num_fake=7, fake={"name": "m"}, seconds=1.0, **empty, **said)
    (tmp_path / "records.jsonl").write_text(record.to_json() + "\n")
    assert compare("--records", tmp_path / "records.jsonl")[0] == 0
    html = (tmp_path / "page.html").read_text()
    assert "<h2>Records</h2>" in html and "12.5" in html and "7 images" in html


def test_compare_takes_the_label_of_conditional_models(compare, tmp_path):
    assert compare("--label=2", names=("a", "c"))[0] == 0
    assert "<dt>label</dt><dd>2</dd>" in (tmp_path / "page.html").read_text()
    assert_one_line(compare(names=("a", "c")), "needs a class from 0 to 2")
    assert_one_line(compare("--label=3", names=("a", "c")), "needs a class from 0 to 2; got 3")
    assert_one_line(compare("--label=0"), "none of these models is conditional")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--seeds=0-64"], "64 seeds"),
        (["--seeds=x"], "neither a number nor a range"),
        (["--noise=loud"], "const, random or none"),
        (["--psi=nan"], "--psi is a number"),
        (["--device=abacus"], "--device 'abacus'"),
        (["--features=inception"], "--features inception"),
        (["--features=inceptoin"], "Unknown feature network: 'inceptoin'"),
        (["--records=missing.jsonl"], "missing.jsonl does not exist"),
        (["--runs=-1"], "--runs"),
    ],
)
def test_a_mistake_is_one_line(compare, tmp_path, arguments, part):
    assert_one_line(compare(*arguments), part)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("names", [(), ("a",), ("a",) * 9])
def test_a_comparison_needs_two_models_or_a_few_more(compare, names):
    assert_one_line(compare(names=names), "Give 2 to 8 models", f"Got {len(names)}.")


def test_an_unknown_model_is_named_with_a_near_one(run, models, tmp_path):
    out = tmp_path / "page.html"
    result = run("compare", models / "a", "mobilestylegan_fhq", "--out", out)
    assert_one_line(result, "mobilestylegan_fhq", "Did you mean 'mobilestylegan_ffhq'?")
    assert_one_line(run("compare", models / "a", "stylegan2", "--out", out), "is a recipe")


def test_a_page_is_a_html_file_that_can_be_written(compare, tmp_path):
    assert_one_line(compare(out=tmp_path / "page.png"), "a file such as compare.html")
    (tmp_path / "folder.html").mkdir()
    assert_one_line(compare(out=tmp_path / "folder.html"), "a file such as compare.html")
    (tmp_path / "file").touch()
    assert_one_line(compare(out=tmp_path / "file" / "page.html"), "--out", "cannot be written")


@pytest.mark.parametrize("line", ["{}", "[1]", "no JSON", json.dumps({"metric": "fd"})])
def test_a_file_that_holds_no_records_is_refused_with_its_line(compare, tmp_path, line):
    (tmp_path / "records.jsonl").write_text(line)
    assert_one_line(compare("--records", tmp_path / "records.jsonl"), "records.jsonl, line 1")


def test_ctrl_c_leaves_the_old_page_and_no_half_one(compare, monkeypatch, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "difference", interrupted)
    status, out, err = compare()
    assert (status, out) == (130, "") and "no page was written" in err
    assert page.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["page.html"]
