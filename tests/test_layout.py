"""Rules about the files of the package, checked on the files."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganzoo
from ganzoo.system.paths import DATA

PACKAGE = Path(ganzoo.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("hydra", "huggingface_hub", "timm", "openvino")


@functools.cache
def tree(path):
    return ast.parse(path.read_text())


def name(path):
    return path.relative_to(PACKAGE).as_posix()


def imported(nodes):
    """Full names of the modules and members that import statements among the nodes name."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@functools.cache
def everywhere(path):
    return imported(ast.walk(tree(path)))


def at_import(path):
    """What a file imports when it is imported: all but what stands in functions and under TYPE_CHECKING."""
    nodes, found = list(tree(path).body), []
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        found.append(node)
        nodes += ast.iter_child_nodes(node)
    return imported(found)


def is_below(module, packages):
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def offenders(packages, files=FILES, imports=everywhere):
    """Which of the files import what from these packages."""
    found = {name(path): {m for m in imports(path) if is_below(m, packages)} for path in files}
    return {file: modules for file, modules in found.items() if modules}


def modules_after(code):
    """Names of the modules that are loaded after some code has run in a fresh interpreter."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_no_file_of_the_package_is_longer_than_one_sitting():
    assert not [name(path) for path in FILES if len(path.read_text().splitlines()) > 400]


def test_a_file_says_what_it_is():
    assert not [name(path) for path in FILES if not ast.get_docstring(tree(path))]


@pytest.mark.parametrize("folder", ["registry", "recipes", "hub_cards"])
def test_a_data_folder_holds_no_python(folder):
    assert not list((DATA / folder).rglob("*.py*"))


ROOMS = (  # low to high
    "system", "ops", "plugins", "registry", "blocks", "generators", "converters", "models", "latent",
    "films", "features", "faces", "losses", "data", "projection", "metrics", "charts", "cards", "export",
    "runtimes", "web", "bench", "demo", "compare", "training", "hub", "cli",
)  # fmt: skip
MOST_ARROWS = 130
MOST_MODULES_ON_TOP = 8


@functools.cache
def arrows():
    """Which room imports which, each with a file that does so."""
    found = {}
    for path in FILES:
        own = name(path).split("/")[0].removesuffix(".py")
        for module in everywhere(path):
            package, _, rest = module.partition(".")
            other = rest.split(".")[0]
            if package == "ganzoo" and other in ROOMS and other != own:
                found.setdefault((own, other), name(path))
    return found


def test_every_room_has_its_place():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and [*path.glob("*.py")]}
    assert rooms | {path.stem for path in PACKAGE.glob("[!_]*.py")} == set(ROOMS)


def test_imports_point_down():
    inside = {pair: file for pair, file in arrows().items() if pair[0] in ROOMS}
    assert not {pair: file for pair, file in inside.items() if ROOMS.index(pair[1]) > ROOMS.index(pair[0])}


def test_few_arrows_lead_from_room_to_room():
    """Of `ganzoo/__init__.py` and `__main__.py`, which are no rooms and only hand names on, none count."""
    assert len([pair for pair in arrows() if pair[0] in ROOMS]) <= MOST_ARROWS


def test_few_modules_stand_outside_of_a_room():
    assert len([*PACKAGE.glob("*.py")]) <= MOST_MODULES_ON_TOP


def test_float64_is_for_the_cpu():
    """Some devices have none. Only what processes broadcast lies on theirs."""
    pattern = re.compile(r"(?<!\.cpu\(\))\.double\(\)")
    found = [name(path) for path in FILES for _ in pattern.findall(path.read_text(encoding="utf-8"))]
    assert found == ["training/loop.py"]


def test_no_function_is_longer_than_a_screen():
    functions = [
        (name(path), node.name, node.end_lineno - node.lineno + 1)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [function for function in functions if function[2] > 60]


def test_hydra_is_imported_by_two_files_and_no_other():
    by_hydra = ("training/compose.py", "training/overrides.py")
    assert not offenders(["hydra"], [path for path in FILES if name(path) not in by_hydra])


def test_typer_and_rich_belong_to_the_command_line():
    others = [path for path in FILES if not name(path).startswith("cli/")]
    assert not offenders(["typer", "rich"], others, at_import)


def test_nothing_unpickles():
    assert not offenders(["pickle", "cPickle", "dill", "cloudpickle", "torch.load"])
    assert not [name(path) for path in FILES if "torch.load(" in path.read_text()]


def test_importing_ganzoo_imports_neither_torch_nor_anything_heavy():
    assert not {"torch", *HEAVY} & modules_after("import ganzoo")


@pytest.mark.processes
def test_creating_a_generator_imports_neither_hydra_nor_the_hub():
    code = (
        "import ganzoo, ganzoo.hub.push, ganzoo.cards\n"
        "ganzoo.create('stylegan2', resolution=8, channel_base=64, channel_max=8, z_dim=8, w_dim=8)"
    )
    assert not {*HEAVY, "typer"} & modules_after(code)


def test_no_two_test_files_share_a_name():
    names = [path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py"]
    assert len(names) == len({*names}), sorted(n for n in {*names} if names.count(n) > 1)
