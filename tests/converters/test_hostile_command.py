"""Hostile files through `ganzoo convert`: one line on stderr, exit status 2, and nothing is written."""

import subprocess
import sys

import pytest
from fuzz_helpers import dump_tree
from test_hostile_convert import ADA, EVIL, FILES, NETWORKS

from ganzoo.converters.checkpoint import open_checkpoint


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "case",
    ["a printed tuple: a class", "a name that steers the terminal", "a directory of many names"],
)
def test_the_command_line_says_one_line_and_writes_nothing(case, folder):
    (folder / "file").write_bytes(FILES[case]())
    assert_complains(folder, "file")


def assert_complains(folder, source):
    command = [sys.executable, "-c", "from ganzoo.cli import main; main()", "convert", source, "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("ganzoo: ") and done.stderr.count("\n") == 1
    assert done.stderr[:-1].isprintable() and len(done.stderr) < 600
    assert [path.name for path in folder.iterdir()] == [source]


@pytest.mark.parametrize("case", ["an attribute of a million letters", "modules that contain themselves"])
def test_the_command_line_says_one_line_of_a_network(case, folder):
    generator = open_checkpoint(ADA)["G_ema"]
    NETWORKS[case](generator)
    (folder / "file").write_bytes(dump_tree({"G_ema": generator}, EVIL))
    assert_complains(folder, "file")
