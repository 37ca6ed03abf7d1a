"""A snapshot of full size, 1024 x 1024 of config F: what its conversion by the command line costs."""

import json
import subprocess
import sys

import pytest
import snapshots
from reference import D, G, Mapping

import ganzoo

CHANNELS = tuple(min(512, 32768 // 2**i) for i in range(2, 11))
GENERATOR = G(channels=CHANNELS, z_dim=512, w_dim=512, conv_clamp=256, mapping=Mapping(num_layers=8))
DISCRIMINATOR = D(channels=CHANNELS, conv_clamp=256)
PARAMETERS = {"generator_ema": 30_370_060, "discriminator": 29_012_513}
MAX_BYTES = 2 << 30
GANZOO = "from ganzoo.cli import main; main()"
# In a process of its own: what this one holds would count for its children too.
MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps([done.returncode, done.stderr, seconds, peak]))
"""


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A file with all three networks."""
    trees = {"G": snapshots.generator(GENERATOR, 1), "D": snapshots.discriminator(DISCRIMINATOR)}
    trees["G_ema"] = snapshots.generator(GENERATOR, 2)
    path = snapshots.write_nvidia(tmp_path_factory.mktemp("full") / "snapshot.pkl", **trees)
    yield path
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("part", PARAMETERS)
def test_a_snapshot_of_full_size_converts_within_2_gib(snapshot, tmp_path, part, capsys):
    command = [sys.executable, "-c", GANZOO, "convert", str(snapshot), str(tmp_path / "model")]
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *command, "--part", part], capture_output=True, text=True, check=True
    )
    status, errors, seconds, peak = json.loads(measured.stdout)
    assert status == 0, errors
    with capsys.disabled():
        size = snapshot.stat().st_size / 2**20
        print(f"\n{part} of a file of {size:.0f} MiB: {seconds:.1f} s, peak {peak / 2**20:.0f} MiB")
    assert peak < MAX_BYTES
    network = ganzoo.load(tmp_path / "model")
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[part]
