"""The script that makes a set of the emoji of a package, on a package of the same layout."""

import io
import json
import runpy
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from image_helpers import encoded, make_image

from ganzoo.data import ImageSet

TOOL = Path(__file__).parents[2] / "tools" / "make_emoji.py"
EMOJI = [
    {"category": "Symbols", "image": "0.png", "has_img_google": True},
    {"category": "People & Body", "image": "1.png", "has_img_google": True,
     "skin_variations": {"1F3FB": {"image": "2.png", "has_img_google": True}}},
    {"category": "Symbols", "image": "3.png", "has_img_google": False},
]  # fmt: skip


@pytest.fixture
def package(tmp_path):
    images = [make_image(64, 64, seed=i).convert("RGBA") for i in range(3)]
    for image in images:
        image.putpixel((0, 0), (0, 0, 0, 0))
    files = {f"img/google/64/{i}.png": encoded(image) for i, image in enumerate(images)}
    path = tmp_path / "emoji-datasource-google-16.0.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in {**files, "emoji.json": json.dumps(EMOJI).encode()}.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def run(monkeypatch):
    """Run the script in this process."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", [*map(str, (TOOL, *words))])
        runpy.run_path(str(TOOL), run_name="__main__")

    return call


def test_emoji_come_with_alpha_and_their_categories(run, package, tmp_path):
    out = tmp_path / "emoji.zip"
    run(package, out)
    images = ImageSet(out, channels=4)
    assert images.class_names == ("People & Body", "Symbols") and images.labels == [0, 0, 1]
    assert np.asarray(images.read(0))[0, 0, 3] == 0
    told = (tmp_path / "emoji.md").read_text()
    assert "Apache-2.0" in told and "emoji-datasource-google-16.0.0" in told and "1 Symbols (1)" in told
    assert {path.name for path in tmp_path.iterdir()} == {"emoji.md", "emoji.zip", package.name}


def test_skin_tones_are_left_out_and_white_lies_behind_where_that_is_asked_for(run, package, tmp_path):
    run(package, tmp_path / "emoji.zip", "--no-skin-tones", "--white")
    images = ImageSet(tmp_path / "emoji.zip", channels=4)
    assert images.labels == [0, 1]
    assert np.asarray(images.read(0))[0, 0].tolist() == [255, 255, 255, 255]


def test_another_package_is_refused_in_one_line(run, tmp_path, capsys):
    path = tmp_path / "other.tgz"
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(SystemExit) as ended:
        run(path, tmp_path / "emoji.zip")
    assert ended.value.code == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("no package/emoji.json: is it emoji-datasource-google 16.0.0?")
    )
    assert not (tmp_path / "emoji.zip").exists()
