"""How far each step of a projection goes, and how much it shakes w (Karras et al. 2020, appendix D)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Learning rate and noise of w over a projection; the defaults are StyleGAN2's.

    Every length is a part of all steps.

    Attributes:
        rate: Highest learning rate.
        warm_up: Length of the linear rise at the beginning; the rate of the first step is 0.
        cool_down: Length of the cosine's fall at the end.
        w_noise: Noise on w at the beginning, in deviations of w.
        w_noise_length: When it has faded.
        along_axes: Whether Adam sees w along its principal axes, in deviations along each, and not w itself.
    """

    rate: float = 0.1
    warm_up: float = 0.05
    cool_down: float = 0.25
    w_noise: float = 0.05
    w_noise_length: float = 0.75
    along_axes: bool = False

    def learning_rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        done = step / steps
        down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - done) / self.cool_down))
        return self.rate * down * min(1.0, done / self.warm_up)

    def noise(self, step: int, steps: int) -> float:
        """The noise of a step, in deviations of w."""
        return float(self.w_noise * max(0.0, 1 - step / steps / self.w_noise_length) ** 2)


FAST = Schedule(rate=0.2, cool_down=0.5, w_noise=0.0, along_axes=True)
"""For 30 to 300 steps, of which StyleGAN2's takes 1000."""
