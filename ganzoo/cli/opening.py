"""How commands that draw images open a model: in a runtime, and its saved w."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ganzoo.generators.generator import Generator


def in_engine(
    name: str, runtime: str, precision: str, device: str, cache_dir: Path | None
) -> "tuple[Generator, str]":
    """The generator in a runtime, and what computes."""
    from dataclasses import replace

    import torch

    from ganzoo.models.reference import reference
    from ganzoo.runtimes import Setup, choose_precision, opened
    from ganzoo.system.progress import stage

    model = reference(name, cache_dir)
    setup = Setup(runtime, precision, device, threads=torch.get_num_threads()).here(model)
    if precision == "auto":
        with stage(f"Opening {name}") as shown:
            choice = choose_precision(model, setup, report=shown.update)
        setup = replace(setup, precision=choice.precision)
        typer.echo(choice.told)
    with stage(f"Opening {name}") as shown:
        generator = opened(model, setup, shown.update)
    where = f"{device}, {torch.get_num_threads()} threads" if device == "cpu" else device
    return generator, f"{where}, {setup}"
