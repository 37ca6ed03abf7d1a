"""The order in which training meets a fixed number of things: all of them, over and over."""

import numpy as np
from numpy.typing import NDArray

from ganzoo.training.latents import Purpose, stream


class Order:
    """Position of training to the number of a thing: every one once in an epoch, each epoch in its own order.

    It is a function of the position: no batch size, process or resumption changes it.

    Args:
        count: Number of things.
        seed: Run seed.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._epoch: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __call__(self, position: int) -> int:
        """The number at a position, from 0 to `count - 1`."""
        epoch, index = divmod(position, self.count)
        current = self._epoch  # once: another thread may be at another epoch
        if current[0] != epoch:
            current = epoch, stream(self.seed, Purpose.ORDER, epoch).permutation(self.count)
            self._epoch = current
        return int(current[1][index])
