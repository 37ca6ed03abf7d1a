"""What is shown of a first download: one clean line on a terminal, a line per stage in a pipe."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from terminal import in_terminal, screen

DOWNLOAD = """
import sys, tempfile, time
from pathlib import Path
from ganzoo.models.entries import WheelSource
from ganzoo.system.progress import stage
from ganzoo.models.sources import _run

source = WheelSource(
    distribution="a-package-of-a-rather-long-name", version="2021.7.21.1", sha256="0" * 64, bytes=4000,
    format="openvino", files={},
)
client = "import os, time; open(os.environ['TMPDIR'] + '/part', 'wb').write(b'x' * 3000); time.sleep(0.35)"
with tempfile.TemporaryDirectory() as folder, stage("Opening a_model") as outer:
    _run([sys.executable, "-c", client], source, Path(folder))
    with stage("Converting a-package, once", told=True):
        time.sleep(0.01)
    outer.update("Opening a_model again")
print("8 images")
"""


@pytest.mark.parametrize("columns", [40, 80])
def test_a_first_download_leaves_nothing_on_the_terminal(columns):
    written = in_terminal([sys.executable, "-c", DOWNLOAD], columns)
    assert [line for line in screen(written) if line] == ["8 images"]
    assert "Fetching a-package-of-a-rather" in written and "Converting" in written
    assert columns < 80 or ": 75 %" in written
    drawn = [part for part in written.replace("\x1b[2K", "").replace("\n", "\r").split("\r") if part]
    assert max(map(len, drawn)) < columns


def test_a_first_download_is_a_line_per_stage_in_a_pipe():
    result = subprocess.run([sys.executable, "-c", DOWNLOAD], capture_output=True, text=True, check=True)
    fetching, converting = result.stderr.splitlines()
    assert fetching == "Fetching a-package-of-a-rather-long-name 2021.7.21.1, 0.0 MB"
    assert converting == "Converting a-package, once" and result.stdout == "8 images\n"
