"""What the command line shows in terminals of 60 and 80 columns, and in pipes."""

import os
import re
import shlex
import subprocess

import pytest
from cli_helpers import GANZOO
from covering import thinned
from terminal import in_terminal, plain

import ganzoo
from ganzoo.cli.help import COMMANDS
from ganzoo.models.recipes import list_recipes


@pytest.mark.parametrize("columns", thinned([60, 80, 140], [60, 80]))
def test_list_loses_and_cuts_nothing(columns):
    lines = plain(in_terminal([*GANZOO, "list"], columns)).splitlines()
    assert max(map(len, lines)) <= columns and "…" not in "".join(lines)
    for name in [*list_recipes(), *ganzoo.list_models()]:  # each is whole, to be copied
        assert any(line.split()[:1] == [name] for line in lines), name
    [row] = [line for line in lines if line.startswith("mobilestylegan_ffhq_64_lite ") and "3.80 M" in line]
    assert row.split()[1:6] == ["64", "3.80", "M", "0.06", "G"]
    text = " ".join(" ".join(lines).split())
    for part in ("resolution", "parameters", "MACs", "Apache-2.0", "in the package", "(non-commercial)"):
        assert part in text


def test_list_is_a_row_a_model_in_a_pipe():
    out = subprocess.run([*GANZOO, "list"], capture_output=True, text=True, check=True).stdout
    [row] = [line for line in out.splitlines() if "stylegan2_ffhq" in line]
    assert row.rstrip().endswith("to convert")
    assert "License-NC (non-commercial)" in row and "\x1b" not in out


PAGES = [*([name] for name in COMMANDS), ["data", "prepare"], []]


@pytest.fixture(scope="module")
def kept():
    """Texts of `help_of` by their pages."""
    return {}


@pytest.fixture
def help_of(run, kept, monkeypatch):
    """A help page of 80 columns; each is drawn once."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*page):
        if page not in kept:
            status, kept[page], _ = run(*page, "--help")
            assert status == 0
        return kept[page]

    return call


@pytest.mark.parametrize("page", [[], ["generate"], ["data", "prepare"]], ids=" ".join)
def test_help_has_a_short_option(run, help_of, page):
    assert run(*page, "-h")[1] == help_of(*page)


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_a_help_page_fits_and_gives_an_example(help_of, page):
    text = help_of(*page)
    assert re.search(rf"Examples?:\s+ganzoo {page[0] if page else 'generate'} ", text)
    usage = text.partition("\n\n")[0]
    assert "list[" not in text and "<" not in usage and "{" not in usage and "range>" not in text
    own = text if page not in (["distill"], ["train"]) else text.partition("Examples:")[0]
    assert max(len(line) for line in own.splitlines() if "Example:" not in line) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_an_example_exist(help_of, name):
    words = shlex.split(COMMANDS[name][1])
    pages = [word for word in words[1:3] if word in ("data", "prepare", name)]
    text = help_of(*pages)
    assert words[:2] == ["ganzoo", name]
    assert [word for word in words if word.startswith("-") and word not in text] == []


def test_the_line_of_a_command_is_whole(help_of):
    text = help_of()
    for name, (line, _) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", text, re.MULTILINE)


def test_the_version_has_a_short_option(run):
    assert run("-V")[:2] == run("--version")[:2] == (0, f"{ganzoo.__version__}\n")


@pytest.mark.parametrize(("typed", "offered"), [("gen", "generate"), ("list --mark", "--markdown")])
def test_the_shell_completes_commands_and_options(typed, offered):
    words = f"ganzoo {typed}"
    asked = {"_GANZOO_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "import sys; sys.argv = ['ganzoo']; from ganzoo.cli import main; main()"
    command = [GANZOO[0], "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **asked}, check=False)
    assert result.stdout.split() == [offered], result.stderr
