"""The moving average of a module's weights (Karras et al. 2018, section 4), whose half life ramps up."""

import copy

import torch
from torch import nn

from ganzoo.training.settings import EMASettings


class EMA:
    """Keeps `module`, the average of what it is shown; buffers are taken as they are, or averaged, too."""

    def __init__(self, module: nn.Module, settings: EMASettings) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False).eval()
        self.settings = settings

    def decay(self, batch_size: int, kimg: float) -> float:
        """The share that an update keeps of the average, after so many thousand images."""
        half_life = self.settings.half_life_kimg
        if self.settings.ramp_up is not None:
            half_life = min(half_life, kimg * self.settings.ramp_up)
        return float(0.5 ** (batch_size / max(half_life * 1000, 1e-8)))

    @torch.no_grad()
    def update(self, module: nn.Module, *, batch_size: int, kimg: float) -> None:
        """Move the average towards the module."""
        share = 1 - self.decay(batch_size, kimg)
        own, new = list(self.module.parameters()), list(module.parameters())
        pairs = [(a, b) for a, b in zip(own, new, strict=True) if b.requires_grad]
        torch._foreach_lerp_([a for a, _ in pairs], [b.detach() for _, b in pairs], share)
        averaged = self.settings.buffers == "average"
        for a, b in zip(self.module.buffers(), module.buffers(), strict=True):
            if averaged and a.is_floating_point():
                a.lerp_(b, share)
            else:
                a.copy_(b)
