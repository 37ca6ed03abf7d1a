"""A client in a process of its own, and what the command line says about mistakes."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from processes import Started

import ganzoo

NAME = "hf-hub:me/tiny"
PULL = """
import hashlib, sys, torch, ganzoo
torch.set_num_threads(1)
G = ganzoo.create(sys.argv[1])
with torch.inference_mode():
    print(hashlib.sha256(G(G.sample_z(2, seed=5), truncation_psi=0.7).numpy().tobytes()).hexdigest())
"""


def make_images(generator):
    """Two images, bit for bit."""
    with torch.inference_mode():
        return generator(generator.sample_z(2, seed=5), truncation_psi=0.7)


def environment(server, home, *, xet=False, token=None):
    """Of a process whose client knows this Hub alone and keeps everything in `home`."""
    names = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
    return {
        **{name: os.environ[name] for name in names if name in os.environ},
        "OMP_NUM_THREADS": "1",
        "HOME": str(home),
        "HF_HOME": str(home),
        "XDG_CACHE_HOME": str(home),
        "HF_ENDPOINT": server.url,
        "HF_HUB_DISABLE_XET": "0" if xet else "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **({"HF_TOKEN": token} if token else {}),
    }


def pull():
    """Create a model and print the hash of two images, knowing the variables that are named after it."""
    for variable in os.environ.keys() - set(sys.argv[2:]):
        del os.environ[variable]
    exec(PULL)


def pulling(folder, name, env):
    """A process that creates a model and prints the hash of two images; what it says goes to the folder."""
    return Started(folder, pull, name, *env, **env)


def pulling_without_root_rights(name, env):
    """The same in an interpreter of its own, which such rights are taken from when it starts."""
    command, pipe = [sys.executable, "-c", PULL, name], subprocess.PIPE
    return subprocess.Popen(
        command, env=env, stdout=pipe, stderr=pipe, text=True, preexec_fn=without_root_rights
    )


def without_root_rights():
    """In a child process of root's: what may not be written cannot be written, as for everybody else."""
    if os.geteuid() == 0:
        drop, may_write_anything = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE; both last over an exec
        ctypes.CDLL(None).prctl(drop, may_write_anything, 0, 0, 0)


def finished(process):
    """Status, stdout and stderr of a process."""
    if isinstance(process, Started):
        try:
            status, out, err = process.finish(100)
        finally:
            process.end()
        return status, out.strip(), err
    out, err = process.communicate(timeout=100)
    return process.returncode, out.strip(), err


def assert_one_line(result, *parts):
    """A mistake: status 2, nothing on stdout, one line on stderr that holds the parts."""
    status, out, err = result
    assert (status, out) == (2, ""), result
    assert err.startswith("ganzoo: ") and err.count("\n") == 1 and "Traceback" not in err, err
    for part in parts:
        assert part in err, err


def edit_config(folder, **changes):
    """Other values in a config.json; what belongs to the generator goes into its config."""
    path = folder / "config.json"
    data = json.loads(path.read_text())
    for key, value in changes.items():
        (data if key in data or key not in data["config"] else data["config"])[key] = value
    path.write_text(json.dumps(data))


def contents(folder):
    """Bytes of a model's files by their names."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def cached(home):
    """Files that the client keeps of the model, but for locks and listings."""
    folder = Path(home) / "hub" / "models--me--tiny"
    return sorted(path.name for path in folder.glob("snapshots/*/*"))


def forget(home):
    """Empty the client's cache."""
    shutil.rmtree(Path(home) / "hub", ignore_errors=True)


def same_weights(generator, folder):
    """Whether a generator has the weights of a folder, bit for bit."""
    expected = ganzoo.load(folder).state_dict()
    return all(torch.equal(tensor, expected[name]) for name, tensor in generator.state_dict().items())
