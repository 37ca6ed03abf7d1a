import json
import shutil
import subprocess

import pytest
from compare_helpers import Page, comparison, page, record, subjects
from helpers import tiny

from ganzoo.compare.measure import Settings, measure
from ganzoo.compare.page import render, write_page
from ganzoo.compare.records import groups
from ganzoo.models.cost import CONVENTION

HOSTILE = '"><script>alert(1)</script><img src=https://example.com/x onerror=alert(2)>'
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
WIDTHS = 390, 1280


def test_a_page_asks_nobody_for_anything():
    found = page(groups=groups([record()]))
    for _, attributes in found.elements:
        assert not {"href", "srcset", "action", "style"} & attributes.keys()
        assert attributes.get("src", "data:image/").startswith("data:image/")
    assert "http://" not in found.html and "https://" not in found.html and "@import" not in found.html
    policy = next(a["content"] for a in found.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_a_page_is_balanced_and_says_what_was_run():
    found = page(comparison(truncation_psi=0.6, noise="none", seeds=(4, 9)))
    assert found.html.startswith("<!DOCTYPE html>")
    for text in ("ganzoo compare A B", "psi 0.6", "none", "4, 9", "torch ", "threads", CONVENTION):
        assert text in found.text


def test_rows_are_seeds_and_columns_are_models():
    found = page(comparison(tiny(), tiny("wavelet"), tiny(), seeds=(5, 6)))
    alts = [image["alt"] for image in found.all("img") if "amplified" not in image["alt"]]
    assert alts == [f"{letter}, seed {seed}" for seed in (5, 6) for letter in "ABC"]
    maps = [image["alt"] for image in found.all("img") if "amplified" in image["alt"]]
    assert [alt[:19] for alt in maps] == [f"{x} against A, seed {s}" for s in (5, 6) for x in "BC"]


def test_names_and_records_are_escaped():
    models = measure(subjects(tiny(), tiny(), names=[HOSTILE, "<b>"]), Settings((0,)), runs=1)
    hostile = record(f"fd_{HOSTILE}", fake={"name": HOSTILE, "sha256": HOSTILE}, resizer=HOSTILE,
                     warnings=(HOSTILE,), date=HOSTILE, features={"name": HOSTILE})  # fmt: skip
    other = record(f"fd_{HOSTILE}", resizer="r", sampling={HOSTILE: HOSTILE})
    found = Page(render(models, groups=groups([hostile, other]), command=HOSTILE))
    assert len(found.all("script")) == 1 and "alert(1)" in found.text
    assert not any("onerror" in attributes for _, attributes in found.elements)


def test_networks_of_other_latents_get_a_sentence_instead_of_a_difference():
    found = page(comparison(tiny(), tiny(z_dim=12)))
    assert "its latents have 12 numbers, those of the first model 8" in found.text
    assert "Distance from A" not in found.text and "No plot of quality" in found.text
    assert len(found.all("img")) == 4


def test_one_of_three_that_cannot_be_compared_leaves_its_cell_to_a_word():
    found = page(comparison(tiny(), tiny(z_dim=12), tiny()))
    assert found.text.count("not comparable") == 2
    assert "Distance from A" in found.text


def test_identical_images_are_called_so():
    a = subjects(tiny())[0]
    found = Page(render(measure([a, a], Settings((0,)), runs=1), command=""))
    assert found.text.count("identical") == 2 and "126" not in found.text


def test_latency_that_was_not_measured_is_not_shown():
    found = page(comparison(runs=0))
    assert "Latency was not measured" in found.text and "latency, median" not in found.text


def test_a_page_is_written_whole(tmp_path):
    found = comparison()
    size = write_page(tmp_path / "page.html", found, command="")
    assert (tmp_path / "page.html").stat().st_size == size
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_elements_that_scripts_and_labels_name_are_unique():
    found = page(groups=groups([record(), record("kid_x")]))
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_page_without_overflow(tmp_path):
    found = comparison(*[tiny()] * 5, seeds=(0,))
    html = render(found, groups=groups([record(f"fd_{'x' * 90}")]), command="ganzoo compare " + "x" * 200)
    # The page's own policy would refuse the probe: frames of both widths report to a page around them.
    probe = """<script>onload = () => { document.title = JSON.stringify([0, 1].map((frame) => {
      const d = frames[frame].document; return {
      scroll: d.documentElement.scrollWidth, client: d.documentElement.clientWidth,
      styled: getComputedStyle(d.querySelector(".images")).tableLayout,
      images: [...d.images].every((i) => i.complete && i.naturalWidth > 0) }; })); }</script>"""
    (tmp_path / "page.html").write_text(html)
    both = "".join(f'<iframe src="page.html" width="{width}" height="800"></iframe>' for width in WIDTHS)
    (tmp_path / "frame.html").write_text(f"<!DOCTYPE html><title></title>{both}{probe}")
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "frame.html").as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    seen = json.loads(dom.partition("<title>")[2].partition("</title>")[0])
    for shown, width in zip(seen, WIDTHS, strict=True):
        assert shown["scroll"] <= shown["client"] <= width
        assert shown["styled"] == "fixed" and shown["images"]
