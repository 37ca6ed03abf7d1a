"""`ganzoo.compare.compare`: the whole command in one call."""

import pytest
from compare_helpers import Page, record
from helpers import tiny, trained

import ganzoo
from ganzoo.compare import Settings


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, config in {"a": tiny(), "b": tiny("wavelet")}.items():
        ganzoo.save(trained(config), folder / name)
    return [str(folder / "a"), str(folder / "b")]


def test_python_writes_the_page_and_has_what_it_shows(models, tmp_path):
    told = []
    page = tmp_path / "new" / "page.html"
    found = ganzoo.compare.compare(
        models, Settings((3,), truncation_psi=0.5), out=page, runs=1, records=[record()],
        report=lambda *step: told.append(step),
    )  # fmt: skip
    assert [model.name for model in found.models] == models and found.rows[0].seed == 3
    assert found.rows[0].differences[1].l1 > 0 and len(found.models[0].seconds) == 1
    shown = Page(page.read_text())
    assert "Seed 3" in shown.text and "psi 0.5" in shown.text and "fd_x" in shown.text
    assert ("Images", 0, 1) in told


def test_without_a_page_nothing_is_written(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ganzoo.compare.compare(models, Settings((0,)), runs=0).rows and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"noise": "loud"}, "noise is const, random or none; got 'loud'"),
        ({"truncation_psi": float("inf")}, "truncation_psi is a number such as 0.7; got inf"),
        ({"seeds": (-1,)}, "whole numbers from 0"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_they_are_made(how, told):
    with pytest.raises(ValueError, match=told):
        Settings(**{"seeds": (0,), **how})
