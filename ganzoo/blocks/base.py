"""What every block is: a module that may give a cheaper form of itself for inference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """What the surroundings of a block ask its folded form to take over.

    Attributes:
        gain: Factor of the output.
        bias: Vector `[out]` to add to the output after the gain; None for none.
        order_in: Order in which the input's channels come; None for their own.
        order_out: Order in which the output's channels are wanted; None for their own.
    """

    gain: float = 1.0
    bias: Tensor | None = None
    order_in: Tensor | None = None
    order_out: Tensor | None = None


class Block(nn.Module):
    """Base of what can be swapped in a generator.

    `ganzoo.deploy` copies a generator and asks every block of the copy for its folded form. A block that says
    nothing stays as it is.

    Attributes:
        follows: Whether it stores statistics that follow the batches that it sees in train mode.
    """

    follows: ClassVar[bool] = False

    def follow(self, share: float | None) -> None:
        """Say how much the newest batch counts in the statistics that it stores; None for its own share."""

    def can_fold(self) -> bool:
        """Whether `folded` takes over all that a `Fold` asks for."""
        return False

    def folded(self, fold: Fold | None = None) -> nn.Module:
        """The block in its cheaper form, called like the block; it may take over the block's tensors.

        Args:
            fold: Operation to take over, given only to a block that can; None for nothing.
        """
        return self

    def input_norms(self, w: Tensor) -> Tensor:
        """How much the weights make of every input channel: `[in]`, or `[1]` if it is the same for all.

        The sum over output channels of the kernels' norms, times the style.

        Args:
            w: One row `[w_dim]`.
        """
        return w.new_zeros(1)

    def style_weights(self) -> list[Tensor]:
        """The matrices `[channels, w_dim]` by which it makes styles of w.

        A block that says nothing gives none: closed-form directions leave it out.
        """
        return []

    def product(self, x: Tensor, w: Tensor) -> tuple[Tensor, nn.Parameter] | None:
        """The output as a product, for a fit in closed form: features `[N, M, H, W]`, and a weight.

        The output is `weight.flatten(1) [out, M]` times the features. None if it is no such product, for
        example with demodulation; also what a block gives that says nothing.

        Args:
            x: Features, as the block is given them.
            w: Rows `[N, w_dim]`.
        """
        return None

    def narrowed(self, keep_in: Tensor, keep_out: Tensor) -> dict[str, Tensor]:
        """Tensors by name of the same block with fewer channels, which does what this one does of those.

        A block that says nothing gives none: the tensors of the narrower block start anew.

        Args:
            keep_in: Indices of the input's channels, in their new order.
            keep_out: Indices of the output's channels, in their new order.
        """
        return {}


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a part under the names that they have in the whole."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def is_overridden(block: nn.Module, base: type, *names: str) -> bool:
    """Whether a block computes in another way than its base class, which then cannot fold it."""
    return any(getattr(type(block), name) is not getattr(base, name) for name in names)
