"""A real browser, and a made site behind a plain static server."""

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ganzoo
from ganzoo.web import write_site

MODEL = "mobilestylegan_ffhq_64_lite"  # its weights are in the package, and it has directions
# What a browser of a package index's machine must not try: its maker's own servers, a graphics processor.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A static server without headers of its own, as most hosts are."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or the like")
    with playwright.sync_playwright() as p:
        opened = p.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a made site, its engine from npm."""
    return write_site(MODEL, tmp_path_factory.mktemp("web") / "site", latents=1).folder


@pytest.fixture(scope="session")
def generator() -> ganzoo.Generator:
    return ganzoo.create(MODEL)


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """A function from a folder to the address of a server that has nothing else; all end with the test."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A new page in a context of its own: no cache, no service worker of an earlier one."""
    context = browser.new_context()
    yield context.new_page()
    context.close()
