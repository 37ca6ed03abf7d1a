"""Prints how long a user waits for `import ganzoo` on top of `import torch`, and for `ganzoo --help`.

python tests/benchmarks/startup.py [--rounds 5]
"""

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import torch": [sys.executable, "-c", "import torch"],
    "import torch, ganzoo": [sys.executable, "-c", "import torch, ganzoo"],
    "the same, and everything that create needs": [
        sys.executable,
        "-c",
        "import torch, ganzoo; ganzoo.create",
    ],
    "ganzoo --help": [
        sys.executable,
        "-c",
        "import sys; sys.argv = ['ganzoo', '--help']; from ganzoo.cli import main; main()",
    ],
    "ganzoo list": [
        sys.executable,
        "-c",
        "import sys; sys.argv = ['ganzoo', 'list']; from ganzoo.cli import main; main()",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):  # the first round warms the file cache
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    for name, times in seconds.items():
        print(f"{name:44}{statistics.median(times[1:]):7.2f} s")


if __name__ == "__main__":
    main()
