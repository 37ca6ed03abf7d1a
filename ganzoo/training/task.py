"""What a run can train: the registry of tasks, the settings of each, and what the loop asks of one.

A task of another package is a class on `Task`, registered by `TASKS.register("name")`, with a frozen
dataclass on `TaskSettings` whose fields are its options: `ganzoo train task=name option=value` trains it, by
the loop of all others.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from torch import Tensor, nn

from ganzoo.generators.generator import Generator
from ganzoo.metrics.figures import Figure
from ganzoo.models.folders import TRAINED
from ganzoo.models.weights import save
from ganzoo.registry import Registry
from ganzoo.training.settings import OptimizerSettings
from ganzoo.training.task_settings import TaskSettings

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T", bound="Task")


@dataclass(frozen=True)
class Phase:
    """A part of a step that ends in one update.

    Args:
        name: Name that `loss` is asked for.
        modules: Names of the modules that learn.
        interval: Steps from one time to the next.
        turn: Number of those of its name before it in the step.
    """

    name: str
    modules: tuple[str, ...]
    interval: int = 1
    turn: int = 0


@dataclass(frozen=True)
class Sheet:
    """An image that shows how far a run has come.

    Args:
        image: Image.
        facts: Facts for its file.
        tag: Name in TensorBoard.
    """

    image: "Image"
    facts: Mapping[str, Any]
    tag: str = "samples"


class Task(ABC):
    """What a run trains, on one process.

    Attributes:
        options: Class of its settings.
        settings: Settings of the run.
        modules: Modules that learn, by name; the loop gives each an optimizer and saves it.
        averaged: Name of the module whose moving average is the result.
        optimizers: Settings of each module's optimizer, from the setting `<module>_optimizer` or `optimizer`.
        lr_scales: Factors of the learning rate by part, of the modules that have any; see
            `ganzoo.training.parts`, whose `freeze` keeps parts of a module from learning.
        result: Name of the folder that the result is written to.
        best: Kind of the figure that names the best checkpoint, such as "fd"; None if none does.
        protocol: What figures are measured on; the best of another protocol is forgotten.
        ahead: Whether batches are made in a thread, while the step before goes on.
    """

    options: ClassVar[type[TaskSettings]]
    settings: TaskSettings
    modules: Mapping[str, nn.Module]
    averaged: str
    optimizers: Mapping[str, OptimizerSettings]
    lr_scales: Mapping[str, Mapping[str, float]] = MappingProxyType({})
    result: str = TRAINED
    best: str | None = None
    protocol: str = ""
    ahead: bool = True

    def __init__(self, settings: Any, state: Any) -> None:
        self.settings, self.state = settings, state

    @classmethod
    def load(cls: type[T], settings: Any, state: Any) -> T:
        """The task of a run, with all that it learns from: by default what its constructor makes of both.

        Args:
            settings: Settings, of the class `options`.
            state: Accelerate's `PartialState`: device and process.

        Raises:
            ValueError, OSError: if something cannot be had.
        """
        return cls(settings, state)

    @abstractmethod
    def phases(self, kimg: float) -> list[Phase]:
        """The phases of a step after so many thousand images, in order."""

    @abstractmethod
    def batch(self, positions: Sequence[int]) -> Any:
        """What all phases of a step share, of the images at these positions of the run.

        It takes no gradient, and looks at nothing that learns: it is made while the step before goes on.
        """

    @abstractmethod
    def loss(self, phase: Phase, batch: Any, kimg: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a part of a batch, to go backward from, and its terms.

        Terms are averaged over parts and processes for `after_step`; those of one number go to the log.
        """

    def after_step(self, terms: Mapping[str, Tensor], kimg: float) -> None:  # noqa: B027 - nothing by default
        """Change the task's own state by a step's terms, which are the same on all processes."""

    def state_dict(self) -> dict[str, Tensor]:
        """The task's own state beside its modules, as a checkpoint keeps it."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take the state of a checkpoint.

        Raises:
            ValueError: if it is another task's.
        """
        if state:
            raise ValueError(f"unknown state {', '.join(sorted(state))}")

    def resume(self, facts: dict[str, Any]) -> None:  # noqa: B027 - nothing by default
        """Note in a run's facts what it learns from.

        Raises:
            ValueError: if it began with something else.
        """

    def begin(self) -> None:  # noqa: B027 - nothing by default
        """Bring the modules to where a new run starts, on every process; not called where a run goes on.

        What takes long belongs here: the folder is the run's own by now. All processes then continue with the
        weights of the first one.
        """

    def announce(self, kimg: float) -> float | None:
        """Tell what a run learns from, and what the rest of it costs; images a second, if known."""
        return None

    def prepare(self) -> None:  # noqa: B027 - nothing by default
        """Make what the run needs, after all was told."""

    def measure(self, averaged: nn.Module) -> dict[str, Figure]:
        """Figures of the averaged module, by name; called on every process."""
        return {}

    def figure_name(self, kind: str) -> str:
        """The name in `measure` of a kind of figure."""
        return kind

    def sheet(self, averaged: nn.Module) -> Sheet | None:
        """A sheet of the averaged module, or None; called on the main process."""
        return None

    def describe(self, averaged: nn.Module) -> dict[str, Any]:
        """What the record of a result holds beside what is measured of every run: its cost, by default."""
        if not isinstance(averaged, Generator):
            return {"parameters": sum(p.numel() for p in averaged.parameters()), "macs": None}
        from ganzoo.models.cost import costs  # with Triton, which a command line need not wait for

        cost = costs(averaged.config)["deployed synthesis"]
        return {"parameters": cost.parameters, "macs": cost.macs}

    def save(self, averaged: nn.Module, folder: Path, recipe: str | None) -> None:
        """Write the averaged module, by default a generator, as a model folder."""
        save(cast(Generator, averaged), folder, recipe=recipe)

    def card(self, result: Mapping[str, Any]) -> str | None:
        """The card of a result in Markdown, or None."""
        return None


TASKS: Registry[Task] = Registry("task", needs_defaults=False)
