"""`ganzoo convert` on files of the original implementations."""

import hashlib
import json
import re
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from cli_helpers import GANZOO, convert_and_wait
from covering import thinned
from ir_fixtures import published
from PIL import Image
from processes import started
from safetensors.torch import save_file

import ganzoo
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.keymap import flatten
from ganzoo.generators.discriminator import Discriminator
from ganzoo.models.weights import weights_digest

GOLDEN = Path(__file__).parents[1] / "golden"
NVIDIA = GOLDEN / "nvidia_pkl" / "ada_uncond_skip_32.pkl"
CONDITIONAL = GOLDEN / "nvidia_pkl" / "ada_cond_skip_32.pkl"
ROSINALITY = GOLDEN / "rosinality" / "ros_train_32.pt"
DISTILLER = GOLDEN / "mobilestylegan" / "msg_32_distiller.ckpt"
PAIR = [GOLDEN / "mobilestylegan" / f"msg_32_{half}.ckpt" for half in ("mapping", "synthesis")]
FILES = ["README.md", "config.json", "golden.safetensors", "model.safetensors"]
# Sources with the network that is converted by default and the others.
SOURCES = {
    "NVIDIA": ([NVIDIA], "generator_ema", ["generator", "discriminator"]),
    "NVIDIA, conditional": ([CONDITIONAL], "generator_ema", ["generator", "discriminator"]),
    "rosinality": ([ROSINALITY], "generator_ema", ["generator", "discriminator"]),
    "distiller": ([DISTILLER], "student", ["teacher", "discriminator"]),
    "pair": (PAIR, "teacher", []),
    "pair turned round": (PAIR[::-1], "teacher", []),
}
NETWORKS = [
    (source, part) for source, (_, default, others) in SOURCES.items() for part in (None, default, *others)
]
# Every source's default, and every part of a kind of file.
ALWAYS = [(source, None) for source in SOURCES]
ALWAYS += [("NVIDIA", "discriminator"), ("rosinality", "generator"), ("distiller", "teacher")]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def converted(run, out, *arguments):
    """The network that `ganzoo convert` wrote, and what it printed."""
    status, printed, err = run("convert", *arguments, out)
    assert (status, err) == (0, "")
    network = ganzoo.load(out)
    has_images = not isinstance(network, Discriminator)
    assert names(out) == [name for name in FILES if has_images or not name.startswith("golden")]
    assert names(out.parent) == [out.name]
    return network, printed


@pytest.fixture
def ir(tmp_path_factory):
    """A folder of OpenVINO files."""
    folder = tmp_path_factory.mktemp("ir")
    for name, data in published()[1].items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """What `by_default` made, by its source, and where: nobody may change it."""
    return defaultdict(lambda: {"out": tmp_path_factory.mktemp("kept") / "new"})


@pytest.fixture
def by_default(run, kept):
    """A source's default network, what was printed and the folder; the command runs once for each source."""

    def call(source):
        found = kept[source]
        if "network" not in found:
            found["network"], found["printed"] = converted(run, found["out"], *SOURCES[source][0])
        return found["network"], found["printed"], found["out"]

    return call


@pytest.mark.parametrize("case", thinned(NETWORKS, ALWAYS), ids=lambda case: f"{case[0]}: {case[1]}")
def test_every_network_of_a_source_becomes_a_model_folder(run, tmp_path, by_default, case):
    source, part = case
    files = SOURCES[source][0]
    if part is None:
        network = by_default(source)[0]
    else:
        network = converted(run, tmp_path / "new", *files, "--part", part)[0]
    assert weights_digest(network) == weights_digest(ganzoo.convert(files, part))
    assert isinstance(network, Discriminator if part == "discriminator" else ganzoo.Generator)


@pytest.mark.parametrize("source", SOURCES)
def test_what_was_found_is_printed(by_default, source):
    files, default, others = SOURCES[source]
    network, printed, out = by_default(source)
    assert f"network {default}" in " ".join(printed.split())
    for word in (*others, "32 x 32", ", ".join(map(str, network.config.channels)), "of the source used"):
        assert word in printed
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() in printed and file.name in printed
    label = " --label 0" if network.label_dim else ""
    assert printed.rstrip().endswith(f"Next: ganzoo generate {out}{label}")


def test_labels_are_printed(by_default):
    network, printed, _ = by_default("NVIDIA, conditional")
    assert f"labels {network.label_dim}" in " ".join(printed.split())
    _, printed, _ = by_default("NVIDIA")
    assert "labels none" in " ".join(printed.split())


def test_a_discriminator_is_not_offered_for_images(run, tmp_path):
    _, printed = converted(run, tmp_path / "new", NVIDIA, "--part=discriminator")
    assert "Next:" not in printed and "read back and the same" in printed
    assert "ganzoo.load" in (tmp_path / "new" / "README.md").read_text()


@pytest.mark.parametrize("form", ["folder", "one of its files"])
def test_a_folder_of_openvino_files_becomes_a_model_folder(run, tmp_path, ir, form):
    source = ir if form == "folder" else ir / "SynthesisNetwork.xml"
    network, printed = converted(run, tmp_path / "new", source)
    assert network.config.upsampler["name"] == "idwt" and "OpenVINO" in printed
    assert weights_digest(network) == weights_digest(ganzoo.convert(ir))
    card = (tmp_path / "new" / "README.md").read_text()
    assert all(hashlib.sha256(file.read_bytes()).hexdigest() in card for file in ir.iterdir())


# The card


@pytest.mark.parametrize("source", SOURCES)
def test_the_card_holds_the_lineage(by_default, source):
    files, default, _ = SOURCES[source]
    card = (by_default(source)[2] / "README.md").read_text()
    for file in files:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        assert f"| {file.name} | {file.stat().st_size} | `{sha256}` |" in card
    assert f"network: {default}." in card and "# new\n" in card
    assert str(files[0].parent) not in card  # where a user keeps files is nobody's business


def test_the_card_of_an_unknown_license_asks_for_it(by_default):
    card = (by_default("NVIDIA")[2] / "README.md").read_text()
    assert "\nlicense: unknown\n" in card and "| unknown: say what it is before you pass them on |" in card


def test_the_card_bears_the_license_that_was_given(run, tmp_path):
    converted(run, tmp_path / "new", NVIDIA, "--license", "CC-BY-NC-4.0")
    card = (tmp_path / "new" / "README.md").read_text()
    assert "\nlicense: cc-by-nc-4.0\n" in card
    assert "| weights | cc-by-nc-4.0 |" in card and "unknown" not in card


def test_the_card_accounts_for_every_tensor_of_the_file(by_default):
    _, printed, out = by_default("NVIDIA")
    card = (out / "README.md").read_text()
    lines = re.findall(r"^\* (.*)$", card, re.MULTILINE)
    assert any("used" in line for line in lines)
    assert any("another network of the file" in line for line in lines)
    assert " ".join(lines[1].split()) in " ".join(printed.split())


@pytest.mark.parametrize("part", ["generator_ema", "discriminator"])
def test_the_python_of_the_card_runs(run, tmp_path, monkeypatch, part):
    converted(run, tmp_path / "new", NVIDIA, "--part", part)
    [code] = re.findall(r"```python\n(.*?)```", (tmp_path / "new" / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code, {})


# Several networks of a kind, and what a file does not record


def state(path, key):
    """A state dict of a golden file, as torch tensors."""
    tensors = flatten(open_checkpoint(path)[key])
    return {name: torch.from_numpy(ref.array()) for name, ref in tensors}


def test_the_moving_average_is_taken_and_screen_and_card_say_what_else_is_there(run, tmp_path):
    file = tmp_path / "a.pt"
    torch.save({"model": state(ROSINALITY, "g"), "model_ema": state(ROSINALITY, "g_ema")}, file)
    network, printed = converted(run, tmp_path / "out" / "new", file)
    assert weights_digest(network) == weights_digest(ganzoo.convert(ROSINALITY))
    words = " ".join(printed.split())
    assert "network generator_ema, from model_ema also there generator (model)" in words
    card = (tmp_path / "out" / "new" / "README.md").read_text()
    assert "network: generator_ema. Place in the file: model_ema. Also there: generator (model)." in card


def test_the_name_of_a_place_cannot_steer_the_terminal(run, tmp_path):
    file, weights = tmp_path / "a.safetensors", state(ROSINALITY, "g")
    names = {
        f"{place}.{name}": w.clone() for place in ("\x1b[2J ema", "[red]g|<b>") for name, w in weights.items()
    }
    save_file(names, file)
    _, printed = converted(run, tmp_path / "out" / "new", file)
    assert "\x1b[2J" not in printed and "?[2J ema" in printed and "[red]g|<b>" in printed
    card = (tmp_path / "out" / "new" / "README.md").read_text()
    assert "\x1b" not in card and "<b>" not in card


def test_a_key_chooses_between_two_networks_of_one_part(run, tmp_path):
    file = tmp_path / "a.pt"
    torch.save({"first": state(ROSINALITY, "g"), "second": state(ROSINALITY, "g_ema")}, file)
    status, out, err = run("convert", file, tmp_path / "out" / "new")
    assert (status, out) == (2, "") and "--key first, --key second" in err and err.count("\n") == 1
    network, _ = converted(run, tmp_path / "out" / "new", file, "--key", "second")
    assert weights_digest(network) == weights_digest(ganzoo.convert(ROSINALITY))


def test_what_a_state_dict_does_not_record_is_told_on_screen_and_card_and_may_be_given(run, tmp_path):
    file = tmp_path / "a.pt"
    torch.save(state(NVIDIA, "G_ema"), file)
    network, printed = converted(run, tmp_path / "out" / "new", file, "--assume", "clamp=none")
    assert network.config.clamp is None
    told = "activation lrelu, clamp none (as told), mapping_activation lrelu, lr_multiplier 0.01"
    assert told in " ".join(printed.split())
    assert told in (tmp_path / "out" / "new" / "README.md").read_text()
    for wrong in ("clamp", "=1", "clamp="):
        status, _, err = run("convert", file, tmp_path / "other", f"--assume={wrong}")
        assert status == 2 and "NAME=VALUE" in err and err.count("\n") == 1


# The folder


def test_images_are_generated_from_the_folder(run, tmp_path, monkeypatch, by_default):
    monkeypatch.chdir(tmp_path)
    Path("teacher").symlink_to(by_default("NVIDIA")[2])
    assert run("generate", "teacher", "--seeds=0-1", "--out=faces")[0] == 0
    assert names(tmp_path / "faces") == ["seed0000.png", "seed0001.png", "sheet.png"]
    with Image.open(tmp_path / "faces" / "seed0000.png") as image:
        assert image.size == (32, 32)
    assert run("verify", "teacher")[0] == 0
    assert run("info", "teacher")[0] == 0


def test_images_of_a_class_are_generated_from_a_conditional_folder(run, tmp_path, by_default):
    network, _, model = by_default("NVIDIA, conditional")
    last = network.label_dim - 1
    assert run("generate", model, "--seeds=0", f"--label={last}", "--out", tmp_path / "out")[0] == 0
    status, _, err = run("generate", model, "--seeds=0", "--out", tmp_path / "other")
    assert status == 2 and f"0 to {last}" in err


def test_a_discriminators_folder_makes_no_images_and_the_message_says_why(run, tmp_path):
    converted(run, tmp_path / "new", NVIDIA, "--part=discriminator")
    status, out, err = run("generate", tmp_path / "new")
    assert (status, out) == (2, "") and "is a discriminator" in err and err.count("\n") == 1


def test_a_discriminators_folder_is_shown_and_verified(run, tmp_path):
    network, _ = converted(run, tmp_path / "new", NVIDIA, "--part=discriminator")
    status, out, _ = run("info", tmp_path / "new")
    assert status == 0 and f"{sum(p.numel() for p in network.parameters()):,} parameters" in out
    status, out, _ = run("verify", tmp_path / "new")
    assert status == 0 and "is as it was written" in out


def test_missing_parents_of_the_folder_are_made(run, tmp_path):
    converted(run, tmp_path / "a" / "b" / "new", NVIDIA)


def test_an_empty_folder_is_filled_and_other_files_in_it_stay(run, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").write_text("mine")
    assert run("convert", NVIDIA, tmp_path / "new")[0] == 0
    assert names(tmp_path / "new") == [*FILES, "notes.txt"]
    assert (tmp_path / "new" / "notes.txt").read_text() == "mine"


def test_overwrite_replaces_the_model(run, tmp_path):
    converted(run, tmp_path / "new", NVIDIA)
    network, _ = converted(run, tmp_path / "new", ROSINALITY, "--overwrite")
    assert weights_digest(network) == weights_digest(ganzoo.convert(ROSINALITY))
    assert ROSINALITY.name in (tmp_path / "new" / "README.md").read_text()


def test_files_are_as_open_to_others_as_the_users_own(run, tmp_path):
    converted(run, tmp_path / "new", NVIDIA)
    (tmp_path / "new" / "mine").touch()
    assert len({path.stat().st_mode for path in (tmp_path / "new").iterdir()}) == 1
    (tmp_path / "folder").mkdir()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "folder").stat().st_mode


def test_a_relative_folder_is_titled_by_its_own_name(run, tmp_path, monkeypatch):
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path / "faces")
    assert run("convert", NVIDIA, ".")[0] == 0
    assert "# faces\n" in Path("README.md").read_text() and names(Path()) == FILES


@pytest.mark.parametrize(
    "place", ["converters.conversion._detect", "models.weights.write_weights", "cards.saving.load"]
)
@pytest.mark.processes
def test_ctrl_c_leaves_nothing(tmp_path, place):
    ready, out = tmp_path / "ready", tmp_path / "models" / "new"
    out.parent.mkdir()
    words = ("convert", NVIDIA, out, f"ganzoo.{place}", ready)
    with started(tmp_path / "said", convert_and_wait, *words) as process:
        deadline = time.monotonic() + 120
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        status, _, err = process.finish()
    assert status == 130
    assert err.count("\n") == 1 and "was left as it was" in err and "Traceback" not in err
    assert names(out.parent) == []


def test_options_of_convert_are_frozen(run):
    help_text = run("convert", "--help")[1]
    assert [
        o
        for o in ("--part", "--key", "--assume", "--license", "--overwrite", "--to", "--discriminator")
        if o not in help_text
    ] == []


def test_nothing_of_torchs_unpickler_is_imported_by_help():
    code = "import sys; import ganzoo.cli.convert; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([GANZOO[0], "-c", code], check=False).returncode == 0


def test_the_config_says_that_it_is_a_generators(by_default):
    assert json.loads((by_default("NVIDIA")[2] / "config.json").read_text())["module"] == "generator"
