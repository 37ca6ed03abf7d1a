"""Draws a training set of avatars as a zip for StyleGAN's tools, with its license and origin beside it.

    pip install dicebear-styles==10.6.0 dicebear-core==10.7.0 dicebear-schema resvg-py
    python tools/make_avatars.py lorelei data/lorelei_64.zip --count 20000
    python tools/make_avatars.py planets,sprouts data/two_32.zip --count 2000 --resolution 32

An avatar is a function of its seed, 0 to COUNT - 1, so that the set can be made again. It is drawn four times
as large and shrunk by means over areas. Only styles under CC0 are offered, and none that writes letters,
which would look as the machine's fonts do. Each of several styles is a class, with as many avatars. Colors
and parts that a style has can be chosen:

    --set hairColor=#2c1b18,#724133,#d6b370 --set skinColor=#ffdbb4,#d08b5b,#614335

The zip, `OUT.md` with license and origin; 20,000 avatars of lorelei take about ten minutes.
"""

import argparse
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import resvg_py
from dicebear import Avatar, Style
from PIL import Image

from ganzoo.data.prepare import prepare

STYLES = "dicebear_styles"
FREE = "CC0"  # how the name of the license begins
OVERSAMPLED = 4
PACKAGES = ("dicebear-styles", "dicebear-core", "resvg-py")
TRANSPARENT = "none"


def make_avatars(
    styles: Sequence[str],
    out: Path,
    *,
    count: int,
    resolution: int = 64,
    background: str = "#ffffff",
    chosen: Mapping[str, Sequence[str]],
) -> None:
    """Write the zip, and a text of its license and origin beside it.

    Args:
        styles: Names of styles of the package `dicebear-styles`; each of several is a class.
        out: Path of the zip.
        count: Number of avatars of a style; those that look like a former one are left out.
        resolution: Side of the images, a power of two.
        background: Color behind what is transparent, `#rrggbb`; "none" for images with alpha.
        chosen: Values to choose from, by the style's option, such as `hairColor`.

    Raises:
        ValueError: if a style does not exist, is not under CC0, or writes letters.
    """
    definitions = {style: definition_of(style) for style in styles}
    options = {key: [*values] for key, values in chosen.items()}
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        for style, definition in definitions.items():
            drawn, place = Style(definition), Path(folder, style)
            place.mkdir()
            for seed in range(count):
                svg = str(Avatar(drawn, {"seed": str(seed), **options}))
                if "<text" in svg:
                    raise ValueError(
                        f"{style} writes letters, which look as the machine's fonts do: choose another."
                    )
                rasterised(svg, resolution, background).save(place / f"{seed:08d}.png", compress_level=1)
                if (seed + 1) % 1000 == 0:
                    print(f"{style}: {seed + 1} of {count}", flush=True)
        channels = 4 if background == TRANSPARENT else 3
        labels = "folders" if len(styles) > 1 else "none"
        report = prepare(folder, out, resolution=resolution, channels=channels, labels=labels, overwrite=True)
    texts = [told(definition, style, count, background, chosen) for style, definition in definitions.items()]
    out.with_suffix(".md").write_text("\n".join(texts))
    same = report.counts["duplicate"]
    print(f"{out}: {report.counts['written']} images; {same} looked like a former one and were left out")


def definition_of(style: str) -> dict[str, Any]:
    """A style's definition.

    Raises:
        ValueError: if there is none under CC0.
    """
    found = {
        Path(file.name).stem: json.loads(file.read_text("utf-8"))
        for file in files(STYLES).iterdir()
        if file.name.endswith(".json")
    }
    free = sorted(name for name, d in found.items() if d["meta"]["license"]["name"].startswith(FREE))
    if style not in free:
        why = f"is under {found[style]['meta']['license']['name']}" if style in found else "does not exist"
        raise ValueError(f"The style {style!r} {why}. Choose from: {', '.join(free)}.")
    return dict(found[style])


def rasterised(svg: str, resolution: int, background: str) -> Image.Image:
    """The image of a drawing, RGB, or RGBA without a background."""
    side = OVERSAMPLED * resolution
    opaque = background != TRANSPARENT
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=side, height=side, background=background if opaque else None,
        skip_system_fonts=True,
    )  # fmt: skip
    with Image.open(io.BytesIO(png)) as image:
        return image.convert("RGB" if opaque else "RGBA").reduce(OVERSAMPLED)


def told(
    definition: Mapping[str, Any],
    style: str,
    count: int,
    background: str,
    chosen: Mapping[str, Sequence[str]],
) -> str:
    """License and origin of the set, and how to make it again."""
    meta = definition["meta"]
    names = [f"{package} {version(package)}" for package in PACKAGES]
    lines = [
        f"# {count:,} avatars of the style {style}",
        "",
        f"* License: [{meta['license']['name']}]({meta['license']['url']})",
        f"* Artist: [{meta['creator']['name']}]({meta['creator']['url']})",
        f"* Source: [{meta['source']['name']}]({meta['source']['url']})",
        f"* Drawn by: {', '.join(names)}",
        f"* Seeds: 0 to {count - 1}; background: {background}",
        *[f"* {key}: {', '.join(values)}" for key, values in chosen.items()],
    ]
    return "\n".join(lines) + "\n"


def choice(text: str) -> tuple[str, list[str]]:
    """`hairColor=#000000,#ffffff` as the option and its values."""
    key, equals, values = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no OPTION=VALUE,VALUE…")
    return key, values.split(",")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("styles", type=lambda text: text.split(","), metavar="STYLE,…")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--background", default="#ffffff", help="#rrggbb, or none for alpha")
    parser.add_argument(
        "--set", type=choice, action="append", default=[], metavar="OPTION=VALUE,…", dest="chosen"
    )
    options = vars(parser.parse_args())
    try:
        make_avatars(**{**options, "chosen": dict(options["chosen"])})
    except ValueError as error:
        parser.error(str(error))
