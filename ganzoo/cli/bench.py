"""`ganzoo bench`: how fast models are here, and what they take."""

from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import options
from ganzoo.cli.common import refuse_device
from ganzoo.cli.show import console
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.interruption import Interrupted

Name = Annotated[
    str, typer.Argument(help="A model, a recipe (random weights), a folder, or an engine's file.")
]
Runtime = Annotated[
    str,
    typer.Option(
        help="One or several: torch, compiled, openvino, onnxruntime, litert, executorch; auto: the fastest."
    ),
]
Precision = Annotated[str, typer.Option(help="One or several: fp32, bf16, fp16, int8; auto.")]
Batch = Annotated[str, typer.Option(help="Images at once, one or several numbers: 1,4.")]
Resolutions = Annotated[str | None, typer.Option(help="Of a recipe: 64,128,256.")]
Vs = Annotated[
    list[str] | None, typer.Option(help="Another model or file, in turns with the first: A B A B.")
]
Rounds = Annotated[int, typer.Option(min=1, help="Timed calls of each.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the engines (default: PyTorch's).")]
Latents = Annotated[int, typer.Option(min=0, help="Compare with PyTorch on so many latents.")]
Memory = Annotated[
    bool, typer.Option("--memory/--no-memory", help="Start-up and memory, each in its own process.")
]
Device = Annotated[str, typer.Option(help="Of PyTorch: cpu, cuda, mps …")]
Out = Annotated[Path | None, typer.Option(help="Folder for bench.json, table.md and plot.svg.")]
Submit = Annotated[
    Path | None,
    typer.Option(help="JSON file of machine and times to send in: docs/benchmarks.md says where."),
]
CacheDir = Annotated[Path | None, typer.Option(help="Where weights and files are kept.")]


def bench(
    name: Name,
    runtime: Runtime = "auto",
    precision: Precision = "fp32",
    batch: Batch = "1",
    resolutions: Resolutions = None,
    vs: Vs = None,
    rounds: Rounds = 20,
    threads: Threads = None,
    latents: Latents = 0,
    w: options.SavedW = None,
    other_mapping: options.OtherMapping = False,
    processes: Memory = True,
    device: Device = "cpu",
    out: Out = None,
    submit: Submit = None,
    cache_dir: CacheDir = None,
) -> None:
    """Measure latency, throughput, memory, start-up and size; the synthesis network alone, from w."""
    from ganzoo.bench import BenchRequest
    from ganzoo.bench import bench as measure
    from ganzoo.bench.report import text_table
    from ganzoo.system.progress import stage

    request = BenchRequest(
        name, vs=vs or (), runtimes=runtime.split(","), precisions=precision.split(","),
        batches=_numbers("--batch", batch),
        resolutions=(None,) if resolutions is None else _numbers("--resolutions", resolutions),
        rounds=rounds, threads=threads, latents=latents, w=w, other_mapping=other_mapping, memory=processes,
        device=device, out=out, submit=submit, cache_dir=cache_dir,
    )  # fmt: skip
    refuse_device(device)
    keep_freed_memory()
    try:
        with stage("Opening") as shown:
            found = measure(request, report=shown.update)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: nothing was written.") from None
    for note in found.notes:
        typer.echo(note)
    typer.echo(text_table(found.rows, console().width), nl=False)
    for item in found.ratios:
        typer.echo(
            f"{item['of']} takes {item['ratio']:.2f} times as long as {item['to']} "
            f"(80 % of the rounds: {item['p10']:.2f} to {item['p90']:.2f})"
        )
    before = "" if found.load is None else f"; load of the machine before: {found.load:.1f}"
    typer.echo(f"{found.origin.hardware}{before}.")
    if out is not None:
        typer.echo(f"bench.json, table.md and plot.svg are in {out}.")
    if submit is not None:
        typer.echo(f"{submit} holds what can be sent in. Look at it first: it is short.")


def _numbers(option: str, text: str) -> list[int]:
    """Whole numbers of a list."""
    for part in text.split(","):
        if not (part.isascii() and part.isdecimal()) or int(part) < 1:
            raise ValueError(f"{option} is a list of whole numbers such as 1,4; got {part!r}.")
    return [int(part) for part in text.split(",")]
