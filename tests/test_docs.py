"""The pages of README.md and docs/: what they link to, name and show. Their commands: tests/hub."""

import re
import shlex

import pytest
import typer
from docs_helpers import BOOKS, PAGES, README, ROOT, RUN, anchors, blocks, prose

import ganzoo
from ganzoo.blocks import KINDS
from ganzoo.cli import app

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

TEXTS = {page.name: page.read_text() for page in PAGES}
TEXTS |= {f"notebooks/{page.name}": page.read_text() for page in BOOKS}
NOT_RUN = ("bibtex", "js", "kotlin", "swift", "text", "toml")
OTHER_OPTIONS = {"--strict", "--torch-backend"}  # of zensical and uv
MAX_IMAGE = 400_000


def spans(text):
    """Inline code."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def options():
    """The options of every command, by its name."""

    def collect(command, name):
        found[name] = {
            option for parameter in command.params for option in parameter.opts + parameter.secondary_opts
        }
        for child, sub in getattr(command, "commands", {}).items():
            collect(sub, f"{name} {child}".strip())

    found = {}
    collect(typer.main.get_command(app), "")
    return found


OPTIONS = options()


def unknown_options(words):
    """The options in a command line, as words after `ganzoo`, that its command does not have."""
    command = next(c for n in (2, 1, 0) if (c := " ".join(words[:n])) in OPTIONS)
    if words and not command and not words[0].startswith("-"):
        return [words[0]]
    flags = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return [flag for flag in flags if flag not in OPTIONS[command] | {"--help"}]


def test_the_readme_is_short():
    assert len(TEXTS["README.md"].splitlines()) <= 150


def test_every_page_is_in_the_sites_contents_and_behind_a_link_of_the_readme():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    listed = re.findall(r"'([\w/-]+\.md)'", str(nav))
    names = sorted(page.name for page in PAGES if page != README)
    assert sorted(listed) == sorted([*names, *(f"notebooks/{page.name}" for page in BOOKS)])
    linked = re.findall(r"\]\(docs/([\w-]+\.md)[#)]", TEXTS["README.md"])
    assert sorted({*linked, "index.md"}) == names


def test_links_and_anchors_lead_somewhere():
    broken = []
    for page in (*PAGES, *BOOKS, *ROOT.glob("[CS]*.md")):
        for link in re.findall(r"\]\(([^)]+)\)", prose(page.read_text())):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            if re.match(r"https?:", link):
                continue
            if not target.is_file() or (anchor and anchor not in anchors(target.read_text())):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_every_block_says_its_language():
    odd = {(name, block.language) for name, text in TEXTS.items() for block in blocks(text)}
    assert {(name, language) for name, language in odd if language not in (*RUN, *NOT_RUN)} == set()
    fences = sum(text.count("```") for text in TEXTS.values())
    assert fences == 2 * sum(len(blocks(text)) for text in TEXTS.values())


def test_a_reason_for_not_running_stands_directly_before_its_block():
    for text in TEXTS.values():
        assert text.count("<!-- not run:") == sum(block.reason is not None for block in blocks(text))


def test_extras_that_are_installed_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installs = re.findall(r"pip install \"?\.\[([\w,]+)\]", "\n".join(TEXTS.values()))
    assert installs and {extra for install in installs for extra in install.split(",")} <= set(extras)
    [table] = re.findall(r"\| extra \| for \|\n(.*?)\n\n", TEXTS["README.md"], re.DOTALL)
    named = {span for row in table.splitlines() for span in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(extras)


def test_commands_and_options_in_the_text_exist():
    wrong = []
    for name, text in TEXTS.items():
        not_run = [line for block in blocks(text) if block.reason for line in block.lines()]
        for code in (*spans(text), *not_run):
            words = code.partition("ganzoo ")[2]
            if words and "…" not in words and not code.startswith("pip"):
                wrong += [f"{name}: {code}: {flag}" for flag in unknown_options(shlex.split(words))]
            elif re.match(r"--[a-z]", code):
                flag = code.split()[0].partition("=")[0]
                known = any(flag in names for names in OPTIONS.values())
                wrong += [] if known or flag in OTHER_OPTIONS else [f"{name}: {flag}"]
    assert wrong == []


def test_an_option_or_command_that_does_not_exist_is_noticed():
    assert unknown_options(["generate", "x", "--seed", "3"]) == ["--seed"]
    assert unknown_options(["data", "prepare", "--label", "keep"]) == ["--label"]
    assert unknown_options(["generat", "x"]) == ["generat"] and unknown_options(["-V"]) == []


def test_the_blocks_table_names_every_block():
    for kind, registry in KINDS.items():
        [row] = re.findall(rf"\| `{kind}` \| (.*?) \|", TEXTS["blocks.md"])
        assert sorted(re.findall(r"`(\w+)`", row)) == sorted(registry.names())


def test_the_python_page_shows_all_that_the_package_offers():
    shown = set(re.findall(r"^::: ganzoo\.(\w+)$", TEXTS["python.md"], re.MULTILINE))
    assert {name for name in ganzoo.__all__ if not name.startswith("_")} <= shown


def test_images_are_small_and_of_two_kinds():
    images = list((ROOT / "docs" / "images").iterdir())
    assert {path.suffix for path in images} == {".jpg", ".svg"}
    assert max(path.stat().st_size for path in images) <= MAX_IMAGE
    shown = "".join(TEXTS.values())
    assert [path.name for path in images if path.name not in shown] == []


def test_the_pairs_are_those_of_the_models_card():
    card = ROOT / "hub_cards" / "mobilestylegan_ffhq_64_lite.jpg"
    assert (ROOT / "docs" / "images" / "pairs_64.jpg").read_bytes() == card.read_bytes()


@pytest.mark.parametrize("word", ["licen[c]e", "pict[u]re", "in the place of", "if need be"])
def test_words_that_have_a_better_one_are_not_used(word):
    table = re.compile(r"<!-- models -->.*<!-- /models -->", re.DOTALL)  # the registry's words
    assert [name for name, text in TEXTS.items() if re.search(word, table.sub("", text), re.IGNORECASE)] == []
