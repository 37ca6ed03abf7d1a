"""Makes a training set of the Noto emoji, with alpha and a class per category, as a zip for StyleGAN's tools.

    npm pack emoji-datasource-google@16.0.0
    python tools/make_emoji.py emoji-datasource-google-16.0.0.tgz data/emoji_64.zip

The package holds PNGs of 64 x 64. `OUT.md`, beside the zip, tells license and origin. `--no-skin-tones` takes
each emoji in one color only: the others make up half of the set. `--white` lays them on white.
"""

import argparse
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganzoo.data.prepare import prepare

SIDE = 64
IMAGES, DATA = f"package/img/google/{SIDE}", "package/emoji.json"
LICENSE = """# Noto emoji, {count:,} images of 64 x 64

* License: drawings Apache-2.0, flags in the public domain, the font of them SIL OFL 1.1
  (Google, https://github.com/googlefonts/noto-emoji); names and categories MIT (Cal Henderson,
  https://github.com/iamcal/emoji-data)
* Source: npm package `{package}`
* Classes: {classes}
"""


def make_emoji(package: Path, out: Path, *, no_skin_tones: bool = False, white: bool = False) -> None:
    """Write the zip, and a text of its license and origin beside it.

    Args:
        package: The file that `npm pack` fetched.
        out: Path of the zip.
        no_skin_tones: Whether to leave the variations of skin tones out.
        white: Whether to lay the emoji on white, instead of keeping alpha.
    """
    with tempfile.TemporaryDirectory(dir=out.parent) as folder, tarfile.open(package) as archive:
        for category, file in emoji(json.loads(content(archive, DATA)), skin_tones=not no_skin_tones):
            path = Path(folder, category, file)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content(archive, f"{IMAGES}/{file}"))
        report = prepare(
            folder, out, resolution=SIDE, channels=3 if white else 4, labels="folders", overwrite=True
        )
    classes = ", ".join(
        f"{number} {name} ({report.class_counts[number]})" for number, name in enumerate(report.classes)
    )
    count = report.counts["written"]
    out.with_suffix(".md").write_text(
        LICENSE.format(count=count, package=package.stem, classes=classes), encoding="utf-8"
    )
    print(f"{out}: {count} images of {len(report.classes)} classes; {len(report.skipped)} left out")


def emoji(data: list[dict[str, Any]], *, skin_tones: bool) -> Iterator[tuple[str, str]]:
    """Category and file of each emoji that Google has drawn."""
    for entry in data:
        variations = [*entry.get("skin_variations", {}).values()] if skin_tones else []
        for drawn in (entry, *variations):
            if drawn["has_img_google"]:
                yield entry["category"], drawn["image"]


def content(archive: tarfile.TarFile, name: str) -> bytes:
    """A file of the package.

    Raises:
        ValueError: if it has none of that name.
    """
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise ValueError(f"{archive.name!r} holds no {name}: is it emoji-datasource-google 16.0.0?")
    return file.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--no-skin-tones", action="store_true")
    parser.add_argument("--white", action="store_true")
    try:
        make_emoji(**vars(parser.parse_args()))
    except (ValueError, OSError, tarfile.TarError) as error:
        parser.error(str(error))
