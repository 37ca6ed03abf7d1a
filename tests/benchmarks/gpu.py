"""Measures what a GPU does with ganzoo: its tests, latency, throughput, training; one JSON, one table.

    python tests/benchmarks/gpu.py [--minutes 8] [--json gpu.json] [--parts peak,tests,images,…]
    python tests/benchmarks/gpu.py --device cpu --tiny --minutes 3          does the script itself work?

Every part runs in a process of its own and within a share of the minutes. What fails, or has no time left,
leaves its reason in the JSON, and the others go on. Networks have random weights, of which times are free.
The share of the peak is that of the product of two large matrices in the same precision, measured here; in
fp32, convolutions round their factors to TF32, as PyTorch does by default, so their peak is TF32's.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from distill_step import settings_of, task_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from train_step import trainer_of

import ganzoo
from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import Generator
from ganzoo.generators.quick import quicken
from ganzoo.models.cost import costs
from ganzoo.system.provenance import provenance
from ganzoo.system.timing import in_turns
from ganzoo.training.devices import start
from ganzoo.training.loop import Trainer

ROOT = Path(__file__).parents[2]
SHARES = {"peak": 3, "tests": 4, "images": 11, "distillation": 6, "adversarial": 8}  # of the minutes
PRECISIONS = ("bf16", "fp16", "fp32")
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PEAK_OF = {"fp32": "tf32", "bf16": "bf16", "fp16": "fp16"}
NARROW = {"channel_base": 128, "channel_max": 8, "z_dim": 8, "w_dim": 8}  # of networks in the tiny mode
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--json", type=Path, default=Path("gpu.json"))
    parser.add_argument("--parts", default=",".join(SHARES))
    parser.add_argument("--tiny", action="store_true", help="tiny networks, few rounds")
    parser.add_argument("--only", choices=SHARES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        alone(arguments)
        return
    names = [name for name in arguments.parts.split(",") if name]
    if unknown := set(names) - set(SHARES):
        parser.error(f"Unknown parts: {', '.join(sorted(unknown))}. Choose from: {', '.join(SHARES)}.")
    end = time.monotonic() + 60 * arguments.minutes
    origin = provenance()
    found: dict[str, Any] = {
        "command": origin.command, "date": origin.date, "hardware": origin.hardware,
        "versions": origin.versions, "device": device_name(arguments.device), "tiny": arguments.tiny,
        "minutes": arguments.minutes, "parts": {},
    }  # fmt: skip
    for number, name in enumerate(names):
        shares = [SHARES[left] for left in names[number:]]
        limit = max(0.0, end - time.monotonic()) * shares[0] / sum(shares)
        print(f"{name}: at most {limit:.0f} s", file=sys.stderr, flush=True)
        found["parts"][name] = carried_out(name, limit, arguments)
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    share_of_peak(found["parts"])
    arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    tell(found)


def device_name(device: str) -> str:
    """What the card calls itself."""
    if torch.device(device).type == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name(device)
    return device


# Parts, each in a process


def carried_out(name: str, limit: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Rows of a part, and why there are not more."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.jsonl"
        command = [sys.executable, __file__, "--only", name, "--json", str(out), "--device", arguments.device]
        command += ["--minutes", str(limit / 60), *(["--tiny"] if arguments.tiny else [])]
        reason = None
        try:
            done = subprocess.run(command, timeout=limit, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        except subprocess.TimeoutExpired:
            reason = f"stopped after {limit:.0f} s"
        rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return {"seconds": round(time.monotonic() - began, 1), "failed": reason, "rows": rows}


def alone(arguments: argparse.Namespace) -> None:
    """What such a process does: rows, one after another, while there is time."""
    end = time.monotonic() + 50 * arguments.minutes  # of 60: to start takes a while, and so does a row
    with arguments.json.open("w", encoding="utf-8") as file:
        for row, work in PARTS[arguments.only](arguments.device, arguments.tiny):
            if time.monotonic() > end:
                row["failed"] = "no time left"
            else:
                try:
                    row |= work()
                except Exception as error:  # whatever a card, a compiler or a test says
                    row["failed"] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
            file.write(json.dumps(row) + "\n")
            file.flush()


Works = Iterator[tuple[Row, Callable[[], Row]]]


def peak(device: str, tiny: bool) -> Works:
    """Products of two matrices, in operations a second."""
    side = 256 if tiny else 8192
    for name in ("tf32", "bf16", "fp16", "fp32"):

        def work(name: str = name) -> Row:
            torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
            random = torch.Generator().manual_seed(0)
            a, b = (torch.randn(side, side, generator=random).to(device, DTYPES[name]) for _ in range(2))
            seconds = median(lambda: a @ b, device, 2 if tiny else 10)
            return {"tflops": 2 * side**3 / seconds / 1e12}

        yield {"precision": name}, work


def tests(device: str, tiny: bool) -> Works:
    """`pytest -m gpu` on the files that have such tests."""
    folder = ROOT / "tests"
    files = sorted(path for path in folder.rglob("test_*.py") if "mark.gpu" in path.read_text())

    def work() -> Row:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "gpu", "-p", "no:cacheprovider"]
        done = subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True)
        lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""]
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        counts = {name: int(n) for n, name in re.findall(r"(\d+) (passed|failed|skipped|error)", lines[-1])}
        told = {"failed": f"exit status {done.returncode}"} if done.returncode else {}
        return {**counts, "said": lines[-1], "failures": failed, **told}

    yield {"files": [path.relative_to(ROOT).as_posix() for path in files]}, work


def images(device: str, tiny: bool) -> Works:
    """Calls of synthesis networks: deployed, captured in a CUDA graph, compiled."""
    sides, batches = ((16,), (1, 2)) if tiny else ((1024, 256), (1, 4, 16, 64))
    on_gpu = torch.device(device).type == "cuda"
    plans = [(recipe, side, batch, precision, "eager")
             for side in sides for recipe in ("mobilestylegan", "stylegan2")
             for precision in PRECISIONS for batch in batches]  # fmt: skip
    plans += [("mobilestylegan", side, batch, precision, "CUDA graph")
              for side in sides for precision in PRECISIONS for batch in batches[:2]]  # fmt: skip
    plans += [("mobilestylegan", side, 1, precision, "compiled")
              for precision in ("fp16", "fp32") for side in sides]  # fmt: skip
    for recipe, side, batch, precision, form in plans:

        def work(recipe: str = recipe, side: int = side, batch: int = batch, precision: str = precision,
                 form: str = form) -> Row:  # fmt: skip
            if form != "eager" and not on_gpu:
                raise ValueError("for GPUs")
            generator, macs = network(recipe, side, device, tiny)
            forget_memory(device)
            quick = quicken(deploy(generator), precision, compiled=form == "compiled")
            w = torch.randn(batch, generator.num_ws, generator.config.w_dim, device=device)
            with torch.no_grad():
                call = captured(quick, w) if form == "CUDA graph" else lambda: quick.synthesis(w).image
                seconds = median(call, device, 2 if tiny else 10)
            return {"ms": 1000 * seconds, "images_per_second": batch / seconds,
                    "tflops": 2 * macs * batch / seconds / 1e12, "gib": memory(device)}  # fmt: skip

        yield {
            "recipe": recipe, "resolution": side, "batch": batch, "precision": precision, "form": form,
        }, work  # fmt: skip


@cache
def network(recipe: str, side: int, device: str, tiny: bool) -> tuple[Generator, int]:
    """A network of random weights, and the multiply-accumulates of an image."""
    generator = ganzoo.create(recipe, resolution=side, device=device, **(NARROW if tiny else {}))
    return generator, costs(generator.config)["deployed synthesis"].macs


def captured(generator: Generator, w: torch.Tensor) -> Callable[[], None]:
    """A call of a synthesis network, captured in a CUDA graph."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # what is chosen and allocated at the first calls is no part of the graph
        for _ in range(3):
            generator.synthesis(w)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        generator.synthesis(w)
    return graph.replay


def distillation(device: str, tiny: bool) -> Works:
    """Steps of distillation as a GPU does them: new images of the teacher, and a discriminator."""
    for precision in PRECISIONS:

        def work(precision: str = precision) -> Row:
            side, batch = (16, 4) if tiny else (256, 16)
            given = argparse.Namespace(resolution=side, batch=batch, precision=precision, settings=[])
            if tiny:
                given.settings = ["channel_max=8", "discriminator_channel_max=8"]
            settings = settings_of(given)
            with tempfile.TemporaryDirectory() as folder:
                trainer = Trainer(task_of(settings, device), settings, start(device), Path(folder))
                return steps(trainer, device)

        yield {"precision": precision}, work


def adversarial(device: str, tiny: bool) -> Works:
    """Steps of StyleGAN2 with adaptive augmentation, with the settings of `training=auto`."""
    for precision, batch in [("bf16", 32), ("fp16", 32), ("fp32", 32), ("bf16", 64)]:

        def work(precision: str = precision, batch: int = batch) -> Row:
            side = 16 if tiny else 256
            settings = [f"resolution={side}", f"precision={precision}", "ada.fixed=0.2"]
            settings += [f"batch_size={4 if tiny else batch}"]
            settings += ["channel_max=8", "discriminator_channel_max=8"] if tiny else []
            with tempfile.TemporaryDirectory() as folder:
                return steps(trainer_of(settings, Path(folder), device), device)

        yield {"precision": precision, "batch": batch}, work


PARTS: dict[str, Callable[[str, bool], Works]] = {
    "peak": peak, "tests": tests, "images": images, "distillation": distillation, "adversarial": adversarial,
}  # fmt: skip


# What is measured


class Operations(TorchDispatchMode):
    """Counts the floating-point operations of products and convolutions in its block.

    PyTorch's own counter watches modules, too, and so allows no second derivatives.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        result = func(*args, **options)
        if (count := flop_registry.get(func._overloadpacket)) is not None:
            self.total += count(*args, **options, out_val=result)
        return result


def steps(trainer: Trainer, device: str) -> Row:
    """Speed, memory and operations of the steps in which every phase comes as often as it does."""
    phases = trainer.task.phases(1e9)
    cycle = max(phase.interval for phase in phases)
    trainer._step()  # allocates, and chooses algorithms
    seen: dict[tuple[str, ...], int] = {}
    total = 0
    for number in range(cycle):
        due = tuple(phase.name for phase in phases if number % phase.interval == 0)
        if due not in seen:
            trainer.step = number
            with Operations() as counted:
                trainer._step()
            seen[due] = counted.total
        total += seen[due]
    wait(device)
    forget_memory(device)
    trainer.step, began = 0, time.perf_counter()
    for _ in range(cycle):
        trainer._step()
    wait(device)
    seconds = time.perf_counter() - began
    learnt = cycle * trainer.settings.batch_size / 1000
    return {
        "kimg_per_hour": 3600 * learnt / seconds, "seconds_per_kimg": seconds / learnt,
        "tflops": total / seconds / 1e12, "gib": memory(device), "batch": trainer.settings.batch_size,
    }  # fmt: skip


def median(call: Callable[[], Any], device: str, rounds: int) -> float:
    """Median seconds of a call."""
    times = sorted(seconds for (seconds,) in in_turns([call], rounds, device=device, warm_up=3))
    return times[len(times) // 2]


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(device)


def forget_memory(device: str) -> None:
    """Count the memory of the card anew."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def memory(device: str) -> float | None:
    """GiB of the card's memory at most since the last reset; None on a CPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if torch.device(device).type == "cuda" else None


# What is told


def share_of_peak(parts: dict[str, Any]) -> None:
    """Add to every row its share of what the card does in products of matrices of that precision."""
    rows = parts.get("peak", {}).get("rows", [])
    peaks = {row["precision"]: row["tflops"] for row in rows if "tflops" in row}
    for name, part in parts.items():
        for row in part["rows"] if name != "peak" else []:
            if "tflops" in row and (best := peaks.get(PEAK_OF[row["precision"]])):
                row["share_of_peak"] = row["tflops"] / best


def tell(found: dict[str, Any]) -> None:
    """All rows as tables of Markdown."""
    print(f"{found['device']}, {found['hardware']}, {found['date']}")
    for name, part in found["parts"].items():
        print(f"\n{name}: {part['seconds']:g} s{', ' + part['failed'] if part['failed'] else ''}\n")
        rows = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in part["rows"]]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        if columns:
            print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        for row in rows:
            print(f"| {' | '.join(written(row.get(column)) for column in columns)} |")


def written(value: Any) -> str:
    """A cell of the table."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
