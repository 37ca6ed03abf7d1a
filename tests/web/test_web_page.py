"""The page: in a browser, with its keys, its links, without network, and when something is broken."""

import base64
import functools
import http.server
import io
import re
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.latent.directions import read_directions
from ganzoo.latent.editing import edit
from ganzoo.metrics.distances import psnr
from ganzoo.models.entries import NpmSource
from ganzoo.models.npm import npm_files

pytestmark = pytest.mark.network  # the engine comes from npm
MODEL = "mobilestylegan_ffhq_64_lite"
PHONE = {"width": 390, "height": 844}
READY, FAILED = "#save:enabled", "#failure:not([hidden])"
AXE = NpmSource(
    package="axe-core",
    version="4.14.1",
    sha256="e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
    bytes=708405,
    files={"package/axe.min.js": "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"},
)


@pytest.fixture(scope="module")
def address(site):
    """Where the site lies, in a folder of a server that has others."""
    handler = functools.partial(Quiet, directory=str(site.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{site.name}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def phone(browser, address):
    """A page that has loaded its model: doing it for each test would take most of their time."""
    context = browser.new_context(viewport=PHONE, accept_downloads=True)
    page = context.new_page()
    page.goto(f"{address}#seed=77")
    page.locator(READY).wait_for()
    yield page
    context.close()


@pytest.fixture
def opened(phone):
    """A function from settings in the address to the page that follows them."""

    def run(settings="seed=0"):
        free_keys(phone)
        phone.evaluate("location.hash = 'seed=77&psi=0'")
        says(phone, "seed 77, psi 0")
        phone.evaluate("to => { location.hash = to }", settings)
        return phone

    return run


@pytest.fixture
def copy(site, tmp_path):
    """A site of one's own, to be changed."""
    return shutil.copytree(site, tmp_path / "site")


def pixels(page):
    """The image on the page, `[1, 3, R, R]` in -1..1."""
    data = page.evaluate("document.getElementById('image').toDataURL()").partition(",")[2]
    array = np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
    return torch.from_numpy(array).permute(2, 0, 1)[None] / 127.5 - 1


def says(page, text):
    """Wait until the page shows the image of these settings."""
    page.locator("#shown", has_text=re.compile(f"^{re.escape(text)}$")).wait_for()


def free_keys(page):
    """Take the focus from where it is, for keys that are the page's own."""
    page.evaluate("document.activeElement.blur()")


def test_the_page_shows_seed_0_as_python_makes_it(opened, generator):
    page = opened()
    says(page, "seed 0, psi 0.7")
    assert psnr(pixels(page), generator(generator.sample_z([0]), truncation_psi=0.7)) > 40
    assert page.get_attribute("#image", "aria-label") == f"Image of {MODEL}: seed 0, psi 0.7"
    assert re.fullmatch(r"\d+ ms, WASM, \d+ threads?", page.text_content("#time"))
    assert "onnxruntime-web" in page.text_content("#running")
    assert "Apache-2.0" in page.text_content("#licenses")


def test_a_plain_server_s_page_may_use_threads_and_asks_no_other_host(browser, address):
    context = browser.new_context()
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(address)
    page.locator(READY).wait_for()
    assert page.evaluate("crossOriginIsolated")
    assert not [url for url in asked if not url.startswith(address)]
    assert [url for url in asked if url.endswith("synthesis_packed.web.safetensors")]
    context.close()


def test_fields_mix_edit_and_truncate_as_python_does(opened, generator):
    page = opened()
    page.fill("#seed", "3")
    page.locator("[name=rows][value=middle]").check()
    page.fill("#other", "9")
    page.locator("#psi").fill("0.5")
    page.locator("[data-direction=smile]").fill("2")
    says(page, "seed 3, psi 0.5, middle rows of seed 9, smile +2")
    w = generator.mapping(generator.sample_z([3]), truncation_psi=0.5)
    other = generator.mapping(generator.sample_z([9]), truncation_psi=0.5)
    w = torch.cat([w[:, :4], other[:, 4:8], w[:, 8:]], dim=1)
    w = edit(w, read_directions(MODEL, generator)["smile"], 2)
    assert psnr(pixels(page), generator.synthesis(w).image) > 40


def test_a_link_leads_to_the_same_image(opened):
    page = opened("seed=5&psi=0.6&at=0.25&rows=fine&other=9&edit.age=1.5&edit.none=2&label=7&psy=1")
    text = "25% of the way from seed 5 to 6, psi 0.6, fine rows of seed 9, age +1.5"
    says(page, text)
    link, before = page.url, pixels(page)
    page.locator("#next").click()
    says(page, "seed 6, psi 0.6, fine rows of seed 9, age +1.5")
    assert not torch.equal(pixels(page), before)
    page.goto(link)
    page.reload()
    says(page, text)
    assert torch.equal(pixels(page), before)
    page.locator("#anew").click()
    says(page, "seed 0, psi 0.7")
    assert page.url.endswith("#seed=0")


@pytest.mark.parametrize(
    "wrong", ["seed=-1", "seed=4294967296", "seed=1e999", "psi=nan&seed=&edit.age=4", "rows=all"]
)
def test_what_cannot_be_in_a_link_is_left_out(opened, wrong):
    says(opened(wrong), "seed 0, psi 0.7")


def test_a_seed_that_cannot_be_is_marked_and_goes(opened):
    page = opened("seed=2")
    page.fill("#seed", "-4")
    assert page.get_attribute("#seed", "aria-invalid") == "true"
    page.keyboard.press("Tab")
    assert page.input_value("#seed") == "2"
    assert page.get_attribute("#seed", "aria-invalid") is None


def test_everything_can_be_done_by_keyboard(opened):
    page = opened("seed=5")
    page.keyboard.press("ArrowRight")
    says(page, "seed 6, psi 0.7")
    page.keyboard.press("ArrowLeft")
    says(page, "seed 5, psi 0.7")
    with page.expect_download() as saved:
        page.keyboard.press("s")
    assert saved.value.suggested_filename == f"{MODEL}_seed5_psi0.7.png"
    assert Image.open(saved.value.path()).size == (64, 64)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
    everything = {
        "previous",
        "random",
        "next",
        "walk",
        "save",
        "seed",
        "psi",
        "rows",
        "other",
        "random-other",
    }
    assert {*everything, "direction-0", "unedit", "link", "anew"} <= {*reached}
    page.locator("#psi").focus()
    page.keyboard.press("ArrowLeft")
    says(page, "seed 5, psi 0.65")
    page.locator("summary", has_text="Keyboard").press("Enter")
    page.locator("#shortcuts").press(" ")
    free_keys(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    says(page, "seed 5, psi 0.65")
    page.locator("#shortcuts").press(" ")


def test_a_walk_moves_and_stays_where_it_is_paused(opened):
    page = opened("seed=5")
    page.keyboard.press(" ")
    page.locator("#shown", has_text="of the way from seed 5 to 6").wait_for()
    page.locator("[data-direction=age]").fill("1")
    page.locator("#shown", has_text="age +1").wait_for()
    page.locator("#walk", has_text="Pause").click()
    page.locator("#status", has_text="Paused at").wait_for()
    before, shown, url = pixels(page), page.text_content("#shown"), page.url
    opened(url.partition("#")[2])
    says(page, shown)
    assert torch.equal(pixels(page), before)


def test_who_wants_no_motion_gets_seed_after_seed(opened):
    page = opened("seed=5")
    says(page, "seed 5, psi 0.7")
    page.emulate_media(reduced_motion="reduce")
    page.locator("#walk").click()
    first = page.locator("#shown").evaluate("""shown => new Promise((done) => {
      new MutationObserver(() => done(shown.textContent)).observe(shown, { childList: true });
    })""")
    assert first == "seed 6, psi 0.7"
    page.locator("#walk").click()
    page.emulate_media(reduced_motion="no-preference")


def test_of_many_wishes_the_newest_is_shown_and_few_are_made(opened):
    page = opened()
    made = page.evaluate("""async () => {
      const [shown, psi] = ["shown", "psi"].map((id) => document.getElementById(id));
      let made = 0;
      new MutationObserver(() => made++).observe(shown, { childList: true });
      for (let i = 0; i < 24; i++) {
        psi.value = 0.05 * i;
        psi.dispatchEvent(new Event("input", { bubbles: true }));
      }
      while (!shown.textContent.endsWith("psi 1.15")) await new Promise((done) => setTimeout(done, 20));
      return made;
    }""")
    assert made == 2


def test_a_phone_shows_the_image_first_and_nothing_sideways(opened):
    page = opened("seed=1234567890&rows=middle&other=1234567890&edit.backlight=-2.5&edit.glasses=1.5")
    page.locator("#shown", has_text="glasses").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.locator("#save").bounding_box()["x"] < PHONE["width"] - 44
    page.locator("#direction-3").scroll_into_view_if_needed()
    image = page.locator("#image").bounding_box()
    assert image["y"] >= 0 and image["y"] + image["height"] < PHONE["height"] / 2 + 20
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44, button.inner_text()


def test_the_second_visit_needs_no_network(page, serve, copy):
    address = f"{serve(copy)}/"
    page.goto(address)
    page.locator(READY).wait_for()
    shutil.rmtree(copy)
    page.context.set_offline(True)
    page.goto("about:blank")
    page.goto(f"{address}index.html#seed=3")
    page.locator(READY).wait_for()
    says(page, "seed 3, psi 0.7")


def test_another_number_of_threads_gives_the_same_image(opened):
    page = opened("seed=4")
    says(page, "seed 4, psi 0.7")
    before = pixels(page)
    page.locator("summary", has_text="Engine").click()
    page.locator("#threads").select_option("1")
    page.locator("#time", has_text="WASM, 1 thread").wait_for()
    page.locator(READY).wait_for()
    says(page, "seed 4, psi 0.7")
    assert page.url.endswith("#seed=4&threads=1")
    assert psnr(pixels(page), before) > 45


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("model/page.json", "page.json is missing on the server"),
        ("ganzoo.js", "ganzoo.js or a file that it needs is missing"),
    ],
)
def test_a_missing_file_is_a_sentence_on_the_page(page, serve, copy, file, told):
    (copy / file).unlink()
    page.goto(serve(copy))
    page.locator(FAILED).wait_for()
    assert told in page.text_content("#reason")
    assert page.is_hidden("#loading")


def test_try_again_forgets_a_damaged_file(page, serve, copy):
    file = next((copy / "model").glob("mapping*"))
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    page.goto(serve(copy))
    page.locator(FAILED).wait_for()
    assert "sha256 differs" in page.text_content("#reason")
    file.write_bytes(good)
    page.locator("#again").click()
    page.locator(READY).wait_for()
    assert page.is_hidden("#failure")


def test_a_script_that_does_not_run_is_told(page, serve, copy):
    (copy / "state.js").write_text("let = ;")
    page.goto(serve(copy))
    page.locator("#too-old").wait_for(state="visible")


def test_a_browser_without_webassembly_is_told(page, address):
    page.add_init_script("delete window.WebAssembly")
    page.goto(address)
    page.locator(FAILED).wait_for()
    assert "runs no WebAssembly" in page.text_content("#reason")


def test_a_page_opened_as_a_file_says_how_to_serve_it(page, site):
    page.goto((site / "index.html").as_uri())
    page.locator("#from-file").wait_for(state="visible")
    assert page.is_hidden("#loading")


def test_a_page_without_javascript_says_that_it_needs_it(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("noscript p").is_visible()
    assert page.locator("#loading").is_hidden()
    context.close()


def test_a_newer_version_is_offered_and_loaded(page, serve, copy):
    address = serve(copy)
    page.goto(address)
    page.locator(READY).wait_for()
    worker, index = copy / "service-worker.js", copy / "index.html"
    worker.write_text(re.sub(r"(registration\.scope\} )\w+", r"\1newer", worker.read_text(), count=1))
    index.write_text(index.read_text().replace("<h1>", "<h1>Newer "))
    page.reload()
    page.locator("#update").click()
    page.locator("h1", has_text="Newer").wait_for()
    page.locator(READY).wait_for()
    assert page.evaluate("caches.keys()") == [f"ganzoo {address}/ newer"]


def test_axe_finds_nothing_to_mend_in_light_and_dark(browser, address, axe):
    context = browser.new_context(viewport=PHONE, bypass_csp=True)
    page = context.new_page()
    page.goto(address)
    page.locator(READY).wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    page.evaluate(axe)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("axe.run()")
        assert not [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]
        assert len(found["passes"]) > 20
    context.close()


@pytest.fixture(scope="module")
def axe():
    """axe-core, as text."""
    return next(iter(npm_files(AXE).values())).decode()
