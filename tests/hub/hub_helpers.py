"""A client in a process of its own, and what the command line says about mistakes."""

import ctypes
import hashlib
import itertools
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from covering import thinned
from processes import Started

import ganzoo

NAME = "hf-hub:me/tiny"


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
    torch.set_num_threads(1)
    images = make_images(ganzoo.create(sys.argv[1]))
    print(hashlib.sha256(images.numpy().tobytes()).hexdigest())


def pulling(folder, name, env, main=pull):
    """A process that creates a model and prints the hash of two images; what it says goes to the folder."""
    return Started(folder, main, name, *env, **env)


def pull_without_root_rights():
    """The same in a process of root's: what may not be written cannot be written, as for everybody else."""
    if os.geteuid() == 0:
        version, this_process = 0x20080522, 0  # _LINUX_CAPABILITY_VERSION_3
        header, none = (ctypes.c_uint32 * 2)(version, this_process), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(header, none) == 0
    pull()


def finished(process):
    """Status, stdout and stderr of a process."""
    try:
        status, out, err = process.finish(100)
    finally:
        process.end()
    return status, out.strip(), err


def alternating(requests, statuses):
    """Requests and answers as parameters of a test: each answer runs always, to the requests in turn."""
    always = list(zip(itertools.cycle(requests), statuses))
    rows = thinned(list(itertools.product(requests, statuses)), always)
    return [pytest.param(*row.values[0], marks=row.marks) for row in rows]


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
