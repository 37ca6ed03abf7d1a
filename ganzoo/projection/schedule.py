"""How far each step of a projection goes, and how much it shakes w (Karras et al. 2020, appendix D)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Learning rate and noise of w over a projection; the defaults are StyleGAN2's, for w itself.

    Every length is a part of all steps.

    Attributes:
        rate: Highest learning rate.
        warm_up: Length of the linear rise at the beginning; the rate of the first step is 0.
        cool_down: Length of the cosine's fall at the end.
        w_noise: Noise on w at the beginning, in deviations of w.
        w_noise_length: When it has faded.
    """

    rate: float = 0.1
    warm_up: float = 0.05
    cool_down: float = 0.25
    w_noise: float = 0.05
    w_noise_length: float = 0.75

    def learning_rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        done = step / steps
        down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - done) / self.cool_down))
        return self.rate * down * min(1.0, done / self.warm_up)

    def noise(self, step: int, steps: int) -> float:
        """The noise of a step, in deviations of w."""
        return float(self.w_noise * max(0.0, 1 - step / steps / self.w_noise_length) ** 2)
