"""`ganzoo demo`: a page in the browser for one model."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ganzoo.cli import options
from ganzoo.cli.common import refuse_device
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.interruption import Interrupted


def demo(
    name: Annotated[str, typer.Argument(help="A model of `ganzoo list`, its folder, or hf-hub:owner/name.")],
    directions: Annotated[
        str | None, typer.Option(help="Take directions from this folder, YAML file or other model.")
    ] = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "fp32",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the engine (default: PyTorch's number).")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps …")] = "cpu",
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for whoever can reach this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port (default: a free one from 7860 on).")
    ] = None,
    in_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloaded weights are kept.")] = None,
) -> None:
    """Serve a page for one model until Ctrl-C: seeds, mixing, directions, walks, projection."""
    from ganzoo.demo.serving import check_address

    check_address(host, port)

    import torch

    from ganzoo.demo.opening import open_model
    from ganzoo.demo.page import app
    from ganzoo.demo.serving import serving
    from ganzoo.system.extras import needed
    from ganzoo.system.progress import stage

    keep_freed_memory()
    refuse_device(device)
    needed("gradio", "demo")
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        with stage(f"Opening {name}") as shown:
            model = open_model(
                name, runtime=runtime, precision=precision, device=device, threads=threads,
                directions=directions, cache_dir=cache_dir, report=shown.update,
            )  # fmt: skip
            page = app(model)
        with serving(page, host, port, in_browser=in_browser) as address:
            typer.echo(f"{name} ({model.engine}) at {address} until Ctrl-C.")
            while True:
                time.sleep(60)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: the demo is closed.") from None
