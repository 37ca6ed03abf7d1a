"""Hostile files through `ganzoo convert`: one line on stderr, exit status 2, and nothing is written."""

import pytest
from fuzz_helpers import dump_tree
from processes import started
from test_hostile_convert import ADA, EVIL, FILES, NETWORKS

from ganzoo.cli import main
from ganzoo.converters.checkpoint import open_checkpoint


@pytest.fixture
def convert(folder, run):
    """`ganzoo convert file out` in this process."""
    return lambda: run("convert", "file", "out")


def assert_complains(result, folder):
    status, out, err = result
    assert (status, out) == (2, ""), result
    assert err.startswith("ganzoo: ") and err.count("\n") == 1
    assert err[:-1].isprintable() and len(err) < 600
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("case", ["a printed tuple: a class", "a zip that ends early"])
def test_the_command_line_says_one_line_and_writes_nothing(case, convert, folder):
    (folder / "file").write_bytes(FILES[case]())
    assert_complains(convert(), folder)


@pytest.mark.processes
def test_a_process_of_its_own_says_no_more(folder, tmp_path_factory):
    (folder / "file").write_bytes(FILES["a name that steers the terminal"]())
    words = ("convert", folder / "file", folder / "out")
    with started(tmp_path_factory.mktemp("said"), main, *words) as process:
        assert_complains(process.finish(), folder)


@pytest.mark.parametrize("case", ["an attribute of a million letters", "modules that contain themselves"])
def test_the_command_line_says_one_line_of_a_network(case, convert, folder):
    generator = open_checkpoint(ADA)["G_ema"]
    NETWORKS[case](generator)
    (folder / "file").write_bytes(dump_tree({"G_ema": generator}, EVIL))
    assert_complains(convert(), folder)
