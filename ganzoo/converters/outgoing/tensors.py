"""The tensors that leave: each of ours is taken once, and those that others keep as buffers are made."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_SHOWN = 5
_ROUNDING = 1e-6


class Own:
    """The tensors of a network, in float32 on the CPU, each to be taken once.

    Args:
        module: Generator or discriminator.
    """

    def __init__(self, module: nn.Module) -> None:
        self.left: dict[str, Tensor] = dict(module.state_dict())

    def __contains__(self, name: str) -> bool:
        return name in self.left

    def take(self, name: str) -> Tensor:
        """A copy of a tensor."""
        tensor = self.left.pop(name)
        device = tensor.device if tensor.is_meta else torch.device("cpu")
        return tensor.detach().to(device, torch.float32).clone(memory_format=torch.contiguous_format)

    def linear(self, source: str, target: str) -> dict[str, Tensor]:
        """Weight and bias of a layer under other names."""
        return {f"{target}.{kind}": self.take(f"{source}.{kind}") for kind in ("weight", "bias")}

    def finish(self) -> None:
        """Raise ValueError if a tensor was not taken."""
        if self.left:
            more = f" and {len(self.left) - _SHOWN} more" if len(self.left) > _SHOWN else ""
            raise ValueError(
                f"The layout has no place for {', '.join([*self.left][:_SHOWN])}{more} of this network."
            )


def kernel(taps: Sequence[float], gain: float = 1.0) -> Tensor:
    """The 2-D filter `[k, k]` of separable taps, with the sum `gain`."""
    row = torch.tensor(taps, dtype=torch.float32, device="cpu")
    return normalized(torch.outer(row, row)) * gain


def normalized(numbers: Tensor) -> Tensor:
    """A filter with the sum 1; one that was normalised before is left as it is, to the bit."""
    total = numbers.sum()
    return numbers if (total - 1).abs() < _ROUNDING else numbers / total
