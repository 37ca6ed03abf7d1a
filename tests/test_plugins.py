import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.processes

TINY = {"resolution": 16, "channel_base": 128, "channel_max": 8, "z_dim": 4, "w_dim": 4}
GOOD = '''
"""Blocks of another package: a 1 x 1 convolution and an upsampler that repeats pixels."""

import torch
import torch.nn.functional as F
from torch import nn

from ganzoo.blocks import CONVS, UPSAMPLERS, ModulatedConv, Upsampler


@CONVS.register("mine")
class MyConv(ModulatedConv):
    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        demodulation: nn.Module,
        strength: float = 1.0,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            w_dim=w_dim,
            demodulation=demodulation,
            kernel_size=1,
        )
        self.strength = strength
        self.inner = nn.Conv2d(in_channels, out_channels, 1, bias=False)  # drawn by torch's own reset

    def weights(self):
        return (self.inner.weight,)

    def convolve(self, x, weights, bias=None, *, transposed):
        return F.conv2d(self.strength * x, weights[0], bias)

    def energy(self):
        return self.strength**2 * self.inner.weight.square().sum(dim=(2, 3))


@UPSAMPLERS.register("repeat")
class Repeat(Upsampler):
    def __init__(self, *, in_channels: int, out_channels: int, w_dim: int, make_conv: object) -> None:
        super().__init__()
        self.conv = make_conv(in_channels, out_channels)

    def forward(self, x, w):
        return self.conv(F.interpolate(x, scale_factor=2.0), w)
'''
USE = f"""
import json, sys, threading
import torch
import ganzoo
from ganzoo.models.weights import weights_digest

def mine(**overrides):
    settings = {{**{TINY!r}, "conv": "mine", "upsampler": "repeat", **overrides}}
    return ganzoo.create("mobilestylegan", **settings)

def errors(**overrides):
    try:
        mine(**overrides)
    except ValueError as error:
        return str(error)

result = {{"convs": ganzoo.list_blocks("conv"), "upsamplers": ganzoo.list_blocks("upsampler")}}
generator = mine()
z = generator.sample_z(2)
result["shape"] = list(generator(z).shape)
result["config"] = generator.config.to_dict()
result["digest"] = weights_digest(generator)
result["digest again"] = weights_digest(mine())
state = torch.get_rng_state()
calls = []
torch.cuda.manual_seed_all = calls.append
mine()
result["random state kept"] = torch.equal(torch.get_rng_state(), state)
result["seeds of other devices"] = calls
result["option"] = mine(conv={{"name": "mine", "strength": 2}}).config.conv
result["unknown option"] = errors(conv={{"name": "mine", "strenght": 2}})
result["unknown block"] = errors(conv="mime")
result["deployed differs by"] = (ganzoo.deploy(generator)(z) - generator(z)).abs().max().item()
digests = set()
threads = [threading.Thread(target=lambda: digests.add(weights_digest(mine()))) for _ in range(8)]
[t.start() for t in threads], [t.join() for t in threads]
result["digests of threads"] = sorted(digests)
ganzoo.save(generator, sys.argv[1])
print(json.dumps(result))
"""
LOAD = """
import sys
import ganzoo
from ganzoo.models.weights import weights_digest

print(weights_digest(ganzoo.load(sys.argv[1])))
"""
BROKEN = [
    ("raise RuntimeError('no such luck')", "no such luck"),
    ("import a_package_that_is_not_there", "a_package_that_is_not_there"),
    ("this is no Python", "invalid syntax"),
    ("from ganzoo.blocks import CONVS\nCONVS.register('full')(object)", "already registered"),
    (
        "from ganzoo.blocks import CONVS\n@CONVS.register('loose')\nclass Loose:\n"
        "    def __init__(self, **kwargs): ...",
        "signature is the schema",
    ),
]
CREATE = """
import ganzoo
generator = ganzoo.create("stylegan2", resolution=8, channel_base=64, channel_max=8, z_dim=4, w_dim=4)
print(*generator.sample_z(1).shape)
"""
LIST_TWICE = """
import ganzoo
for _ in range(2):
    print(*ganzoo.list_blocks("conv"))
try:
    ganzoo.create("mobilestylegan", conv="mine")
except ValueError as error:
    print(error)
"""
RAISE = "raise RuntimeError('no such luck')"
# The registry of tasks is first imported by the plug-in that fails.
TASK = f"""
from ganzoo.training.distillation import DistillationTask
from ganzoo.training.task import TASKS

@TASKS.register("mine")
class Mine(DistillationTask):
    pass

{RAISE}
"""
LIST = "import sys; sys.argv[1:] = ['list']; import ganzoo.cli as c; c.main()"
LIST_TASKS = "from ganzoo.training.tasks import task_names; print(*task_names())"
# Name: plug-ins by their modules, and a script that runs where they are installed.
SCRIPTS = {
    "loaded": ({"another_package": GOOD}, LOAD),  # the first, so that it is the first thing in its process
    "absent": ({}, LOAD),
    "create": ({f"broken{i}": code for i, (code, _) in enumerate(BROKEN)}, CREATE),
    "list twice": ({"broken": f"{GOOD}\n{RAISE}\n"}, LIST_TWICE),
    "tasks": ({"broken": TASK}, LIST_TASKS),
    "list": ({"broken": RAISE, "another_package": GOOD}, LIST),
    "import": ({"broken": RAISE}, "import ganzoo, ganzoo.models.factory, ganzoo.blocks; print('fine')"),
}
RUN = """
import contextlib, importlib, io, json, sys, traceback

def run(site, script):
    for name in [name for name in sys.modules if name.startswith(("ganzoo", "another_package", "broken"))]:
        del sys.modules[name]
    arguments, out, err, code = list(sys.argv), io.StringIO(), io.StringIO(), 0
    sys.argv[1:] = sys.argv[2:]
    sys.path.insert(0, site)
    importlib.invalidate_caches()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exec(script, {"__name__": "__main__"})
        except SystemExit as stop:
            code = stop.code
        except BaseException:
            traceback.print_exc()
            code = 1
    sys.path.remove(site)
    sys.argv[:] = arguments
    return {"stdout": out.getvalue(), "stderr": err.getvalue(), "returncode": code}

print(json.dumps({name: run(*job) for name, job in json.loads(sys.argv[1]).items()}))
"""


def install_plugin(site: Path, name: str, code: str) -> None:
    """An installed distribution whose module `name` is an entry point of ganzoo."""
    site.mkdir(exist_ok=True)
    (site / f"{name}.py").write_text(code)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[ganzoo.plugins]\n{name}-blocks = {name}\n")


def python(code: str, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """A fresh interpreter."""
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("plugin") / "site"
    install_plugin(site, "another_package", GOOD)
    return site


@pytest.fixture(scope="module")
def saved(site: Path) -> Path:
    return site.parent / "saved"


@pytest.fixture(scope="module")
def used(site: Path, saved: Path) -> dict[str, Any]:
    """What a process saw that used the plug-in and saved a generator of it."""
    result = python(USE, str(saved), path=str(site))
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


@pytest.fixture(scope="module")
def ran(used: dict[str, Any], saved: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `SCRIPTS` gave: all in one interpreter, which imports torch once and ganzoo anew for each."""
    jobs = {}
    for name, (plugins, script) in SCRIPTS.items():
        site = tmp_path_factory.mktemp("site")
        for module, code in plugins.items():
            install_plugin(site, module, code)
        jobs[name] = [str(site), textwrap.dedent(script)]
    result = python(RUN, json.dumps(jobs), str(saved))
    assert result.returncode == 0, result.stderr
    return {name: SimpleNamespace(**values) for name, values in json.loads(result.stdout).items()}


def test_blocks_of_another_package_are_listed(used):
    assert "mine" in used["convs"] and "full" in used["convs"]
    assert "repeat" in used["upsamplers"]


def test_blocks_of_another_package_make_images(used):
    assert used["shape"] == [2, 3, 16, 16]


def test_blocks_of_another_package_are_in_the_config_with_their_options(used):
    assert used["config"]["conv"] == {"name": "mine", "strength": 1.0}
    assert used["config"]["upsampler"] == {"name": "repeat"}


def test_options_of_another_packages_block_are_set_by_overrides(used):
    assert used["option"] == {"name": "mine", "strength": 2.0}


def test_unknown_options_of_another_packages_block_get_a_near_match(used):
    assert "Did you mean 'strength'?" in used["unknown option"]


def test_blocks_of_another_package_are_near_matches(used):
    assert "Did you mean 'mine'?" in used["unknown block"]


def test_weights_of_another_packages_block_are_the_same_at_every_call(used):
    assert used["digest"] == used["digest again"]


def test_weights_of_another_packages_block_are_the_same_in_every_thread(used):
    assert used["digests of threads"] == [used["digest"]]


def test_torchs_own_layers_are_drawn_without_moving_the_global_random_state(used):
    assert used["random state kept"]


def test_torchs_own_layers_are_drawn_without_seeding_other_devices(used):
    assert used["seeds of other devices"] == []


def test_blocks_of_another_package_stay_as_they_are_when_deployed(used):
    assert used["deployed differs by"] < 1e-4


def test_a_generator_with_blocks_of_another_package_loads_in_a_fresh_process(used, ran):
    result = ran["loaded"]
    assert result.stdout.strip() == used["digest"], result.stderr


def test_without_the_package_its_block_is_unknown_by_name(ran):
    result = ran["absent"]
    assert result.returncode != 0
    assert "Unknown upsampler: 'repeat'" in result.stderr or "Unknown conv: 'mine'" in result.stderr


def test_an_unknown_block_says_that_a_plugin_may_be_missing(ran):
    assert "install that package" in ran["absent"].stderr


@pytest.mark.parametrize("i", range(len(BROKEN)))
def test_a_broken_plugin_is_warned_of_and_left_out(ran, i):
    result, (_, reason) = ran["create"], BROKEN[i]
    assert result.stdout == "1 4\n", result.stderr
    assert len(result.stderr.splitlines()) == len(BROKEN)
    [line] = [line for line in result.stderr.splitlines() if f"'broken{i}-blocks'" in line]
    assert "is left out" in line and reason in line


def test_a_broken_plugin_is_left_out_with_all_of_its_blocks_and_warned_of_once(ran):
    result = ran["list twice"]
    *lists, error = result.stdout.splitlines()
    assert lists == ["depthwise full"] * 2 and result.stderr.count("no such luck") == 1
    assert "Unknown conv: 'mine'" in error and "'broken-blocks'" in error and "no such luck" in error


def test_a_broken_plugin_is_left_out_with_its_task(ran):
    assert (
        ran["tasks"].stdout == "adversarial distillation encoder\n" and "no such luck" in ran["tasks"].stderr
    )


def test_the_command_line_goes_on_without_a_broken_plugin_and_with_the_others(ran):
    result = ran["list"]
    assert not result.returncode and "mine" in result.stdout
    assert result.stderr.count("\n") == 1 and "'broken-blocks'" in result.stderr


def test_importing_ganzoo_imports_no_plugin(ran):
    result = ran["import"]
    assert result.stdout == "fine\n", result.stderr
