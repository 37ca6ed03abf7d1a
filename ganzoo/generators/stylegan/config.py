"""Everything that determines a StyleGAN."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ganzoo.blocks.adain import EPS
from ganzoo.generators.config import GENERATORS
from ganzoo.generators.leveled import LeveledConfig
from ganzoo.generators.stylegan.names import layer_side
from ganzoo.generators.stylegan.synthesis import Synthesis
from ganzoo.ops.activation import ACTIVATIONS
from ganzoo.system.validation import unknown


@GENERATORS.register("stylegan")
@dataclass(frozen=True, kw_only=True)
class StyleGANConfig(LeveledConfig):
    """Everything that determines the architecture (Karras et al. 2019, section 2 and appendix C).

    Args:
        resolution, channels, output: See `LeveledConfig`. With sub-bands the last two rows of w are not read.
        mapping, upsampler, conv, head: Blocks, each `{"name": ..., option: value}`; none of the last three
            is modulated.
        activation: Name of the layers' activation.
        eps: What AdaIN adds to the variance.
        shared_noise: Whether the two layers of a level get one noise, as in rosinality's networks.

    Raises:
        ValueError: for any value out of its range, an unknown block or option.
    """

    mapping: Mapping[str, Any] = field(default_factory=lambda: {"name": "mlp"})
    upsampler: Mapping[str, Any] = field(default_factory=lambda: {"name": "nearest"})
    conv: Mapping[str, Any] = field(default_factory=lambda: {"name": "full"})
    head: Mapping[str, Any] = field(default_factory=lambda: {"name": "single"})
    activation: str = "lrelu"
    eps: float = EPS
    shared_noise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", self.activation, ACTIVATIONS))
        if self.eps <= 0:
            raise ValueError(f"eps is positive; got {self.eps}.")

    @property
    def row_sides(self) -> tuple[int, ...]:
        return tuple(layer_side(row) for row in range(self.num_ws))

    def build_synthesis(self) -> Synthesis:
        return Synthesis(
            num_ws=self.num_ws,
            w_dim=self.w_dim,
            channels=self.channels,
            img_channels=self.img_channels,
            output=self.output,
            upsampler=self.upsampler,
            conv=self.conv,
            head=self.head,
            activation=self.activation,
            eps=self.eps,
            shared_noise=self.shared_noise,
        )
