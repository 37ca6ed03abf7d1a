"""What the loop asks of a task: modules to train, phases of a step, and the loss of each phase."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn


@dataclass(frozen=True)
class Phase:
    """A part of a step that ends in one update.

    Args:
        name: what `loss` is asked for.
        modules: which of the task's modules learn.
        interval: steps from one time to the next.
    """

    name: str
    modules: tuple[str, ...]
    interval: int = 1


class Task(Protocol):
    """Distillation is one; adversarial training another.

    Attributes:
        averaged: the name of the module whose moving average is the result.
    """

    averaged: str

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """What is trained, by name; the loop gives each an optimiser and saves it."""

    def phases(self, kimg: float) -> list[Phase]:
        """The phases of a step after so many thousand images, in order."""

    def batch(self, positions: Sequence[int]) -> Any:
        """What all phases of a step share, of images at these positions of the run. Takes no gradient."""

    def loss(self, phase: Phase, batch: Any, kimg: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a part of a batch, to go backward from, and its terms for the log."""
