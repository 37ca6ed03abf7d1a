"""`app`: the page of a demo."""

import os
from typing import TYPE_CHECKING

from ganzoo.demo.opening import DemoModel, open_model
from ganzoo.generators.generator import Generator
from ganzoo.models.reference import Name
from ganzoo.system.extras import needed

if TYPE_CHECKING:
    import gradio


def app(
    model: Name | Generator | DemoModel,
    *,
    runtime: str = "auto",
    precision: str = "fp32",
    device: str = "cpu",
    threads: int | None = None,
    directions: Name | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> "gradio.Blocks":
    """The page of a model, to be launched; it sends nothing to other hosts.

    Args:
        model: Name as `ganzoo.create` takes it, a folder of exported files, a generator, or an open model.
        runtime: Runtime; see `ganzoo.demo.opening.open_model` for this and the next five.
        precision: Precision, or "auto".
        device: Device of PyTorch.
        threads: Threads of the engine.
        directions: Folder, YAML file or model to take directions from.
        cache_dir: Folder for weights and files.

    Raises:
        ImportError: if Gradio or the runtime is not installed.
        ValueError: for what `open_model` refuses.
        OSError: if weights cannot be had.
    """
    needed("gradio", "demo")
    from ganzoo.demo.layout import Page

    if not isinstance(model, DemoModel):
        model = open_model(
            model, runtime=runtime, precision=precision, device=device, threads=threads,
            directions=directions, cache_dir=cache_dir,
        )  # fmt: skip
    return Page(model).blocks()
