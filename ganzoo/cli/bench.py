"""`ganzoo bench`: how fast models are here, and what they take."""

import os
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli.common import refuse_device
from ganzoo.cli.show import console
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.files import refuse_unwritable
from ganzoo.system.interruption import Interrupted


def bench(
    name: Annotated[
        str, typer.Argument(help="A model, a recipe (random weights), a folder, or an engine's file.")
    ],
    runtime: Annotated[
        str,
        typer.Option(help="One or several: torch, compiled, openvino, onnxruntime; auto for the fastest."),
    ] = "auto",
    precision: Annotated[str, typer.Option(help="One or several: fp32, bf16, fp16, int8; auto.")] = "fp32",
    batch: Annotated[str, typer.Option(help="Images at once, one or several numbers: 1,4.")] = "1",
    resolutions: Annotated[str | None, typer.Option(help="Of a recipe: 64,128,256.")] = None,
    vs: Annotated[
        list[str] | None, typer.Option(help="Another model or file, in turns with the first: A B A B.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed calls of each.")] = 20,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the engines; PyTorch's number.")] = None,
    latents: Annotated[int, typer.Option(min=0, help="Compare with PyTorch on so many latents.")] = 0,
    processes: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Start-up and memory, each in its own process.")
    ] = True,
    device: Annotated[str, typer.Option(help="Of PyTorch: cpu, cuda, mps …")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Folder for bench.json, table.md and plot.svg.")] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Where weights and files are kept.")] = None,
) -> None:
    """Measure latency, throughput, memory, start-up and size; the synthesis network alone, from w."""
    import tempfile

    import torch

    from ganzoo.bench.measure import bench as measure
    from ganzoo.bench.measure import ratios
    from ganzoo.bench.report import text_table, write
    from ganzoo.bench.subjects import Subject, check, is_file
    from ganzoo.metrics.record import hardware, versions
    from ganzoo.runtimes import fastest
    from ganzoo.system.progress import stage
    from ganzoo.system.version import __version__

    batches = [_whole("--batch", part) for part in batch.split(",")]
    sizes = [None] if resolutions is None else [_whole("--resolutions", p) for p in resolutions.split(",")]
    refuse_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    threads = torch.get_num_threads()
    engines = [fastest(device) if part == "auto" else part for part in runtime.split(",")]
    subjects, count = [], 0
    for one in [name, *(vs or [])]:
        for engine in engines[:1] if is_file(one) else engines:
            kinds = [
                _precision(kind, one, engine, device, threads, cache_dir) for kind in precision.split(",")
            ]
            for kind in dict.fromkeys(kinds):
                for size in sizes:
                    place = "cpu" if is_file(one) else device
                    subjects += [Subject(one, engine, kind, n, size, place) for n in batches]
        count = count or len(subjects)
    for subject in subjects:
        check(subject)
    if out is not None:
        refuse_unwritable(out, "--out")
    keep_freed_memory()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    try:
        with tempfile.TemporaryDirectory() as work, stage("Opening") as shown:
            rows = measure(
                subjects, work=Path(work), rounds=rounds, threads=threads, latents=latents,
                processes=processes, cache_dir=cache_dir, report=shown.update,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: nothing was written.") from None
    found = ratios(rows, count)
    typer.echo(text_table(rows, console().width), nl=False)
    for item in found:
        typer.echo(
            f"{item['of']} takes {item['ratio']:.2f} times as long as {item['to']} "
            f"(80 % of the rounds: {item['p10']:.2f} to {item['p90']:.2f})"
        )
    before = "" if load is None else f"; load of the machine before: {load:.1f}"
    typer.echo(f"{hardware()}{before}.")
    if out is not None:
        record = {
            "ganzoo_version": __version__,
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "hardware": hardware(),
            "threads": threads,
            "load": load,
            "versions": versions(),
            "rounds": rounds,
            "ratios": found,
        }
        write(out, rows, record)
        typer.echo(f"bench.json, table.md and plot.svg are in {out}.")


def _precision(kind: str, name: str, runtime: str, device: str, threads: int, cache_dir: Path | None) -> str:
    """A precision; for auto what is fastest for a model in a runtime, told in a line."""
    from ganzoo.bench.subjects import is_file
    from ganzoo.models.recipes import list_recipes
    from ganzoo.runtimes import choose_precision

    if kind != "auto":
        return kind
    if is_file(name) or name in list_recipes():
        raise ValueError(f"--precision auto needs a model; for {name!r} name one or several: fp32,bf16.")
    choice = choose_precision(name, runtime, device=device, threads=threads, cache_dir=cache_dir)
    typer.echo(choice.told)
    return choice.precision


def _whole(option: str, text: str) -> int:
    """A whole number of a list."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ValueError(f"{option} is a list of whole numbers such as 1,4; got {text!r}.")
    return int(text)
