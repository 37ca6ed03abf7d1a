"""Prints the peak memory and the time of `ganzoo eval` on 10,000 images of 256 x 256 against 1,000 others.

python tests/benchmarks/eval_memory.py [--num 10000] [--real 1000] [--metrics fd,kid] [--cache-dir DIR]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 256
SCRIPT = """
import sys
from pathlib import Path
from ganzoo.cli import main
try:
    main()
finally:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    print(line, file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=10_000)
    parser.add_argument("--real", type=int, default=1_000)
    parser.add_argument("--metrics", default="fd,kid")
    parser.add_argument("--resamples", type=int, default=2)
    parser.add_argument(
        "--weights", type=Path, help="efficientnet_lite0-….safetensors, if it is not to be fetched"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, count, seed in (("fake", arguments.num, 0), ("real", arguments.real, 1)):
            write_images(root / name, count, seed)
        (root / "cache").mkdir()
        if arguments.weights:
            (root / "cache" / arguments.weights.name).symlink_to(arguments.weights.absolute())
        command = [sys.executable, "-c", SCRIPT, "eval", str(root / "fake"), "--real", str(root / "real")]
        command += [f"--metrics={arguments.metrics}", f"--resamples={arguments.resamples}", "--json"]
        for run in ("first", "again, from the kept features"):
            start = time.perf_counter()
            done = subprocess.run(
                [*command, "--cache-dir", str(root / "cache")], capture_output=True, text=True, check=True
            )
            seconds = time.perf_counter() - start
            peak = int(done.stderr.split("VmHWM:")[1].split()[0]) / 2**20
            print(f"{arguments.num} images of {SIDE} x {SIDE} against {arguments.real}, {run}: ", end="")
            print(f"{peak:.2f} GiB at most, {seconds:.0f} s", flush=True)


def write_images(folder: Path, count: int, seed: int) -> None:
    """Images of 4 x 4 smooth patches: quick to make and to read."""
    folder.mkdir()
    random = np.random.RandomState(seed)
    for i in range(count):
        small = Image.fromarray(random.randint(0, 255, (4, 4, 3)).astype(np.uint8))
        small.resize((SIDE, SIDE)).save(folder / f"{i:06d}.png", compress_level=1)


if __name__ == "__main__":
    main()
