"""Times of pages in headless Chromium: loading, again, an image; bytes; decibels from Python's images.

    python tests/benchmarks/browser.py mobilestylegan_ffhq_256 mobilestylegan_ffhq --threads 1 2

The server sends the two headers that threads need, and nothing else of its own. A first load is that of a new
browser, up to the first image; the second one of the same browser, offline, from what the page has kept.
With --sites, what lies there already is measured as it is: sites of other engines, too.
"""

import argparse
import base64
import functools
import http.server
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import Browser, BrowserContext, sync_playwright

import ganzoo
from ganzoo.metrics.distances import psnr
from ganzoo.system.provenance import hardware
from ganzoo.web import write_site

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WARM_UP = 2
RUN = """async ([threads, seeds, warmUp]) => {
  const { load } = await import("./ganzoo.js");
  const G = await load("model/", { worker: true, threads, provider: "wasm" });
  const times = [];
  let image;
  for (let seed = -warmUp; seed < seeds; seed++) {
    image = await G.generate({ seed: Math.max(0, seed), psi: 0.7 });
    if (seed >= 0) times.push(G.milliseconds);
  }
  const { engine } = G;
  await G.close();
  const parts = [];
  for (let i = 0; i < image.data.length; i += 32768) {
    parts.push(String.fromCharCode(...image.data.subarray(i, i + 32768)));
  }
  return { times, engine, data: btoa(parts.join("")) };
}"""


class Isolated(http.server.SimpleHTTPRequestHandler):
    """A server whose pages may use threads; it counts the bytes of what it sends."""

    sent = 0

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def copyfile(self, source: object, outputfile: object) -> None:
        Isolated.sent += Path(self.translate_path(self.path)).stat().st_size
        super().copyfile(source, outputfile)  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--sites", type=Path, help="Folder that keeps the sites for another run.")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=args.chromium, args=ARGUMENTS)
        print(f"{hardware()}; Chromium {browser.version}")
        print("| model | engine | threads | ms an image | first load | second | MB | MB of the engine | dB |")
        print("|---|---|---|---|---|---|---|---|---|")
        for model in args.models:
            folder = (args.sites or Path(temporary)) / model
            if not folder.exists():
                write_site(model, folder)
            report(browser, model, folder, args.threads, args.images)
        browser.close()


def report(browser: Browser, model: str, folder: Path, threads: list[int], images: int) -> None:
    """Print a row for every number of threads."""
    generator = ganzoo.create(model)
    last = generator(generator.sample_z([images - 1]), truncation_psi=0.7)
    engine = json.loads((folder / "model" / "page.json").read_text())["engine"]
    size = engine["builds"]["threads"]["binary"]["bytes"]
    handler = functools.partial(Isolated, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        context = browser.new_context()
        Isolated.sent = 0
        first = load(context, address)
        sent = Isolated.sent
        context.set_offline(True)
        second = load(context, address)
        context.close()
        for count in threads:
            page = browser.new_page()
            page.goto(f"{address}icon.svg")
            told = page.evaluate(RUN, [count, images, WARM_UP])
            page.close()
            pixels = np.frombuffer(base64.b64decode(told["data"]), np.uint8)
            pixels = pixels.reshape(generator.resolution, -1, 4)[..., :3]
            image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1
            low, middle, high = statistics.quantiles(told["times"], n=4)
            print(
                f"| {model} | {engine['name']} | {told['engine']['threads']} "
                f"| {middle:.0f} ({low:.0f} to {high:.0f}) "
                f"| {first:.1f} s | {second:.1f} s | {sent / 1e6:.1f} | {size / 1e6:.1f} "
                f"| {psnr(image, last).item():.1f} |",
                flush=True,
            )
        server.shutdown()


def load(context: BrowserContext, address: str) -> float:
    """Seconds until a page shows its first image."""
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address)
    page.locator("#save:enabled").wait_for(timeout=120_000)
    seconds = time.perf_counter() - start
    page.close()
    return seconds


if __name__ == "__main__":
    main()
