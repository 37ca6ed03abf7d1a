import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganzoo

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_models_table_is_the_registrys(run):
    status, table, _ = run("list", "--markdown")
    assert status == 0
    [shown] = re.findall(r"<!-- models -->\n(.*)\n<!-- /models -->", README, re.DOTALL)
    assert shown.strip() == table.strip()


def test_the_readme_gives_the_two_commands():
    assert "pip install . && ganzoo generate mobilestylegan_ffhq --seeds 0-7 --out faces" in README
    assert 'pip install ".[dev]" && pytest' in README


TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("hub_cards/*.md"), *ROOT.glob("docs/*.md")]
# A line of names in an interpreter that knows nothing of ganzoo yet; they share what is not ganzoo's.
RESOLVE = """
import concurrent.futures.process, einops, jinja2, multiprocessing.queues, numpy.typing, omegaconf, os
import PIL.ImageSequence, PIL.PngImagePlugin, huggingface_hub, rich, safetensors.torch, sys
import torch.utils.flop_counter, typer, xml.parsers.expat
assert not [name for name in sys.modules if name.partition(".")[0] == "ganzoo"]
for line in sys.stdin.readlines():
    sys.stdout.flush()
    if not os.fork():
        for dotted in line.split():
            try:
                import ganzoo
                value = ganzoo
                for part in dotted.split(".")[1:]:
                    value = getattr(value, part)
            except BaseException as error:
                print(dotted, repr(error), flush=True)
        os._exit(0)
    os.wait()
"""


def docstrings():
    for path in ROOT.glob("ganzoo/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield ast.get_docstring(node) or ""


def dotted_names(texts):
    found = {name for text in texts for name in re.findall(r"(?<![\w./-])ganzoo(?:\.[A-Za-z]\w*)+", text)}
    return {name for name in found if not name.endswith((".js", ".json", ".py", ".md", ".ts"))}


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


# A module may be there because another of its folder was imported: whether it is without them is seen slowly.
@pytest.mark.parametrize("alone", ["folder", pytest.param("module", marks=pytest.mark.slow)])
@pytest.mark.processes
def test_every_dotted_name_that_is_printed_is_there_after_import_ganzoo_alone(alone):
    printed = dotted_names(path.read_text() for path in TEXTS)
    assert {"ganzoo.runtimes.load", "ganzoo.converters.rows", "ganzoo.plugins"} <= printed
    found = printed | dotted_names(docstrings())
    lines = {}
    for name in sorted(found):
        # A module may be there because another was imported; what a module holds comes with it.
        if not any(other.startswith(f"{name}.") for other in found):
            module = name if is_module(name) else name.rpartition(".")[0]
            lines.setdefault(module if alone == "module" else ".".join(module.split(".")[:2]), []).append(
                name
            )
    command = [sys.executable, "-c", RESOLVE]
    told = "\n".join(map(" ".join, lines.values()))
    result = subprocess.run(command, input=told, capture_output=True, text=True, check=True)
    assert result.stdout == ""


def test_every_package_lists_its_modules_without_importing_them():
    import ganzoo.export

    for package in (ganzoo, ganzoo.export, ganzoo.converters, ganzoo.blocks, ganzoo.training):
        found = {module.name for module in pkgutil.iter_modules(package.__path__)}
        assert {name for name in found if not name.startswith("_")} <= set(dir(package))
    code = "import ganzoo, sys; dir(ganzoo), dir(ganzoo.converters), dir(ganzoo.export); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "ganzoo.runtimes", "ganzoo.converters.rows"} & set(loaded.split())


def test_a_module_that_is_not_there_is_an_attribute_error_with_a_near_match():
    for package, name in ((ganzoo, "runtime"), (ganzoo.converters, "row"), (ganzoo, "_lazzy")):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
            getattr(package, name)
    assert not hasattr(ganzoo, "create.x") and not hasattr(ganzoo.export, "__wrapped__")
