"""`open_model`: a model opened once for all visitors of a demo."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from ganzoo.generators.deploy import deploy
from ganzoo.generators.generator import DEPLOYED, TRAINABLE, Generator
from ganzoo.latent.direction import Direction, Directions
from ganzoo.latent.directions import find_directions
from ganzoo.models.reference import Name, Reference, reference
from ganzoo.projection.family import smaller_members
from ganzoo.projection.photos import is_of_aligned_faces
from ganzoo.runtimes import Setup, choose_precision, exported_folder, opened
from ganzoo.system.images import check_channels


@dataclass(frozen=True)
class DemoModel:
    """A model that is open; nothing in it changes.

    Attributes:
        name: Name, as the settings in the files have it.
        generator: Generator that draws, in whatever engine.
        engine: Name of what computes, for people.
        directions: Directions that fit the model.
        source: What the name stands for; None for a generator that was given.
        given: The generator that was given, with gradients; None for a name.
    """

    name: str
    generator: Generator
    engine: str
    directions: tuple[Direction, ...] = ()
    source: Reference | None = None
    given: Generator | None = None

    @property
    def projects(self) -> bool:
        """Whether images can be projected: exported files have no gradients."""
        if self.source is None:
            return self.given is not None
        return exported_folder(self.source) is None

    @property
    def aligns(self) -> bool:
        """Whether faces in images are brought to where the model has them."""
        return self.source is not None and is_of_aligned_faces(self.source)

    @cached_property
    def projected(self) -> tuple[Generator, list[Generator]]:
        """The generator for projections and the smaller ones for its first steps, opened when first needed.

        Raises:
            ValueError: for a model without gradients.
        """
        if self.given is not None:
            return self.given, []
        if self.source is None or not self.projects:
            raise ValueError(f"{self.name} has no gradients: images cannot be projected.")
        names = smaller_members(self.source)
        sources = [self.source, *(reference(name, self.source.cache_dir) for name in names)]
        own, *coarse = (one.load().to(self.generator.device) for one in sources)
        return own, coarse


def open_model(
    model: Name | Generator,
    *,
    runtime: str = "auto",
    precision: str = "fp32",
    device: str = "cpu",
    threads: int | None = None,
    directions: Name | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    report: Callable[[str], None] = lambda what: None,
) -> DemoModel:
    """A model that is open for a demo.

    Args:
        model: Name as `ganzoo.create` takes it, a folder of exported files, or a generator, which stays on
            its device and in its engine.
        runtime: Runtime; see `ganzoo.runtimes.Setup` for this and the next three.
        precision: Precision, or "auto".
        device: Device of PyTorch.
        threads: Threads of the engine (default: PyTorch's number).
        directions: Folder, YAML file or model to take directions from (default: the model's own).
        cache_dir: Folder for weights and files.
        report: Function that is told what is being done, if it takes long.

    Raises:
        ValueError: for an unknown name, runtime or precision, images that cannot be shown, or directions of
            another model.
        ImportError: if the runtime is not installed.
        OSError: if weights cannot be had.
    """
    if isinstance(model, Generator):
        check_channels(model.img_channels, "This generator")
        found = find_directions(directions, model, cache_dir)
        drawing = deploy(model) if model.form == TRAINABLE else model
        given = model if model.form in (TRAINABLE, DEPLOYED) else None
        return DemoModel("generator", drawing, drawing.form, _fitting(found, model), given=given)
    source = reference(model, cache_dir)
    setup = Setup(runtime, precision, device, threads=threads or torch.get_num_threads()).here(source)
    if precision == "auto":
        choice = choose_precision(source, setup, report=report)
        setup = Setup(setup.runtime, choice.precision, device, threads=setup.threads)
    generator = opened(source, setup, report)
    check_channels(generator.img_channels, source.name)
    found = find_directions(source if directions is None else directions, generator, cache_dir)
    threads_ = "1 thread" if setup.threads == 1 else f"{setup.threads} threads"
    engine = f"{setup}, {threads_ if device == 'cpu' else device}"
    return DemoModel(source.name, generator, engine, _fitting(found, generator), source)


def _fitting(directions: Directions | None, generator: Generator) -> tuple[Direction, ...]:
    """The directions that move rows which a generator has."""
    return tuple(d for d in directions or () if d.rows is None or d.rows[0] < generator.num_ws)
