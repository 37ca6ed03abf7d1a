"""Prints the time of one image on the CPU, ours beside OpenVINO's on the released IR, and our peak memory.

    python tests/benchmarks/latency.py [--rounds 9] [--threads 2]

The engines take turns, so that a noisy machine slows all of them; the ratios are of medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

import ganzoo
from ganzoo.system.allocator import keep_freed_memory

MODEL = "mobilestylegan_ffhq"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--memory-of", choices=["eager", "deployed"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # as the commands do
    if arguments.memory_of:
        print(json.dumps(peak_memory(arguments.memory_of)))
        return

    with torch.inference_mode():
        eager = ganzoo.create(MODEL)
        deployed = ganzoo.deploy(eager)
        w = eager.mapping(eager.sample_z(1, seed=0))
        released = openvino_synthesis(arguments.threads)
        style = w[:, 0].numpy()
        runs = {
            "eager": lambda: eager.synthesis(w).image,
            "deployed": lambda: deployed.synthesis(w).image,
            "OpenVINO fp32, released IR": lambda: torch.from_numpy(released(style)[0]),
        }
        reference = runs["OpenVINO fp32, released IR"]()
        errors = {name: float((run() - reference).abs().max()) for name, run in runs.items()}
        seconds = in_turns(runs, arguments.rounds)

    baseline = statistics.median(seconds["OpenVINO fp32, released IR"])
    print(f"{MODEL}: 1 image of 1024 x 1024, {arguments.threads} threads, torch {torch.__version__}")
    print(f"{'':28}{'median':>9}{'min':>9}{'max':>9}{'ratio':>8}{'max error':>12}")
    for name, times in seconds.items():
        median = statistics.median(times)
        figures = f"{median * 1e3:6.0f} ms{min(times) * 1e3:6.0f} ms{max(times) * 1e3:6.0f} ms"
        print(f"{name:28}{figures}{median / baseline:8.2f}{errors[name]:12.1e}")
    for name in ("eager", "deployed"):
        command = [sys.executable, __file__, "--memory-of", name, "--threads", str(arguments.threads)]
        memory = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"peak memory, {name}: {memory['peak']:.2f} GiB ({memory['imports']:.2f} GiB after the imports)"
        )


def in_turns(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every run, one of each a round."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def openvino_synthesis(threads: int) -> Callable[..., object]:
    """The released synthesis network, compiled by OpenVINO at full precision."""
    import openvino

    from ganzoo.models.published import model_entry
    from ganzoo.models.sources import source_files

    with tempfile.TemporaryDirectory() as folder:
        for path, data in source_files(model_entry(MODEL).sources[0]).items():
            (Path(folder) / Path(path).name).write_bytes(data)
        core = openvino.Core()
        model = core.read_model(Path(folder) / "SynthesisNetwork.xml")
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        return core.compile_model(model, "CPU", settings)


def peak_memory(which: str) -> dict[str, float]:
    """GiB that this process took at most, for one image; and what the imports alone took."""
    imports = _peak()
    with torch.inference_mode():
        generator = ganzoo.create(MODEL)
        if which == "deployed":
            generator = ganzoo.deploy(generator)
        for seed in range(3):
            generator(generator.sample_z(1, seed=seed))
    return {"imports": imports, "peak": _peak()}


def _peak() -> float:
    """GiB at the high-water mark. Linux: `getrusage` would tell of the parent process, too."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


if __name__ == "__main__":
    main()
