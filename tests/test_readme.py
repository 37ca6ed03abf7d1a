import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganzoo
from ganzoo.blocks import CONVS, KINDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_models_table_is_the_registrys():
    code = "import sys; sys.argv = ['ganzoo', 'list', '--markdown']; from ganzoo.cli import main; main()"
    table = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    [shown] = re.findall(r"<!-- models -->\n(.*)\n<!-- /models -->", README, re.DOTALL)
    assert shown.strip() == table.strip()


def test_the_blocks_table_names_every_block():
    for kind in KINDS:
        [row] = re.findall(rf"\| `{kind}` \| (.*?) \|", README)
        assert sorted(re.findall(r"`(\w+)`", row)) == ganzoo.list_blocks(kind)


def test_the_ten_lines_run_with_small_models(tmp_path, monkeypatch, model_folder):
    [code] = re.findall(r"```python\n(import ganzoo, torch\n.*?)```", README, re.DOTALL)
    code = code.replace('"mobilestylegan_ffhq"', f'"dir:{model_folder}"').replace("w[1:], 8", "w[1:], 4")
    code = code.replace("resolution=256", "resolution=16, channels=[8, 8, 8], w_dim=8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code, names)
    assert names["images"].shape == (4, 3, 32, 32) and (tmp_path / "my-model" / "config.json").is_file()


def test_the_block_of_ones_own_runs():
    [code] = re.findall(r"```python\n(import ganzoo\nimport torch.nn.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    try:
        exec(code, names)
        generator = names["G"]
        assert generator(generator.sample_z(1)).shape == (1, 3, 64, 64)
    finally:
        CONVS._classes.pop("dilated", None)


@pytest.mark.parametrize("name", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(name):
    assert (ROOT / name).is_file()


def test_the_readme_gives_the_two_commands():
    assert "pip install . && ganzoo generate mobilestylegan_ffhq --seeds 0-7 --out faces" in README
    assert 'pip install ".[dev]" && pytest' in README
