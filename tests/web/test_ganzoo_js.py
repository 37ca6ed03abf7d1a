"""The module that computes in a browser gives Python's images, and says what is wrong in one sentence."""

import base64
import json
import shutil

import numpy as np
import pytest
import torch

from ganzoo.latent.directions import read_directions
from ganzoo.latent.editing import edit
from ganzoo.metrics.distances import psnr

pytestmark = pytest.mark.network  # the engine comes from npm
MODEL = "mobilestylegan_ffhq_64_lite"
LEAST = 45.0  # dB of the packed weights and of 8 bits; 40 are asked for
GENERATE = """async ([wish, options]) => {
  const { load } = await import("/ganzoo.js");
  const G = await load("/model/", options);
  const image = await G.generate(wish);
  const { engine, info, milliseconds } = G;
  await G.close();
  const text = Array.from(image.data, (byte) => String.fromCharCode(byte)).join("");
  return { data: btoa(text), width: image.width, engine, info, milliseconds };
}"""


@pytest.fixture
def generate(page, serve, site):
    """A function of a wish to the image `[1, 3, R, R]` that the browser makes of it, and what it says."""
    page.goto(f"{serve(site)}/icon.svg")

    def run(wish, **options):
        told = page.evaluate(GENERATE, [wish, options])
        pixels = np.frombuffer(base64.b64decode(told["data"]), np.uint8).reshape(told["width"], -1, 4)
        image = torch.from_numpy(pixels[..., :3].copy()).permute(2, 0, 1)[None] / 127.5 - 1
        return image, told

    return run


@pytest.mark.parametrize("worker", [False, True])
def test_a_seed_gives_python_s_image(generate, generator, worker):
    image, told = generate({"seed": 0, "psi": 0.7}, worker=worker)
    assert psnr(image, generator(generator.sample_z([0]), truncation_psi=0.7)) > LEAST
    assert told["engine"]["provider"] == "wasm" and told["milliseconds"] > 0
    assert told["info"]["resolution"] == 64


def test_two_seeds_mix_as_in_python(generate, generator):
    image, _ = generate({"seed": 3, "psi": 1, "mix": {"seed": 5, "from": 2, "to": 6}})
    w, other = generator.mapping(generator.sample_z([3])), generator.mapping(generator.sample_z([5]))
    w = torch.cat([w[:, :2], other[:, 2:6], w[:, 6:]], dim=1)
    assert psnr(image, generator.synthesis(w).image) > LEAST


def test_directions_move_w_as_in_python(generate, generator):
    image, _ = generate({"seed": 3, "psi": 0.7, "edit": {"smile": 2, "yaw": -1.5}})
    w = generator.mapping(generator.sample_z([3]), truncation_psi=0.7)
    directions = read_directions(MODEL, generator)
    for name, strength in {"smile": 2, "yaw": -1.5}.items():
        w = edit(w, directions[name], strength)
    shown = generator.synthesis(w).image.clamp(-1, 1)  # far moves leave the range that pixels have
    assert psnr(image, shown) > LEAST


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"seed": -1}, "A seed is a whole number from 0 to 4294967295; got -1."),
        ({"seed": 1.5}, "A seed is a whole number"),
        ({"psi": "much"}, "psi is a number from"),
        ({"mix": {"seed": 1, "from": 4, "to": 4}}, "The end of a mix is a whole number from 5 to 10; got 4."),
        ({"edit": {"smiel": 1}}, 'There is no direction "smiel". Those of this model: '),
    ],
)
def test_a_wrong_wish_is_one_sentence(generate, wish, told):
    with pytest.raises(Exception, match="Error: ") as error:
        generate(wish)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda model: next(model.glob("synthesis*")).unlink(), "is missing on the server:"),
        (lambda model: flip(next(model.glob("mapping*"))), "its sha256 differs"),
        (lambda model: flip(engine_of(model), 0), "its sha256 differs"),
        (lambda model: (model / "page.json").write_text("{"), "page.json is not valid JSON"),
        (lambda model: rewrite(model / "manifest.json", files=[]), "it is no generator's folder"),
    ],
)
def test_a_broken_site_is_one_sentence(page, serve, site, tmp_path, break_it, told):
    shutil.copytree(site, tmp_path / "site")
    break_it(tmp_path / "site" / "model")
    page.goto(f"{serve(tmp_path / 'site')}/icon.svg")
    with pytest.raises(Exception, match="Error: ") as error:
        page.evaluate(GENERATE, [{}, {"worker": True}])
    assert told in str(error.value)


def test_loading_tells_bytes_up_to_all_of_them(page, serve, site):
    page.goto(f"{serve(site)}/icon.svg")
    seen = page.evaluate("""async () => {
      const seen = [];
      const { load } = await import("/ganzoo.js");
      await (await load("/model/", { worker: true, onProgress: (p) => seen.push(p) })).close();
      return seen;
    }""")
    counts = [p["loaded"] for p in seen]
    assert counts == sorted(counts) and counts[-1] == seen[-1]["total"]
    assert seen[-1]["stage"] == "prepare"


def flip(path, place=None):
    """Turn a byte of a file; by default one in its middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if place is None else place] ^= 255
    path.write_bytes(data)


def engine_of(model):
    """The binary that a processor's page loads."""
    facts = json.loads((model / "page.json").read_text())["engine"]["builds"]["threads"]["binary"]
    return model.parent / "engine" / facts["path"]


def rewrite(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
